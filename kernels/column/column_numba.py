"""dT/dt = d/dz(kappa dT/dz), backward Euler, in Numba: Thomas' algorithm for a row of columns.

Rows are shared among threads, and the loops along them become vectors. What the way down needs of
the way up, c and d, stays in the cache: a row is cut into blocks of columns for that. Levels lie
far apart in memory, so that no processor foresees the next row: it is asked for two levels ahead.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.bridges._numba_rows import cells
from joulia.kernels._numba_blocks import NEAR, buffers, row_to_read, row_to_write

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
# Without reference counts, whose atomic operations for each view of a row would cost as much as
# a row of a hundred cells.
ROW: dict[str, Any] = FLAGS | {"_nrt": False}
INLINED: dict[str, Any] = ROW | {"forceinline": True}
ELEMENTS = 32768
"""Of c, and of d: both stay in a second-level cache."""
COLUMNS = 256
"""Of a block, at most."""
ROWS = 2
"""That share buffers."""
AHEAD = 2
"""Levels."""
BELOW, E, ZEROS, LEVELS = 0, 1, 2, 3
"""Rows of a block's buffers: dt kappa / dz^2 of the face below; e; d = 0 below the lowest level;
and from there on c and d of each level."""


@numba.njit(**INLINED)
def eliminate(
    here: Any, over: Any, below: Any, d_below: Any, e: Any, c: Any, d: Any,
    stable: Any, unstable: Any,
) -> None:  # fmt: skip
    """c, d and e = 1 - c of a level from those of the level below.

    `below` is dt kappa / dz^2 of the face there.
    """
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
def finish(here: Any, below: Any, d_below: Any, e: Any, result: Any, cooling: Any) -> None:
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
    t: Any, out: Any, z0: Any, z1: Any, y: Any, xa: Any, xb: Any, rows: Any,
    stable: Any, unstable: Any, cooling: Any,
) -> None:  # fmt: skip
    """The columns xa <= x < xb of a row."""
    n, last = xb - xa, z1 - z0 - 1
    _, ny, nx = t.shape
    plane = ny * nx
    lowest = z0 * plane + y * nx + xa
    far = t.size > NEAR
    width = rows.shape[1]
    below, e = cells(rows, BELOW * width, n), cells(rows, E * width, n)
    d_below = cells(rows, ZEROS * width, n)
    below[:] = 0.0
    e[:] = 0.0
    d_below[:] = 0.0
    for k in range(last):
        at = lowest + k * plane
        if far and k + AHEAD <= last:
            row_to_read(t, at + AHEAD * plane, n)
        of_level = (LEVELS + 2 * k) * width
        c, d = cells(rows, of_level, n), cells(rows, of_level + width, n)
        here, over = cells(t, at, n), cells(t, at + plane, n)
        eliminate(here, over, below, d_below, e, c, d, stable, unstable)
        d_below = d
    at = lowest + last * plane
    finish(cells(t, at, n), below, d_below, e, cells(out, at, n), cooling)
    for k in range(last - 1, -1, -1):
        at = lowest + k * plane
        if far and k >= AHEAD:
            row_to_write(out, at - AHEAD * plane, n)
        of_level = (LEVELS + 2 * k) * width
        c, d = cells(rows, of_level, n), cells(rows, of_level + width, n)
        substitute(c, d, cells(out, at + plane, n), cells(out, at, n))


@numba.njit(parallel=True, **FLAGS)
def mix(box: Any, temperature: Any, out: Any, stable: Any, unstable: Any, cooling: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    real = temperature.dtype.type
    a, b, q = real(stable), real(unstable), real(cooling)
    levels = z1 - z0
    width = min(COLUMNS, ELEMENTS // levels // 8 * 8)
    for group in prange((y1 - y0 + ROWS - 1) // ROWS):
        # A cell more: rows of a buffer keep a distance, LLVM takes adjacent ones for overlapping.
        rows = buffers(LEVELS + 2 * levels, width + 1, temperature.dtype)
        ya = y0 + group * ROWS
        for y in range(ya, min(ya + ROWS, y1)):
            for xa in range(x0, x1, width):
                xb = min(xa + width, x1)
                block(temperature, out, z0, z1, y, xa, xb, rows, a, b, q)
