"""du/dt = kappa lap(u) in plain Numba: the seven points as they stand in the paper."""

from __future__ import annotations

from typing import Any

from numba import njit, prange


@njit(parallel=True, cache=True)
def diffuse(box: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    """out = u + dt kappa lap(u), with c_d = dt kappa / dx_d^2."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                out[z, y, x] = (
                    u[z, y, x]
                    + cx * (u[z, y, x - 1] - 2.0 * u[z, y, x] + u[z, y, x + 1])
                    + cy * (u[z, y - 1, x] - 2.0 * u[z, y, x] + u[z, y + 1, x])
                    + cz * (u[z - 1, y, x] - 2.0 * u[z, y, x] + u[z + 1, y, x])
                )
