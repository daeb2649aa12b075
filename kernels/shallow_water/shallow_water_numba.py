"""Rotating shallow water in Numba: du/dt = q V - dB/dx, dv/dt = -q U - dB/dy, dh/dt = -div(U, V).

With U, V = h u, h v, q = (f + dv/dx - du/dy) / h, B = (u^2 + v^2) / 2 + g h and Sadourny's means on
a C-grid. Blocks of rows are shared among threads, row functions become vectors.

A block goes up its rows and keeps what neighbouring rows share (fluxes, potential vorticity, the
Bernoulli function) in row buffers, so that each is computed once. The row functions take views of
rows: plain indexing with offsets would keep Numba's wrap-around of negative indices in the loop.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_math import muladd

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
# For functions that allocate nothing: without reference counts, whose atomic operations for each
# view of a row would cost as much as a row of a hundred cells.
# They must not return arrays.
ROW: dict[str, Any] = FLAGS | {"_nrt": False}
INLINED: dict[str, Any] = ROW | {"forceinline": True}
ROWS = 32
COLUMNS = 2048


@numba.njit(**INLINED)
def advance(
    V: Any, U: Any, q: Any, B: Any, P: Any, R: Any, q0: Any, U_south: Any,
    u0: Any, u1: Any, v0: Any, v1: Any, h0: Any, h1: Any,
    f: Any, g: Any, idx: Any, idy: Any,
) -> None:  # fmt: skip
    """U, B and R of row 0; V, q and P of row 1. The rows and B begin one cell west of the others.

    q0 and U_south are q of row 0 and U of the row south of it. P = q (V + V west) and
    R = q (U + U south) are what turns u and v.
    """
    half, quarter = V.dtype.type(0.5), V.dtype.type(0.25)
    for x in range(V.size):
        here, above = h0[x] + h0[x + 1], h1[x] + h1[x + 1]
        flux = half * here * u0[x + 1]
        west = half * (h0[x] + h1[x]) * v1[x]
        east = half * (h0[x + 1] + h1[x + 1]) * v1[x + 1]
        squares = muladd(u0[x], u0[x], u0[x + 1] * u0[x + 1]) + muladd(v0[x], v0[x], v1[x] * v1[x])
        curl = muladd(v1[x + 1] - v1[x], idx, -(u1[x + 1] - u0[x + 1]) * idy)
        corner = (f + curl) / (quarter * (here + above))
        B[x] = muladd(g, h0[x], quarter * squares)
        U[x] = flux
        V[x] = east
        q[x] = corner
        P[x] = corner * (west + east)
        R[x] = q0[x] * (U_south[x] + flux)


@numba.njit(**ROW)
def blocks(box: Any) -> Any:
    """The number of blocks of a box: along y, along x."""
    y0, y1, x0, x1 = box
    return (y1 - y0 + ROWS - 1) // ROWS, (x1 - x0 + COLUMNS - 1) // COLUMNS


@numba.njit(**ROW)
def part(box: Any, block: Any, along_x: Any) -> Any:
    y0, y1, x0, x1 = box
    ya, xa = y0 + block // along_x * ROWS, x0 + block % along_x * COLUMNS
    return ya, min(ya + ROWS, y1), xa, min(xa + COLUMNS, x1)


@numba.njit(**INLINED)
def rise(
    y: Any, xa: Any, xb: Any, rows: Any, u: Any, v: Any, h: Any,
    f: Any, g: Any, idx: Any, idy: Any,
) -> None:  # fmt: skip
    """Fill the buffers of row y: U, B and R in those of its parity, V, q and P of row y + 1."""
    n = xb - xa + 1
    here, other = rows[y & 1], rows[(y + 1) & 1]
    advance(
        other[0, :n], here[1, :n], other[2, :n], here[3, :n], other[4, :n], here[5, :n],
        here[2, :n], other[1, :n],
        u[y, xa - 1 : xb + 1], u[y + 1, xa - 1 : xb + 1],
        v[y, xa - 1 : xb + 1], v[y + 1, xa - 1 : xb + 1],
        h[y, xa - 1 : xb + 1], h[y + 1, xa - 1 : xb + 1],
        f, g, idx, idy,
    )  # fmt: skip


@numba.njit(**FLAGS)
def buffers(n: Any, real: Any) -> Any:
    """V, U, q, B, P and R of the even and the odd row, and three rows of rates, for `n` cells.

    Not initialised: a block's first R is made of rows that were not computed, and is not used. Rows
    of a buffer keep a distance: LLVM takes adjacent ones for overlapping.
    """
    return np.empty((2, 6, n + 8), real), np.empty((3, n + 8), real)


@numba.njit(**INLINED)
def tendencies(
    du: Any, dv: Any, dh: Any,
    V: Any, U: Any, B: Any, P: Any, R: Any, V_north: Any, B_south: Any, P_north: Any,
    idx: Any, idy: Any,
) -> None:  # fmt: skip
    """The rates of a row from its own buffers, V and P of the row north, B of that south."""
    quarter = V.dtype.type(0.25)
    for x in range(du.size):
        du[x] = muladd(quarter, P[x] + P_north[x], -(B[x + 1] - B[x]) * idx)
        dv[x] = muladd(-quarter, R[x] + R[x + 1], -(B[x + 1] - B_south[x + 1]) * idy)
        dh[x] = muladd(U[x] - U[x + 1], idx, (V[x] - V_north[x]) * idy)


@numba.njit(**INLINED)
def rates(y: Any, n: Any, rows: Any, rate: Any, idx: Any, idy: Any) -> None:
    own, other, m = rows[y & 1], rows[(y + 1) & 1], n + 1
    tendencies(
        rate[0, :n], rate[1, :n], rate[2, :n],
        own[0, :n], own[1, :m], own[3, :m], own[4, :n], own[5, :m],
        other[0, :n], other[3, :m], other[4, :n],
        idx, idy,
    )  # fmt: skip


@numba.njit(**INLINED)
def update1(rate: Any, now: Any, following: Any, first: Any) -> None:
    for x in range(rate.size):
        following[x] = muladd(first, rate[x], now[x])


@numba.njit(**INLINED)
def update2(
    rate: Any, now: Any, history: Any, following: Any, second: Any, weight: Any, ahead: Any
) -> None:
    for x in range(rate.size):
        result = now[x] + muladd(second, rate[x], weight * (now[x] - history[x]))
        following[x] = result
        history[x] = muladd(ahead, rate[x], result)


@numba.njit(**INLINED)
def update3(rate: Any, field: Any, third: Any) -> None:
    for x in range(rate.size):
        field[x] = muladd(third, rate[x], field[x])


@numba.njit(**ROW)
def block1(
    part: Any, rows: Any, rate: Any, u: Any, v: Any, h: Any, u1: Any, v1: Any, h1: Any,
    geometry: Any, a: Any,
) -> None:  # fmt: skip
    ya, yb, xa, xb = part
    f, g, idx, idy = geometry
    n = xb - xa
    rise(ya - 1, xa, xb, rows, u, v, h, f, g, idx, idy)
    for y in range(ya, yb):
        rise(y, xa, xb, rows, u, v, h, f, g, idx, idy)
        rates(y, n, rows, rate, idx, idy)
        update1(rate[0, :n], u[y, xa:xb], u1[y, xa:xb], a)
        update1(rate[1, :n], v[y, xa:xb], v1[y, xa:xb], a)
        update1(rate[2, :n], h[y, xa:xb], h1[y, xa:xb], a)


@numba.njit(**ROW)
def block2(
    part: Any, rows: Any, rate: Any, u1: Any, v1: Any, h1: Any, u: Any, v: Any, h: Any,
    u2: Any, v2: Any, h2: Any, geometry: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    ya, yb, xa, xb = part
    f, g, idx, idy = geometry
    n = xb - xa
    rise(ya - 1, xa, xb, rows, u1, v1, h1, f, g, idx, idy)
    for y in range(ya, yb):
        rise(y, xa, xb, rows, u1, v1, h1, f, g, idx, idy)
        rates(y, n, rows, rate, idx, idy)
        update2(rate[0, :n], u1[y, xa:xb], u[y, xa:xb], u2[y, xa:xb], b, r, s)
        update2(rate[1, :n], v1[y, xa:xb], v[y, xa:xb], v2[y, xa:xb], b, r, s)
        update2(rate[2, :n], h1[y, xa:xb], h[y, xa:xb], h2[y, xa:xb], b, r, s)


@numba.njit(**ROW)
def block3(
    part: Any, rows: Any, rate: Any, u2: Any, v2: Any, h2: Any, u: Any, v: Any, h: Any,
    geometry: Any, c: Any,
) -> None:  # fmt: skip
    ya, yb, xa, xb = part
    f, g, idx, idy = geometry
    n = xb - xa
    rise(ya - 1, xa, xb, rows, u2, v2, h2, f, g, idx, idy)
    for y in range(ya, yb):
        rise(y, xa, xb, rows, u2, v2, h2, f, g, idx, idy)
        rates(y, n, rows, rate, idx, idy)
        update3(rate[0, :n], u[y, xa:xb], c)
        update3(rate[1, :n], v[y, xa:xb], c)
        update3(rate[2, :n], h[y, xa:xb], c)


@numba.njit(parallel=True, **FLAGS)
def stage1(
    box: Any, u: Any, v: Any, h: Any, u1: Any, v1: Any, h1: Any,
    f: Any, g: Any, idx: Any, idy: Any, a: Any,
) -> None:  # fmt: skip
    real = u.dtype.type
    geometry, a = (real(f), real(g), real(idx), real(idy)), real(a)
    along_y, along_x = blocks(box)
    for block in prange(along_y * along_x):
        place = part(box, block, along_x)
        rows, rate = buffers(place[3] - place[2], u.dtype)
        block1(place, rows, rate, u, v, h, u1, v1, h1, geometry, a)


@numba.njit(parallel=True, **FLAGS)
def stage2(
    box: Any, u1: Any, v1: Any, h1: Any, u: Any, v: Any, h: Any, u2: Any, v2: Any, h2: Any,
    f: Any, g: Any, idx: Any, idy: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    real = u.dtype.type
    geometry = (real(f), real(g), real(idx), real(idy))
    b, r, s = real(b), real(r), real(s)
    along_y, along_x = blocks(box)
    for block in prange(along_y * along_x):
        place = part(box, block, along_x)
        rows, rate = buffers(place[3] - place[2], u.dtype)
        block2(place, rows, rate, u1, v1, h1, u, v, h, u2, v2, h2, geometry, b, r, s)


@numba.njit(parallel=True, **FLAGS)
def stage3(
    box: Any, u2: Any, v2: Any, h2: Any, u: Any, v: Any, h: Any,
    f: Any, g: Any, idx: Any, idy: Any, c: Any,
) -> None:  # fmt: skip
    real = u.dtype.type
    geometry, c = (real(f), real(g), real(idx), real(idy)), real(c)
    along_y, along_x = blocks(box)
    for block in prange(along_y * along_x):
        place = part(box, block, along_x)
        rows, rate = buffers(place[3] - place[2], u.dtype)
        block3(place, rows, rate, u2, v2, h2, u, v, h, geometry, c)
