"""Where joulia keeps what it builds."""

from __future__ import annotations

import os
import warnings
from pathlib import Path


class NoCache(UserWarning):
    """What is compiled cannot be kept: every case compiles anew."""


def home() -> Path:
    """The user's home; `/` for a user without one, as in a container started with a bare number."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def cache_dir() -> Path:
    """JOULIA_CACHE_DIR, else `joulia` in XDG_CACHE_HOME, else in ~/.cache."""
    if own := os.environ.get("JOULIA_CACHE_DIR"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or str(home() / ".cache")
    return Path(base) / "joulia"


def keeps() -> bool:
    """Whether what is compiled can be kept; NoCache is warned where it cannot."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        writable = False
    else:
        writable = os.access(folder, os.W_OK)
    if not writable:
        warnings.warn(
            f"cannot write {folder}: every case compiles anew; set JOULIA_CACHE_DIR to a folder "
            "that can be written",
            NoCache,
            stacklevel=2,
        )
    return writable
