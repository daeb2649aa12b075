"""A mode of OCCA's for devices, built as a library of its own beside joulia's libocca.

A libocca with such a mode inside needs its driver to load at all. Here libocca stays as it is, and
the mode registers itself where it is loaded; machines without the device can build it.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from joulia.bridges._occa_library import own_prefix
from joulia.errors import Unavailable
from joulia.system.places import cache_dir


def prepare(out: Console, mode: str, name: str, build: Callable[[Path, Path], Path]) -> None:
    """Build the library `name` of a mode where it is not there; Unavailable where it cannot be."""
    target = own_prefix() / "lib" / name
    if target.is_file():
        out.print(f"occa: found its {mode} mode, {target}", markup=False)
        return
    out.print(f"occa: building its {mode} mode", markup=False)
    # Built aside and moved into place whole: an interrupted build leaves nothing half done.
    with tempfile.TemporaryDirectory(prefix="occa-mode-", dir=cache_dir()) as scratch:
        build(own_prefix(), Path(scratch)).rename(target)
    out.print(f"occa: built {target}", markup=False)


def together(
    prefix: Path,
    mode: str,
    headers: Mapping[str, str],
    scratch: Path,
    adapted: Callable[[str], str] = lambda text: text,
) -> tuple[Path, list[str]]:
    """One source that includes those of a mode, as `adapted`, and the folders that it needs.

    Together they read OCCA's headers once, which take most of the time. `headers` stand before the
    system's own.
    """
    shim = scratch / "shim"
    defines = Path("occa", "defines", "compiledDefines.hpp")
    text = (prefix / "include" / defines).read_text()
    enabled = re.sub(rf"(OCCA_{mode.upper()}_ENABLED\s+)0", r"\g<1>1", text)
    for name, content in {**headers, str(defines): enabled}.items():
        (shim / name).parent.mkdir(parents=True, exist_ok=True)
        (shim / name).write_text(content)
    names = []
    for source in sorted((prefix / "src" / "mode" / mode.lower()).glob("*.cpp")):
        (scratch / source.name).write_text(adapted(source.read_text()))
        names.append(source.name)
    if not names:
        raise Unavailable(f"no sources of OCCA's {mode} mode in {prefix}", "remove it, and prepare")
    whole = scratch / "together.cpp"
    whole.write_text("".join(f'#include "{name}"\n' for name in names))
    return whole, [f"-I{shim}", f"-I{prefix / 'include'}"]


def compile_(command: Sequence[str], mode: str, remedy: str) -> None:
    """Run a compiler; Unavailable with its first errors."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if "error" in line]
        raise Unavailable(
            f"OCCA's {mode} mode does not build: {' | '.join(lines[:3]) or command[0]}", remedy
        )
