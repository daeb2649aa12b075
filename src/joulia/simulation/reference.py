"""The NumPy reference: one step in float64, without any exchange."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from joulia import registry
from joulia.case import Case
from joulia.grid import Box, Tile, flatten, grow, pairs, slices
from joulia.kernel import Host
from joulia.simulation.fields import allocate, by_component, tables


def reference_step(case: Case, tile: Tile) -> dict[str, Host]:
    """The tile's cells after one step of the NumPy version in float64.

    It starts from the same rounded initial values as the case, on the tile widened so far that no
    exchange is needed, so that a wrong exchange shows as a difference.
    """
    entry = registry.kernel(case.kernel)
    kernel = entry.kernel.of(case)
    numpy_bridge = registry.bridge("numpy")
    source = entry.source(numpy_bridge.SUFFIX)
    if source is None:
        raise FileNotFoundError(f"kernel {kernel.name} has no NumPy reference")
    width = max(0, kernel.halo.exchanges - 1) * kernel.halo.width
    wide = tile.widened(width)
    doubled = replace(case, dtype="float64", bridge="numpy", device="cpu")
    importlib.import_module(source.module)
    ops = numpy_bridge.load(kernel, source, doubled)
    start = {
        name: host.astype("float64", copy=False)
        for name, host in allocate(kernel, case, wide).items()
    }
    start |= {
        name: host if host.dtype == np.int32 else host.astype("float64")
        for name, host in tables(kernel, case, wide).items()
    }
    fields = kernel.step(ops, start, Shrinking(wide), doubled)
    inside = flatten(
        [
            (low + a - b, high + a - b)
            for (low, high), a, b in zip(pairs(tile.interior), tile.start, wide.start, strict=True)
        ]
    )
    got = {name: fields[name][slices(inside)] for name in kernel.results}
    return by_component(got, tile, kernel.cells(case))


class Shrinking:
    """The exchange of a reference run that needs none.

    A tile that was widened by (exchanges x halo) cells holds enough initial data to compute the
    cells in its middle without neighbours: each exchange just gives up `halo` cells on every side
    that is not a wall. So the reference shares no exchange code with the run it checks.
    """

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
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
