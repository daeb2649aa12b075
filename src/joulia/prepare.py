"""Everything ready before an allocation starts: OCCA built, Julia resolved, caches warm."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from joulia import prepare_occa_cuda, registry
from joulia.bridges import _julia_cuda
from joulia.bridges import _occa_library as occa_bridge
from joulia.bridges import julia as julia_bridge
from joulia.case import DTYPES, Case, Settings
from joulia.errors import Unavailable, suggest
from joulia.records import software
from joulia.run import launch
from joulia.show import console
from joulia.system import cuda
from joulia.system.places import cache_dir

OCCA_SDIST = "occa==0.3.6"
"""The source distribution on PyPI that carries the whole OCCA 1.0.8 C++ library."""
OCCA_SHA256 = "1c0ddecb7ca0dfcf9f6fe5c3d911a695cb5115533777316edfff45e5685dde99"
CUDA_JL = f"uuid='{_julia_cuda.UUID}', version='{_julia_cuda.VERSIONS}'"
"""CUDA.jl, as juliapkg takes it."""
WHAT = ("occa", "julia", "numba")


def prepare(what: str, source: Path | None = None) -> int:
    """Prepare one part or `all`; 0 where everything asked for is ready, 1 where some is not.

    With `all`, a Julia that is not there is named and is no failure: it is optional everywhere.
    """
    if what not in (*WHAT, "all"):
        raise suggest("part to prepare", what, [*WHAT, "all"])
    out = console(stderr=True)
    missing = []
    try:
        with locked():
            for part in WHAT if what == "all" else (what,):
                try:
                    steps = {"occa": occa, "julia": julia, "numba": numba}
                    steps[part](out, source)
                    warm(part, out)
                except Unavailable as error:
                    out.print(f"{part}: not ready: {error.reason}", style="yellow", markup=False)
                    if error.remedy:
                        out.print(f"{part}: remedy: {error.remedy}", markup=False)
                    missing.append(part)
    except OSError as error:
        where = error.filename or cache_dir()
        out.print(
            f"cannot write {where}: {error.strerror}; set JOULIA_CACHE_DIR to a folder that can be "
            "written",
            style="red",
            markup=False,
        )
        return 1
    return 1 if (missing if what != "all" else set(missing) - {"julia"}) else 0


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One `joulia prepare` at a time in a cache directory; a second one waits."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def numba(out: Console, source: Path | None) -> None:
    processor, *_ = registry.bridge("numba").devices()
    if processor.missing:
        raise processor.missing


# ---- OCCA ----------------------------------------------------------------------------------


def occa(out: Console, source: Path | None) -> None:
    """A site's OCCA is used where it is; else joulia's own is built into the cache directory.

    Its own gets a CUDA mode where a CUDA toolkit is.
    """
    try:
        found = occa_bridge.find_library()
        out.print(f"occa: found {found}", markup=False)
    except Unavailable:
        if os.environ.get("OCCA_DIR"):
            raise
        found = build_occa(out, source)
    if occa_bridge.is_own(found):
        prepare_occa_cuda.prepare(out)


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
        [sys.executable, "-m", "pip", "download", *options],
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


def build(out: Console, tree: Path, compiler: str) -> None:
    """make, with the progress of its object files; Unavailable with make's last lines."""
    # glibc dropped sys/sysctl.h, which OCCA 1.0.8 includes and does not need: an empty one will do.
    shim = tree.parent / "shim"
    (shim / "sys").mkdir(parents=True)
    (shim / "sys" / "sysctl.h").touch()
    env = os.environ | {"CPATH": os.pathsep.join([str(shim), os.environ.get("CPATH", "")])}
    total = len(list((tree / "src").rglob("*.cpp")))
    out.print(f"occa: building {total} files with {compiler}, a minute or more", markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=out, transient=True) as progress:
        task = progress.add_task("occa: building", total=total)
        child = subprocess.Popen(
            ["make", "-C", str(tree), f"-j{len(os.sched_getaffinity(0))}", f"CXX={compiler}"],
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


# ---- Julia ---------------------------------------------------------------------------------


def julia(out: Console, source: Path | None) -> None:
    """A site's Julia (both of juliacall's variables), else what juliapkg finds or installs.

    CUDA.jl is added where there is a GPU, and to joulia's own project only.
    """
    gpu = cuda.missing() is None
    if named := julia_bridge.site():
        out.print(f"julia: using {named[0]} with the project {named[1]}", markup=False)
        if gpu and not _julia_cuda.in_project(Path(named[1])):
            out.print("julia: for julia:cuda, add CUDA to that project", markup=False)
        return
    with contextlib.suppress(Unavailable):
        exe, project = julia_bridge.find()
        if not gpu or _julia_cuda.in_project(Path(project)):
            out.print(f"julia: found {exe}", markup=False)
            return
    out.print("julia: resolving Julia and its packages (juliapkg)", markup=False)
    noted = None
    if gpu:
        out.print(f"julia: with CUDA.jl for {cuda.current().name}", markup=False)
        try:
            noted = resolve(f"juliapkg.add('CUDA', {CUDA_JL}); ")
        except Unavailable as error:
            out.print(f"julia: without CUDA.jl: {error.reason}", style="yellow", markup=False)
    julia_bridge.prepared().write_text(json.dumps(noted or resolve("juliapkg.rm('CUDA'); ")))


def resolve(change: str) -> dict[str, str]:
    """Resolve joulia's project with juliapkg after a change; its Julia and its folder.

    juliapkg keeps what it resolved in its state, so that it gets a process of its own.
    """
    script = (
        f"import json, juliapkg; {change}juliapkg.resolve(); "
        "print(json.dumps({'exe': juliapkg.executable(), 'project': juliapkg.project()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Unavailable(
            f"Julia cannot be resolved: {lines[-1].strip() if lines else 'juliapkg failed'}",
            "install Julia 1.10.3 or newer where there is a network, or set "
            f"{julia_bridge.EXE} and {julia_bridge.PROJECT} to a site's own",
        )
    noted: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return noted


# ---- warm caches ---------------------------------------------------------------------------


def warm(part: str, out: Console) -> None:
    """Compile every kernel in both precisions, once for each state of the code."""
    pairs = [
        (part, device.name) for device in registry.bridge(part).devices() if device.missing is None
    ]
    cases = [
        Case(
            name, bridge, device, "tiny", entry.kernel.sizes["tiny"], dtype, 1, 1,
            entry.kernel.resolve({}),
        )
        for name, entry in registry.kernels().items()
        for bridge, device in pairs
        if registry.source(name, bridge, device)
        for dtype in DTYPES
    ]  # fmt: skip
    stamp = cache_dir() / f"warm-{part}.json"
    state = {case.label: software.code(case.kernel, case.bridge) for case in cases} | {
        "versions": software.describe()
    }
    with contextlib.suppress(OSError, ValueError):
        if json.loads(stamp.read_text()) == state:
            out.print(f"{part}: ready, caches warm", markup=False)
            return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=out, transient=True) as progress:
        task = progress.add_task(f"{part}: compiling kernels", total=len(cases))
        for case in cases:
            progress.update(task, description=f"{part}: {case.kernel} {case.dtype}")
            result = launch.run(case, Settings(window_s=1e-3, repeats=1))
            if result["status"] != "valid":
                tail = " | ".join(result.get("stderr", [])[-2:])
                raise Unavailable(f"{case.label}: {'; '.join(result['reasons'])} {tail}".strip())
            progress.advance(task)
    stamp.write_text(json.dumps(state))
    out.print(f"{part}: ready, {len(cases)} kernels compiled", markup=False)
