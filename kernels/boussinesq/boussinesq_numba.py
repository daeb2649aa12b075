"""u* = a A + b B + g G(u) of Boussinesq flow on a C-grid in Numba: fluxes through faces, by rows.

A block keeps row buffers of each field's fluxes in x and y and a plane buffer in z, so that every
flux is computed once; LLVM vectorises the row functions. Blocks are shared among threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.kernels._numba_blocks import blocks, part
from joulia.kernels._weno_numba import FLAGS, INLINED, ROW, flux, flux1, flux3, flux5
from joulia.kernels.boussinesq.schemes import CENTRED, WENO5

SIDES = PLANES, ROWS, COLUMNS = 32, 8, 256
# Buffers, a row each: fluxes through west faces, what carries; then for each field those through
# south faces of even and odd rows, and through bottoms of a block's rows, of even and odd planes.
WEST, SPEED, SOUTH, BOTTOM = 0, 1, 2, 10
BUFFERS = BOTTOM + 4 * 2 * ROWS
X, Y, Z = (0, 0, 1), (0, 1, 0), (1, 0, 0)
"""Steps along the axes."""
U, V, W, B = 0, 1, 2, 3


@numba.njit(**INLINED)
def centred(out: Any, here: Any, other: Any, before: Any, after: Any, k: Any) -> None:
    """What the mean velocity carries of the mean of two cells, and diffusion."""
    half = out.dtype.type(0.5)
    for x in range(out.size):
        velocity = half * (other[x] + here[x])
        out[x] = flux(velocity, half * (before[x] + after[x]), before[x], after[x], k)


@numba.njit(**INLINED)
def diffused(out: Any, before: Any, after: Any, k: Any) -> None:
    for x in range(out.size):
        out[x] = -k * (after[x] - before[x])


@numba.njit(**INLINED)
def averaged(out: Any, here: Any, other: Any) -> None:
    """The velocities that carry."""
    half = out.dtype.type(0.5)
    for x in range(out.size):
        out[x] = half * (other[x] + here[x])


@numba.njit(**INLINED)
def fluxes(
    out: Any, speed: Any, q: Any, c: Any, z: Any, y: Any, a: Any, b: Any, side: Any, jump: Any,
    reach: Any, k: Any, advection: Any,
) -> None:  # fmt: skip
    """Through the faces between cells of q and those a `jump` before them.

    The carrier c is averaged over the cells on both sides of the face that q lies on. `reach` cells
    of q lie on either side, none at a wall, which nothing goes through.
    """
    dz, dy, dx = jump
    here, other = c[z, y, a:b], c[z - side[0], y - side[1], a - side[2] : b - side[2]]
    before, after = q[z - dz, y - dy, a - dx : b - dx], q[z, y, a:b]
    if reach <= 0:
        out[:] = 0.0
    elif advection == CENTRED:
        centred(out, here, other, before, after, k)
    elif advection == WENO5:
        speed = speed[: out.size]
        averaged(speed, here, other)
        if reach == 1:
            flux1(out, speed, before, after, k)
        else:
            before2 = q[z - 2 * dz, y - 2 * dy, a - 2 * dx : b - 2 * dx]
            after2 = q[z + dz, y + dy, a + dx : b + dx]
            if reach == 2:
                flux3(out, speed, before2, before, after, after2, k)
            else:
                before3 = q[z - 3 * dz, y - 3 * dy, a - 3 * dx : b - 3 * dx]
                after3 = q[z + 2 * dz, y + 2 * dy, a + 2 * dx : b + 2 * dx]
                flux5(out, speed, before3, before2, before, after, after2, after3, k)
    else:
        diffused(out, before, after, k)


@numba.njit(**INLINED)
def inflow(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any
) -> None:
    """What flows into each cell of a row less what flows out, in the place of `west`."""
    for x in range(south.size):
        across = muladd(west[x] - west[x + 1], idx, (south[x] - north[x]) * idy)
        west[x] = muladd(bottom[x] - top[x], idz, across)


@numba.njit(**INLINED)
def swept(
    rows: Any, field: Any, q: Any, u: Any, v: Any, w: Any, z: Any, y: Any, part: Any,
    side: Any, reaches: Any, per_length: Any, diffusivity: Any, advection: Any,
) -> None:  # fmt: skip
    """A row's own fluxes of a field, and what they bring: from the row and plane before on.

    The row and the plane before a block's first ones are there for the fluxes through their north
    faces and tops, so that each is computed in one place.
    """
    za, _, ya, _, a, b = part
    idx, idy, idz = per_length
    n = b - a
    speed = rows[SPEED]
    north = rows[SOUTH + 2 * field + ((y + 1) & 1), :n]
    plane = BOTTOM + 2 * ROWS * field + y - ya
    if y >= ya:
        top = rows[plane + ROWS * ((z + 1) & 1), :n]
        kz = diffusivity * idz
        reach = reaches[0] if side[0] == 0 else reaches[1]
        fluxes(top, speed, q, w, z + 1, y, a, b, side, Z, reach, kz, advection)
    if z >= za:
        fluxes(north, speed, q, v, z, y + 1, a, b, side, Y, 3, diffusivity * idy, advection)
    if z >= za and y >= ya:
        west = rows[WEST, : n + 1]
        fluxes(west, speed, q, u, z, y, a, b + 1, side, X, 3, diffusivity * idx, advection)
        south = rows[SOUTH + 2 * field + (y & 1), :n]
        bottom, top = rows[plane + ROWS * (z & 1), :n], rows[plane + ROWS * ((z + 1) & 1), :n]
        inflow(west, south, north, bottom, top, idx, idy, idz)


@numba.njit(**INLINED)
def staged(out: Any, a: Any, b: Any, rate: Any, weights: Any) -> None:
    """What a stage makes of two states and a rate."""
    first, second, gain = weights
    for x in range(out.size):
        out[x] = muladd(gain, rate[x], muladd(second, b[x], first * a[x]))


@numba.njit(**INLINED)
def turn(rate: Any, here: Any, other: Any, f: Any) -> None:
    """Add f times the mean of four, of two rows with a cell more."""
    quarter = rate.dtype.type(0.25)
    for x in range(rate.size):
        rate[x] += f * (quarter * ((here[x] + here[x + 1]) + (other[x] + other[x + 1])))


@numba.njit(**INLINED)
def push(rate: Any, here: Any, other: Any, factor: Any) -> None:
    """Add a factor times the mean of two rows."""
    half = rate.dtype.type(0.5)
    for x in range(rate.size):
        rate[x] += factor * (half * (here[x] + other[x]))


@numba.njit(**ROW)
def block(
    part: Any, rows: Any, now: Any, base: Any, other: Any, new: Any, walls: Any, per_length: Any,
    physics: Any, weights: Any, advection: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, a, b = part
    u, v, w, t = now
    nu, kappa, f, n2 = physics
    bottom, top = walls
    rate = rows[WEST, : b - a]
    one = rate.dtype.type(1.0)
    for z in range(za - 1, zb):
        # How far walls are from the tops of this plane, and from the next plane's w.
        reaches = min(z + 1 - bottom, top - z - 1), min(z + 1 - bottom, top - z)
        for y in range(ya - 1, yb):
            # All four fields by one code: what is inlined for each takes minutes to compile.
            for field in range(4):
                side = int(field == W), int(field == V), int(field == U)
                diffusivity = kappa if field == B else nu
                swept(
                    rows, field, now[field], u, v, w, z, y, part, side, reaches, per_length,
                    diffusivity, advection,
                )  # fmt: skip
                if z < za or y < ya:
                    continue
                if field == U:
                    turn(rate, v[z, y, a - 1 : b], v[z, y + 1, a - 1 : b], f)
                elif field == V:
                    turn(rate, u[z, y - 1, a : b + 1], u[z, y, a : b + 1], -f)
                elif field == B:
                    push(rate, w[z, y, a:b], w[z + 1, y, a:b], -n2)
                elif z > bottom:
                    push(rate, t[z - 1, y, a:b], t[z, y, a:b], one)
                else:  # nothing accelerates w on a wall
                    rate[:] = 0.0
                staged(
                    new[field][z, y, a:b], base[field][z, y, a:b], other[field][z, y, a:b], rate,
                    weights,
                )  # fmt: skip


@numba.njit(**INLINED)
def diverge(
    out: Any, u: Any, south: Any, north: Any, bottom: Any, top: Any, sx: Any, sy: Any, sz: Any
) -> None:
    for x in range(out.size):
        flat = muladd(north[x] - south[x], sy, (top[x] - bottom[x]) * sz)
        out[x] = muladd(u[x + 1] - u[x], sx, flat)


@numba.njit(**INLINED)
def lose(velocity: Any, before: Any, after: Any, g: Any) -> None:
    """A velocity loses g times the pressure's difference."""
    for x in range(velocity.size):
        velocity[x] = muladd(-g, after[x] - before[x], velocity[x])


