"""x + omega (b - A x), A = -lap with 7 points on cell centres, in Numba: rows that become vectors.

All of a V-cycle is u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t): sweeps, averages
of the residual, and sweeps of a corrected x. Planes are shared among threads. Where two cells of a
row become one, or have one parent, a buffer holds a row of the finer ones, so that the long loops
have unit stride. A cell beyond a wall has the value of the one inside.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.bridges._numba_rows import cells

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
ROW: dict[str, Any] = FLAGS | {"_nrt": False, "forceinline": True}


@numba.njit(**ROW)
def sweep_row(
    out: Any, row: Any, south: Any, north: Any, below: Any, above: Any, b: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """`row` begins one cell west of the others."""
    for x in range(out.size):
        value = muladd(v, b[x], u * row[x + 1])
        value = muladd(wx, row[x] + row[x + 2], value)
        value = muladd(wy, south[x] + north[x], value)
        out[x] = muladd(wz, below[x] + above[x], value)


@numba.njit(**ROW)
def add_row(
    out: Any, row: Any, south: Any, north: Any, below: Any, above: Any, b: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """The same, added to what is there."""
    for x in range(out.size):
        value = muladd(v, b[x], muladd(u, row[x + 1], out[x]))
        value = muladd(wx, row[x] + row[x + 2], value)
        value = muladd(wy, south[x] + north[x], value)
        out[x] = muladd(wz, below[x] + above[x], value)


@numba.njit(**ROW)
def sweep_at(
    out: Any, x: Any, b: Any, at: Any, under: Any, over: Any, n: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """`sweep_row` of the n cells from offset `at` on; `under` and `over` are how far the planes
    beside it are."""
    nx = x.shape[2]
    sweep_row(
        out, cells(x, at - 1, n + 2), cells(x, at - nx, n), cells(x, at + nx, n),
        cells(x, at + under, n), cells(x, at + over, n), cells(b, at, n), u, v, wx, wy, wz,
    )  # fmt: skip


@numba.njit(**ROW)
def pair_row(out: Any, sums: Any) -> None:
    for x in range(out.size):
        out[x] = sums[2 * x] + sums[2 * x + 1]


@numba.njit(**ROW)
def copy_row(out: Any, sums: Any) -> None:
    for x in range(out.size):
        out[x] = sums[x]


@numba.njit(**ROW)
def spread_row(
    out: Any, row: Any, south: Any, north: Any, below: Any, above: Any,
    u: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """The combination of parents' values, two cells for each parent: one of them is its own
    neighbour. `row` begins one parent west of the others."""
    for x in range(south.size):
        here = row[x + 1]
        value = muladd(wy, south[x] + north[x], u * here)
        value = muladd(wz, below[x] + above[x], value)
        out[2 * x] = muladd(wx, row[x] + here, value)
        out[2 * x + 1] = muladd(wx, here + row[x + 2], value)


@numba.njit(**ROW)
def parents_row(
    out: Any, row: Any, south: Any, north: Any, below: Any, above: Any,
    u: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """The same where each cell has a parent of its own in x."""
    for x in range(south.size):
        value = muladd(wy, south[x] + north[x], u * row[x + 1])
        value = muladd(wz, below[x] + above[x], value)
        out[x] = muladd(wx, row[x] + row[x + 2], value)


@numba.njit(parallel=True, **FLAGS)
def sweep(
    box: Any, x: Any, b: Any, out: Any, bottom: Any, top: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """out = the combination of x and b."""
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    real = x.dtype.type
    ru, rv, rx, ry, rz = real(u), real(v), real(wx), real(wy), real(wz)
    _, ny, nx = x.shape
    plane = ny * nx
    for z in prange(z0, z1):
        under, over = (max(z - 1, bottom) - z) * plane, (min(z + 1, top - 1) - z) * plane
        for y in range(y0, y1):
            at = z * plane + y * nx + x0
            result = cells(out, at, x1 - x0)
            sweep_at(result, x, b, at, under, over, x1 - x0, ru, rv, rx, ry, rz)


@numba.njit(parallel=True, **FLAGS)
def coarsen(
    box: Any, x: Any, b: Any, coarse: Any, sz: Any, sy: Any, sx: Any, oz: Any, oy: Any, ox: Any,
    my: Any, mx: Any, bottom: Any, top: Any, u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """coarse = the sum of the combination over the cells that one of the box's is made up of."""
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    real = x.dtype.type
    ru, rv, rx, ry, rz = real(u), real(v), real(wx), real(wy), real(wz)
    xa, xb = ((x0 - ox) << sx) + 1, ((x1 - ox) << sx) + 1
    n = xb - xa
    _, ny, nx = x.shape
    plane = ny * nx
    for parent in prange(z0, z1):
        sums = np.empty(n, x.dtype)
        za, ya = ((parent - oz) << sz) + 1, ((y0 - oy) << sy) + 1
        for row in range(y0, y1):
            first = True
            for z in range(za, za + (1 << sz)):
                under, over = (max(z - 1, bottom) - z) * plane, (min(z + 1, top - 1) - z) * plane
                for y in range(ya, ya + (1 << sy)):
                    at = z * plane + y * nx + xa
                    if first:
                        sweep_at(sums, x, b, at, under, over, n, ru, rv, rx, ry, rz)
                    else:
                        add_row(
                            sums, cells(x, at - 1, n + 2), cells(x, at - nx, n),
                            cells(x, at + nx, n), cells(x, at + under, n), cells(x, at + over, n),
                            cells(b, at, n), ru, rv, rx, ry, rz,
                        )  # fmt: skip
                    first = False
            result = cells(coarse, (parent * my + row) * mx + x0, x1 - x0)
            if sx:
                pair_row(result, sums)
            else:
                copy_row(result, sums)
            ya += 1 << sy


