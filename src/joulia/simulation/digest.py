"""A digest of a whole grid's fields that does not depend on how the grid is cut into tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from joulia.arrays import Host, Words, mixed
from joulia.grid import Tile
from joulia.parallel.comm import Comm

CHUNK = 1 << 16
"""Values that are mixed at a time: their words stay in a cache."""


def fields_digest(comm: Comm, tile: Tile, fields: dict[str, Host]) -> dict[str, str]:
    """Sixteen hexadecimal digits a field: two are alike where every bit of every cell is.

    `fields` are those of the tile's own cells, [z][y][...][x], with the axes inside a cell before
    the last. Each value's bits are mixed with its index in the whole grid and added up modulo 2^64:
    the order of the cells, and so the cut, does not matter. The same on every rank; every rank must
    call it.
    """
    sums = {name: _tile_sum(tile, host) for name, host in fields.items()}
    every = comm.allgather(sums)
    return {name: f"{sum(part[name] for part in every) % 2**64:016x}" for name in fields}


def _tile_sum(tile: Tile, host: Host) -> int:
    total = 0
    word = {8: np.uint64, 4: np.uint32, 2: np.uint16}[host.dtype.itemsize]
    with np.errstate(over="ignore"):
        for values, index in _chunks(tile, host):
            bits = np.ascontiguousarray(values).view(word).astype(np.uint64)
            total += int(np.sum(mixed(mixed(index) ^ bits), dtype=np.uint64))
    return total


def _chunks(tile: Tile, host: Host) -> Iterator[tuple[Host, Words]]:
    """Parts of an array along its first axis, with the index of each value in the whole grid."""
    inner = host.shape[len(tile.grid) - 1 : -1]
    grid = (*tile.grid[:-1], *inner, tile.grid[-1])
    start = (*tile.start[:-1], *(0 for _ in inner), tile.start[-1])
    strides = [math.prod(grid[axis + 1 :]) for axis in range(len(grid))]
    rest = np.zeros((1,) * (len(grid) - 1), np.uint64)
    for axis in range(1, len(grid)):
        along = np.arange(start[axis], start[axis] + host.shape[axis], dtype=np.uint64)
        shape = [1] * (len(grid) - 1)
        shape[axis - 1] = -1
        rest = rest + (along * np.uint64(strides[axis])).reshape(shape)
    rows = max(1, CHUNK // max(1, math.prod(host.shape[1:])))
    for low in range(0, host.shape[0], rows):
        part = host[low : low + rows]
        first = np.arange(start[0] + low, start[0] + low + len(part), dtype=np.uint64)
        index = (first * np.uint64(strides[0])).reshape(-1, *[1] * rest.ndim) + rest
        yield part, np.broadcast_to(index, part.shape)
