"""Bridges that are wrong in one way each: NumPy with its functions wrapped.

Verification inside the run must catch every one of them.
"""

from joulia.bridge import Device
from joulia.bridges import numpy as base

SUFFIX = "_numpy.py"


def devices():
    return (Device(threads=False),)


def mutate(wrap):
    """A `load` whose ops have their functions replaced by `wrap(function)`."""

    def load(kernel, source, case):
        ops = base.load(kernel, source, case)
        ops.functions = {name: wrap(f) for name, f in ops.functions.items()}
        for name, function in ops.functions.items():
            setattr(ops, name, function)
        return ops

    return load
