"""dc/dt = -div(v c) + kappa lap(c) in JAX: WENO5-Z fluxes through all faces of a box at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from jax import numpy as jnp

from joulia.bridges._jax_boxes import held, put, writes
from joulia.grid import Box, slices
from joulia.kernels._weno_jax import weno3, weno5


def flux(velocity: Any, cells: Sequence[Any], conductance: Any) -> Any:
    """Upwind flux through faces with 3, 2 or 1 of `cells` on either side: order 5, 3 or 1."""
    n = len(cells)
    forward = velocity > 0.0
    # Where it flows the other way, the same cells in the other order.
    stencil = [jnp.where(forward, cells[i], cells[n - 1 - i]) for i in range(n - 1)]
    value = weno5(*stencil) if n == 6 else weno3(*stencil) if n == 4 else stencil[0]
    result = velocity * value - conductance * (cells[n // 2] - cells[n // 2 - 1])
    # Each flux serves two cells: XLA would compute it for either.
    return held(result)


def faces_z(
    c: Any, w: Any, z0: int, z1: int, y: slice, x: slice, bottom: int, top: int, k: Any
) -> Any:
    """Fluxes through the bottom faces of planes z0 to z1: none through a wall, lower order beside.

    Planes to which walls are equally near are computed together.
    """
    fluxes = []
    for reach, planes in itertools.groupby(
        range(z0, z1 + 1), lambda n: max(0, min(3, n - bottom, top - n))
    ):
        first, *others = planes
        a, b = first, first + 1 + len(others)
        if reach == 0:
            fluxes.append(jnp.zeros_like(c[a:b, y, x]))
        else:
            cells = [c[a + i : b + i, y, x] for i in range(-reach, reach)]
            fluxes.append(flux(w[a:b, y, x], cells, k))
    return jnp.concatenate(fluxes)


def tendency(
    box: Box, c: Any, u: Any, v: Any, w: Any, bottom: int, top: int,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any,
) -> Any:  # fmt: skip
    """dc/dt in a box; `bottom` and `top` are the walls' faces."""
    z0, z1, y0, y1, x0, x1 = box
    z, y, x = slice(z0, z1), slice(y0, y1), slice(x0, x1)
    west = flux(u[z, y, x0 : x1 + 1], [c[z, y, x0 + i : x1 + 1 + i] for i in range(-3, 3)], kx)
    south = flux(v[z, y0 : y1 + 1, x], [c[z, y0 + i : y1 + 1 + i, x] for i in range(-3, 3)], ky)
    below = faces_z(c, w, z0, z1, y, x, bottom, top, kz)
    rate = (west[..., :-1] - west[..., 1:]) * idx + (south[:, :-1] - south[:, 1:]) * idy
    return rate + (below[:-1] - below[1:]) * idz


def specialize(**constants: Any) -> dict[str, Callable[..., Any]]:
    """The precision is that of the arrays."""

    @writes("c1")
    def stage1(
        box: Box, c: Any, u: Any, v: Any, w: Any, c1: Any, bottom: int, top: int, *numbers: Any
    ) -> Any:
        *geometry, first = numbers
        rate = tendency(box, c, u, v, w, bottom, top, *geometry)
        return put(c1, box, c[slices(box)] + first * rate)

    @writes("c", "c2")
    def stage2(
        box: Box, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, bottom: int, top: int,
        *numbers: Any,
    ) -> Any:  # fmt: skip
        *geometry, second, weight, ahead = numbers
        rate = tendency(box, c1, u, v, w, bottom, top, *geometry)
        now, before = c1[slices(box)], c[slices(box)]
        result = now + (second * rate + weight * (now - before))
        return put(c, box, result + ahead * rate), put(c2, box, result)

    @writes("c")
    def stage3(
        box: Box, c2: Any, u: Any, v: Any, w: Any, c: Any, bottom: int, top: int, *numbers: Any
    ) -> Any:
        *geometry, third = numbers
        rate = tendency(box, c2, u, v, w, bottom, top, *geometry)
        return put(c, box, c[slices(box)] + third * rate)

    return {"stage1": stage1, "stage2": stage2, "stage3": stage3}
