"""Two revisions of a repository, each built into an environment of its own, and cleaned up."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from joulia.case import digest
from joulia.errors import JouliaError
from joulia.system.git import git as ask
from joulia.system.interpreter import python as python_of
from joulia.system.places import cache_dir

SIDES = ("base", "head")  # of equal length: the length of a path can shift what a process measures


@dataclass(frozen=True)
class Build:
    """A revision that is installed: its commit, its interpreter, the environment to run it in."""

    side: str
    commit: str
    subject: str
    python: Path
    env: dict[str, str]


def git(repository: Path, *arguments: str) -> str:
    """As `joulia.system.git`, however long it takes; JouliaError where there is no git."""
    try:
        return ask(repository, *arguments, patience_s=None)
    except FileNotFoundError:
        raise JouliaError("git is not here. Allowed: two results files instead") from None


def repository(start: Path, allowed: str = "a checkout of joulia, or two results files") -> Path:
    """The root of the git checkout that holds `start`, and what git says where there is none."""
    try:
        return Path(git(start, "rev-parse", "--show-toplevel"))
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [""]
        why = "" if "not a git repository" in said[0] else f" ({said[0]})"
        raise JouliaError(f"{start} is in no git repository{why}. Allowed: {allowed}") from None


def require_joulia(root: Path) -> None:
    """JouliaError where a checkout is of another project."""
    if not (root / "src" / "joulia").is_dir():
        raise JouliaError(
            f"{root} is no checkout of joulia: it has no src/joulia. Allowed: a checkout of "
            "joulia, or joulia gate --base REV -- COMMAND in any project"
        )


def resolve(root: Path, revision: str) -> str:
    """The full hash of a revision; JouliaError where git does not know it."""
    try:
        return git(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"
        )
    except subprocess.CalledProcessError:
        raise JouliaError(
            f"unknown revision '{revision}'. Allowed: a commit, branch or tag of {root} (a shallow "
            "clone lacks most: git fetch --unshallow)"
        ) from None


def require_clean(root: Path) -> None:
    """JouliaError where tracked files differ from HEAD: the gate would not measure them."""
    if changed := git(root, "status", "--porcelain", "--untracked-files=no"):
        names = [line[3:] for line in (" " + changed).splitlines()]
        raise JouliaError(
            f"the tree is dirty ({', '.join(n.strip() for n in names[:3])}"
            f"{', ...' if len(names) > 3 else ''}): its changes are in no revision. "
            "Allowed: commit them, or name --head REV"
        )


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    """A folder for trees and environments that is gone afterwards, whatever happened.

    It carries this host's, container's and process's names: what a killed gate left behind goes at
    the next start, and what a gate of another host or container has in the same cache stays.
    """
    home = cache_dir() / "gate"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JouliaError(f"cannot write {home}: {error.strerror}; set JOULIA_CACHE_DIR") from None
    here = _namespace()
    for old in home.glob(f"{here}-*-*"):
        pid = old.name.split("-")[1]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{here}-{os.getpid()}-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _namespace() -> str:
    """A short name for where a process's number means one process: a host, or a container on it."""
    try:
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        numbers = 0
    return digest(socket.gethostname(), numbers)[:8]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def build(root: Path, side: str, commit: str, folder: Path) -> Build:
    """Install a commit into an environment of its own; JouliaError where it does not build.

    Packages that fit are taken from this interpreter's environment, so that both revisions run on
    the same ones; what a revision needs and this environment lacks is installed for it alone.
    """
    tree, wheels, home = (folder / side / name for name in ("tree", "wheels", "venv"))
    tree.mkdir(parents=True)
    _export(root, commit, tree)
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    name = f"{side} {commit[:12]}"
    _pip(name, "wheel", "--no-deps", *_isolation(), "--wheel-dir", str(wheels), str(tree))
    (wheel,) = wheels.glob("*.whl")
    into = ("--python", str(python))
    _pip(name, *into, "install", "--no-deps", str(wheel))
    _share_packages(home)
    _pip(name, *into, "install", str(wheel))
    return Build(
        side, commit, git(root, "log", "-1", "--format=%s", commit), python, _environment(folder)
    )


def _export(root: Path, commit: str, tree: Path) -> None:
    """The files of a commit, without a work tree that git would have to forget afterwards."""
    archive = tree.parent / "tree.tar"
    try:
        git(root, "archive", "--format=tar", f"--output={archive}", commit)
    except subprocess.CalledProcessError as error:
        raise JouliaError(f"git cannot export {commit[:12]}: {error.stderr.strip()}") from None
    with tarfile.open(archive) as packed:
        packed.extractall(tree, filter="data")
    archive.unlink()


def _pip(what: str, *arguments: str) -> None:
    """pip, with the user's own index, proxy and certificates; its last error as one line."""
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    env = os.environ | {"PIP_ROOT_USER_ACTION": "ignore", "PIP_USER": "false"}
    done = subprocess.run(
        python_of("-m", "pip", *options, *arguments),
        env={k: v for k, v in env.items() if k not in {"PYTHONPATH", "PIP_TARGET"}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "rror" in line] or lines or ["pip gave no reason"]
        raise JouliaError(f"{what} does not build: {errors[-1][:300]}")


def _isolation() -> list[str]:
    """Build with the setuptools that is here where it will do: no download for each revision."""
    try:
        enough = int(version("setuptools").partition(".")[0]) >= 77
    except (PackageNotFoundError, ValueError):
        enough = False
    return ["--no-build-isolation"] if enough else []


def _share_packages(home: Path) -> None:
    """Make this environment's packages importable behind the environment's own.

    The folders are named, their own `.pth` files are not followed: an editable joulia stays out.
    """
    shared = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (own,) = home.glob("lib/python*/site-packages")
    (own / "shared.pth").write_text("".join(f"{path}\n" for path in sorted(shared)))
    # Wheels of MPI put their libraries into the environment's `lib`, where mpi4py looks for them.
    for library in (Path(sys.prefix) / "lib").iterdir():
        link = home / "lib" / library.name
        if not link.exists():
            link.symlink_to(library)


def _environment(folder: Path) -> dict[str, str]:
    """What both sides run in: nothing of this interpreter's paths, compiled code kept apart."""
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    env = {k: v for k, v in os.environ.items() if k not in dropped}
    # The mpiexec beside this interpreter belongs to the mpi4py that both sides share.
    path = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    # Numba keys its cache by the path of a source that is gone afterwards: so is its cache.
    return env | {
        "PATH": path,
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "JOULIA_CACHE_DIR": str(cache_dir()),
    }
