"""du/dt = kappa lap(u) in NumPy: the reference. Slabs of rows stay in the second-level cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box

SLAB_BYTES = 1 << 17


Neighbours = tuple[tuple[Host, Host], ...]
"""The cells before and after, along x, y and z."""


def add_differences(
    result: Host, centre: Host, around: Neighbours, coefficients: tuple[Any, ...],
    before: Host, after: Host,
) -> None:  # fmt: skip
    """result = centre + c_d (second difference along d); `before` and `after` are scratch."""
    np.copyto(result, centre)
    for coefficient, (low, high) in zip(coefficients, around, strict=True):
        np.subtract(low, centre, out=before)
        np.subtract(high, centre, out=after)
        np.add(before, after, out=before)
        np.multiply(before, coefficient, out=before)
        np.add(result, before, out=result)


def diffuse(box: Box, u: Host, out: Host, cx: float, cy: float, cz: float) -> None:
    """out = u + c_d (second difference of u along d), in differences from the centre."""
    z0, z1, y0, y1, x0, x1 = box
    real = u.dtype.type
    coefficients = (real(cx), real(cy), real(cz))
    rows = max(1, SLAB_BYTES // (max(1, x1 - x0) * u.itemsize))
    scratch = np.empty((2, min(rows, max(0, y1 - y0)), max(0, x1 - x0)), u.dtype)
    for z in range(z0, z1):
        for ya in range(y0, y1, rows):
            yb = min(ya + rows, y1)
            centre = u[z, ya:yb, x0:x1]
            result = out[z, ya:yb, x0:x1]
            before, after = scratch[:, : yb - ya]
            neighbours = (
                (u[z, ya:yb, x0 - 1 : x1 - 1], u[z, ya:yb, x0 + 1 : x1 + 1]),
                (u[z, ya - 1 : yb - 1, x0:x1], u[z, ya + 1 : yb + 1, x0:x1]),
                (u[z - 1, ya:yb, x0:x1], u[z + 1, ya:yb, x0:x1]),
            )
            add_differences(result, centre, neighbours, coefficients, before, after)
