"""Where Numba keeps what it compiled: by content, so that copies of the sources share it."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self


class ByContent:
    """A function's place in Numba's cache (its NUMBA_CACHE_LOCATOR_CLASSES, from 0.62 on).

    Numba's own places are named after the folder of the sources, so that a second checkout, or the
    wheel beside it, would compile everything again. `CACHE_DIR` is joulia's, and stands for the
    content of all that a function may call (`numba.keep_in_cache`).
    """

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        config: Any = importlib.import_module("numba.core.config")
        self._py_file = file  # Numba names it where it warns
        self._line = function.__code__.co_firstlineno
        self._folder = Path(config.CACHE_DIR) / function.__module__

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Self | None:
        """None where the function is of no file: Numba then says that it cannot be kept."""
        if not Path(file).is_file():
            return None
        place = cls(function, file)
        place.ensure_cache_path()
        return place

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return content(self._py_file)

    def get_disambiguator(self) -> str:
        """What tells functions of one name in one file apart."""
        return str(self._line)


@functools.cache
def content(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
