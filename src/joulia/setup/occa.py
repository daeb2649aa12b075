"""OCCA: found, or built from the source distribution on PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from joulia.bridges import _occa_library as occa_bridge
from joulia.errors import Unavailable
from joulia.setup import occa_cuda, occa_opencl, sdist
from joulia.system.places import cache_dir

OCCA_SDIST = "occa==0.3.6"
"""The source distribution on PyPI that carries the whole OCCA 1.0.8 C++ library."""
OCCA_SHA256 = "1c0ddecb7ca0dfcf9f6fe5c3d911a695cb5115533777316edfff45e5685dde99"
TOGETHER = "together.cpp"
"""The name of joulia's own sources among OCCA's: each includes the others of its folder."""
INCLUDED = ("kernelOperators.cpp", "runFunction.cpp")
"""Sources that other sources of OCCA's include: they are not compiled by themselves."""


def prepare(out: Console, source: Path | None) -> None:
    """A site's OCCA is used where it is; else joulia's own is built into the cache directory.

    Its own gets an OpenCL mode, and a CUDA mode where a CUDA toolkit is.
    """
    try:
        library = occa_bridge.find_library()
        out.print(f"occa: found {library}", markup=False)
    except Unavailable:
        if os.environ.get("OCCA_DIR"):
            raise
        library = build_occa(out, source)
    if occa_bridge.is_own(library):
        occa_opencl.prepare(out)
        occa_cuda.prepare(out)


def build_occa(out: Console, source: Path | None) -> Path:
    """Build joulia's own OCCA for processors; returns its library."""
    compiler = occa_bridge.compiler()
    if not shutil.which("make"):
        raise Unavailable("no make found", "install it (Debian: apt install make)")
    prefix = occa_bridge.own_prefix()
    # Built aside and moved into place whole: an interrupted build leaves nothing half done.
    with tempfile.TemporaryDirectory(prefix="occa-build-", dir=cache_dir()) as scratch:
        folder = Path(scratch)
        tree = sdist.unpack(source, folder, find_tree, "OCCA") if source else download(out, folder)
        build(out, tree, compiler)
        for unneeded in ("obj", "tests", "examples"):
            shutil.rmtree(tree / unneeded, ignore_errors=True)
        for part in (tree / "src").rglob(TOGETHER):
            part.unlink()
        tree.rename(prefix)
    out.print(f"occa: built {prefix}", markup=False)
    return Path(occa_bridge.find_library())


def download(out: Console, scratch: Path) -> Path:
    version = occa_bridge.VERSION_BUILT
    out.print(f"occa: downloading OCCA {version} ({OCCA_SDIST} of PyPI)", markup=False)
    remedy = (
        "where there is a network, fetch its .tar.gz from PyPI, then `joulia prepare occa "
        "--source FILE`; or set OCCA_DIR to a site's OCCA"
    )
    return sdist.download(OCCA_SDIST, OCCA_SHA256, scratch, find_tree, remedy)


def find_tree(folder: Path) -> Path:
    for header in folder.rglob("include/occa.hpp"):
        return header.parent.parent
    raise Unavailable(f"no OCCA sources in {folder}", "name OCCA's .tar.gz or its unpacked folder")


def together(tree: Path) -> list[Path]:
    """Sources for make, the largest first: for each folder of OCCA's, one that includes its files.

    Most of the time goes into the headers that every file reads: together, a third of it is left.
    """
    parts: dict[Path, int] = {}
    for folder in sorted({path.parent for path in (tree / "src").rglob("*.cpp")}):
        files = [path for path in sorted(folder.glob("*.cpp")) if path.name not in INCLUDED]
        size = {path: path.stat().st_size for path in files}
        if folder.name == "c":  # its types.hpp has no guard against being included twice
            parts |= size
            continue
        part = folder / TOGETHER
        part.write_text("".join(f'#include "{path.name}"\n' for path in files))
        parts[part] = sum(size.values())
    return sorted(parts, key=lambda part: -parts[part])


def build(out: Console, tree: Path, compiler: str) -> None:
    """make, with the progress of its object files; Unavailable with make's last lines."""
    # glibc dropped sys/sysctl.h, which OCCA 1.0.8 includes and does not need: an empty one will do.
    shim = tree.parent / "shim"
    (shim / "sys").mkdir(parents=True)
    (shim / "sys" / "sysctl.h").touch()
    env = os.environ | {"CPATH": os.pathsep.join([str(shim), os.environ.get("CPATH", "")])}
    parts = together(tree)
    out.print(f"occa: building it with {compiler}, a minute or more", markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=out, transient=True) as progress:
        task = progress.add_task("occa: building", total=len(parts))
        child = subprocess.Popen(
            ["make", "-C", str(tree), f"-j{len(os.sched_getaffinity(0))}", f"CXX={compiler}"]
            + [f"sources={' '.join(map(str, parts))}"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert child.stdout is not None
        lines = []
        try:
            for line in child.stdout:
                lines.append(line.rstrip())
                if " -c " in line or line.strip().endswith(".cpp"):
                    progress.advance(task)
        except BaseException:
            child.kill()
            raise
        finally:
            child.stdout.close()
            child.wait()
    if child.returncode or not list((tree / "lib").glob("libocca.*")):
        tail = " | ".join(line for line in lines[-5:] if line)
        raise Unavailable(f"OCCA does not build: {tail}", "set CXX to another C++ compiler")
