"""dc/dt = -div(v c) + kappa lap(c) in NumPy: the reference, by groups of rows.

Fluxes through faces by WENO5-Z as Borges et al. (2008) write it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box
from joulia.kernels._weno_numpy import weno3, weno5

ROWS = 32

Planes = int | slice
"""One plane, which the axis z is left out for, or several."""


def flux(velocity: Host, cells: Sequence[Host], conductance: float) -> Host:
    """Upwind flux through faces with 3, 2 or 1 of `cells` on either side: order 5, 3 or 1."""
    n = len(cells)
    forward = velocity > 0.0
    # Where it flows the other way, the same cells in the other order.
    stencil = [np.where(forward, cells[i], cells[n - 1 - i]) for i in range(n - 1)]
    value = weno5(*stencil) if n == 6 else weno3(*stencil) if n == 4 else stencil[0]
    result: Host = velocity * value - conductance * (cells[n // 2] - cells[n // 2 - 1])
    return result


def face_x(c: Host, u: Host, z: Planes, y: slice, x0: int, x1: int, k: float) -> Host:
    """Fluxes through the west faces x0 <= x < x1."""
    cells = [c[z, y, x0 + i : x1 + i] for i in range(-3, 3)]
    return flux(u[z, y, x0:x1], cells, k)


def face_y(c: Host, v: Host, z: Planes, y0: int, y1: int, x: slice, k: float) -> Host:
    cells = [c[z, y0 + i : y1 + i, x] for i in range(-3, 3)]
    return flux(v[z, y0:y1, x], cells, k)


def face_z(c: Host, w: Host, z: int, y: slice, x: slice, bottom: int, top: int, k: float) -> Host:
    """Fluxes through the bottom faces of plane z: none through a wall, lower order beside it."""
    reach = min(3, z - bottom, top - z)
    if reach <= 0:
        return np.zeros_like(c[z, y, x])
    return flux(w[z, y, x], [c[z + i, y, x] for i in range(-reach, reach)], k)


Update = Callable[[tuple[Planes, slice, slice], Host], None]
Sweep = Callable[..., None]


def sweep(
    update: Update, box: Box, c: Host, u: Host, v: Host, w: Host, bottom: int, top: int,
    idx: float, idy: float, idz: float, kx: float, ky: float, kz: float,
) -> None:  # fmt: skip
    """Call `update(part, tendency)` for every part of the box."""
    z0, z1, y0, y1, x0, x1 = box
    if x1 <= x0 or z1 <= z0:
        return
    for ya in range(y0, y1, ROWS):
        y, x = slice(ya, min(ya + ROWS, y1)), slice(x0, x1)
        below = face_z(c, w, z0, y, x, bottom, top, kz)
        for z in range(z0, z1):
            above = face_z(c, w, z + 1, y, x, bottom, top, kz)
            west = face_x(c, u, z, y, x0, x1 + 1, kx)
            south = face_y(c, v, z, y.start, y.stop + 1, x, ky)
            tendency = (west[:, :-1] - west[:, 1:]) * idx + (south[:-1] - south[1:]) * idy
            tendency += (below - above) * idz
            update((z, y, x), tendency)
            below = above


def stages(sweep: Sweep) -> dict[str, Callable[..., None]]:
    """The functions over a `sweep` with the arguments of the one above."""

    def stage1(
        box: Box, c: Host, u: Host, v: Host, w: Host, c1: Host, bottom: int, top: int,
        *numbers: float,
    ) -> None:  # fmt: skip
        *geometry, first = numbers

        def update(part: tuple[Planes, slice, slice], tendency: Host) -> None:
            c1[part] = c[part] + first * tendency

        sweep(update, box, c, u, v, w, bottom, top, *geometry)

    def stage2(
        box: Box, c1: Host, u: Host, v: Host, w: Host, c: Host, c2: Host, bottom: int, top: int,
        *numbers: float,
    ) -> None:  # fmt: skip
        *geometry, second, weight, ahead = numbers

        def update(part: tuple[Planes, slice, slice], tendency: Host) -> None:
            result = c1[part] + (second * tendency + weight * (c1[part] - c[part]))
            c2[part] = result
            c[part] = result + ahead * tendency

        sweep(update, box, c1, u, v, w, bottom, top, *geometry)

    def stage3(
        box: Box, c2: Host, u: Host, v: Host, w: Host, c: Host, bottom: int, top: int,
        *numbers: float,
    ) -> None:  # fmt: skip
        *geometry, third = numbers

        def update(part: tuple[Planes, slice, slice], tendency: Host) -> None:
            c[part] += third * tendency

        sweep(update, box, c2, u, v, w, bottom, top, *geometry)

    return {"stage1": stage1, "stage2": stage2, "stage3": stage3}


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return stages(sweep)
