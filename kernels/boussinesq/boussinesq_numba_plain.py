"""u* = a A + b B + g G(u) of Boussinesq flow in plain Numba: a cell after another, on a C-grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit, prange

from joulia.kernels._weno_numba_plain import weno3, weno5
from joulia.kernels.boussinesq.schemes import CENTRED, WENO5

U, V, W, B = (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 0)
"""Where the cell before lies between which a field has its values: u on west faces and so on."""


@njit(cache=True)
def through(
    scheme: Any, speed: Any, q: Any, z: Any, y: Any, x: Any, dz: Any, dy: Any, dx: Any,
    k: Any, reach: Any,
) -> Any:  # fmt: skip
    """Through the face between a cell and the one before it, with `reach` cells on either side."""
    c, d = q[z - dz, y - dy, x - dx], q[z, y, x]
    value = 0.0 * d
    if scheme == CENTRED:
        value = 0.5 * (c + d)
    elif scheme == WENO5 and reach >= 2:
        b, e = q[z - 2 * dz, y - 2 * dy, x - 2 * dx], q[z + dz, y + dy, x + dx]
        if reach == 2:
            value = weno3(b, c, d) if speed > 0.0 else weno3(e, d, c)
        else:
            a = q[z - 3 * dz, y - 3 * dy, x - 3 * dx]
            f = q[z + 2 * dz, y + 2 * dy, x + 2 * dx]
            value = weno5(a, b, c, d, e) if speed > 0.0 else weno5(f, e, d, c, b)
    elif scheme == WENO5:
        value = c if speed > 0.0 else d
    return speed * value - k * (d - c)


@njit(cache=True)
def middle(c: Any, z: Any, y: Any, x: Any, side: Any) -> Any:
    """A velocity between its values here and `side` before."""
    return 0.5 * (c[z - side[0], y - side[1], x - side[2]] + c[z, y, x])


@njit(cache=True)
def west(scheme: Any, q: Any, u: Any, z: Any, y: Any, x: Any, side: Any, k: Any) -> Any:
    return through(scheme, middle(u, z, y, x, side), q, z, y, x, 0, 0, 1, k, 3)


@njit(cache=True)
def south(scheme: Any, q: Any, v: Any, z: Any, y: Any, x: Any, side: Any, k: Any) -> Any:
    return through(scheme, middle(v, z, y, x, side), q, z, y, x, 0, 1, 0, k, 3)


@njit(cache=True)
def bottom_face(
    scheme: Any, q: Any, w: Any, z: Any, y: Any, x: Any, side: Any, k: Any, bottom: Any, top: Any
) -> Any:
    """Nothing goes through a wall; w has values there, its cells end half a cell beyond."""
    reach = min(z - bottom, top - z + side[0])
    if reach <= 0:
        return 0.0
    return through(scheme, middle(w, z, y, x, side), q, z, y, x, 1, 0, 0, k, reach)


@njit(cache=True)
def inflow(
    scheme: Any, q: Any, u: Any, v: Any, w: Any, z: Any, y: Any, x: Any, side: Any, k: Any,
    bottom: Any, top: Any, idx: Any, idy: Any, idz: Any,
) -> Any:  # fmt: skip
    """What flows into a cell less what flows out."""
    kx, ky, kz = k * idx, k * idy, k * idz
    above = bottom_face(scheme, q, w, z + 1, y, x, side, kz, bottom, top)
    below = bottom_face(scheme, q, w, z, y, x, side, kz, bottom, top)
    return (
        (west(scheme, q, u, z, y, x, side, kx) - west(scheme, q, u, z, y, x + 1, side, kx)) * idx
        + (south(scheme, q, v, z, y, x, side, ky) - south(scheme, q, v, z, y + 1, x, side, ky))
        * idy
        + (below - above) * idz
    )


@njit(parallel=True, cache=True)
def divergence(box: Any, u1: Any, v1: Any, w1: Any, rhs: Any, sx: Any, sy: Any, sz: Any) -> None:
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                rhs[z, y, x] = (
                    sx * (u1[z, y, x + 1] - u1[z, y, x])
                    + sy * (v1[z, y + 1, x] - v1[z, y, x])
                    + sz * (w1[z + 1, y, x] - w1[z, y, x])
                )


@njit(parallel=True, cache=True)
def project(
    box: Any, p: Any, u1: Any, v1: Any, w1: Any, bottom: Any, gx: Any, gy: Any, gz: Any
) -> None:
    """The velocities lose g times the pressure's difference; w on a wall keeps what it is."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                u1[z, y, x] -= gx * (p[z, y, x] - p[z, y, x - 1])
                v1[z, y, x] -= gy * (p[z, y, x] - p[z, y - 1, x])
                if z != bottom:
                    w1[z, y, x] -= gz * (p[z, y, x] - p[z - 1, y, x])


@cache
def specialize(single: int, advection: int) -> dict[str, Callable[..., None]]:
    """The functions for a scheme. The precision is that of the arrays."""

    @njit(parallel=True, cache=True)
    def predict(
        box: Any, u: Any, v: Any, w: Any, b: Any, ua: Any, va: Any, wa: Any, ba: Any,
        ub: Any, vb: Any, wb: Any, bb: Any, u1: Any, v1: Any, w1: Any, b1: Any,
        bottom: Any, top: Any, idx: Any, idy: Any, idz: Any, nu: Any, kappa: Any, f: Any,
        n2: Any, first: Any, second: Any, gain: Any,
    ) -> None:  # fmt: skip
        """(u1, ...) = first (ua, ...) + second (ub, ...) + gain G(u, v, w, b)."""
        z0, z1, y0, y1, x0, x1 = box
        for z in prange(z0, z1):
            for y in range(y0, y1):
                for x in range(x0, x1):
                    ends = (bottom, top, idx, idy, idz)
                    du = inflow(advection, u, u, v, w, z, y, x, U, nu, *ends)
                    du += (
                        f
                        * 0.25
                        * (v[z, y, x - 1] + v[z, y, x] + v[z, y + 1, x - 1] + v[z, y + 1, x])
                    )
                    dv = inflow(advection, v, u, v, w, z, y, x, V, nu, *ends)
                    dv -= (
                        f
                        * 0.25
                        * (u[z, y - 1, x] + u[z, y, x] + u[z, y - 1, x + 1] + u[z, y, x + 1])
                    )
                    dw = 0.0 * du  # nothing accelerates w on a wall
                    if z != bottom:
                        dw = inflow(advection, w, u, v, w, z, y, x, W, nu, *ends)
                        dw += 0.5 * (b[z - 1, y, x] + b[z, y, x])
                    db = inflow(advection, b, u, v, w, z, y, x, B, kappa, *ends)
                    db -= n2 * 0.5 * (w[z, y, x] + w[z + 1, y, x])
                    u1[z, y, x] = first * ua[z, y, x] + second * ub[z, y, x] + gain * du
                    v1[z, y, x] = first * va[z, y, x] + second * vb[z, y, x] + gain * dv
                    w1[z, y, x] = first * wa[z, y, x] + second * wb[z, y, x] + gain * dw
                    b1[z, y, x] = first * ba[z, y, x] + second * bb[z, y, x] + gain * db

    return {"predict": predict, "divergence": divergence, "project": project}
