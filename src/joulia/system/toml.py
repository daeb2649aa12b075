"""TOML files that people write: what is wrong with one is told in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from joulia.errors import JouliaError


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file. JouliaError where it is none."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise JouliaError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise JouliaError(f"{path} is not TOML: {error}") from None


def positive(data: dict[str, Any], key: str, path: Path, within: str = "") -> float:
    """A positive number of a file. JouliaError where it is missing or something else."""
    if key not in data:
        raise JouliaError(f"{path}: {within}{key} is missing. Allowed: a positive number")
    value = data[key]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise JouliaError(f"{path}: {within}{key} = {value!r}. Allowed: a positive number")
    return float(value)


def words(data: dict[str, Any], key: str, path: Path, within: str = "") -> str:
    """Text of a file. JouliaError where it is missing, empty or something else."""
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise JouliaError(f"{path}: {within}{key} is missing. Allowed: text")
    return value


def one_of(
    data: dict[str, Any], key: str, allowed: tuple[str, ...], path: Path, within: str = ""
) -> str:
    """One of the allowed words. JouliaError with all of them where it is another."""
    value = words(data, key, path, within)
    if value not in allowed:
        raise JouliaError(f"{path}: {within}{key} = {value!r}. Allowed: {', '.join(allowed)}")
    return value
