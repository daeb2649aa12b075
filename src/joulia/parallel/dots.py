"""Dot products over all ranks, the same in any order of cells and for any cut of the grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from joulia.arrays import Host
from joulia.parallel.comm import Comm

COLLECTIVES = 2
"""Collective operations that one call of `dots` takes."""
BITS = 53
"""Of a double's significand."""


def dots(comm: Comm, pairs: Sequence[tuple[Host, Host]], cells: int) -> list[float]:
    """sum x y of each pair over the cells of all ranks, `cells` in all, the same on every rank.

    Each product is cut into a part on a grid so coarse that sums of such parts are exact in any
    order, and the rest, of which the same is done (Rump, Ogita and Oishi, 2008; Demmel and Nguyen,
    2015): what is lost lies 2^-53 of the sum of magnitudes below the second grid.
    """
    products = [np.multiply(x, y, dtype=np.float64) for x, y in pairs]
    own = [float(np.max(np.abs(v), initial=0.0)) for v in products]
    largest = [max(column) for column in zip(*comm.allgather(own), strict=True)]
    parts = [exact_parts(v, top, cells) for v, top in zip(products, largest, strict=True)]
    every = comm.allgather(parts)
    return [math.fsum(math.fsum(level) for level in zip(*by_rank, strict=True))
            for by_rank in zip(*every, strict=True)]  # fmt: skip


def exact_parts(values: Host, largest: float, cells: int) -> tuple[float, float]:
    """The sums of the values' upper and lower parts, both without rounding."""
    if not 0.0 < largest < math.inf:
        return largest, 0.0
    # All of `cells` values below 2^exponent add up to less than half of 2^(exponent + headroom).
    headroom = math.ceil(math.log2(cells)) + 1
    exponent = math.frexp(largest)[1] + headroom
    upper = math.ldexp(1.0, exponent)
    high = (upper + values) - upper
    lower = math.ldexp(1.0, exponent - BITS + headroom)
    low = (lower + (values - high)) - lower
    return float(np.sum(high)), float(np.sum(low))
