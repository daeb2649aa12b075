"""du/dt = kappa lap(u) in Numba: planes shared among threads, row functions that become vectors.

Rows are offsets into flat memory, as unsigned numbers: signed ones keep Numba's wrap-around of
negative indices in the loop, which stops the vectoriser, and views of each row and its neighbours
cost as much as thirty cells.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_math import muladd

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
ROW: dict[str, Any] = FLAGS | {"_nrt": False, "forceinline": True}


@numba.njit(**ROW)
def diffuse_row(
    u: Any, out: Any, first: Any, count: Any, row: Any, plane: Any, cx: Any, cy: Any, cz: Any
) -> None:
    """`count` cells from offset `first`, in differences from the centre; all offsets unsigned."""
    one = np.uintp(1)
    for x in range(count):
        i = first + x
        here = u[i]
        dx = (u[i - one] - here) + (u[i + one] - here)
        dy = (u[i - row] - here) + (u[i + row] - here)
        dz = (u[i - plane] - here) + (u[i + plane] - here)
        out[i] = muladd(cz, dz, muladd(cy, dy, muladd(cx, dx, here)))


@numba.njit(parallel=True, **FLAGS)
def diffuse(box: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    rx, ry, rz = u.dtype.type(cx), u.dtype.type(cy), u.dtype.type(cz)
    _, ny, nx = u.shape
    flat, result = u.reshape(u.size), out.reshape(out.size)
    count, row, plane = np.uintp(x1 - x0), np.uintp(nx), np.uintp(ny * nx)
    for z in prange(z0, z1):
        for y in range(y0, y1):
            first = np.uintp((z * ny + y) * nx + x0)
            diffuse_row(flat, result, first, count, row, plane, rx, ry, rz)
