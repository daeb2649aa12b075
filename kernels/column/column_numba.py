"""dT/dt = d/dz(kappa dT/dz), backward Euler, in Numba: Thomas' algorithm for a row of columns.

Rows are shared among threads, and the loops along them become vectors. What the way down needs of
the way up, c, stays in the cache: a row is cut into blocks of columns for that; d stands in the
result.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_math import muladd

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
# Without reference counts, whose atomic operations for each view of a row would cost as much as
# a row of a hundred cells.
ROW: dict[str, Any] = FLAGS | {"_nrt": False}
INLINED: dict[str, Any] = ROW | {"forceinline": True}
ELEMENTS = 32768
"""Of c: it stays in a second-level cache."""
COLUMNS = 512
"""Of a block, at most."""
ROWS = 2
"""That share buffers."""


@numba.njit(**INLINED)
def eliminate(
    here: Any,
    over: Any,
    below: Any,
    d: Any,
    e: Any,
    c: Any,
    result: Any,
    stable: Any,
    unstable: Any,
) -> None:
    """d and e = 1 - c of a level from the level below; `below` is dt kappa / dz^2 of that face."""
    one = here.dtype.type(1.0)
    for x in range(here.size):
        above = unstable if over[x] < here[x] else stable
        s = muladd(below[x], e[x], one)
        inverse = one / (s + above)
        c[x] = above * inverse
        d[x] = muladd(below[x], d[x], here[x]) * inverse
        e[x] = s * inverse
        result[x] = d[x]
        below[x] = above


@numba.njit(**INLINED)
def finish(here: Any, below: Any, d: Any, e: Any, result: Any, cooling: Any) -> None:
    """The highest level, from which the flux takes heat."""
    one = here.dtype.type(1.0)
    for x in range(here.size):
        inverse = one / muladd(below[x], e[x], one)
        result[x] = muladd(below[x], d[x], here[x] - cooling) * inverse


@numba.njit(**INLINED)
def substitute(c: Any, over: Any, result: Any) -> None:
    for x in range(result.size):
        result[x] = muladd(c[x], over[x], result[x])


@numba.njit(**ROW)
def block(
    t: Any, out: Any, z0: Any, z1: Any, y: Any, xa: Any, xb: Any, rows: Any,
    stable: Any, unstable: Any, cooling: Any,
) -> None:  # fmt: skip
    """The columns xa <= x < xb of a row; `rows` are buffers: below, d, e, and c by level.

    Rows are taken from arrays of all axes: those of a slice would have strides, and no vectors.
    """
    n, top = xb - xa, z1 - 1
    below, d, e = rows[0, :n], rows[1, :n], rows[2, :n]
    rows[:3] = 0.0
    for z in range(z0, top):
        c = rows[3 + z - z0, :n]
        here, over, result = t[z, y, xa:xb], t[z + 1, y, xa:xb], out[z, y, xa:xb]
        eliminate(here, over, below, d, e, c, result, stable, unstable)
    finish(t[top, y, xa:xb], below, d, e, out[top, y, xa:xb], cooling)
    for z in range(top - 1, z0 - 1, -1):
        substitute(rows[3 + z - z0, :n], out[z + 1, y, xa:xb], out[z, y, xa:xb])


@numba.njit(parallel=True, **FLAGS)
def mix(box: Any, temperature: Any, out: Any, stable: Any, unstable: Any, cooling: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    real = temperature.dtype.type
    a, b, q = real(stable), real(unstable), real(cooling)
    width = min(COLUMNS, ELEMENTS // (z1 - z0) // 8 * 8)
    for group in prange((y1 - y0 + ROWS - 1) // ROWS):
        # Rows of a buffer keep a distance: LLVM takes adjacent ones for overlapping.
        rows = np.empty((z1 - z0 + 2, width + 8), temperature.dtype)
        ya = y0 + group * ROWS
        for y in range(ya, min(ya + ROWS, y1)):
            for xa in range(x0, x1, width):
                xb = min(xa + width, x1)
                block(temperature, out, z0, z1, y, xa, xb, rows, a, b, q)
