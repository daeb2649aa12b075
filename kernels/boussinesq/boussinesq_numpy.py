"""u* = a A + b B + g G(u) of the Boussinesq equations on a C-grid in NumPy: the reference.

G is minus the divergence of what the velocities carry, by centred means or WENO5-Z, plus diffusion,
the Coriolis force, buoyancy and stratification; then the projection's divergence and gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box, flatten, pairs, slices
from joulia.kernels._weno_numpy import weno3, weno5
from joulia.kernels.boussinesq.schemes import CENTRED, NONE, WENO5

Z, Y, X = 0, 1, 2
Carried = Callable[[Host, Sequence[Host]], Host]


def centred(velocity: Host, cells: Sequence[Host]) -> Host:
    """What is carried through faces between the middle two of `cells`."""
    n = len(cells)
    carried: Host = velocity * (0.5 * (cells[n // 2 - 1] + cells[n // 2]))
    return carried


def weno(velocity: Host, cells: Sequence[Host]) -> Host:
    """The same upwind, of order 5, 3 or 1 for 3, 2 or 1 cells on either side."""
    n = len(cells)
    forward = velocity > 0.0
    # Where it flows the other way, the same cells in the other order.
    stencil = [np.where(forward, cells[i], cells[n - 1 - i]) for i in range(n - 1)]
    value = weno5(*stencil) if n == 6 else weno3(*stencil) if n == 4 else stencil[0]
    carried: Host = velocity * value
    return carried


def nothing(velocity: Host, cells: Sequence[Host]) -> Host:
    return np.zeros_like(velocity)


CARRIED: dict[int, tuple[Carried, int]] = {
    CENTRED: (centred, 1),
    WENO5: (weno, 3),
    NONE: (nothing, 1),
}
"""What is carried, from how many cells on either side at most."""


def shifted(box: Box, axis: int, by: int) -> Box:
    """The box of cells that lie `by` further along an axis."""
    ranges = pairs(box)
    a, b = ranges[axis]
    ranges[axis] = (a + by, b + by)
    return flatten(ranges)


def before(array: Host, box: Box, axis: int) -> Host:
    """The cells before those of the box along an axis."""
    return array[slices(shifted(box, axis, -1))]


def mean(array: Host, box: Box, axis: int) -> Host:
    """Of the cells of a box and those before them."""
    middle: Host = 0.5 * (before(array, box, axis) + array[slices(box)])
    return middle


class Predictor:
    """The rates of change on a box, with what all four of them share."""

    def __init__(
        self, scheme: int, flow: tuple[Host, Host, Host], bottom: int, top: int,
        per_length: tuple[float, float, float],
    ) -> None:  # fmt: skip
        self.carried, self.most = CARRIED[scheme]
        self.w, self.v, self.u = flow
        self.bottom, self.top = bottom, top
        self.per_length = per_length

    def flux(self, q: Host, faces: Box, axis: int, side: int | None, k: float, reach: int) -> Host:
        """Through the faces before the cells of a box, with `reach` cells on either side.

        A field that lies on the faces of the axis `side` is carried by the mean velocity there.
        """
        carrier = (self.w, self.v, self.u)[axis]
        velocity = carrier[slices(faces)] if side is None else mean(carrier, faces, side)
        cells = [q[slices(shifted(faces, axis, i))] for i in range(-reach, reach)]
        gradient = cells[reach] - cells[reach - 1]
        through: Host = self.carried(velocity, cells) - k * gradient
        return through

    def fluxes(self, q: Host, box: Box, axis: int, side: int | None, k: float) -> Host:
        """Through the faces before the cells of a box along an axis, and after the last of them.

        Planes to which walls are equally near are computed together: none goes through a wall.
        """
        ranges = pairs(box)
        ranges[axis] = (ranges[axis][0], ranges[axis][1] + 1)
        if axis != Z:
            return self.flux(q, flatten(ranges), axis, side, k, self.most)
        through = []
        for reach, planes in itertools.groupby(
            range(*ranges[Z]), lambda z: max(0, self.reach(z, side))
        ):
            first, *others = planes
            part = flatten([(first, first + 1 + len(others)), *ranges[1:]])
            if reach == 0:
                through.append(np.zeros_like(q[slices(part)]))
            else:
                through.append(self.flux(q, part, Z, side, k, reach))
        return through[0] if len(through) == 1 else np.concatenate(through)

    def reach(self, z: int, side: int | None) -> int:
        """The cells on either side of a bottom face, up to the walls, at most those used.

        w has values on the walls, and its own cells end half a cell beyond them.
        """
        beyond = 1 if side == Z else 0
        return min(self.most, z - self.bottom, self.top - z + beyond)

    def rate(self, q: Host, box: Box, side: int | None, diffusivity: float) -> Host:
        """Minus the divergence of what is carried, plus diffusion."""
        idz, idy, idx = self.per_length
        west = self.fluxes(q, box, X, side, diffusivity * idx)
        south = self.fluxes(q, box, Y, side, diffusivity * idy)
        below = self.fluxes(q, box, Z, side, diffusivity * idz)
        total: Host = (west[..., :-1] - west[..., 1:]) * idx
        total += (south[:, :-1] - south[:, 1:]) * idy
        total += (below[:-1] - below[1:]) * idz
        return total


def specialize(single: int, advection: int) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""

    def predict(
        box: Box, u: Host, v: Host, w: Host, b: Host, ua: Host, va: Host, wa: Host, ba: Host,
        ub: Host, vb: Host, wb: Host, bb: Host, u1: Host, v1: Host, w1: Host, b1: Host,
        bottom: int, top: int, idx: float, idy: float, idz: float, nu: float, kappa: float,
        f: float, n2: float, first: float, second: float, gain: float,
    ) -> None:  # fmt: skip
        """(u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b)."""
        if min(hi - lo for lo, hi in pairs(box)) <= 0:
            return
        rates = Predictor(advection, (w, v, u), bottom, top, (idz, idy, idx))
        here = slices(box)
        north, east, up = shifted(box, Y, 1), shifted(box, X, 1), shifted(box, Z, 1)
        du = rates.rate(u, box, X, nu) + f * (0.5 * (mean(v, box, X) + mean(v, north, X)))
        dv = rates.rate(v, box, Y, nu) - f * (0.5 * (mean(u, box, Y) + mean(u, east, Y)))
        db = rates.rate(b, box, None, kappa) - n2 * (0.5 * (w[here] + w[slices(up)]))
        dw = np.zeros_like(db)
        (z0, z1), *rest = pairs(box)
        # Nothing accelerates w on a wall.
        inside = flatten([(max(z0, bottom + 1), z1), *rest])
        if inside[1] > inside[0]:
            dw[inside[0] - z0 :] = rates.rate(w, inside, Z, nu) + mean(b, inside, Z)
        for new, one, other, rate in (
            (u1, ua, ub, du), (v1, va, vb, dv), (w1, wa, wb, dw), (b1, ba, bb, db),
        ):  # fmt: skip
            new[here] = first * one[here] + second * other[here] + gain * rate

    return {"predict": predict, "divergence": divergence, "project": project}


def divergence(
    box: Box, u1: Host, v1: Host, w1: Host, rhs: Host, sx: float, sy: float, sz: float
) -> None:
    """rhs = sx (u1 east - u1) + sy (v1 north - v1) + sz (w1 above - w1)."""
    here = slices(box)
    total = sz * (w1[slices(shifted(box, Z, 1))] - w1[here])
    total += sy * (v1[slices(shifted(box, Y, 1))] - v1[here])
    rhs[here] = total + sx * (u1[slices(shifted(box, X, 1))] - u1[here])


def project(
    box: Box, p: Host, u1: Host, v1: Host, w1: Host, bottom: int, gx: float, gy: float, gz: float
) -> None:
    """The velocities lose g times the pressure's difference; w on a wall keeps what it is."""
    here = slices(box)
    u1[here] -= gx * (p[here] - before(p, box, X))
    v1[here] -= gy * (p[here] - before(p, box, Y))
    (z0, z1), *rest = pairs(box)
    inside = flatten([(max(z0, bottom + 1), z1), *rest])
    if inside[1] > inside[0]:
        w1[slices(inside)] -= gz * (p[slices(inside)] - before(p, inside, Z))
