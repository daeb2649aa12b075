"""Kokkos: found, or built from a source distribution on PyPI that carries it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from joulia.bridges import _kokkos_library
from joulia.bridges.kokkos import LANGUAGE
from joulia.errors import Unavailable
from joulia.setup import sdist
from joulia.system.places import cache_dir

SDIST = "pykokkos-base==0.0.7"
"""The source distribution on PyPI that carries the whole of Kokkos 3.4.01."""
SHA256 = "6339daced1e81a2748f381847d8717cd77d824407da3c263b9491b5630c642b0"
SETTINGS = {
    "CMAKE_BUILD_TYPE": "Release",
    "CMAKE_INSTALL_LIBDIR": "lib",
    "CMAKE_CXX_STANDARD": "17",
    "BUILD_SHARED_LIBS": "ON",  # one Kokkos in a process, whatever kernels it loads
    "Kokkos_ENABLE_SERIAL": "ON",
    "Kokkos_ENABLE_OPENMP": "ON",
    "Kokkos_ENABLE_TESTS": "OFF",
}


def prepare(out: Console, source: Path | None) -> None:
    """A site's Kokkos is used where it is; else joulia's own is built into the cache directory."""
    if not os.environ.get(_kokkos_library.ROOT) and not _kokkos_library.own_prefix().is_dir():
        build(out, source)
    found = _kokkos_library.find()
    out.print(f"kokkos: found {found.library} ({found.version})", markup=False)


def build(out: Console, source: Path | None) -> None:
    compiler = LANGUAGE.compiler()
    # pip puts it beside Python, which need not be on PATH.
    cmake = shutil.which("cmake") or shutil.which("cmake", path=Path(sys.executable).parent)
    if cmake is None:
        raise Unavailable("no cmake found", "pip install cmake (or Debian: apt install cmake)")
    # Built aside and moved into place whole: an interrupted build leaves nothing half done.
    with tempfile.TemporaryDirectory(prefix="kokkos-build-", dir=cache_dir()) as folder:
        scratch = Path(folder)
        tree = sources(out, source, scratch)
        out.print(f"kokkos: building it with {compiler}, half a minute or more", markup=False)
        prefix, made = scratch / "prefix", scratch / "build"
        settings = SETTINGS | {"CMAKE_INSTALL_PREFIX": str(prefix)}
        settings["CMAKE_CXX_COMPILER"] = shutil.which(shlex.split(compiler)[0]) or compiler
        given = [f"-D{name}={value}" for name, value in settings.items()]
        run([cmake, "-S", str(tree), "-B", str(made), *given])
        run([cmake, "--build", str(made), "--parallel", str(len(os.sched_getaffinity(0)))])
        run([cmake, "--install", str(made)])
        prefix.rename(_kokkos_library.own_prefix())
    out.print(f"kokkos: built {_kokkos_library.own_prefix()}", markup=False)


def sources(out: Console, source: Path | None, scratch: Path) -> Path:
    if source is not None:
        return sdist.unpack(source, scratch, find_tree, "Kokkos")
    version = _kokkos_library.VERSION_BUILT
    out.print(f"kokkos: downloading Kokkos {version} ({SDIST} of PyPI)", markup=False)
    remedy = (
        "where there is a network, fetch its .tar.gz from PyPI, then `joulia prepare kokkos "
        "--source FILE`; or set Kokkos_ROOT to a site's Kokkos"
    )
    return sdist.download(SDIST, SHA256, scratch, find_tree, remedy)


def find_tree(folder: Path) -> Path:
    for header in folder.rglob("core/src/Kokkos_Core.hpp"):
        return header.parents[2]
    raise Unavailable(
        f"no Kokkos sources in {folder}", "name Kokkos' .tar.gz or its unpacked folder"
    )


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = [line for line in lines if "rror" in line] or lines[-3:]
        raise Unavailable(
            f"Kokkos does not build: {' | '.join(said[:3])}", "set CXX to another C++ compiler"
        )
