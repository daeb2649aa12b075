"""The NumPy reference: one step in float64, without any exchange."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from joulia import registry
from joulia.arrays import Host
from joulia.bridge import Ops
from joulia.case import Case
from joulia.grid import Box, Tile, flatten, grow, pairs, slices
from joulia.kernel import Exchange, Kernel, Level
from joulia.parallel.comm import OneRank
from joulia.parallel.levels import exchange_of
from joulia.simulation.fields import allocate, by_component, tables

MOST_CELLS = 1 << 18
"""Of a whole grid that each rank computes once more, where a cell depends on all others."""


def reference_step(case: Case, tile: Tile) -> dict[str, Host]:
    """The tile's cells after one step of the NumPy version in float64.

    It starts from the same rounded initial values as the case, on the tile widened so far that no
    exchange is needed, so that a wrong exchange shows as a difference. A kernel with coarser levels
    is computed on the whole grid, where that has no more than `MOST_CELLS`: nothing is returned for
    others.
    """
    kernel = registry.kernel(case.kernel).kernel.of(case)
    if kernel.levels is not None and math.prod(case.shape) > MOST_CELLS:
        return {}
    width = max(0, kernel.halo.exchanges - 1) * kernel.halo.width
    wide = tile.widened(width)
    if kernel.levels is not None:
        wide = replace(tile, start=(0,) * kernel.dims, stop=case.shape)
    doubled = replace(case, dtype="float64", bridge="numpy", device="cpu", ranks=1)
    ops = numpy_ops(kernel, doubled)
    start = {
        name: host.astype("float64", copy=False)
        for name, host in allocate(kernel, case, wide).items()
    }
    start |= {
        name: host if host.dtype == np.int32 else host.astype("float64")
        for name, host in tables(kernel, case, wide).items()
    }
    exchange: Exchange = Shrinking(wide)
    if kernel.levels is not None:
        exchange = exchange_of(kernel, doubled, ops, wide, (1,) * kernel.dims, OneRank())
    fields = kernel.step(ops, start, exchange, doubled)
    inside = flatten(
        [
            (low + a - b, high + a - b)
            for (low, high), a, b in zip(pairs(tile.interior), tile.start, wide.start, strict=True)
        ]
    )
    got = {name: fields[name][slices(inside)] for name in kernel.results}
    return by_component(got, tile, kernel.cells(case))


def numpy_ops(kernel: Kernel, case: Case) -> Ops:
    """NumPy's functions of a kernel, and of those that it uses."""
    bridge = registry.bridge("numpy")
    every = []
    for name in (*kernel.uses, kernel.name):
        entry = registry.kernel(name)
        source = entry.source(bridge.SUFFIX)
        if source is None:
            raise FileNotFoundError(f"kernel {name} has no NumPy reference")
        importlib.import_module(source.module)
        own = kernel if name == kernel.name else entry.kernel
        every.append(bridge.load(own, source, case))
    *others, ops = every
    for other in others:
        ops.supply(other.functions)
    return ops


class Shrinking:
    """The exchange of a reference run that needs none.

    A tile that was widened by (exchanges x halo) cells holds enough initial data to compute the
    cells in its middle without neighbours: each exchange just gives up `halo` cells on every side
    that is not a wall. So the reference shares no exchange code with the run it checks.
    """

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
        self.levels: Sequence[Level] = ()
        self.thin = self
        self.given_up = 0

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        h = self.tile.halo
        self.given_up += h
        box = list(grow(self.tile.interior, h))
        for axis, (a, b) in enumerate(pairs(tuple(box))):
            wraps = self.tile.periodic[axis]
            low_wall = not wraps and self.tile.start[axis] == 0
            high_wall = not wraps and self.tile.stop[axis] == self.tile.grid[axis]
            box[2 * axis] = a + (h if low_wall else self.given_up)
            box[2 * axis + 1] = b - (h if high_wall else self.given_up)
        yield tuple(box)

    def dots(self, *pairs: tuple[Any, Any]) -> list[float]:
        raise NotImplementedError("a part of a grid has no sums over all of it")
