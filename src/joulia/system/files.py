"""Small files by which the kernel tells what is."""

from __future__ import annotations

import math
from pathlib import Path


def text(path: Path) -> str | None:
    """A small file's content without blanks around it; None where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def number(path: Path) -> float | None:
    """The number that a file begins with; None where it cannot be read or holds none."""
    words = (text(path) or "").split()
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) else None


def cores_of(listed: str) -> list[int]:
    """The cores of a list as the kernel writes it: `0-3,8`; a memory node may have none.

    None as well where it is no such list: what cannot be read is not told.
    """
    cores: list[int] = []
    for part in filter(None, listed.split(",")):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            return []
        cores += range(int(first), int(last or first) + 1)
    return cores
