"""u* = a A + b B + g G(u) of Boussinesq flow on a C-grid in JAX: fluxes through a box's faces."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jax import numpy as jnp

from joulia.bridges._jax_boxes import held, put, writes
from joulia.grid import Box, flatten, is_empty, pairs, slices
from joulia.kernels._weno_jax import weno3, weno5
from joulia.kernels.boussinesq.schemes import CENTRED, NONE, WENO5

Z, Y, X = 0, 1, 2


def shifted(box: Box, axis: int, by: int) -> Box:
    """The box of cells that lie `by` further along an axis."""
    ranges = pairs(box)
    a, b = ranges[axis]
    ranges[axis] = (a + by, b + by)
    return flatten(ranges)


def mean(values: Any, box: Box, axis: int) -> Any:
    """Of the cells of a box and those before them."""
    return 0.5 * (values[slices(shifted(box, axis, -1))] + values[slices(box)])


def flux(scheme: int, velocity: Any, cells: Sequence[Any], k: Any) -> Any:
    """Through faces between the middle two of `cells`: by their mean, upwind, or by diffusion."""
    n = len(cells)
    before, after = cells[n // 2 - 1 : n // 2 + 1]
    diffusion = k * (after - before)
    if scheme == NONE:
        return -diffusion
    if scheme == CENTRED:
        return velocity * (0.5 * (before + after)) - diffusion
    forward = velocity > 0.0
    # Where it flows the other way, the same cells in the other order.
    stencil = [jnp.where(forward, cells[i], cells[n - 1 - i]) for i in range(n - 1)]
    value = weno5(*stencil) if n == 6 else weno3(*stencil) if n == 4 else stencil[0]
    # Each flux serves two cells: XLA would compute it for either.
    return held(velocity * value - diffusion)


@dataclass(frozen=True)
class Flow:
    """What carries, and how: the scheme, velocities and 1 / h along z, y, x, and the walls."""

    scheme: int
    velocities: tuple[Any, Any, Any]
    bottom: int
    top: int
    per_length: tuple[Any, Any, Any]

    def through(self, q: Any, faces: Box, axis: int, side: int | None, k: Any, reach: int) -> Any:
        """Through the faces before the cells of a box, with `reach` cells on either side.

        A field that lies on the faces of the axis `side` is carried by the mean velocity there.
        """
        carrier = self.velocities[axis]
        velocity = carrier[slices(faces)] if side is None else mean(carrier, faces, side)
        cells = [q[slices(shifted(faces, axis, i))] for i in range(-reach, reach)]
        return flux(self.scheme, velocity, cells, k)

    def fluxes(self, q: Any, box: Box, axis: int, side: int | None, k: Any) -> Any:
        """Through the faces before the cells of a box along an axis, and after the last of them.

        Planes to which walls are equally near are computed together: none goes through a wall.
        """
        most = 3 if self.scheme == WENO5 else 1
        ranges = pairs(box)
        ranges[axis] = (ranges[axis][0], ranges[axis][1] + 1)
        if axis != Z:
            return self.through(q, flatten(ranges), axis, side, k, most)
        # w has values on walls, and its cells end half a cell beyond them.
        top = self.top + (side == Z)
        parts = []
        for reach, planes in itertools.groupby(
            range(*ranges[Z]), lambda z: max(0, min(most, z - self.bottom, top - z))
        ):
            first, *others = planes
            part = flatten([(first, first + 1 + len(others)), *ranges[1:]])
            if reach == 0:
                parts.append(jnp.zeros_like(q[slices(part)]))
            else:
                parts.append(self.through(q, part, Z, side, k, reach))
        return jnp.concatenate(parts)

    def rate(self, q: Any, box: Box, side: int | None, diffusivity: Any) -> Any:
        """What flows into each cell less what flows out."""
        idz, idy, idx = self.per_length
        west = self.fluxes(q, box, X, side, diffusivity * idx)
        south = self.fluxes(q, box, Y, side, diffusivity * idy)
        below = self.fluxes(q, box, Z, side, diffusivity * idz)
        total = (west[..., :-1] - west[..., 1:]) * idx + (south[:, :-1] - south[:, 1:]) * idy
        return total + (below[:-1] - below[1:]) * idz


def specialize(single: int, advection: int) -> dict[str, Callable[..., Any]]:
    """The functions for a scheme. The precision is that of the arrays."""

    @writes("u1", "v1", "w1", "b1")
    def predict(
        box: Box, u: Any, v: Any, w: Any, b: Any, ua: Any, va: Any, wa: Any, ba: Any,
        ub: Any, vb: Any, wb: Any, bb: Any, u1: Any, v1: Any, w1: Any, b1: Any,
        bottom: int, top: int, idx: Any, idy: Any, idz: Any, nu: Any, kappa: Any, f: Any, n2: Any,
        first: Any, second: Any, gain: Any,
    ) -> Any:  # fmt: skip
        """(u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b)."""
        if is_empty(box):
            return u1, v1, w1, b1
        flow = Flow(advection, (w, v, u), bottom, top, (idz, idy, idx))
        here, north, east = slices(box), shifted(box, Y, 1), shifted(box, X, 1)
        du = flow.rate(u, box, X, nu) + f * (0.5 * (mean(v, box, X) + mean(v, north, X)))
        dv = flow.rate(v, box, Y, nu) - f * (0.5 * (mean(u, box, Y) + mean(u, east, Y)))
        db = flow.rate(b, box, None, kappa) - n2 * mean(w, shifted(box, Z, 1), Z)
        # Nothing accelerates w on a wall.
        (z0, z1), *rest = pairs(box)
        inside = flatten([(max(z0, bottom + 1), z1), *rest])
        still = jnp.zeros_like(db[: inside[0] - z0])
        dw = still
        if not is_empty(inside):
            moved = flow.rate(w, inside, Z, nu) + mean(b, inside, Z)
            dw = jnp.concatenate([still, moved])
        return tuple(
            put(new, box, first * one[here] + second * other[here] + gain * rate)
            for new, one, other, rate in (
                (u1, ua, ub, du), (v1, va, vb, dv), (w1, wa, wb, dw), (b1, ba, bb, db),
            )
        )  # fmt: skip

    return {"predict": predict, "divergence": divergence, "project": project}


@writes("rhs")
def divergence(box: Box, u1: Any, v1: Any, w1: Any, rhs: Any, sx: Any, sy: Any, sz: Any) -> Any:
    """rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1)."""
    here = slices(box)
    total = sz * (w1[slices(shifted(box, Z, 1))] - w1[here])
    total += sy * (v1[slices(shifted(box, Y, 1))] - v1[here])
    return put(rhs, box, total + sx * (u1[slices(shifted(box, X, 1))] - u1[here]))


@writes("u1", "v1", "w1")
def project(
    box: Box, p: Any, u1: Any, v1: Any, w1: Any, bottom: int, gx: Any, gy: Any, gz: Any
) -> Any:
    """The velocities lose g times the pressure's difference; w on a wall keeps what it is."""

    def less(velocity: Any, box: Box, axis: int, g: Any) -> Any:
        if is_empty(box):
            return velocity
        difference = p[slices(box)] - p[slices(shifted(box, axis, -1))]
        return put(velocity, box, velocity[slices(box)] - g * difference)

    (z0, z1), *rest = pairs(box)
    inside = flatten([(max(z0, bottom + 1), z1), *rest])
    return less(u1, box, X, gx), less(v1, box, Y, gy), less(w1, inside, Z, gz)
