"""du/dt = kappa lap(u) in plain Numba: the seven points as they stand in the paper."""

from __future__ import annotations

from typing import Any

from numba import njit, prange


@njit(parallel=True, cache=True)
def diffuse(box: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    rx, ry, rz = u.dtype.type(cx), u.dtype.type(cy), u.dtype.type(cz)
    two = u.dtype.type(2)
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                out[z, y, x] = (
                    u[z, y, x]
                    + rx * (u[z, y, x - 1] - two * u[z, y, x] + u[z, y, x + 1])
                    + ry * (u[z, y - 1, x] - two * u[z, y, x] + u[z, y + 1, x])
                    + rz * (u[z - 1, y, x] - two * u[z, y, x] + u[z + 1, y, x])
                )
