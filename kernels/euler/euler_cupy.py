"""euler in CuPy: the NumPy version's expressions over large slabs of elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import cupy as cp

from joulia.grid import Box
from joulia.kernels._cupy import slabs
from joulia.kernels.euler.euler_numpy import functions


def cut(box: Box, values_a_cell: int, itemsize: int) -> Iterable[Box]:
    return slabs(box, values_a_cell)


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int
) -> dict[str, Callable[..., None]]:
    return functions(cp, cut, nodes, split, volume, lift)
