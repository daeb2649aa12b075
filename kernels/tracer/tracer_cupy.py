"""dc/dt = -div(v c) + kappa lap(c) in CuPy: NumPy's fluxes and updates, all planes at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cupy

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.tracer.tracer_numpy import Update, face_x, face_y, flux, stages


def faces_z(c: Any, w: Any, z: slice, y: slice, x: slice, bottom: int, top: int, k: float) -> Any:
    """Fluxes through the bottom faces of the planes `z`: together where walls are equally near."""
    fluxes = []
    for reach, planes in itertools.groupby(
        range(z.start, z.stop), lambda n: max(0, min(3, n - bottom, top - n))
    ):
        first, *others = planes
        a, b = first, first + 1 + len(others)
        if reach == 0:
            fluxes.append(cupy.zeros_like(c[a:b, y, x]))
        else:
            cells = [c[a + i : b + i, y, x] for i in range(-reach, reach)]
            fluxes.append(flux(w[a:b, y, x], cells, k))
    return fluxes[0] if len(fluxes) == 1 else cupy.concatenate(fluxes)


def sweep(
    update: Update, box: Box, c: Any, u: Any, v: Any, w: Any, bottom: int, top: int,
    idx: float, idy: float, idz: float, kx: float, ky: float, kz: float,
) -> None:  # fmt: skip
    """Call `update(part, tendency)` for every part of the box.

    A part must not see what the part before it updated, and does not: every stage differentiates
    an array that it does not write.
    """
    for z0, z1, y0, y1, x0, x1 in parts(box, c.itemsize):
        z, y, x = slice(z0, z1), slice(y0, y1), slice(x0, x1)
        west = face_x(c, u, z, y, x0, x1 + 1, kx)
        south = face_y(c, v, z, y0, y1 + 1, x, ky)
        below = faces_z(c, w, slice(z0, z1 + 1), y, x, bottom, top, kz)
        tendency = (west[..., :-1] - west[..., 1:]) * idx
        tendency += (south[:, :-1] - south[:, 1:]) * idy
        tendency += (below[:-1] - below[1:]) * idz
        update((z, y, x), tendency)


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return stages(sweep)
