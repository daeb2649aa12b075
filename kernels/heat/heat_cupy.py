"""du/dt = kappa lap(u) in CuPy: NumPy's operations over all planes at once."""

from __future__ import annotations

from typing import Any

import cupy

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.heat.heat_numpy import add_differences


def diffuse(box: Box, u: Any, out: Any, cx: float, cy: float, cz: float) -> None:
    """out = u + c_d (second difference of u along d), in differences from the centre."""
    real = u.dtype.type
    coefficients = (real(cx), real(cy), real(cz))
    for part in parts(box, u.itemsize):
        z0, z1, y0, y1, x0, x1 = part
        z, y, x = slice(z0, z1), slice(y0, y1), slice(x0, x1)
        centre, result = u[z, y, x], out[z, y, x]
        neighbours = (
            (u[z, y, x0 - 1 : x1 - 1], u[z, y, x0 + 1 : x1 + 1]),
            (u[z, y0 - 1 : y1 - 1, x], u[z, y0 + 1 : y1 + 1, x]),
            (u[z0 - 1 : z1 - 1, y, x], u[z0 + 1 : z1 + 1, y, x]),
        )
        before, after = (cupy.empty(centre.shape, u.dtype) for _ in range(2))
        add_differences(result, centre, neighbours, coefficients, before, after)
