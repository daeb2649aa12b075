"""Which code and which packages measured: read without importing any of them."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.system.git import PATIENCE_S, git
from joulia.version import version

HOME = Path(__file__).parents[1]
"""The folder of the package `joulia`."""
PACKAGES = ("numpy", "numba", "llvmlite", "juliacall", "mpi4py", "nvidia-ml-py")


@cache
def describe() -> dict[str, Any]:
    versions: dict[str, Any] = {"joulia": version(), "python": platform.python_version()}
    return versions | {name: installed(name) for name in PACKAGES}


@cache
def installed(name: str) -> str | None:
    """A distribution's version; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


WORKER = (
    "__init__.py",
    "errors.py", "arrays.py", "case.py", "checks.py", "grid.py", "kernel.py", "bridge.py",
    "device_memory.py", "registry.py",
    "system",
    "parallel", "simulation", "measure",
    "energy/__init__.py", "energy/monitor.py", "energy/readings.py", "energy/accounting.py",
    "energy/counters.py", "energy/opening.py", "energy/polling.py",
    "energy/uncertainty.py", "energy/update_periods.py", "energy/rest.py",
    "energy/result.py", "energy/starts.py",
    "records/__init__.py", "records/codec.py", "records/conditions.py", "records/parts.py",
    "records/record.py",
    "records/starts.py", "records/stats.py",
    "meters", "kernels/__init__.py", "bridges/__init__.py",
)  # fmt: skip
"""The modules and packages of joulia that run in a worker's process, beside the case's own.

What decides what is measured, and nothing else: a table's heading makes no result stale.
"""
SOURCES = frozenset({".py", ".jl", ".okl", ".h", ".cpp", ".hpp", ".f90", ".toml"})


@cache
def code(kernel: str, bridge: str) -> str:
    """A digest of everything that decides what a case measures: spine, bridge, kernel's folder and
    those of the kernels whose functions it uses or whose sources it imports."""
    here = HOME
    files = [file for name in WORKER for file in _sources(here / name)]
    files += _sources(here / "JouliaKernels")
    for name in (kernel, *registry.kernel(kernel).kernel.uses):
        for folder in registry.kernel(name).folders():
            files += [*_sources(folder), *_siblings(folder, here / "kernels")]
    if module := getattr(registry.bridge(bridge), "__file__", None):
        home = Path(module)
        files += _sources(home.parent if home.name == "__init__.py" else home)
        files += _siblings(home, here / "bridges")
    every = hashlib.sha256()
    for path in sorted(set(files)):
        every.update(path.name.encode() + b"\0" + path.read_bytes())
    return every.hexdigest()[:16]


def _sources(path: Path) -> list[Path]:
    """A source file, or all below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return [file for file in files if file.suffix in SOURCES and file.name != "Manifest.toml"]


def _siblings(path: Path, home: Path) -> list[Path]:
    """What joulia's own kernels or bridges share; a plug-in's neighbours are not its parts."""
    if path.parent.resolve() != home.resolve():
        return []
    return [file for file in home.glob("_*.*") if file.suffix in SOURCES]


@dataclass(frozen=True)
class Commit:
    """A source tree's commit, `+` where it was changed since; None with the reason if unknown."""

    name: str | None
    reason: str | None = None


@cache
def commit() -> Commit:
    """The commit of the source tree that joulia runs from. Never raises: it is only a name."""
    return commit_of(HOME.resolve().parents[1])


def commit_of(root: Path, patience_s: float = PATIENCE_S) -> Commit:
    """The same of any source tree; git gets as many seconds for each of two questions."""
    try:
        if not (root / ".git").exists():
            return Commit(None, "joulia does not run from a git repository")
        wanted = ("rev-parse", "--show-toplevel", "HEAD")
        top, head = git(root, *wanted, patience_s=patience_s).splitlines()
        if Path(top).resolve() != root.resolve():  # git looks above a folder that it cannot read
            return Commit(None, f"git takes {top} for the repository of {root}")
        wanted = ("status", "--porcelain", "--untracked-files=no")
        changed = git(root, *wanted, patience_s=patience_s)
        return Commit(head + ("+" if changed else ""))
    except subprocess.TimeoutExpired as error:
        return Commit(None, f"git did not answer within {error.timeout:g} s")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        return Commit(None, f"git refused: {lines[0]}")
    except (OSError, ValueError) as error:
        return Commit(None, f"git cannot be asked: {error}")
