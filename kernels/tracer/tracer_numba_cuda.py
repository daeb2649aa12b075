"""dc/dt = -div(v c) + kappa lap(c) in Numba's CUDA: WENO5-Z fluxes, shared by blocks of columns.

Blocks march in z. A thread owns a column. Level by level it computes the fluxes through the west,
the south and the top face of its cell; the flux through the bottom is that of the level before, in
a register, and so are the six cells of the column around the top face. The fluxes through the east
and north faces are those of the neighbouring threads, in shared memory. Blocks overlap by a column
and a row, which compute fluxes but update no cell: about 7 % of the fluxes are computed twice.

Two buffers take turns, so that one barrier a level is enough: a thread that writes a buffer again
has passed the barrier of the level between, and by then all have read it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda

from joulia.kernels._numba_cuda import LEAST_BLOCKS, block, blocks, depth, smaller
from joulia.kernels._weno_numba_cuda import fluxes

THREADS = block(32, 8)
WIDTH, HEIGHT = THREADS
LEAST, MOST = 4, 32
"""Levels a block goes up."""


# ---- the stages' updates, at the offset `at` -------------------------------------------------


@cuda.jit(device=True)
def update1(rate: Any, here: Any, history: Any, following: Any, at: Any, numbers: Any) -> None:
    following.flat[at] = here + numbers[0] * rate


@cuda.jit(device=True)
def update2(rate: Any, here: Any, history: Any, following: Any, at: Any, numbers: Any) -> None:
    second, weight, ahead = numbers
    result = here + (second * rate + weight * (here - history.flat[at]))
    following.flat[at] = result
    history.flat[at] = result + ahead * rate


@cuda.jit(device=True)
def update3(rate: Any, here: Any, history: Any, following: Any, at: Any, numbers: Any) -> None:
    following.flat[at] += numbers[0] * rate


@cache
def compiled(update: Any, single: bool) -> Any:
    """The kernel of a stage. `now` is differentiated; the update takes the other two fields."""
    flux5, flux3, flux1 = fluxes(single)
    kind = numba.float32 if single else numba.float64
    zero = (np.float32 if single else np.float64)(0.0)

    @cuda.jit
    def sweep(
        box: Any, levels: Any, bottom: Any, top: Any, now: Any, u: Any, v: Any, w: Any,
        history: Any, following: Any, geometry: Any, numbers: Any,
    ) -> None:  # fmt: skip
        z0, z1, y0, y1, x0, x1 = box
        idx, idy, idz, kx, ky, kz = geometry
        i, j = cuda.threadIdx.x, cuda.threadIdx.y
        x = x0 + cuda.blockIdx.x * (WIDTH - 1) + i
        y = y0 + cuda.blockIdx.y * (HEIGHT - 1) + j
        za = z0 + cuda.blockIdx.z * levels
        zb = smaller(za + levels, z1)
        across_x = cuda.shared.array((2, HEIGHT, WIDTH), kind)
        across_y = cuda.shared.array((2, HEIGHT, WIDTH), kind)
        # Which cells this thread updates, and which faces those and their neighbours need.
        mine = x < x1 and y < y1 and i < WIDTH - 1 and j < HEIGHT - 1
        west_face = x <= x1 and y < y1 and j < HEIGHT - 1
        south_face = x < x1 and y <= y1 and i < WIDTH - 1
        nx = now.shape[2]
        plane = now.shape[1] * nx
        at = (za - 1) * plane + y * nx + x
        below = top_flux = zero
        c0 = c1 = c2 = c3 = c4 = c5 = zero
        if mine and za < zb:
            c1, c2 = now.flat[at - 2 * plane], now.flat[at - plane]
            c3, c4, c5 = now.flat[at], now.flat[at + plane], now.flat[at + 2 * plane]
        # The level below the first one is there for the flux through its top.
        for z in range(za - 1, zb):
            turn = z & 1
            if z >= za:
                if west_face:
                    across_x[turn, j, i] = flux5(
                        u.flat[at], now.flat[at - 3], now.flat[at - 2], now.flat[at - 1],
                        now.flat[at], now.flat[at + 1], now.flat[at + 2], kx,
                    )  # fmt: skip
                if south_face:
                    across_y[turn, j, i] = flux5(
                        v.flat[at], now.flat[at - 3 * nx], now.flat[at - 2 * nx],
                        now.flat[at - nx], now.flat[at], now.flat[at + nx],
                        now.flat[at + 2 * nx], ky,
                    )  # fmt: skip
            if mine:
                # c0 to c5 are the cells around the top face, this level's being c2.
                c0, c1, c2, c3, c4 = c1, c2, c3, c4, c5
                c5 = now.flat[at + 3 * plane]
                velocity = w.flat[at + plane]
                reach = smaller(z + 1 - bottom, top - (z + 1))
                if reach >= 3:
                    top_flux = flux5(velocity, c0, c1, c2, c3, c4, c5, kz)
                elif reach == 2:
                    top_flux = flux3(velocity, c1, c2, c3, c4, kz)
                elif reach == 1:
                    top_flux = flux1(velocity, c2, c3, kz)
                else:
                    top_flux = zero
            cuda.syncthreads()
            if mine:
                if z >= za:
                    rate = (across_x[turn, j, i] - across_x[turn, j, i + 1]) * idx
                    rate += (across_y[turn, j, i] - across_y[turn, j + 1, i]) * idy
                    rate += (below - top_flux) * idz
                    update(rate, c2, history, following, at, numbers)
                below = top_flux
            at += plane

    return sweep


def launch(
    update: Any, box: Any, now: Any, flow: tuple[Any, ...], history: Any,
    following: Any, walls: tuple[int, ...], numbers: tuple[float, ...],
) -> None:  # fmt: skip
    z0, z1, *_ = box
    side = blocks(box[2:], (WIDTH - 1, HEIGHT - 1))
    levels = depth(side[0] * side[1], z1 - z0, LEAST, MOST)
    grid = (*side, max(LEAST_BLOCKS, -(-(z1 - z0) // levels)))
    real = now.dtype.type
    values = tuple(real(number) for number in numbers)
    sweep = compiled(update, real is np.float32)
    sweep[grid, THREADS](
        box, levels, *walls, now, *flow, history, following, values[:6], values[6:]
    )


def stage1(box: Any, c: Any, u: Any, v: Any, w: Any, c1: Any, *rest: Any) -> None:
    launch(update1, box, c, (u, v, w), c, c1, rest[:2], rest[2:])


def stage2(box: Any, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, *rest: Any) -> None:
    launch(update2, box, c1, (u, v, w), c, c2, rest[:2], rest[2:])


def stage3(box: Any, c2: Any, u: Any, v: Any, w: Any, c: Any, *rest: Any) -> None:
    launch(update3, box, c2, (u, v, w), c, c, rest[:2], rest[2:])


def specialize(single: int) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return {"stage1": stage1, "stage2": stage2, "stage3": stage3}
