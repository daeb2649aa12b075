"""heat in Numba: planes shared among threads, and a row function that LLVM vectorises.

The row function takes views of rows: plain indexing with offsets keeps Numba's wrap-around of
negative indices in the loop, which stops the vectoriser.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import prange

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz", "contract"}, "error_model": "numpy"}


@numba.njit(**FLAGS)
def row(out: Any, c: Any, s: Any, n: Any, b: Any, t: Any, cx: Any, cy: Any, cz: Any) -> None:
    for x in range(out.size):
        u = c[x + 1]
        out[x] = (
            u
            + cx * ((c[x] - u) + (c[x + 2] - u))
            + cy * ((s[x] - u) + (n[x] - u))
            + cz * ((b[x] - u) + (t[x] - u))
        )


@numba.njit(parallel=True, **FLAGS)
def diffuse(box: Any, u: Any, out: Any, cx: Any, cy: Any, cz: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    rx, ry, rz = u.dtype.type(cx), u.dtype.type(cy), u.dtype.type(cz)
    for z in prange(z0, z1):
        for y in range(y0, y1):
            row(
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
