"""Viscosity in plain Numba: gradients, fluxes and their divergence, a node after another.

Derivatives along a line take the mean of both sides on faces: S is the matrix of `viscous.slope`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange

from joulia.kernels.euler.states import GAMMA


@njit(cache=True)
def variables(q: Any, z: Any, y: Any, k: Any, j: Any, i: Any, x: Any) -> Any:
    """v1, v2, v3, T = p / rho: what is differentiated."""
    rho = np.float64(q[z, y, 0, k, j, i, x])
    v1 = q[z, y, 1, k, j, i, x] / rho
    v2 = q[z, y, 2, k, j, i, x] / rho
    v3 = q[z, y, 3, k, j, i, x] / rho
    E = np.float64(q[z, y, 4, k, j, i, x])
    return v1, v2, v3, (GAMMA - 1.0) * (E / rho - 0.5 * (v1**2 + v2**2 + v3**2))


@njit(cache=True)
def flux(f: Any, z: Any, y: Any, k: Any, j: Any, i: Any, x: Any) -> Any:
    """A flux of momentum and energy."""
    return (
        f[z, y, 1, k, j, i, x],
        f[z, y, 2, k, j, i, x],
        f[z, y, 3, k, j, i, x],
        f[z, y, 4, k, j, i, x],
    )


@njit(cache=True)
def plus(total: Any, c: Any, u: Any) -> Any:
    """total + c u"""
    return total[0] + c * u[0], total[1] + c * u[1], total[2] + c * u[2], total[3] + c * u[3]


def functions(nodes: int, S: Any, lift: float) -> tuple[Callable[..., None], Callable[..., None]]:
    """viscous_flux and viscous for p + 1 = `nodes`."""
    last = nodes - 1

    def derivative(at: Any) -> Any:
        """Of the four values that `at` reads, along x, y and z, at a node."""

        @njit(cache=True)
        def along(fx: Any, fy: Any, fz: Any, z: Any, y: Any, k: Any, j: Any, i: Any, x: Any) -> Any:
            gx = gy = gz = (0.0, 0.0, 0.0, 0.0)
            for l in range(nodes):  # noqa: E741 -- the formula's index
                gx = plus(gx, S[i, l], at(fx, z, y, k, j, l, x))
                gy = plus(gy, S[j, l], at(fy, z, y, k, l, i, x))
                gz = plus(gz, S[k, l], at(fz, z, y, l, j, i, x))
            if i == 0:
                gx = plus(gx, -lift, at(fx, z, y, k, j, last, x - 1))
            if i == last:
                gx = plus(gx, lift, at(fx, z, y, k, j, 0, x + 1))
            if j == 0:
                gy = plus(gy, -lift, at(fy, z, y - 1, k, last, i, x))
            if j == last:
                gy = plus(gy, lift, at(fy, z, y + 1, k, 0, i, x))
            if k == 0:
                gz = plus(gz, -lift, at(fz, z - 1, y, last, j, i, x))
            if k == last:
                gz = plus(gz, lift, at(fz, z + 1, y, 0, j, i, x))
            return gx, gy, gz

        return along

    gradients, divergences = derivative(variables), derivative(flux)

    @njit(parallel=True, cache=True)
    def viscous_flux(
        box: Any, q: Any, fx: Any, fy: Any, fz: Any, mu: Any, kappa: Any, ix: Any, iy: Any, iz: Any
    ) -> None:
        """The stress mu (grad v + grad v^T - 2/3 div v), its work, and the heat kappa grad T."""
        z0, z1, y0, y1, x0, x1 = box
        for z in prange(z0, z1):
            for y in range(y0, y1):
                for k, j, i in np.ndindex((nodes, nodes, nodes)):
                    for x in range(x0, x1):
                        gx, gy, gz = gradients(q, q, q, z, y, k, j, i, x)
                        g = (plus((0.0,) * 4, ix, gx), plus((0.0,) * 4, iy, gy),
                             plus((0.0,) * 4, iz, gz))  # fmt: skip
                        v = variables(q, z, y, k, j, i, x)
                        bulk = 2.0 / 3.0 * (g[0][0] + g[1][1] + g[2][2])
                        for m in range(3):
                            fx[z, y, 1 + m, k, j, i, x] = mu * (g[0][m] + g[m][0] - bulk * (m == 0))
                            fy[z, y, 1 + m, k, j, i, x] = mu * (g[1][m] + g[m][1] - bulk * (m == 1))
                            fz[z, y, 1 + m, k, j, i, x] = mu * (g[2][m] + g[m][2] - bulk * (m == 2))
                        ex, ey, ez = kappa * g[0][3], kappa * g[1][3], kappa * g[2][3]
                        for m in range(3):
                            ex += v[m] * fx[z, y, 1 + m, k, j, i, x]
                            ey += v[m] * fy[z, y, 1 + m, k, j, i, x]
                            ez += v[m] * fz[z, y, 1 + m, k, j, i, x]
                        fx[z, y, 4, k, j, i, x] = ex
                        fy[z, y, 4, k, j, i, x] = ey
                        fz[z, y, 4, k, j, i, x] = ez

    @njit(parallel=True, cache=True)
    def viscous(
        box: Any, fx: Any, fy: Any, fz: Any, k_: Any, out: Any, b: Any, sx: Any, sy: Any, sz: Any
    ) -> None:
        """k += dt V, out += b dt V, with V the divergence of the fluxes and s_d = dt / dx_d."""
        z0, z1, y0, y1, x0, x1 = box
        for z in prange(z0, z1):
            for y in range(y0, y1):
                for k, j, i in np.ndindex((nodes, nodes, nodes)):
                    for x in range(x0, x1):
                        dx, dy, dz = divergences(fx, fy, fz, z, y, k, j, i, x)
                        for m in range(4):
                            added = sx * dx[m] + sy * dy[m] + sz * dz[m]
                            k_[z, y, 1 + m, k, j, i, x] += added
                            out[z, y, 1 + m, k, j, i, x] += b * added

    return viscous_flux, viscous
