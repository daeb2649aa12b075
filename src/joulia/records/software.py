"""Which code and which packages measured: read without importing any of them."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.version import version

HOME = Path(__file__).parents[1]
"""The folder of the package `joulia`."""
PACKAGES = ("numpy", "numba", "llvmlite", "juliacall", "mpi4py", "nvidia-ml-py")


@cache
def describe() -> dict[str, Any]:
    versions: dict[str, Any] = {"joulia": version(), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


WORKER = (
    "__init__.py",
    "errors.py", "case.py", "grid.py", "kernel.py", "bridge.py", "device_memory.py", "registry.py",
    "system",
    "parallel", "simulation", "measure",
    "energy/__init__.py", "energy/monitor.py", "energy/readings.py", "energy/accounting.py",
    "energy/uncertainty.py", "energy/update_periods.py", "energy/result.py",
    "records/__init__.py", "records/codec.py", "records/parts.py", "records/record.py",
    "records/stats.py",
    "meters", "kernels/__init__.py", "bridges/__init__.py",
)  # fmt: skip
"""The modules and packages of joulia that run in a worker's process, beside the case's own.

What decides what is measured, and nothing else: a table's heading makes no result stale.
"""
SOURCES = frozenset({".py", ".jl", ".okl", ".h", ".toml"})


@cache
def code(kernel: str, bridge: str) -> str:
    """A digest of everything that decides what a case measures: spine, bridge, kernel's folder."""
    here = HOME
    files = [file for name in WORKER for file in _sources(here / name)]
    files += _sources(here / "JouliaKernels")
    folder = registry.kernel(kernel).folder
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


@cache
def commit() -> str | None:
    """The commit of the source tree that joulia runs from, `+` where it was changed since."""
    root = HOME.resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()
