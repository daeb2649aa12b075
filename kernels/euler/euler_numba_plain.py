"""dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in plain Numba: DGSEM by nodes.

A direction is n = 0, 1, 2 along x, y, z. States are (rho, v1, v2, v3, p, E); `ll` and `rr` are
those on the lower and the upper side of a face, or of a pair of nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import sqrt
from typing import Any

import numpy as np
from numba import njit, prange

from joulia.kernels.euler import viscous_numba_plain
from joulia.kernels.euler.states import GAMMA
from joulia.kernels.euler.viscous_arrays import entries


@njit(cache=True)
def state(q: Any, z: Any, y: Any, k: Any, j: Any, i: Any, x: Any) -> Any:
    """The state at a node (k, j, i) of an element (z, y, x)."""
    rho = np.float64(q[z, y, 0, k, j, i, x])
    v1 = q[z, y, 1, k, j, i, x] / rho
    v2 = q[z, y, 2, k, j, i, x] / rho
    v3 = q[z, y, 3, k, j, i, x] / rho
    E = np.float64(q[z, y, 4, k, j, i, x])
    p = (GAMMA - 1.0) * (E - 0.5 * rho * (v1**2 + v2**2 + v3**2))
    return rho, v1, v2, v3, p, E


@njit(cache=True)
def flux(u: Any, n: Any) -> Any:
    """f of a state."""
    rho, v1, v2, v3, p, E = u
    v = u[1 + n]
    return (
        rho * v,
        rho * v * v1 + p * (n == 0),
        rho * v * v2 + p * (n == 1),
        rho * v * v3 + p * (n == 2),
        (E + p) * v,
    )


@njit(cache=True)
def flux_shima(ll: Any, rr: Any, n: Any) -> Any:
    """The two-point flux of Shima et al. (2021): it preserves kinetic energy and pressure."""
    v = 0.5 * (ll[1 + n] + rr[1 + n])
    p = 0.5 * (ll[4] + rr[4])
    mass = 0.5 * (ll[0] + rr[0]) * v
    kinetic = 0.5 * (ll[1] * rr[1] + ll[2] * rr[2] + ll[3] * rr[3])
    work = 0.5 * (ll[4] * rr[1 + n] + rr[4] * ll[1 + n])
    return (
        mass,
        mass * 0.5 * (ll[1] + rr[1]) + p * (n == 0),
        mass * 0.5 * (ll[2] + rr[2]) + p * (n == 1),
        mass * 0.5 * (ll[3] + rr[3]) + p * (n == 2),
        p * v / (GAMMA - 1.0) + mass * kinetic + work,
    )


@njit(cache=True)
def flux_rusanov(ll: Any, rr: Any, n: Any) -> Any:
    """Through a face: the mean flux, less half of max |v| + max c times the jump."""
    f, g = flux(ll, n), flux(rr, n)
    c = max(sqrt(GAMMA * ll[4] / ll[0]), sqrt(GAMMA * rr[4] / rr[0]))
    half = 0.5 * (max(abs(ll[1 + n]), abs(rr[1 + n])) + c)
    return (
        0.5 * (f[0] + g[0]) - half * (rr[0] - ll[0]),
        0.5 * (f[1] + g[1]) - half * (rr[0] * rr[1] - ll[0] * ll[1]),
        0.5 * (f[2] + g[2]) - half * (rr[0] * rr[2] - ll[0] * ll[2]),
        0.5 * (f[3] + g[3]) - half * (rr[0] * rr[3] - ll[0] * ll[3]),
        0.5 * (f[4] + g[4]) - half * (rr[5] - ll[5]),
    )


@njit(cache=True)
def add(k: Any, z: Any, y: Any, n3: Any, n2: Any, n1: Any, x: Any, c: Any, f: Any) -> None:
    """k += c f at a node."""
    for m in range(5):
        k[z, y, m, n3, n2, n1, x] += c * f[m]


@njit(cache=True)
def weak_form(
    k: Any, q: Any, z: Any, y: Any, n3: Any, n2: Any, n1: Any, x: Any, c: Any, D: Any
) -> None:
    """k_l += c_d D_li f_i: what the fluxes of a node give to the nodes of its three lines."""
    u = state(q, z, y, n3, n2, n1, x)
    fx, fy, fz = flux(u, 0), flux(u, 1), flux(u, 2)
    for l in range(len(D)):  # noqa: E741 -- the formula's index
        add(k, z, y, n3, n2, l, x, c[0] * D[l, n1], fx)
        add(k, z, y, n3, l, n1, x, c[1] * D[l, n2], fy)
        add(k, z, y, l, n2, n1, x, c[2] * D[l, n3], fz)


@njit(cache=True)
def split_form(
    k: Any, q: Any, z: Any, y: Any, n3: Any, n2: Any, n1: Any, x: Any, c: Any, D: Any
) -> None:
    """k_i += c_d D_il f#_il and k_l += c_d D_li f#_il, for the nodes l > i of its three lines."""
    u = state(q, z, y, n3, n2, n1, x)
    for l in range(n1 + 1, len(D)):  # noqa: E741
        f = flux_shima(u, state(q, z, y, n3, n2, l, x), 0)
        add(k, z, y, n3, n2, n1, x, c[0] * D[n1, l], f)
        add(k, z, y, n3, n2, l, x, c[0] * D[l, n1], f)
    for l in range(n2 + 1, len(D)):  # noqa: E741
        f = flux_shima(u, state(q, z, y, n3, l, n1, x), 1)
        add(k, z, y, n3, n2, n1, x, c[1] * D[n2, l], f)
        add(k, z, y, n3, l, n1, x, c[1] * D[l, n2], f)
    for l in range(n3 + 1, len(D)):  # noqa: E741
        f = flux_shima(u, state(q, z, y, l, n2, n1, x), 2)
        add(k, z, y, n3, n2, n1, x, c[2] * D[n3, l], f)
        add(k, z, y, l, n2, n1, x, c[2] * D[l, n3], f)


