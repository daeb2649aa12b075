"""du/dt = kappa lap(u) in Numba: planes shared among threads, row functions that become vectors.

The row function takes views of rows: plain indexing with offsets keeps Numba's wrap-around of
negative indices in the loop, which stops the vectoriser.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import prange

from joulia.bridges._numba_math import muladd

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
# Inlined and without reference counts, whose atomic operations for each view of a row would cost as
# much as a row of a hundred cells.
ROW: dict[str, Any] = FLAGS | {"_nrt": False, "forceinline": True}


@numba.njit(**ROW)
def diffuse_row(
    out: Any, row: Any, south: Any, north: Any, below: Any, above: Any, cx: Any, cy: Any, cz: Any
) -> None:
    """In differences from the centre; `row` begins one cell west of the others."""
    for x in range(out.size):
        u = row[x + 1]
        dx = (row[x] - u) + (row[x + 2] - u)
        dy = (south[x] - u) + (north[x] - u)
        dz = (below[x] - u) + (above[x] - u)
        out[x] = muladd(cz, dz, muladd(cy, dy, muladd(cx, dx, u)))


@numba.njit(parallel=True, **FLAGS)
def diffuse(box: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    rx, ry, rz = u.dtype.type(cx), u.dtype.type(cy), u.dtype.type(cz)
    for z in prange(z0, z1):
        for y in range(y0, y1):
            diffuse_row(
                out[z, y, x0:x1],
                u[z, y, x0 - 1 : x1 + 1],
                u[z, y - 1, x0:x1],
                u[z, y + 1, x0:x1],
                u[z - 1, y, x0:x1],
                u[z + 1, y, x0:x1],
                rx,
                ry,
                rz,
            )
