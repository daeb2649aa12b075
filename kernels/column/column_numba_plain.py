"""dT/dt = d/dz(kappa dT/dz), backward Euler, in plain Numba: Thomas' algorithm for rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True)
def mix(box: Any, temperature: Any, out: Any, stable: Any, unstable: Any, cooling: Any) -> None:
    """A step of whole columns: dt kappa / dz^2 of stable and unstable faces, dt flux / dz."""
    z0, z1, y0, y1, x0, x1 = box
    for y in prange(y0, y1):
        c = np.empty((z1 - z0, x1 - x0), temperature.dtype)
        below, d, e = np.zeros((3, x1 - x0), temperature.dtype)
        for z in range(z0, z1):
            for x in range(x0, x1):
                i = x - x0
                right, above = temperature[z, y, x], 0.0
                if z < z1 - 1:
                    above = unstable if temperature[z + 1, y, x] < right else stable
                else:
                    right = right - cooling
                s = 1.0 + below[i] * e[i]
                d[i] = (right + below[i] * d[i]) / (s + above)
                e[i] = s / (s + above)
                c[z - z0, i] = above / (s + above)
                out[z, y, x] = d[i]
                below[i] = above
        for z in range(z1 - 2, z0 - 1, -1):
            for x in range(x0, x1):
                out[z, y, x] += c[z - z0, x - x0] * out[z + 1, y, x]
