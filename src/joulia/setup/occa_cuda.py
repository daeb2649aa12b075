"""OCCA's CUDA mode, built as a library of its own beside joulia's libocca.

A libocca with its CUDA mode inside needs the NVIDIA driver to load at all. Here libocca stays as it
is, and its CUDA mode registers itself where it is loaded; machines without a GPU can build it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

from joulia.bridges import _occa_cuda
from joulia.bridges._occa_library import own_prefix
from joulia.errors import Unavailable
from joulia.system.places import cache_dir

ADAPTED = Path(_occa_cuda.__file__).with_name("_occa_cuda.h")


def prepare(out: Console) -> None:
    """Build it for the toolkit that is here; says why not where it cannot be."""
    try:
        version = "{}.{}".format(*_occa_cuda.toolkit())
        target = own_prefix() / "lib" / f"libocca-cuda-{version}.so"
        if target.is_file():
            out.print(f"occa: found its CUDA mode, {target}", markup=False)
            return
        out.print(f"occa: building its CUDA mode with CUDA {version}", markup=False)
        # Built aside and moved into place whole: an interrupted build leaves nothing half done.
        with tempfile.TemporaryDirectory(prefix="occa-cuda-", dir=cache_dir()) as scratch:
            build(own_prefix(), Path(scratch)).rename(target)
        out.print(f"occa: built {target}", markup=False)
    except Unavailable as error:
        out.print(f"occa: for processors only: {error}", markup=False)


def build(prefix: Path, scratch: Path) -> Path:
    """The library, in `scratch`; Unavailable with the compiler's last lines."""
    shim = scratch / "shim"
    (shim / "occa" / "defines").mkdir(parents=True)
    (shim / "cuda.h").write_text(ADAPTED.read_text())
    defines = Path("occa", "defines", "compiledDefines.hpp")
    text = (prefix / "include" / defines).read_text()
    (shim / defines).write_text(re.sub(r"(OCCA_CUDA_ENABLED\s+)0", r"\g<1>1", text))
    names = []
    for source in sorted((prefix / "src" / "mode" / "cuda").glob("*.cpp")):
        # Machine code, as OCCA 2 has it: a driver older than the toolkit refuses its PTX.
        (scratch / source.name).write_text(source.read_text().replace('" -ptx"', '" -cubin"'))
        names.append(source.name)
    if not names:
        raise Unavailable(f"no sources of OCCA's CUDA mode in {prefix}", "remove it, and prepare")
    nvcc = shlex.split(_occa_cuda.nvcc())
    options = ["-x", "c++", "-O2", "-Xcompiler", "-fPIC,-w", f"-I{shim}", f"-I{prefix / 'include'}"]

    # Together they read OCCA's headers once, which take most of the time.
    together = scratch / "together.cpp"
    together.write_text("".join(f'#include "{name}"\n' for name in names))
    whole = together.with_suffix(".o")
    _run([*nvcc, *options, "-c", str(together), "-o", str(whole)])
    library = scratch / "libocca-cuda.so"
    # The driver's own library is not named: where there is none, nothing could be linked to.
    where = [f"-L{prefix / 'lib'}", "-locca", "-Xlinker", "-rpath=$ORIGIN"]
    _run([*nvcc, "-shared", "--cudart", "none", str(whole), *where, "-o", str(library)])
    return library


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if "error" in line]
        raise Unavailable(
            f"OCCA's CUDA mode does not build: {' | '.join(lines[:3]) or command[0]}",
            "use another CUDA toolkit (CUDA_HOME)",
        )
