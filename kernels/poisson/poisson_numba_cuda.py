"""x + omega (b - A x), A = -lap on cell centres, in Numba's CUDA: a thread a cell."""

from __future__ import annotations

from typing import Any

from numba import cuda

from joulia.grid import Box
from joulia.kernels._numba_cuda import block, blocks, larger, smaller

THREADS = block(64, 4, 1)


@cuda.jit(device=True)
def combined(
    x: Any, b: Any, at: Any, z: Any, plane: Any, nx: Any, bottom: Any, top: Any, reals: Any
) -> Any:
    """u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t); beyond a wall is the value
    inside."""
    u, v, wx, wy, wz = reals
    below = at + (larger(z - 1, bottom) - z) * plane
    above = at + (smaller(z + 1, top - 1) - z) * plane
    return (
        u * x.flat[at] + v * b.flat[at]
        + wx * (x.flat[at - 1] + x.flat[at + 1])
        + wy * (x.flat[at - nx] + x.flat[at + nx])
        + wz * (x.flat[below] + x.flat[above])
    )  # fmt: skip


@cuda.jit
def swept(box: Any, x: Any, b: Any, out: Any, bottom: Any, top: Any, reals: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    i, y, z = cuda.grid(3)
    i, y, z = i + x0, y + y0, z + z0
    if i < x1 and y < y1 and z < z1:
        nx = x.shape[2]
        plane = x.shape[1] * nx
        at = z * plane + y * nx + i
        out.flat[at] = combined(x, b, at, z, plane, nx, bottom, top, reals)


@cuda.jit
def coarsened(
    box: Any, x: Any, b: Any, coarse: Any, shifts: Any, origin: Any, bottom: Any, top: Any,
    reals: Any,
) -> None:  # fmt: skip
    z0, z1, y0, y1, x0, x1 = box
    i, y, z = cuda.grid(3)
    i, y, z = i + x0, y + y0, z + z0
    if i < x1 and y < y1 and z < z1:
        sz, sy, sx = shifts
        oz, oy, ox = origin
        nx = x.shape[2]
        plane = x.shape[1] * nx
        total = x.dtype.type(0.0)
        for dz in range(1 << sz):
            fine = ((z - oz) << sz) + 1 + dz
            for dy in range(1 << sy):
                row = ((y - oy) << sy) + 1 + dy
                for dx in range(1 << sx):
                    at = fine * plane + row * nx + ((i - ox) << sx) + 1 + dx
                    total += combined(x, b, at, fine, plane, nx, bottom, top, reals)
        coarse.flat[(z * coarse.shape[1] + y) * coarse.shape[2] + i] = total


@cuda.jit(device=True)
def raised(x: Any, coarse: Any, z: Any, y: Any, i: Any, shifts: Any, origin: Any) -> Any:
    """x with its parent's value."""
    sz, sy, sx = shifts
    oz, oy, ox = origin
    plane = ((z - 1) >> sz) + oz
    row = plane * coarse.shape[1] + ((y - 1) >> sy) + oy
    parent = coarse.flat[row * coarse.shape[2] + ((i - 1) >> sx) + ox]
    return x.flat[(z * x.shape[1] + y) * x.shape[2] + i] + parent


@cuda.jit
def corrected(
    box: Any, x: Any, coarse: Any, b: Any, out: Any, s: Any, o: Any, bottom: Any, top: Any,
    reals: Any,
) -> None:  # fmt: skip
    z0, z1, y0, y1, x0, x1 = box
    i, y, z = cuda.grid(3)
    i, y, z = i + x0, y + y0, z + z0
    if i < x1 and y < y1 and z < z1:
        u, v, wx, wy, wz = reals
        low, high = larger(z - 1, bottom), smaller(z + 1, top - 1)
        at = (z * x.shape[1] + y) * x.shape[2] + i
        we = raised(x, coarse, z, y, i - 1, s, o) + raised(x, coarse, z, y, i + 1, s, o)
        sn = raised(x, coarse, z, y - 1, i, s, o) + raised(x, coarse, z, y + 1, i, s, o)
        bt = raised(x, coarse, low, y, i, s, o) + raised(x, coarse, high, y, i, s, o)
        here = raised(x, coarse, z, y, i, s, o)
        out.flat[at] = u * here + v * b.flat[at] + wx * we + wy * sn + wz * bt


@cuda.jit
def added(box: Any, x: Any, y: Any, a: Any, c: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    i, j, k = cuda.grid(3)
    i, j, k = i + x0, j + y0, k + z0
    if i < x1 and j < y1 and k < z1:
        at = (k * x.shape[1] + j) * x.shape[2] + i
        y.flat[at] = a * x.flat[at] + c * y.flat[at]


def sweep(box: Box, x: Any, b: Any, out: Any, bottom: int, top: int, *reals: float) -> None:
    """out = the combination of x and b."""
    numbers = tuple(map(x.dtype.type, reals))
    swept[blocks(box, THREADS), THREADS](box, x, b, out, bottom, top, numbers)


def coarsen(box: Box, x: Any, b: Any, coarse: Any, *numbers: Any) -> None:
    """coarse = the sum of the combination over the cells that one of the box's is made up of."""
    shifts, origin, (bottom, top) = numbers[:3], numbers[3:6], numbers[8:10]
    reals = tuple(map(x.dtype.type, numbers[10:]))
    coarsened[blocks(box, THREADS), THREADS](box, x, b, coarse, shifts, origin, bottom, top, reals)


def correct(box: Box, x: Any, coarse: Any, b: Any, out: Any, *numbers: Any) -> None:
    """out = the combination of b and of x with its parent's value added."""
    shifts, origin, (bottom, top) = numbers[:3], numbers[3:6], numbers[8:10]
    reals = tuple(map(x.dtype.type, numbers[10:]))
    corrected[blocks(box, THREADS), THREADS](
        box, x, coarse, b, out, shifts, origin, bottom, top, reals
    )


def add(box: Box, x: Any, y: Any, a: float, c: float) -> None:
    """y = a x + c y."""
    real = x.dtype.type
    added[blocks(box, THREADS), THREADS](box, x, y, real(a), real(c))
