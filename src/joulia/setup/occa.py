"""OCCA: found, or built from the source distribution on PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from joulia.bridges import _occa_library as occa_bridge
from joulia.errors import Unavailable
from joulia.setup import occa_cuda, occa_opencl
from joulia.system.interpreter import python
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
        tree = unpack(source, Path(scratch)) if source else download(out, Path(scratch))
        build(out, tree, compiler)
        for unneeded in ("obj", "tests", "examples"):
            shutil.rmtree(tree / unneeded, ignore_errors=True)
        for part in (tree / "src").rglob(TOGETHER):
            part.unlink()
        tree.rename(prefix)
    out.print(f"occa: built {prefix}", markup=False)
    return Path(occa_bridge.find_library())


def download(out: Console, scratch: Path) -> Path:
    """OCCA's sources through pip, with the user's own index, proxy and certificates.

    pip insists on the metadata of a source distribution, which this old one can give to no current
    Python: that failure is expected, and `--no-clean` leaves the sources, their hash checked.
    """
    out.print(
        f"occa: downloading OCCA {occa_bridge.VERSION_BUILT} ({OCCA_SDIST} of PyPI)", markup=False
    )
    requirement = scratch / "requirements.txt"
    requirement.write_text(f"{OCCA_SDIST} --hash=sha256:{OCCA_SHA256}\n")
    checked = ["--require-hashes", "--requirement", str(requirement)]
    sources = ["--no-deps", "--no-binary", "occa", "--no-build-isolation", "--no-clean"]
    options = [*checked, *sources, "--dest", str(scratch / "dest"), "--disable-pip-version-check"]
    done = subprocess.run(
        python("-m", "pip", "download", *options),
        env=os.environ | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return find_tree(scratch)
    except Unavailable:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        why = lines[-1].strip() if lines else f"pip ended with {done.returncode}"
        raise Unavailable(
            f"cannot download {OCCA_SDIST}: {why}",
            "where there is a network, fetch its .tar.gz from PyPI, then `joulia prepare occa "
            "--source FILE`; or set OCCA_DIR to a site's OCCA",
        ) from None


def unpack(source: Path, scratch: Path) -> Path:
    """The sources from an archive or a folder that the user names."""
    if source.is_dir():
        shutil.copytree(find_tree(source), scratch / "tree", symlinks=True)
        return scratch / "tree"
    try:
        with tarfile.open(source) as archive:
            archive.extractall(scratch, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(f"cannot unpack {source}: {error}", "name OCCA's .tar.gz") from None
    return find_tree(scratch)


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
