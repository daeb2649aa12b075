"""NumPy: the reference. One thread, no compilation."""

from __future__ import annotations

import importlib

from joulia.bridge import Device, HostOps, Ops, Source, python_functions
from joulia.case import Case
from joulia.kernel import Kernel

SUFFIX = "_numpy.py"


class NumpyOps(HostOps):
    def synchronize(self) -> None:
        """NumPy's calls return when their work is done."""


def devices() -> tuple[Device, ...]:
    return (Device(threads=False, ceiling=1),)


def start(case: Case) -> dict[str, str]:
    import numpy

    return {"numpy": numpy.__version__}


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    module = importlib.import_module(source.module)
    return NumpyOps(python_functions(module, kernel, case), threads=1)


def cache() -> str:
    return "none"
