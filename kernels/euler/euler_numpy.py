"""euler in NumPy: the reference. Works through slabs of element rows that fit in a cache.

Inside a slab arrays have the axes [component][y][k][j][i][x]. All arithmetic is by element, without
BLAS, whose order of summation would depend on the shape of the slab.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from joulia.grid import Box
from joulia.kernel import Host
from joulia.kernels.euler.states import GAMMA

SLAB_BYTES = 1 << 17

Slab = tuple[int, int, int, int, int]
"""z, and y and x ranges."""


def primitive(q: Host) -> tuple[Host, ...]:
    """rho, u, v, w, p of conserved variables."""
    rho, mx, my, mz, energy = q
    u, v, w = mx / rho, my / rho, mz / rho
    return (
        rho,
        u,
        v,
        w,
        q.dtype.type(GAMMA - 1.0) * (energy - q.dtype.type(0.5) * (mx * u + my * v + mz * w)),
    )


def flux(q: Host, prim: tuple[Host, ...], d: int) -> Host:
    """The flux along x, y or z (d = 0, 1, 2)."""
    p, normal = prim[4], prim[1 + d]
    f: Host = q * normal
    f[1 + d] += p
    f[4] += p * normal
    return f


def two_point_flux(a: tuple[Host, ...], b: tuple[Host, ...], d: int) -> Host:
    """Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."""
    real = a[0].dtype.type
    half = real(0.5)
    mass = half * (a[0] + b[0]) * (half * (a[1 + d] + b[1 + d]))
    p = half * (a[4] + b[4])
    f: Host = np.empty_like(mass, shape=(5, *mass.shape))
    f[0] = mass
    for m in (1, 2, 3):
        f[m] = mass * (half * (a[m] + b[m]))
    kinetic = half * (a[1] * b[1] + a[2] * b[2] + a[3] * b[3])
    exchanged = half * (a[4] * b[1 + d] + b[4] * a[1 + d])
    internal = real(1.0 / (GAMMA - 1.0)) * p * (half * (a[1 + d] + b[1 + d]))
    f[1 + d] += p
    f[4] = internal + mass * kinetic + exchanged
    return f


def rusanov(low: Host, high: Host, d: int) -> Host:
    """The flux through a face between two states, the second on the side of larger coordinate."""
    half = low.dtype.type(0.5)
    left, right = primitive(low), primitive(high)
    sound = [np.sqrt(low.dtype.type(GAMMA) * s[4] / s[0]) for s in (left, right)]
    speed = np.maximum(np.abs(left[1 + d]), np.abs(right[1 + d])) + np.maximum(*sound)
    f: Host = half * (flux(low, left, d) + flux(high, right, d)) - half * speed * (high - low)
    return f


def elements(u: Host, slab: Slab, d: int = 0, shift: int = 0) -> Host:
    """A view of the slab's elements, or of their neighbours along d, component first."""
    z, ya, yb, xa, xb = slab
    dx, dy, dz = (shift if axis == d else 0 for axis in range(3))
    part = u[z + dz, ya + dy : yb + dy, :, :, :, :, xa + dx : xb + dx]
    return np.moveaxis(part, 1, 0)


def node(q: Host, d: int, i: int) -> Host:
    """The nodes with index i along d, whichever axes come before k."""
    part: Host = q[(..., i) + (slice(None),) * (1 + d)]
    return part


def add_surface(r: Host, q: Host, below: Host, above: Host, d: int, c: Any) -> None:
    """Add c times the fluxes through the faces along d to the nodes that lie on them."""
    first, last = node(r, d, 0), node(r, d, -1)
    first += c * rusanov(node(below, d, -1), node(q, d, 0), d)
    last -= c * rusanov(node(q, d, -1), node(above, d, 0), d)


@cache
def specialize(nodes: int, split: int, volume: str, lift: float, lanes: int) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    matrix = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)
    add_volume = _split if split else _weak

    @np.errstate(
        divide="ignore", invalid="ignore"
    )  # `inadmissible` finds bad states and names them
    def stage(
        box: Box,
        u: Host,
        k: Host,
        out: Host,
        a: float,
        b: float,
        cx: float,
        cy: float,
        cz: float,
    ) -> None:
        """k = a k + dt R(u), out = u + b k, with R the right-hand side and c_d = 2 dt / dx_d."""
        z0, z1, y0, y1, x0, x1 = box
        real = u.dtype.type
        rows = max(1, SLAB_BYTES // (nodes**3 * max(1, x1 - x0) * u.itemsize))
        for z in range(z0, z1):
            for ya in range(y0, y1, rows):
                slab = (z, ya, min(ya + rows, y1), x0, x1)
                q = np.ascontiguousarray(elements(u, slab))
                r = real(a) * elements(k, slab)
                for d, c in enumerate((cx, cy, cz)):
                    add_volume(r, q, d, real(c) * matrix.astype(u.dtype))
                    below, above = (elements(u, slab, d, shift) for shift in (-1, 1))
                    add_surface(r, q, below, above, d, real(c * lift))
                elements(k, slab)[...] = r
                elements(out, slab)[...] = q + real(b) * r

    return {"stage": stage}


def _lines(q: Host, d: int) -> Host:
    """A copy with the nodes along d first: what then has one index there is contiguous."""
    return np.ascontiguousarray(np.moveaxis(q, 4 - d, 0))


def _add_lines(r: Host, change: Host, d: int) -> None:
    r += np.moveaxis(change, 0, 4 - d)


def _weak(r: Host, q: Host, d: int, matrix: Host) -> None:
    f = _lines(flux(q, primitive(q), d), d)
    change = np.zeros_like(f)
    part = np.empty_like(f[0])
    for i, row in enumerate(matrix):
        for l, v in enumerate(row):  # noqa: E741 -- the index of the formula
            change[i] += np.multiply(v, f[l], out=part)
    _add_lines(r, change, d)


def _split(r: Host, q: Host, d: int, matrix: Host) -> None:
    prim = _lines(np.stack(primitive(q)), d)
    change = np.zeros_like(prim)
    part = np.empty_like(prim[0])
    n = len(matrix)
    for i in range(n):
        for l in range(i + 1, n):  # noqa: E741
            f = two_point_flux(tuple(prim[i]), tuple(prim[l]), d)
            change[i] += np.multiply(matrix[i, l], f, out=part)
            change[l] += np.multiply(matrix[l, i], f, out=part)
    _add_lines(r, change, d)