@njit(cache=True)
def surface(
    k: Any, q: Any, z: Any, y: Any, i: Any, j: Any, x: Any, c: Any, lift: Any, last: Any
) -> None:
    """k += c_d f* / w at the first node of a line in each direction, k -= the same at the last."""
    first, end = state(q, z, y, i, j, 0, x), state(q, z, y, i, j, last, x)
    west, east = state(q, z, y, i, j, last, x - 1), state(q, z, y, i, j, 0, x + 1)
    add(k, z, y, i, j, 0, x, c[0] * lift, flux_rusanov(west, first, 0))
    add(k, z, y, i, j, last, x, -c[0] * lift, flux_rusanov(end, east, 0))

    first, end = state(q, z, y, i, 0, j, x), state(q, z, y, i, last, j, x)
    south, north = state(q, z, y - 1, i, last, j, x), state(q, z, y + 1, i, 0, j, x)
    add(k, z, y, i, 0, j, x, c[1] * lift, flux_rusanov(south, first, 1))
    add(k, z, y, i, last, j, x, -c[1] * lift, flux_rusanov(end, north, 1))

    first, end = state(q, z, y, 0, i, j, x), state(q, z, y, last, i, j, x)
    below, above = state(q, z - 1, y, last, i, j, x), state(q, z + 1, y, 0, i, j, x)
    add(k, z, y, 0, i, j, x, c[2] * lift, flux_rusanov(below, first, 2))
    add(k, z, y, last, i, j, x, -c[2] * lift, flux_rusanov(end, above, 2))


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int, slope: str = ""
) -> dict[str, Callable[..., None]]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    D = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)

    @njit(parallel=True, cache=True)
    def stage(
        box: Any, q: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        """k = a k + dt R(q), out = q + b k, with R the right-hand side and c_d = 2 dt / dx_d."""
        z0, z1, y0, y1, x0, x1 = box
        c = (cx, cy, cz)
        for z in prange(z0, z1):
            for y in range(y0, y1):
                for m, n3, n2, n1 in np.ndindex((5, nodes, nodes, nodes)):
                    for x in range(x0, x1):
                        k[z, y, m, n3, n2, n1, x] *= a
                for n3, n2, n1 in np.ndindex((nodes, nodes, nodes)):
                    for x in range(x0, x1):
                        if split:
                            split_form(k, q, z, y, n3, n2, n1, x, c, D)
                        else:
                            weak_form(k, q, z, y, n3, n2, n1, x, c, D)
                for i, j in np.ndindex((nodes, nodes)):
                    for x in range(x0, x1):
                        surface(k, q, z, y, i, j, x, c, lift, nodes - 1)
                for m, n3, n2, n1 in np.ndindex((5, nodes, nodes, nodes)):
                    for x in range(x0, x1):
                        out[z, y, m, n3, n2, n1, x] = (
                            q[z, y, m, n3, n2, n1, x] + b * k[z, y, m, n3, n2, n1, x]
                        )

    if not slope:
        return {"stage": stage}
    viscous_flux, viscous = viscous_numba_plain.functions(nodes, entries(slope), lift)
    return {"stage": stage, "viscous_flux": viscous_flux, "viscous": viscous}
