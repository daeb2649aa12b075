"""tracer in CuPy: the NumPy version's expressions over large slabs of planes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cupy as cp

from joulia.grid import Box
from joulia.kernels._cupy import slabs
from joulia.kernels.tracer.tracer_numpy import Update, flux, stages

ORDERS = 3
"""Cells on either side of a face away from walls: order 2 n - 1."""


def reach(face: int, bottom: int, top: int) -> int:
    """How many cells on either side of a bottom face the walls leave."""
    return max(0, min(ORDERS, face - bottom, top - face))


def faces_z(
    c: Any, w: Any, z0: int, z1: int, y: slice, x: slice, bottom: int, top: int, k: float
) -> Any:
    """Fluxes through the bottom faces z0 <= z < z1: at once for neighbours of the same order."""
    fluxes = cp.zeros_like(c[z0:z1, y, x])  # none through a wall
    for n, group in itertools.groupby(range(z0, z1), lambda z: reach(z, bottom, top)):
        planes = list(group)
        a, b = planes[0], planes[-1] + 1
        if n:
            cells = [c[a + i : b + i, y, x] for i in range(-n, n)]
            fluxes[a - z0 : b - z0] = flux(cp, w[a:b, y, x], cells, k)
    return fluxes


def sweep(
    update: Update, box: Box, c: Any, u: Any, v: Any, w: Any, bottom: int, top: int,
    idx: float, idy: float, idz: float, kx: float, ky: float, kz: float,
) -> None:  # fmt: skip
    """Call `update(part, tendency)` for every slab of the box."""
    for z0, z1, y0, y1, x0, x1 in slabs(box):
        z, y, x = slice(z0, z1), slice(y0, y1), slice(x0, x1)
        cells = [c[z, y, x0 + i : x1 + 1 + i] for i in range(-ORDERS, ORDERS)]
        west = flux(cp, u[z, y, x0 : x1 + 1], cells, kx)
        tendency = (west[..., :-1] - west[..., 1:]) * idx
        cells = [c[z, y0 + i : y1 + 1 + i, x] for i in range(-ORDERS, ORDERS)]
        south = flux(cp, v[z, y0 : y1 + 1, x], cells, ky)
        tendency += (south[:, :-1] - south[:, 1:]) * idy
        bottoms = faces_z(c, w, z0, z1 + 1, y, x, bottom, top, kz)
        tendency += (bottoms[:-1] - bottoms[1:]) * idz
        update((z, y, x), tendency)


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return stages(sweep)
