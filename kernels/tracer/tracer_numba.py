"""tracer in Numba: blocks shared among threads, face fluxes in row functions that LLVM vectorises.

A block keeps its row buffers of fluxes in x and y and a plane buffer in z, so that every face is
computed once; see `flux5` for the arithmetic. All row functions are inlined into the block's: a
call hands over seven numbers for each view of a row, which for rows of 64 cells costs a third of
the work on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange
from numba.extending import overload

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz", "contract"}, "error_model": "numpy"}
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
def flux5_double(
    out: Any, vel: Any, p: Any, q: Any, r: Any, s: Any, t: Any, u: Any, k: Any
) -> None:
    """Fluxes through the faces between r and s; p to u are six cells in a line.

    The weights of WENO5-Z over one denominator: alpha_k ~ C_k (e_k + tau^2) prod_{j != k} e_j with
    e_k = (beta_k + eps)^2, everything times 4. One division; the products need float64's range.
    """
    for x in range(out.size):
        forward = vel[x] > 0.0
        px, qx, rx, sx, tx, ux = p[x], q[x], r[x], s[x], t[x], u[x]
        c = rx if forward else sx
        a = (px if forward else ux) - c
        b = (qx if forward else tx) - c
        d = (sx if forward else rx) - c
        e = (tx if forward else qx) - c
        s0, t0 = e - 2.0 * d, e - 4.0 * d
        s1, t1 = b + d, b - d
        s2, t2 = a - 2.0 * b, a - 4.0 * b
        beta0 = 13.0 * (s0 * s0) + 3.0 * (t0 * t0)
        beta1 = 13.0 * (s1 * s1) + 3.0 * (t1 * t1)
        beta2 = 13.0 * (s2 * s2) + 3.0 * (t2 * t2)
        tau2 = (beta0 - beta2) * (beta0 - beta2)
        e0, e1, e2 = beta0 + 4e-8, beta1 + 4e-8, beta2 + 4e-8
        e0, e1, e2 = e0 * e0, e1 * e1, e2 * e2
        w0 = 3.0 * (e0 + tau2) * (e1 * e2)
        w1 = 6.0 * (e1 + tau2) * (e0 * e2)
        w2 = (e2 + tau2) * (e0 * e1)
        parts = w0 * (5.0 * d - e) + w1 * (2.0 * d - b) + w2 * (2.0 * a - 7.0 * b)
        value = c + parts / (6.0 * (w0 + w1 + w2))
        out[x] = vel[x] * value - k * (sx - rx)


@numba.njit(**INLINED)
def flux5_single(
    out: Any, vel: Any, p: Any, q: Any, r: Any, s: Any, t: Any, u: Any, k: Any
) -> None:
    """The same with a division for each weight: the products would underflow in float32."""
    f = np.float32
    for x in range(out.size):
        forward = vel[x] > f(0.0)
        px, qx, rx, sx, tx, ux = p[x], q[x], r[x], s[x], t[x], u[x]
        c = rx if forward else sx
        a = (px if forward else ux) - c
        b = (qx if forward else tx) - c
        d = (sx if forward else rx) - c
        e = (tx if forward else qx) - c
        s0, t0 = e - f(2.0) * d, e - f(4.0) * d
        s1, t1 = b + d, b - d
        s2, t2 = a - f(2.0) * b, a - f(4.0) * b
        beta0 = f(13.0) * (s0 * s0) + f(3.0) * (t0 * t0)
        beta1 = f(13.0) * (s1 * s1) + f(3.0) * (t1 * t1)
        beta2 = f(13.0) * (s2 * s2) + f(3.0) * (t2 * t2)
        tau = abs(beta0 - beta2)
        r0, r1, r2 = tau / (beta0 + f(4e-8)), tau / (beta1 + f(4e-8)), tau / (beta2 + f(4e-8))
        w0 = f(3.0) + f(3.0) * (r0 * r0)
        w1 = f(6.0) + f(6.0) * (r1 * r1)
        w2 = f(1.0) + r2 * r2
        parts = w0 * (f(5.0) * d - e) + w1 * (f(2.0) * d - b) + w2 * (f(2.0) * a - f(7.0) * b)
        value = c + parts / (f(6.0) * (w0 + w1 + w2))
        out[x] = vel[x] * value - k * (sx - rx)


@numba.njit(**INLINED)
def flux3(out: Any, vel: Any, q: Any, r: Any, s: Any, t: Any, k: Any) -> None:
    """Two cells away from a wall: WENO of third order."""
    real = out.dtype.type
    one, two, eps = real(1.0), real(2.0), real(1e-8)
    for x in range(out.size):
        forward = vel[x] > real(0.0)
        qx, rx, sx, tx = q[x], r[x], s[x], t[x]
        c = rx if forward else sx
        b = (qx if forward else tx) - c
        d = (sx if forward else rx) - c
        beta0, beta1 = d * d, b * b
        tau = abs(beta0 - beta1)
        r0, r1 = tau / (beta0 + eps), tau / (beta1 + eps)
        w0 = two + two * (r0 * r0)
        w1 = one + r1 * r1
        value = c + (w0 * d - w1 * b) / (two * (w0 + w1))
        out[x] = vel[x] * value - k * (sx - rx)


@numba.njit(**INLINED)
def flux1(out: Any, vel: Any, r: Any, s: Any, k: Any) -> None:
    """One cell away from a wall: upwind."""
    for x in range(out.size):
        rx, sx = r[x], s[x]
        value = rx if vel[x] > vel.dtype.type(0.0) else sx
        out[x] = vel[x] * value - k * (sx - rx)


@numba.njit(**INLINED)
def update1(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    old: Any, new: Any, a: Any,
) -> None:  # fmt: skip
    """What flows into the cells of a row, and the update; `bottom` becomes the next plane's."""
    for x in range(new.size):
        rate = (west[x] - west[x + 1]) * idx + (south[x] - north[x]) * idy
        rate += (bottom[x] - top[x]) * idz
        bottom[x] = top[x]
        new[x] = old[x] + a * rate


@numba.njit(**INLINED)
def update2(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    one: Any, old: Any, two: Any, b: Any, r: Any, s: Any,
) -> None:  # fmt: skip
    for x in range(two.size):
        rate = (west[x] - west[x + 1]) * idx + (south[x] - north[x]) * idy
        rate += (bottom[x] - top[x]) * idz
        bottom[x] = top[x]
        result = one[x] + (b * rate + r * (one[x] - old[x]))
        two[x] = result
        old[x] = result + s * rate


@numba.njit(**INLINED)
def update3(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
    field: Any, c: Any,
) -> None:  # fmt: skip
    for x in range(field.size):
        rate = (west[x] - west[x + 1]) * idx + (south[x] - north[x]) * idy
        rate += (bottom[x] - top[x]) * idz
        bottom[x] = top[x]
        field[x] += c * rate


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


def flux5(out: Any, vel: Any, p: Any, q: Any, r: Any, s: Any, t: Any, u: Any, k: Any) -> None:
    """`flux5_double` or `flux5_single`: compiled functions take the one for their precision."""
    raise NotImplementedError


@overload(flux5, jit_options=WRAPPER)
def _flux5(out: Any, vel: Any, p: Any, q: Any, r: Any, s: Any, t: Any, u: Any, k: Any) -> Any:
    chosen = flux5_single if out.dtype == numba.float32 else flux5_double

    def flux(out: Any, vel: Any, p: Any, q: Any, r: Any, s: Any, t: Any, u: Any, k: Any) -> None:
        chosen(out, vel, p, q, r, s, t, u, k)

    return flux


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
