"""heat in CuPy: the NumPy version's operations over large slabs."""

from __future__ import annotations

from typing import Any

import cupy as cp

from joulia.grid import Box
from joulia.kernels._cupy import slabs


def diffuse(box: Box, u: Any, out: Any, cx: float, cy: float, cz: float) -> None:
    """out = u + c_d (second difference of u along d), in differences from the centre."""
    for z0, z1, y0, y1, x0, x1 in slabs(box):
        z, y, x = slice(z0, z1), slice(y0, y1), slice(x0, x1)
        centre, result = u[z, y, x], out[z, y, x]
        near, far = cp.empty_like(centre), cp.empty_like(centre)
        neighbours = (
            (u[z, y, x0 - 1 : x1 - 1], u[z, y, x0 + 1 : x1 + 1]),
            (u[z, y0 - 1 : y1 - 1, x], u[z, y0 + 1 : y1 + 1, x]),
            (u[z0 - 1 : z1 - 1, y, x], u[z0 + 1 : z1 + 1, y, x]),
        )
        cp.copyto(result, centre)
        for c, (low, high) in zip((cx, cy, cz), neighbours, strict=True):
            cp.subtract(low, centre, out=near)
            cp.subtract(high, centre, out=far)
            cp.add(near, far, out=near)
            cp.multiply(near, c, out=near)
            cp.add(result, near, out=result)
