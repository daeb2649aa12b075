"""dT/dt = d/dz(kappa dT/dz), backward Euler, in Numba: Thomas' algorithm for a row of columns.

Rows are shared among threads, and the loops along them become vectors. What the way down needs of
the way up, c and d, stays in the cache: a row is cut into blocks of columns for that.
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
ELEMENTS = 8192
"""Of c, and of d: both stay in a second-level cache."""
COLUMNS = 512
"""Of a block, at most."""
ROWS = 2
"""That share buffers."""


@numba.njit(**INLINED)
def eliminate(
    here: Any, over: Any, below: Any, e: Any, d_below: Any, c: Any, d: Any,
    stable: Any, unstable: Any,
) -> None:  # fmt: skip
    """A level of a block from the level below; `below` is dt kappa / dz^2 there, e = 1 - c."""
    one = here.dtype.type(1.0)
    for x in range(here.size):
        above = unstable if over[x] < here[x] else stable
        s = muladd(below[x], e[x], one)
        inverse = one / (s + above)
        c[x] = above * inverse
        d[x] = muladd(below[x], d_below[x], here[x]) * inverse
        e[x] = s * inverse
        below[x] = above


@numba.njit(**INLINED)
def finish(here: Any, below: Any, e: Any, d_below: Any, result: Any, cooling: Any) -> None:
    """The highest level, from which the flux takes heat."""
    one = here.dtype.type(1.0)
    for x in range(here.size):
        inverse = one / muladd(below[x], e[x], one)
        result[x] = muladd(below[x], d_below[x], here[x] - cooling) * inverse


@numba.njit(**INLINED)
def substitute(c: Any, d: Any, over: Any, result: Any) -> None:
    for x in range(result.size):
        result[x] = muladd(c[x], over[x], d[x])


@numba.njit(**ROW)
def block(
    old: Any, new: Any, cs: Any, ds: Any, rows: Any, stable: Any, unstable: Any, cooling: Any
) -> None:
    """new = old after a step, both [level][x]; the rest are buffers."""
    top, n = old.shape[0] - 1, old.shape[1]
    below, e, d_below = rows[0, :n], rows[1, :n], rows[2, :n]
    rows[:] = 0.0
    for z in range(top):
        d = ds[z, :n]
        eliminate(old[z], old[z + 1], below, e, d_below, cs[z, :n], d, stable, unstable)
        d_below = d
    finish(old[top], below, e, d_below, new[top], cooling)
    for z in range(top - 1, -1, -1):
        substitute(cs[z, :n], ds[z, :n], new[z + 1], new[z])


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
        cs = np.empty((z1 - z0, width + 8), temperature.dtype)
        ds = np.empty((z1 - z0, width + 8), temperature.dtype)
        rows = np.empty((3, width + 8), temperature.dtype)
        ya = y0 + group * ROWS
        for y in range(ya, min(ya + ROWS, y1)):
            for xa in range(x0, x1, width):
                xb = min(xa + width, x1)
                old, new = temperature[z0:z1, y, xa:xb], out[z0:z1, y, xa:xb]
                block(old, new, cs, ds, rows, a, b, q)
