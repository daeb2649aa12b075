"""dc/dt = -div(v c) + kappa lap(c) in Numba: WENO5-Z fluxes through faces, in row functions.

A block keeps its row buffers of fluxes in x and y and a plane buffer in z, so that every face is
computed once; LLVM vectorises the row functions. Blocks are shared among threads. All row functions
are inlined into the block's: a call hands over seven numbers for each view of a row, which for rows
of 64 cells costs a third of the work on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange
from numba.extending import overload

from joulia.bridges._numba_math import muladd

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
# For functions that allocate nothing: without reference counts, whose atomic operations for each
# view of a row would cost as much as a row of a hundred cells.
# They must not return arrays.
ROW: dict[str, Any] = FLAGS | {"_nrt": False}
INLINED: dict[str, Any] = ROW | {"forceinline": True}
WRAPPER: Any = INLINED | {"cache": False}
PLANES, ROWS, COLUMNS = 32, 16, 512
# Buffers, a row each: fluxes through west faces, south faces of even and odd rows, the top, and
# from BOTTOM on, through the bottom of each row of the block.
WEST, SOUTH, TOP, BOTTOM = 0, 1, 3, 4


@numba.njit(**INLINED)
def weno5_double(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    """The value at the face between the upwind cell and the next, by WENO5-Z.

    a and b are the differences of the two cells upwind of it, d and e of those downwind. The
    weights over one denominator: alpha_k ~ C_k (e_k + tau^2) prod_{j != k} e_j with
    e_k = (beta_k + eps)^2, everything times 4. One division; the products need float64's range.
    """
    curve0, slope0 = muladd(-2.0, d, e), muladd(-4.0, d, e)
    curve1, slope1 = b + d, b - d
    curve2, slope2 = muladd(-2.0, b, a), muladd(-4.0, b, a)
    beta0 = muladd(13.0, curve0 * curve0, 3.0 * (slope0 * slope0))
    beta1 = muladd(13.0, curve1 * curve1, 3.0 * (slope1 * slope1))
    beta2 = muladd(13.0, curve2 * curve2, 3.0 * (slope2 * slope2))
    tau = beta0 - beta2
    e0, e1, e2 = beta0 + 4e-8, beta1 + 4e-8, beta2 + 4e-8
    e0, e1, e2 = e0 * e0, e1 * e1, e2 * e2
    w0 = 3.0 * muladd(tau, tau, e0) * (e1 * e2)
    w1 = 6.0 * muladd(tau, tau, e1) * (e0 * e2)
    w2 = muladd(tau, tau, e2) * (e0 * e1)
    p0, p1, p2 = muladd(5.0, d, -e), muladd(2.0, d, -b), muladd(2.0, a, -7.0 * b)
    parts = muladd(w0, p0, muladd(w1, p1, w2 * p2))
    return upwind + parts / (6.0 * (w0 + w1 + w2))


@numba.njit(**INLINED)
def weno5_single(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    """The same with a division for each weight: the products would underflow in float32."""
    f = np.float32
    curve0, slope0 = muladd(f(-2.0), d, e), muladd(f(-4.0), d, e)
    curve1, slope1 = b + d, b - d
    curve2, slope2 = muladd(f(-2.0), b, a), muladd(f(-4.0), b, a)
    beta0 = muladd(f(13.0), curve0 * curve0, f(3.0) * (slope0 * slope0))
    beta1 = muladd(f(13.0), curve1 * curve1, f(3.0) * (slope1 * slope1))
    beta2 = muladd(f(13.0), curve2 * curve2, f(3.0) * (slope2 * slope2))
    tau = abs(beta0 - beta2)
    ratio0, ratio1 = tau / (beta0 + f(4e-8)), tau / (beta1 + f(4e-8))
    ratio2 = tau / (beta2 + f(4e-8))
    w0 = muladd(f(3.0), ratio0 * ratio0, f(3.0))
    w1 = muladd(f(6.0), ratio1 * ratio1, f(6.0))
    w2 = muladd(ratio2, ratio2, f(1.0))
    p0, p1, p2 = muladd(f(5.0), d, -e), muladd(f(2.0), d, -b), muladd(f(2.0), a, f(-7.0) * b)
    parts = muladd(w0, p0, muladd(w1, p1, w2 * p2))
    return upwind + parts / (f(6.0) * (w0 + w1 + w2))


def weno5(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    """`weno5_double` or `weno5_single`: compiled functions take the one for their precision."""
    raise NotImplementedError


@overload(weno5, jit_options=WRAPPER)
def _weno5(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    chosen = weno5_single if upwind == numba.float32 else weno5_double

    def face_value(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
        return chosen(upwind, a, b, d, e)

    return face_value


@numba.njit(**INLINED)
def weno3(upwind: Any, b: Any, d: Any, one: Any, two: Any, eps: Any) -> Any:
    """The face value of third order: b and d are the differences upwind and downwind.

    1, 2 and 1e-8 are given in the precision of the others.
    """
    beta0, beta1 = d * d, b * b
    tau = abs(beta0 - beta1)
    ratio0, ratio1 = tau / (beta0 + eps), tau / (beta1 + eps)
    w0 = muladd(two, ratio0 * ratio0, two)
    w1 = muladd(ratio1, ratio1, one)
    return upwind + muladd(w0, d, -w1 * b) / (two * (w0 + w1))


@numba.njit(**INLINED)
def flux(velocity: Any, value: Any, before: Any, after: Any, k: Any) -> Any:
    """What the velocity carries of a face value, and diffusion between the cells on its sides."""
    return muladd(velocity, value, -k * (after - before))


@numba.njit(**INLINED)
def flux5(
    out: Any, velocity: Any, before3: Any, before2: Any, before: Any, after: Any, after2: Any,
    after3: Any, k: Any,
) -> None:  # fmt: skip
    """Fluxes through the faces between `before` and `after`; the others lie beyond in a line."""
    zero = out.dtype.type(0.0)
    for x in range(out.size):
        forward = velocity[x] > zero
        w3, w2, w1, e1, e2, e3 = before3[x], before2[x], before[x], after[x], after2[x], after3[x]
        upwind = w1 if forward else e1
        a = (w3 if forward else e3) - upwind
        b = (w2 if forward else e2) - upwind
        d = (e1 if forward else w1) - upwind
        e = (e2 if forward else w2) - upwind
        out[x] = flux(velocity[x], weno5(upwind, a, b, d, e), w1, e1, k)


@numba.njit(**INLINED)
def flux3(
    out: Any, velocity: Any, before2: Any, before: Any, after: Any, after2: Any, k: Any
) -> None:
    """Two cells away from a wall: WENO of third order."""
    real = out.dtype.type
    zero, one, two, eps = real(0.0), real(1.0), real(2.0), real(1e-8)
    for x in range(out.size):
        forward = velocity[x] > zero
        w2, w1, e1, e2 = before2[x], before[x], after[x], after2[x]
        upwind = w1 if forward else e1
        b = (w2 if forward else e2) - upwind
        d = (e1 if forward else w1) - upwind
        out[x] = flux(velocity[x], weno3(upwind, b, d, one, two, eps), w1, e1, k)


@numba.njit(**INLINED)
def flux1(out: Any, velocity: Any, before: Any, after: Any, k: Any) -> None:
    """One cell away from a wall: upwind."""
    zero = out.dtype.type(0.0)
    for x in range(out.size):
        upwind = before[x] if velocity[x] > zero else after[x]
        out[x] = flux(velocity[x], upwind, before[x], after[x], k)


@numba.njit(**INLINED)
def tendency(
    west: Any, east: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any,
    idz: Any,
) -> Any:  # fmt: skip
    """dc/dt of a cell, from the fluxes through its faces."""
    return muladd(bottom - top, idz, muladd(west - east, idx, (south - north) * idy))


@numba.njit(**INLINED)
def update1(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    now: Any, following: Any, first: Any,
) -> None:  # fmt: skip
    """The first stage's update of a row; `bottom` becomes the next plane's."""
    for x in range(following.size):
        rate = tendency(west[x], west[x + 1], south[x], north[x], bottom[x], top[x], idx, idy, idz)
        bottom[x] = top[x]
        following[x] = muladd(first, rate, now[x])


@numba.njit(**INLINED)
def update2(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    now: Any, history: Any, following: Any, second: Any, weight: Any, ahead: Any,
) -> None:  # fmt: skip
    for x in range(following.size):
        rate = tendency(west[x], west[x + 1], south[x], north[x], bottom[x], top[x], idx, idy, idz)
        bottom[x] = top[x]
        result = now[x] + muladd(second, rate, weight * (now[x] - history[x]))
        following[x] = result
        history[x] = muladd(ahead, rate, result)


@numba.njit(**INLINED)
def update3(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    field: Any, third: Any,
) -> None:  # fmt: skip
    for x in range(field.size):
        rate = tendency(west[x], west[x + 1], south[x], north[x], bottom[x], top[x], idx, idy, idz)
        bottom[x] = top[x]
        field[x] = muladd(third, rate, field[x])


@numba.njit(**ROW)
def blocks(box: Any) -> Any:
    z0, z1, y0, y1, x0, x1 = box
    return (
        (z1 - z0 + PLANES - 1) // PLANES,
        (y1 - y0 + ROWS - 1) // ROWS,
        (x1 - x0 + COLUMNS - 1) // COLUMNS,
    )


@numba.njit(**ROW)
def part(box: Any, block: Any, counts: Any) -> Any:
    z0, z1, y0, y1, x0, x1 = box
    _, ny, nx = counts
    za = z0 + block // (ny * nx) * PLANES
    ya = y0 + block // nx % ny * ROWS
    xa = x0 + block % nx * COLUMNS
    return za, min(za + PLANES, z1), ya, min(ya + ROWS, y1), xa, min(xa + COLUMNS, x1)


@numba.njit(**INLINED)
def face_x(out: Any, c: Any, u: Any, z: Any, y: Any, a: Any, b: Any, k: Any) -> None:
    flux5(
        out, u[z, y, a:b], c[z, y, a - 3 : b - 3], c[z, y, a - 2 : b - 2],
        c[z, y, a - 1 : b - 1], c[z, y, a:b], c[z, y, a + 1 : b + 1], c[z, y, a + 2 : b + 2], k,
    )  # fmt: skip


@numba.njit(**INLINED)
def face_y(out: Any, c: Any, v: Any, z: Any, y: Any, a: Any, b: Any, k: Any) -> None:
    flux5(
        out, v[z, y, a:b], c[z, y - 3, a:b], c[z, y - 2, a:b], c[z, y - 1, a:b],
        c[z, y, a:b], c[z, y + 1, a:b], c[z, y + 2, a:b], k,
    )  # fmt: skip


@numba.njit(**INLINED)
def face_z(
    out: Any, c: Any, w: Any, z: Any, y: Any, a: Any, b: Any, bottom: Any, top: Any, k: Any
) -> None:
    reach = min(z - bottom, top - z)
    if reach >= 3:
        flux5(
            out, w[z, y, a:b], c[z - 3, y, a:b], c[z - 2, y, a:b], c[z - 1, y, a:b],
            c[z, y, a:b], c[z + 1, y, a:b], c[z + 2, y, a:b], k,
        )  # fmt: skip
    elif reach == 2:
        flux3(
            out, w[z, y, a:b], c[z - 2, y, a:b], c[z - 1, y, a:b], c[z, y, a:b],
            c[z + 1, y, a:b], k,
        )  # fmt: skip
    elif reach == 1:
        flux1(out, w[z, y, a:b], c[z - 1, y, a:b], c[z, y, a:b], k)
    else:
        out[:] = 0.0


@numba.njit(**INLINED)
def faces(
    rows: Any, c: Any, u: Any, v: Any, w: Any, z: Any, y: Any, za: Any, ya: Any,
    a: Any, b: Any, bottom: Any, top: Any, kx: Any, ky: Any, kz: Any,
) -> Any:  # fmt: skip
    """The fluxes around a row, in order from (za - 1, ya - 1): whether all are there now.

    The rows before a block's first ones are there for the fluxes through their tops and north
    faces, so that each flux is computed in one place.
    """
    n = b - a
    if y >= ya:
        level = TOP if z >= za else BOTTOM + y - ya
        face_z(rows[level, :n], c, w, z + 1, y, a, b, bottom, top, kz)
    if z >= za:
        face_y(rows[SOUTH + ((y + 1) & 1), :n], c, v, z, y + 1, a, b, ky)
    if z < za or y < ya:
        return False
    face_x(rows[WEST, : n + 1], c, u, z, y, a, b + 1, kx)
    return True


@numba.njit(**ROW)
def block1(
    part: Any, rows: Any, c: Any, u: Any, v: Any, w: Any, c1: Any, bottom: Any, top: Any,
    geometry: Any, a: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, xa, xb = part
    idx, idy, idz, kx, ky, kz = geometry
    n = xb - xa
    for z in range(za - 1, zb):
        for y in range(ya - 1, yb):
            if not faces(rows, c, u, v, w, z, y, za, ya, xa, xb, bottom, top, kx, ky, kz):
                continue
            update1(
                rows[WEST, : n + 1], rows[SOUTH + (y & 1), :n], rows[SOUTH + ((y + 1) & 1), :n],
                rows[BOTTOM + y - ya, :n], rows[TOP, :n], idx, idy, idz,
                c[z, y, xa:xb], c1[z, y, xa:xb], a,
            )  # fmt: skip


@numba.njit(**ROW)
def block2(
    part: Any, rows: Any, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, bottom: Any, top: Any,
    geometry: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, xa, xb = part
    idx, idy, idz, kx, ky, kz = geometry
    n = xb - xa
    for z in range(za - 1, zb):
        for y in range(ya - 1, yb):
            if not faces(rows, c1, u, v, w, z, y, za, ya, xa, xb, bottom, top, kx, ky, kz):
                continue
            update2(
                rows[WEST, : n + 1], rows[SOUTH + (y & 1), :n], rows[SOUTH + ((y + 1) & 1), :n],
                rows[BOTTOM + y - ya, :n], rows[TOP, :n], idx, idy, idz,
                c1[z, y, xa:xb], c[z, y, xa:xb], c2[z, y, xa:xb], b, r, s,
            )  # fmt: skip


@numba.njit(**ROW)
def block3(
    part: Any, rows: Any, c2: Any, u: Any, v: Any, w: Any, c: Any, bottom: Any, top: Any,
    geometry: Any, third: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, xa, xb = part
    idx, idy, idz, kx, ky, kz = geometry
    n = xb - xa
    for z in range(za - 1, zb):
        for y in range(ya - 1, yb):
            if not faces(rows, c2, u, v, w, z, y, za, ya, xa, xb, bottom, top, kx, ky, kz):
                continue
            update3(
                rows[WEST, : n + 1], rows[SOUTH + (y & 1), :n], rows[SOUTH + ((y + 1) & 1), :n],
                rows[BOTTOM + y - ya, :n], rows[TOP, :n], idx, idy, idz,
                c[z, y, xa:xb], third,
            )  # fmt: skip


@numba.njit(parallel=True, **FLAGS)
def stage1(
    box: Any, c: Any, u: Any, v: Any, w: Any, c1: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, a: Any,
) -> None:  # fmt: skip
    real = c.dtype.type
    geometry = (real(idx), real(idy), real(idz), real(kx), real(ky), real(kz))
    a = real(a)
    counts = blocks(box)
    for block in prange(counts[0] * counts[1] * counts[2]):
        rows = np.empty((BOTTOM + ROWS, COLUMNS + 8), c.dtype)
        block1(part(box, block, counts), rows, c, u, v, w, c1, bottom, top, geometry, a)


@numba.njit(parallel=True, **FLAGS)
def stage2(
    box: Any, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    real = c.dtype.type
    geometry = (real(idx), real(idy), real(idz), real(kx), real(ky), real(kz))
    b, r, s = real(b), real(r), real(s)
    counts = blocks(box)
    for block in prange(counts[0] * counts[1] * counts[2]):
        rows = np.empty((BOTTOM + ROWS, COLUMNS + 8), c.dtype)
        block2(part(box, block, counts), rows, c1, u, v, w, c, c2, bottom, top, geometry, b, r, s)


@numba.njit(parallel=True, **FLAGS)
def stage3(
    box: Any, c2: Any, u: Any, v: Any, w: Any, c: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, third: Any,
) -> None:  # fmt: skip
    real = c.dtype.type
    geometry = (real(idx), real(idy), real(idz), real(kx), real(ky), real(kz))
    third = real(third)
    counts = blocks(box)
    for block in prange(counts[0] * counts[1] * counts[2]):
        rows = np.empty((BOTTOM + ROWS, COLUMNS + 8), c.dtype)
        block3(part(box, block, counts), rows, c2, u, v, w, c, bottom, top, geometry, third)


def specialize(single: int) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return {"stage1": stage1, "stage2": stage2, "stage3": stage3}
