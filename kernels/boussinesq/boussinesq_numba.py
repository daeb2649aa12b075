"""u* = a A + b B + g G(u) of Boussinesq flow on a C-grid in Numba: fluxes through faces, by rows.

A block keeps row buffers of each field's fluxes in x and y and a plane buffer in z, so that every
flux is computed once (of means, those in x twice: that costs less than a buffer); LLVM vectorises
the row functions. Rows are found by offsets. Between two loops a row asks for what the same row of
the next plane will be the first to read and write. Blocks are shared among threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.bridges._numba_rows import cells
from joulia.kernels._numba_blocks import NEAR, ask, blocks, buffers, part, row_to_read, row_to_write
from joulia.kernels._weno_numba import FLAGS, INLINED, ROW, flux, flux1, flux3, flux5
from joulia.kernels.boussinesq.schemes import NONE, WENO5

SIDES = PLANES, ROWS, COLUMNS = 32, 8, 256
# Buffers, a row each: fluxes through west faces, what carries, fluxes through tops; then for each
# field those through south faces of even and odd rows, and through the bottoms of a block's rows.
WEST, SPEED, TOP, SOUTH, BOTTOM = 0, 1, 2, 3, 11
BUFFERS = BOTTOM + 4 * ROWS
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
    out: Any, speed: Any, q: Any, c: Any, at: Any, side: Any, jump: Any, reach: Any, k: Any,
    carries: Any, upwind: Any,
) -> None:  # fmt: skip
    """Through the faces between a row of q, from `at` on, and the cells a `jump` before them.

    The carrier c is averaged over the cells on both sides of the face that q lies on. `reach` cells
    of q lie on either side, none at a wall, which nothing goes through.
    """
    n = out.size
    here, other = cells(c, at, n), cells(c, at - side, n)
    before, after = cells(q, at - jump, n), cells(q, at, n)
    if reach <= 0:
        out[:] = 0.0
    elif carries is None:
        diffused(out, before, after, k)
    elif upwind is None:
        centred(out, here, other, before, after, k)
    else:
        averaged(speed, here, other)
        if reach == 1:
            flux1(out, speed, before, after, k)
        else:
            before2, after2 = cells(q, at - 2 * jump, n), cells(q, at + jump, n)
            if reach == 2:
                flux3(out, speed, before2, before, after, after2, k)
            else:
                before3, after3 = cells(q, at - 3 * jump, n), cells(q, at + 2 * jump, n)
                flux5(out, speed, before3, before2, before, after, after2, after3, k)


@numba.njit(**INLINED)
def inflow(
    west: Any, south: Any, north: Any, bottom: Any, top: Any, idx: Any, idy: Any, idz: Any
) -> None:
    """What flows into each cell of a row less what flows out, in the place of `west`.

    `bottom` becomes `top`.
    """
    for x in range(south.size):
        across = muladd(west[x] - west[x + 1], idx, (south[x] - north[x]) * idy)
        west[x] = muladd(bottom[x] - top[x], idz, across)
        bottom[x] = top[x]


@numba.njit(**INLINED)
def inflow_centred(
    rate: Any, q: Any, north: Any, u: Any, u_other: Any, v: Any, v_other: Any, south: Any,
    bottom: Any, top: Any, kx: Any, ky: Any, idx: Any, idy: Any, idz: Any,
) -> None:  # fmt: skip
    """The same of means, in one loop: a flux through a west face costs less than its place.

    q begins one cell west of the others; `south` becomes the fluxes through north faces, `bottom`
    those through tops.
    """
    half = rate.dtype.type(0.5)
    for x in range(rate.size):
        before, here, after = q[x], q[x + 1], q[x + 2]
        west = flux(half * (u_other[x] + u[x]), half * (before + here), before, here, kx)
        east = flux(half * (u_other[x + 1] + u[x + 1]), half * (here + after), here, after, kx)
        through = flux(half * (v_other[x] + v[x]), half * (here + north[x]), here, north[x], ky)
        across = muladd(west - east, idx, (south[x] - through) * idy)
        rate[x] = muladd(bottom[x] - top[x], idz, across)
        south[x], bottom[x] = through, top[x]


@numba.njit(**INLINED)
def swept(
    rows: Any, field: Any, q: Any, u: Any, v: Any, w: Any, z: Any, y: Any, at: Any, part: Any,
    steps: Any, side: Any, reach: Any, per_length: Any, diffusivity: Any, carries: Any,
    upwind: Any,
) -> None:  # fmt: skip
    """A row's own fluxes of a field, and what they bring: from the row and plane before on.

    The row and the plane before a block's first ones are there for the fluxes through their north
    faces and tops.
    """
    za, _, ya, _, a, b = part
    nx, plane = steps
    idx, idy, idz = per_length
    kx, ky, kz = diffusivity * idx, diffusivity * idy, diffusivity * idz
    n = b - a
    width = rows.shape[1]
    speed = cells(rows, SPEED * width, n)
    bottom = cells(rows, (BOTTOM + ROWS * field + y - ya) * width, n)
    top = bottom if z < za else cells(rows, TOP * width, n)
    if y >= ya:
        fluxes(top, speed, q, w, at + plane, side, plane, reach, kz, carries, upwind)
    if z < za:
        return
    if carries is not None and upwind is None:
        south = cells(rows, (SOUTH + 2 * field) * width, n)
        if y < ya:
            fluxes(south, speed, q, v, at + nx, side, nx, 3, ky, carries, upwind)
        else:
            inflow_centred(
                cells(rows, WEST * width, n), cells(q, at - 1, n + 2), cells(q, at + nx, n),
                cells(u, at, n + 1), cells(u, at - side, n + 1), cells(v, at + nx, n),
                cells(v, at + nx - side, n), south, bottom, top, kx, ky, idx, idy, idz,
            )  # fmt: skip
    else:
        south = cells(rows, (SOUTH + 2 * field + (y & 1)) * width, n)
        north = cells(rows, (SOUTH + 2 * field + ((y + 1) & 1)) * width, n)
        fluxes(north, speed, q, v, at + nx, side, nx, 3, ky, carries, upwind)
        if y >= ya:
            west, longer = cells(rows, WEST * width, n + 1), cells(rows, SPEED * width, n + 1)
            fluxes(west, longer, q, u, at, side, 1, 3, kx, carries, upwind)
            inflow(west, south, north, bottom, top, idx, idy, idz)


@numba.njit(**INLINED)
def turned(
    out: Any, a: Any, b: Any, rate: Any, here: Any, other: Any, f: Any, weights: Any
) -> None:
    """What a stage makes of two states and a rate with f times the mean of four.

    Those are in two rows with a cell more.
    """
    first, second, gain = weights
    quarter = rate.dtype.type(0.25)
    for x in range(out.size):
        around = quarter * ((here[x] + here[x + 1]) + (other[x] + other[x + 1]))
        out[x] = muladd(gain, rate[x] + f * around, muladd(second, b[x], first * a[x]))


@numba.njit(**INLINED)
def pushed(
    out: Any, a: Any, b: Any, rate: Any, here: Any, other: Any, factor: Any, weights: Any
) -> None:
    """The same with a factor times the mean of two rows."""
    first, second, gain = weights
    half = rate.dtype.type(0.5)
    for x in range(out.size):
        mean = half * (here[x] + other[x])
        out[x] = muladd(gain, rate[x] + factor * mean, muladd(second, b[x], first * a[x]))


@numba.njit(**INLINED)
def copied(out: Any, values: Any) -> None:
    for x in range(out.size):
        out[x] = values[x]


@numba.njit(**INLINED)
def kept(out: Any, a: Any, b: Any, weights: Any) -> None:
    """The same where nothing changes."""
    first, second, _ = weights
    for x in range(out.size):
        out[x] = muladd(second, b[x], first * a[x])


@numba.njit(**ROW)
def block(
    part: Any, rows: Any, now: Any, base: Any, other: Any, new: Any, walls: Any, per_length: Any,
    physics: Any, weights: Any, carries: Any, upwind: Any,
) -> None:  # fmt: skip
    za, zb, ya, yb, a, b = part
    u, v, w, t = now
    nu, kappa, f, n2 = physics
    bottom, top = walls
    nx = u.shape[2]
    plane = u.shape[1] * nx
    n = b - a
    width = rows.shape[1]
    rate, free = cells(rows, WEST * width, n), cells(rows, SPEED * width, n)
    in_place = other[U].ctypes.data == new[U].ctypes.data
    one = rate.dtype.type(1.0)
    far = 4 * u.size > NEAR  # a dozen arrays share the caches
    for z in range(za - 1, zb):
        # How far walls are from the tops of this plane, and from the next plane's w.
        reach, reach_w = min(z + 1 - bottom, top - z - 1), min(z + 1 - bottom, top - z)
        for y in range(ya - 1, yb):
            at = z * plane + y * nx + a
            # All four fields by one code: what is inlined for each takes long to compile.
            for field in range(4):
                if far and y >= ya:
                    begins, ends = y == ya, y == yb - 1
                    beside = 1 if upwind is None else 3
                    ask(now[field], at + plane, n, nx, plane, beside, begins, ends)
                    row_to_read(base[field], at + plane, n)
                side = 1 if field == U else nx if field == V else plane if field == W else 0
                swept(
                    rows, field, now[field], u, v, w, z, y, at, part, (nx, plane), side,
                    reach_w if field == W else reach, per_length, kappa if field == B else nu,
                    carries, upwind,
                )  # fmt: skip
                if z < za or y < ya:
                    continue
                if far:
                    row_to_read(other[field], at + plane, n)
                    row_to_write(new[field], at + plane, n)
                out = cells(new[field], at, n)
                first, second = cells(base[field], at, n), cells(other[field], at, n)
                if in_place:
                    # LLVM takes no vectors where a loop writes what it reads by another view.
                    copied(free, second)
                    second = free
                if field == U:
                    here, north = cells(v, at - 1, n + 1), cells(v, at + nx - 1, n + 1)
                    turned(out, first, second, rate, here, north, f, weights)
                elif field == V:
                    south, here = cells(u, at - nx, n + 1), cells(u, at, n + 1)
                    turned(out, first, second, rate, south, here, -f, weights)
                elif field == B:
                    here, above = cells(w, at, n), cells(w, at + plane, n)
                    pushed(out, first, second, rate, here, above, -n2, weights)
                elif z > bottom:
                    below, here = cells(t, at - plane, n), cells(t, at, n)
                    pushed(out, first, second, rate, below, here, one, weights)
                else:  # nothing accelerates w on a wall
                    kept(out, first, second, weights)


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
    n, nx = b - a, rhs.shape[2]
    plane = rhs.shape[1] * nx
    for z in prange(z0, z1):
        for y in range(y0, y1):
            at = z * plane + y * nx + a
            diverge(
                cells(rhs, at, n), cells(u1, at, n + 1), cells(v1, at, n), cells(v1, at + nx, n),
                cells(w1, at, n), cells(w1, at + plane, n), sx, sy, sz,
            )  # fmt: skip


@numba.njit(parallel=True, **FLAGS)
def project(
    box: Any, p: Any, u1: Any, v1: Any, w1: Any, bottom: Any, gx: Any, gy: Any, gz: Any
) -> None:
    z0, z1, y0, y1, a, b = box
    real = p.dtype.type
    gx, gy, gz = real(gx), real(gy), real(gz)
    n, nx = b - a, p.shape[2]
    plane = p.shape[1] * nx
    for z in prange(z0, z1):
        for y in range(y0, y1):
            at = z * plane + y * nx + a
            here = cells(p, at, n)
            lose(cells(u1, at, n), cells(p, at - 1, n), here, gx)
            lose(cells(v1, at, n), cells(p, at - nx, n), here, gy)
            if z != bottom:
                lose(cells(w1, at, n), cells(p, at - plane, n), here, gz)


@cache
def specialize(single: int, advection: int) -> dict[str, Callable[..., None]]:
    """The functions for a scheme. The precision is that of the arrays.

    Numba leaves out what a scheme does not need where None says so.
    """
    carries, upwind = (True if advection != NONE else None, True if advection == WENO5 else None)

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
            here = part(box, number, counts, SIDES)
            rows = buffers(BUFFERS, here[5] - here[4] + 1, u.dtype)
            block(
                here, rows, (u, v, w, b), (ua, va, wa, ba), (ub, vb, wb, bb), (u1, v1, w1, b1),
                (bottom, top), per_length, physics, weights, carries, upwind,
            )  # fmt: skip

    return {"predict": predict, "divergence": divergence, "project": project}
