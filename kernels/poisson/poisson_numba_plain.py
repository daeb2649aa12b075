"""x + omega (b - A x), A = -lap with 7 points on cell centres, in plain Numba.

All of a V-cycle is u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t). A cell beyond a
wall has the value of the one inside.
"""

from __future__ import annotations

from typing import Any

from numba import njit, prange


@njit(parallel=True, cache=True)
def sweep(
    box: Any, x: Any, b: Any, out: Any, bottom: Any, top: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """out = the combination of x and b."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        low, high = max(z - 1, bottom), min(z + 1, top - 1)
        for j in range(y0, y1):
            for i in range(x0, x1):
                out[z, j, i] = (
                    u * x[z, j, i] + v * b[z, j, i]
                    + wx * (x[z, j, i - 1] + x[z, j, i + 1])
                    + wy * (x[z, j - 1, i] + x[z, j + 1, i])
                    + wz * (x[low, j, i] + x[high, j, i])
                )  # fmt: skip


@njit(parallel=True, cache=True)
def coarsen(
    box: Any, x: Any, b: Any, coarse: Any, sz: Any, sy: Any, sx: Any, oz: Any, oy: Any, ox: Any,
    my: Any, mx: Any, bottom: Any, top: Any, u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """coarse = the sum of the combination over the cells that one of the box's is made up of."""
    z0, z1, y0, y1, x0, x1 = box
    for k in prange(z0, z1):
        for j in range(y0, y1):
            for i in range(x0, x1):
                total = 0.0
                for dz in range(1 << sz):
                    for dy in range(1 << sy):
                        for dx in range(1 << sx):
                            z = ((k - oz) << sz) + 1 + dz
                            y = ((j - oy) << sy) + 1 + dy
                            w = ((i - ox) << sx) + 1 + dx
                            low, high = max(z - 1, bottom), min(z + 1, top - 1)
                            total += (
                                u * x[z, y, w] + v * b[z, y, w]
                                + wx * (x[z, y, w - 1] + x[z, y, w + 1])
                                + wy * (x[z, y - 1, w] + x[z, y + 1, w])
                                + wz * (x[low, y, w] + x[high, y, w])
                            )  # fmt: skip
                coarse[k, j, i] = total


@njit(inline="always")
def raised(x: Any, coarse: Any, z: Any, y: Any, i: Any, shifts: Any, origin: Any) -> Any:
    """x with its parent's value."""
    sz, sy, sx = shifts
    oz, oy, ox = origin
    parent = coarse[((z - 1) >> sz) + oz, ((y - 1) >> sy) + oy, ((i - 1) >> sx) + ox]
    return x[z, y, i] + parent


@njit(parallel=True, cache=True)
def correct(
    box: Any, x: Any, coarse: Any, b: Any, out: Any,
    sz: Any, sy: Any, sx: Any, oz: Any, oy: Any, ox: Any, my: Any, mx: Any, bottom: Any, top: Any,
    u: Any, v: Any, wx: Any, wy: Any, wz: Any,
) -> None:  # fmt: skip
    """out = the combination of b and of x with its parent's value added."""
    z0, z1, y0, y1, x0, x1 = box
    s, o = (sz, sy, sx), (oz, oy, ox)
    for z in prange(z0, z1):
        low, high = max(z - 1, bottom), min(z + 1, top - 1)
        for j in range(y0, y1):
            for i in range(x0, x1):
                we = raised(x, coarse, z, j, i - 1, s, o) + raised(x, coarse, z, j, i + 1, s, o)
                sn = raised(x, coarse, z, j - 1, i, s, o) + raised(x, coarse, z, j + 1, i, s, o)
                bt = raised(x, coarse, low, j, i, s, o) + raised(x, coarse, high, j, i, s, o)
                here = raised(x, coarse, z, j, i, s, o)
                out[z, j, i] = u * here + v * b[z, j, i] + wx * we + wy * sn + wz * bt


@njit(parallel=True, cache=True)
def add(box: Any, x: Any, y: Any, a: Any, c: Any) -> None:
    """y = a x + c y."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for j in range(y0, y1):
            for i in range(x0, x1):
                y[z, j, i] = a * x[z, j, i] + c * y[z, j, i]