@numba.njit(parallel=True, **FLAGS)
def divergence(box: Any, u1: Any, v1: Any, w1: Any, rhs: Any, sx: Any, sy: Any, sz: Any) -> None:
    z0, z1, y0, y1, a, b = box
    real = rhs.dtype.type
    sx, sy, sz = real(sx), real(sy), real(sz)
    for z in prange(z0, z1):
        for y in range(y0, y1):
            diverge(
                rhs[z, y, a:b], u1[z, y, a : b + 1], v1[z, y, a:b], v1[z, y + 1, a:b],
                w1[z, y, a:b], w1[z + 1, y, a:b], sx, sy, sz,
            )  # fmt: skip


@numba.njit(parallel=True, **FLAGS)
def project(
    box: Any, p: Any, u1: Any, v1: Any, w1: Any, bottom: Any, gx: Any, gy: Any, gz: Any
) -> None:
    z0, z1, y0, y1, a, b = box
    real = p.dtype.type
    gx, gy, gz = real(gx), real(gy), real(gz)
    for z in prange(z0, z1):
        for y in range(y0, y1):
            here = p[z, y, a:b]
            lose(u1[z, y, a:b], p[z, y, a - 1 : b - 1], here, gx)
            lose(v1[z, y, a:b], p[z, y - 1, a:b], here, gy)
            if z != bottom:
                lose(w1[z, y, a:b], p[z - 1, y, a:b], here, gz)


