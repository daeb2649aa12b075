"""u* = a A + b B + g G(u) of Boussinesq flow on a C-grid in Numba's CUDA: fluxes shared by columns.

Blocks march in z. A thread owns a column. Level by level it computes the fluxes of all four fields
through the west, the south and the top face of its cell; those through the bottom are of the level
before, in registers. The fluxes through the east and north faces are those of the neighbouring
threads, in shared memory. Blocks overlap by a column and a row, which compute fluxes but update no
cell. Two buffers take turns, so that one barrier a level is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda

from joulia.grid import Box
from joulia.kernels._numba_cuda import LEAST_BLOCKS, block, blocks, depth, smaller
from joulia.kernels._weno_numba_cuda import flux, fluxes
from joulia.kernels.boussinesq.schemes import CENTRED, NONE

THREADS = block(32, 8)
WIDTH, HEIGHT = THREADS
LEAST, MOST = 4, 32
"""Levels a block goes up."""
FLAT = block(64, 4, 1)


@cache
def carried(single: bool, advection: int) -> Any:
    """The function for what goes through the face between q at `at` and a `jump` before it.

    It is carried by the mean of velocities that are `side` apart; `reach` cells of q lie on either
    side of the face, none at a wall, which nothing goes through.
    """
    flux5, flux3, flux1 = fluxes(single)
    real: Any = np.float32 if single else np.float64
    zero, half = real(0.0), real(0.5)

    @cuda.jit(device=True)
    def through(q: Any, c: Any, at: Any, side: Any, jump: Any, reach: Any, k: Any) -> Any:
        if reach <= 0:
            return zero
        before, after = q.flat[at - jump], q.flat[at]
        if advection == NONE:
            return -k * (after - before)
        velocity = half * (c.flat[at - side] + c.flat[at])
        if advection == CENTRED:
            return flux(velocity, half * (before + after), before, after, k)
        if reach == 1:
            return flux1(velocity, before, after, k)
        before2, after2 = q.flat[at - 2 * jump], q.flat[at + jump]
        if reach == 2:
            return flux3(velocity, before2, before, after, after2, k)
        before3, after3 = q.flat[at - 3 * jump], q.flat[at + 2 * jump]
        return flux5(velocity, before3, before2, before, after, after2, after3, k)

    return through


@cuda.jit(device=True)
def inflow(west: Any, east: Any, south: Any, north: Any, under: Any, over: Any, per: Any) -> Any:
    """What flows in, less what flows out; `per` is 1 / h along x, y, z."""
    return (west - east) * per[0] + (south - north) * per[1] + (under - over) * per[2]


@cuda.jit(device=True)
def staged(new: Any, one: Any, other: Any, at: Any, weights: Any, rate: Any) -> None:
    """What a stage makes of two states and a rate."""
    first, second, gain = weights
    new.flat[at] = first * one.flat[at] + second * other.flat[at] + gain * rate


@cache
def predictor(single: bool, advection: int) -> Any:
    through = carried(single, advection)
    kind = numba.float32 if single else numba.float64
    real: Any = np.float32 if single else np.float64
    zero, half, quarter = real(0.0), real(0.5), real(0.25)

    @cuda.jit
    def swept(
        box: Any, levels: Any, u: Any, v: Any, w: Any, b: Any, ua: Any, va: Any, wa: Any, ba: Any,
        ub: Any, vb: Any, wb: Any, bb: Any, u1: Any, v1: Any, w1: Any, b1: Any,
        bottom: Any, top: Any, per: Any, physics: Any, weights: Any,
    ) -> None:  # fmt: skip
        z0, z1, y0, y1, x0, x1 = box
        nu, kappa, f, n2 = physics
        i, j = cuda.threadIdx.x, cuda.threadIdx.y
        x = x0 + cuda.blockIdx.x * (WIDTH - 1) + i
        y = y0 + cuda.blockIdx.y * (HEIGHT - 1) + j
        za = z0 + cuda.blockIdx.z * levels
        zb = smaller(za + levels, z1)
        wests = cuda.shared.array((2, 4, HEIGHT, WIDTH), kind)
        souths = cuda.shared.array((2, 4, HEIGHT, WIDTH), kind)
        # Which cells this thread updates, and which faces those and their neighbours need.
        mine = x < x1 and y < y1 and i < WIDTH - 1 and j < HEIGHT - 1
        west_face = x <= x1 and y < y1 and j < HEIGHT - 1
        south_face = x < x1 and y <= y1 and i < WIDTH - 1
        nx = u.shape[2]
        plane = u.shape[1] * nx
        at = (za - 1) * plane + y * nx + x
        under_u = under_v = under_w = under_b = zero
        over_u = over_v = over_w = over_b = zero
        # The level below the first one is there for the fluxes through its tops.
        for z in range(za - 1, zb):
            turn = z & 1
            if z >= za:
                if west_face:
                    wests[turn, 0, j, i] = through(u, u, at, 1, 1, 3, nu * per[0])
                    wests[turn, 1, j, i] = through(v, u, at, nx, 1, 3, nu * per[0])
                    wests[turn, 2, j, i] = through(w, u, at, plane, 1, 3, nu * per[0])
                    wests[turn, 3, j, i] = through(b, u, at, 0, 1, 3, kappa * per[0])
                if south_face:
                    souths[turn, 0, j, i] = through(u, v, at, 1, nx, 3, nu * per[1])
                    souths[turn, 1, j, i] = through(v, v, at, nx, nx, 3, nu * per[1])
                    souths[turn, 2, j, i] = through(w, v, at, plane, nx, 3, nu * per[1])
                    souths[turn, 3, j, i] = through(b, v, at, 0, nx, 3, kappa * per[1])
            if mine:
                # How far walls are from this level's tops, and from the next level's w.
                up = at + plane
                reach = smaller(z + 1 - bottom, top - z - 1)
                reach_w = smaller(z + 1 - bottom, top - z)
                over_u = through(u, w, up, 1, plane, reach, nu * per[2])
                over_v = through(v, w, up, nx, plane, reach, nu * per[2])
                over_w = through(w, w, up, plane, plane, reach_w, nu * per[2])
                over_b = through(b, w, up, 0, plane, reach, kappa * per[2])
            cuda.syncthreads()
            if mine:
                if z >= za:
                    rate = inflow(
                        wests[turn, 0, j, i], wests[turn, 0, j, i + 1], souths[turn, 0, j, i],
                        souths[turn, 0, j + 1, i], under_u, over_u, per,
                    )  # fmt: skip
                    around = v.flat[at - 1] + v.flat[at] + v.flat[at + nx - 1] + v.flat[at + nx]
                    staged(u1, ua, ub, at, weights, rate + f * (quarter * around))
                    rate = inflow(
                        wests[turn, 1, j, i], wests[turn, 1, j, i + 1], souths[turn, 1, j, i],
                        souths[turn, 1, j + 1, i], under_v, over_v, per,
                    )  # fmt: skip
                    around = u.flat[at - nx] + u.flat[at] + u.flat[at - nx + 1] + u.flat[at + 1]
                    staged(v1, va, vb, at, weights, rate - f * (quarter * around))
                    rate = inflow(
                        wests[turn, 2, j, i], wests[turn, 2, j, i + 1], souths[turn, 2, j, i],
                        souths[turn, 2, j + 1, i], under_w, over_w, per,
                    )  # fmt: skip
                    rate += half * (b.flat[at - plane] + b.flat[at])
                    # Nothing accelerates w on a wall.
                    staged(w1, wa, wb, at, weights, zero if z == bottom else rate)
                    rate = inflow(
                        wests[turn, 3, j, i], wests[turn, 3, j, i + 1], souths[turn, 3, j, i],
                        souths[turn, 3, j + 1, i], under_b, over_b, per,
                    )  # fmt: skip
                    rate -= n2 * (half * (w.flat[at] + w.flat[at + plane]))
                    staged(b1, ba, bb, at, weights, rate)
                under_u, under_v, under_w, under_b = over_u, over_v, over_w, over_b
            at += plane

    return swept


@cuda.jit
def diverged(box: Any, u1: Any, v1: Any, w1: Any, rhs: Any, scales: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    x, y, z = cuda.grid(3)
    x, y, z = x + x0, y + y0, z + z0
    if x < x1 and y < y1 and z < z1:
        sx, sy, sz = scales
        nx = u1.shape[2]
        plane = u1.shape[1] * nx
        at = z * plane + y * nx + x
        total = sz * (w1.flat[at + plane] - w1.flat[at]) + sy * (v1.flat[at + nx] - v1.flat[at])
        rhs.flat[at] = total + sx * (u1.flat[at + 1] - u1.flat[at])


@cuda.jit
def projected(box: Any, p: Any, u1: Any, v1: Any, w1: Any, bottom: Any, gains: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    x, y, z = cuda.grid(3)
    x, y, z = x + x0, y + y0, z + z0
    if x < x1 and y < y1 and z < z1:
        gx, gy, gz = gains
        nx = p.shape[2]
        plane = p.shape[1] * nx
        at = z * plane + y * nx + x
        here = p.flat[at]
        u1.flat[at] -= gx * (here - p.flat[at - 1])
        v1.flat[at] -= gy * (here - p.flat[at - nx])
        if z != bottom:
            w1.flat[at] -= gz * (here - p.flat[at - plane])


def divergence(box: Box, u1: Any, v1: Any, w1: Any, rhs: Any, *scales: float) -> None:
    """rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1)."""
    numbers = tuple(map(rhs.dtype.type, scales))
    diverged[blocks(box, FLAT), FLAT](box, u1, v1, w1, rhs, numbers)


def project(box: Box, p: Any, u1: Any, v1: Any, w1: Any, bottom: int, *gains: float) -> None:
    """The velocities lose g times the pressure's difference; w on a wall keeps what it is."""
    numbers = tuple(map(p.dtype.type, gains))
    projected[blocks(box, FLAT), FLAT](box, p, u1, v1, w1, bottom, numbers)


def specialize(single: int, advection: int) -> dict[str, Callable[..., None]]:
    """The functions for a scheme. The precision is that of the arrays."""

    def predict(box: Box, *arguments: Any) -> None:
        """(u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b)."""
        arrays, walls, numbers = arguments[:16], arguments[16:18], arguments[18:]
        z0, z1, *_ = box
        side = blocks(box[2:], (WIDTH - 1, HEIGHT - 1))
        levels = depth(side[0] * side[1], z1 - z0, LEAST, MOST)
        grid = (*side, max(LEAST_BLOCKS, -(-(z1 - z0) // levels)))
        values = tuple(map(arrays[0].dtype.type, numbers))
        swept = predictor(bool(single), advection)
        swept[grid, THREADS](box, levels, *arrays, *walls, values[:3], values[3:7], values[7:])

    return {"predict": predict, "divergence": divergence, "project": project}
