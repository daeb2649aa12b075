"""Small files by which the kernel tells what is."""

from __future__ import annotations

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
        return float(words[0])
    except (IndexError, ValueError):
        return None


def cores_of(listed: str) -> list[int]:
    """The cores of a list as the kernel writes it: `0-3,8`; a memory node may have none."""
    cores: list[int] = []
    for part in filter(None, listed.split(",")):
        first, _, last = part.partition("-")
        cores += range(int(first), int(last or first) + 1)
    return cores