@numba.njit(parallel=True, **FLAGS)
def correct(
    box: Any, x: Any, coarse: Any, b: Any, out: Any,
    sz: Any, sy: Any, sx: Any, oz: Any, oy: Any, ox: Any, my: Any, mx: Any, bottom: Any, top: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """out = the combination of b and of x with its parent's value added."""
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    real = x.dtype.type
    ru, rv, rx, ry, rz = real(u), real(v), real(wx), real(wy), real(wz)
    # The row's parents, and where its first cell is among their cells.
    xa, xb = ((x0 - 1) >> sx) + ox, ((x1 - 2) >> sx) + ox + 1
    skipped = (x0 - 1) & sx
    n, parents = x1 - x0, xb - xa
    _, ny, nx = x.shape
    plane, deep = ny * nx, my * mx
    for z in prange(z0, z1):
        raised = np.empty((xb - xa) << sx, x.dtype)
        low, high = max(z - 1, bottom), min(z + 1, top - 1)
        here, under, over = ((z - 1) >> sz) + oz, ((low - 1) >> sz) + oz, ((high - 1) >> sz) + oz
        for y in range(y0, y1):
            row, south, north = ((y - 1) >> sy) + oy, ((y - 2) >> sy) + oy, (y >> sy) + oy
            of_row = here * deep + row * mx + xa
            rows = (
                cells(coarse, of_row - 1, parents + 2),
                cells(coarse, of_row + (south - row) * mx, parents),
                cells(coarse, of_row + (north - row) * mx, parents),
                cells(coarse, of_row + (under - here) * deep, parents),
                cells(coarse, of_row + (over - here) * deep, parents),
            )
            if sx:
                spread_row(raised, *rows, ru, rx, ry, rz)
            else:
                parents_row(raised, *rows, ru, rx, ry, rz)
            at = z * plane + y * nx + x0
            corrected_row(
                cells(out, at, n), cells(raised, skipped, n), cells(x, at - 1, n + 2),
                cells(x, at - nx, n), cells(x, at + nx, n), cells(x, at + (low - z) * plane, n),
                cells(x, at + (high - z) * plane, n), cells(b, at, n), ru, rv, rx, ry, rz,
            )  # fmt: skip


@numba.njit(**ROW)
def corrected_row(
    out: Any, raised: Any, row: Any, south: Any, north: Any, below: Any, above: Any, b: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """The combination of x and b, added to that of the parents' values."""
    for x in range(out.size):
        value = muladd(v, b[x], muladd(u, row[x + 1], raised[x]))
        value = muladd(wx, row[x] + row[x + 2], value)
        value = muladd(wy, south[x] + north[x], value)
        out[x] = muladd(wz, below[x] + above[x], value)


@numba.njit(parallel=True, **FLAGS)
def add(box: Any, x: Any, y: Any, a: Any, c: Any) -> None:
    """y = a x + c y."""
    z0, z1, y0, y1, x0, x1 = box
    real = x.dtype.type
    ra, rc = real(a), real(c)
    for z in prange(z0, z1):
        for j in range(y0, y1):
            for i in range(x0, x1):
                y[z, j, i] = muladd(ra, x[z, j, i], rc * y[z, j, i])
