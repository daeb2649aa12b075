"""Numba: LLVM compiles the Python source, `prange` shares loops among threads."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from joulia.bridge import Device, HostOps, Ops, Source, python_functions
from joulia.case import Case
from joulia.errors import Unavailable
from joulia.kernel import Kernel

SUFFIX = "_numba.py"

_loaded: list[Any] = []


class NumbaOps(HostOps):
    def synchronize(self) -> None:
        """A parallel region ends with a join: calls return when their work is done."""


def devices() -> tuple[Device, ...]:
    missing = None
    if importlib.util.find_spec("numba") is None:
        missing = Unavailable("numba is not installed", "pip install numba")
    return (Device(missing=missing),)


def start(case: Case) -> dict[str, str]:
    import llvmlite
    import numba

    numba.set_num_threads(case.threads)
    return {"numba": numba.__version__, "llvmlite": llvmlite.__version__}


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    functions = python_functions(importlib.import_module(source.module), kernel, case)
    _loaded[:] = functions.values()
    return NumbaOps(functions, case.threads)


def cache() -> str:
    """Numba compiles at the first call: what its functions then found in their caches."""
    misses = sum(sum(f.stats.cache_misses.values()) for f in _loaded if hasattr(f, "stats"))
    return "cold" if misses else "warm"
