"""du/dt = kappa lap(u) in Numba's CUDA: a thread goes up a column of cells.

The column's cell, and those below and above it, stay in registers from level to level; the four
neighbours in the plane come from the first-level cache, into which the block's threads load them.
"""

from __future__ import annotations

from typing import Any

from numba import cuda

from joulia.kernels._numba_cuda import LEAST_BLOCKS, block, blocks, depth, smaller

THREADS = block(64, 8)
LEAST, MOST = 4, 32
"""Levels a thread goes up."""


@cuda.jit
def columns(box: Any, levels: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    x, y = cuda.grid(2)
    x += x0
    y += y0
    za = z0 + cuda.blockIdx.z * levels
    zb = smaller(za + levels, z1)
    if x < x1 and y < y1 and za < zb:
        nx = u.shape[2]
        plane = u.shape[1] * nx
        at = za * plane + y * nx + x
        below, here = u.flat[at - plane], u.flat[at]
        for _ in range(za, zb):
            above = u.flat[at + plane]
            out.flat[at] = (
                here
                + cx * ((u.flat[at - 1] - here) + (u.flat[at + 1] - here))
                + cy * ((u.flat[at - nx] - here) + (u.flat[at + nx] - here))
                + cz * ((below - here) + (above - here))
            )
            below, here = here, above
            at += plane


def diffuse(box: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    z0, z1, *_ = box
    side = blocks(box[2:], THREADS)
    levels = depth(side[0] * side[1], z1 - z0, LEAST, MOST)
    real = u.dtype.type
    grid = (*side, max(LEAST_BLOCKS, -(-(z1 - z0) // levels)))
    columns[grid, THREADS](box, levels, u, out, real(cx), real(cy), real(cz))
