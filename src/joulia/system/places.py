"""Where joulia keeps what it builds."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """JOULIA_CACHE_DIR, else `joulia` in XDG_CACHE_HOME, else in ~/.cache."""
    if own := os.environ.get("JOULIA_CACHE_DIR"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "joulia"
