"""dT/dt = d/dz(kappa dT/dz), backward Euler, in CuPy: NumPy's operations, a plane at a time."""

from __future__ import annotations

from typing import Any

import cupy

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.column.column_numpy import mixed


def mix(
    box: Box, temperature: Any, out: Any, stable: float, unstable: float, cooling: float
) -> None:
    """A step of whole columns: dt kappa / dz^2 of stable and unstable faces, dt flux / dz."""
    z0, z1, *side = box
    real = temperature.dtype.type
    for y0, y1, x0, x1 in parts(tuple(side), (z1 - z0) * temperature.itemsize):
        old, new = temperature[z0:z1, y0:y1, x0:x1], out[z0:z1, y0:y1, x0:x1]
        c = cupy.empty(old.shape, old.dtype)
        mixed(old, new, c, real(stable), real(unstable), real(cooling))