@cache
def specialize(single: int, advection: int) -> dict[str, Callable[..., None]]:
    """The functions for a scheme. The precision is that of the arrays."""

    @numba.njit(parallel=True, **FLAGS)
    def predict(
        box: Any, u: Any, v: Any, w: Any, b: Any, ua: Any, va: Any, wa: Any, ba: Any,
        ub: Any, vb: Any, wb: Any, bb: Any, u1: Any, v1: Any, w1: Any, b1: Any,
        bottom: Any, top: Any, idx: Any, idy: Any, idz: Any, nu: Any, kappa: Any, f: Any,
        n2: Any, first: Any, second: Any, gain: Any,
    ) -> None:  # fmt: skip
        real = u.dtype.type
        per_length = (real(idx), real(idy), real(idz))
        physics = (real(nu), real(kappa), real(f), real(n2))
        weights = (real(first), real(second), real(gain))
        counts = blocks(box, SIDES)
        for number in prange(counts[0] * counts[1] * counts[2]):
            rows = np.empty((BUFFERS, COLUMNS + 8), u.dtype)
            here = part(box, number, counts, SIDES)
            block(
                here, rows, (u, v, w, b), (ua, va, wa, ba), (ub, vb, wb, bb), (u1, v1, w1, b1),
                (bottom, top), per_length, physics, weights, advection,
            )  # fmt: skip

    return {"predict": predict, "divergence": divergence, "project": project}
