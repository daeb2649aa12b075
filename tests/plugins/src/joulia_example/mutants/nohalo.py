"""Forgets to fill one side of the halo."""

from joulia.bridges import numpy as base
from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices  # noqa: F401


def load(kernel, source, case):
    ops = base.load(kernel, source, case)
    right = ops.copy

    def copy(array, source, target):
        if target[-2] > 0:  # the halo below x = 0 stays as it was
            right(array, source, target)

    ops.copy = copy
    return ops
