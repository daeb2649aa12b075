"""Which code and which packages measured: read without importing any of them."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from joulia import __version__, registry

PACKAGES = ("numpy", "numba", "llvmlite", "juliacall", "mpi4py", "nvidia-ml-py")


@cache
def describe() -> dict[str, Any]:
    found: dict[str, Any] = {"joulia": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@cache
def code(kernel: str, bridge: str) -> str:
    """A digest of everything that decides what a case measures: spine, bridge, kernel's folder."""
    here = Path(__file__).parent
    module = getattr(registry.bridge(bridge), "__file__", None)
    files = [*here.glob("*.py"), *here.glob("meters/*.py"), *here.glob("JouliaKernels/**/*.*")]
    folder = registry.kernel(kernel).folder
    files += [path for path in [*folder.iterdir(), *folder.parent.glob("_*.py")] if path.is_file()]
    if module:
        files += [Path(module), *Path(module).parent.glob("_*.*")]  # its parts, OKL among them
    every = hashlib.sha256()
    for path in sorted(files):
        if path.suffix in {".py", ".jl", ".okl", ".toml"} and path.name != "Manifest.toml":
            every.update(path.name.encode() + b"\0" + path.read_bytes())
    return every.hexdigest()[:16]


@cache
def commit() -> str | None:
    """The commit of the source tree that joulia runs from, `+` where it was changed since."""
    root = Path(__file__).resolve().parents[2]
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
