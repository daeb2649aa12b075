"""A GPU for `julia:cuda` that is the processor: a driver, and a CUDA.jl in the project."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import stand_in

from joulia.bridges import _julia_cuda, julia

PACKAGE = Path(__file__).parent / "fake_cuda_jl"


def project(folder: Path, base: Path) -> Path:
    """A copy of a Julia project with the stand-in for CUDA.jl among its packages."""
    folder.mkdir(parents=True)
    own, locked = base / "Project.toml", base / "Manifest.toml"
    preferences = base / "LocalPreferences.toml"
    if preferences.exists():  # a site's own project may not work without
        shutil.copy(preferences, folder)
    text = own.read_text()
    added = f'CUDA = "{_julia_cuda.UUID}"\n'
    (folder / own.name).write_text(
        text.replace("[deps]\n", f"[deps]\n{added}", 1)
        if "[deps]\n" in text
        else f"{text}\n[deps]\n{added}"
    )
    # Paths are relative to the manifest; other packages' extensions want the real CUDA.jl.
    packages = re.sub(
        r'^path = "(.+)"$',
        lambda path: f'path = "{(base / path[1]).resolve()}"',
        locked.read_text(),
        flags=re.MULTILINE,
    )
    packages = re.sub(r'^ *\w+ = "CUDA"\n', "", packages, flags=re.MULTILINE)
    (folder / locked.name).write_text(
        f"{packages}\n[[deps.CUDA]]\n"
        f'deps = ["KernelAbstractions"]\npath = "{PACKAGE}"\n'
        f'uuid = "{_julia_cuda.UUID}"\nversion = "5.8.5"\n'
    )
    return folder


def environment(folder: Path) -> dict[str, str]:
    exe, base = julia.find()
    return {
        julia.EXE: exe,
        julia.PROJECT: str(project(folder / "project", Path(base))),
        "LD_LIBRARY_PATH": str(stand_in.driver(folder / "lib").parent),
    }
