"""Where Numba keeps what it compiled: by content, so that copies of the sources share it."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import UserProvidedCacheLocator

config: Any = importlib.import_module("numba.core.config")
Own: Any = UserProvidedCacheLocator


class ByContent(Own):  # type: ignore[misc]
    """A function's place in Numba's cache (its NUMBA_CACHE_LOCATOR_CLASSES, from 0.62 on).

    Numba's own places are named after the folder of the sources, so that a second checkout, or the
    wheel beside it, would compile everything again. `CACHE_DIR` is joulia's, and stands for the
    content of all that a function may call (`numba.keep_in_cache`).
    """

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        super().__init__(function, file)
        self._cache_path = str(Path(config.CACHE_DIR) / function.__module__)

    def get_source_stamp(self) -> str:
        """Of the file's content: in 0.62 it is of the time of its last change."""
        return content(self._py_file)


@functools.cache
def content(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
