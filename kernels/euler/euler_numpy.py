"""euler in NumPy: the reference. Works through slabs of element rows that fit in a cache.

Inside a slab arrays have the axes [component][z][y][k][j][i][x]. All arithmetic is by element,
without BLAS, whose order of summation would depend on the shape of the slab.

The expressions are those of the CuPy version too: `xp` is the array module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

from joulia.grid import Box
from joulia.kernel import Host
from joulia.kernels.euler.states import GAMMA

SLAB_BYTES = 1 << 17


def slabs(box: Box, values_a_cell: int, itemsize: int) -> Iterator[Box]:
    """Rows of one plane, as many as fit into SLAB_BYTES a component."""
    z0, z1, y0, y1, x0, x1 = box
    rows = max(1, SLAB_BYTES // (values_a_cell * max(1, x1 - x0) * itemsize))
    for z in range(z0, z1):
        for ya in range(y0, y1, rows):
            yield (z, z + 1, ya, min(ya + rows, y1), x0, x1)


Cut = Callable[[Box, int, int], Iterable[Box]]
"""What divides a box of cells with that many values of that many bytes a component."""


def primitive(q: Host) -> tuple[Host, ...]:
    """rho, u, v, w, p of conserved variables."""
    rho, mx, my, mz, energy = q
    real = q.dtype.type
    u, v, w = mx / rho, my / rho, mz / rho
    return (
        rho,
        u,
        v,
        w,
        (energy - (mx * u + my * v + mz * w) * real(0.5)) * real(GAMMA - 1.0),
    )


def flux(q: Host, prim: tuple[Host, ...], d: int) -> Host:
    """The flux along x, y or z (d = 0, 1, 2)."""
    p, normal = prim[4], prim[1 + d]
    f: Host = q * normal
    f[1 + d] += p
    f[4] += p * normal
    return f


def two_point_flux(xp: Any, a: tuple[Host, ...], b: tuple[Host, ...], d: int) -> Host:
    """Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."""
    real = a[0].dtype.type
    half = real(0.5)
    normal = (a[1 + d] + b[1 + d]) * half
    mass = (a[0] + b[0]) * half * normal
    p = (a[4] + b[4]) * half
    f: Host = xp.empty((5, *mass.shape), mass.dtype)
    f[0] = mass
    for m in (1, 2, 3):
        f[m] = mass * ((a[m] + b[m]) * half)
    kinetic = (a[1] * b[1] + a[2] * b[2] + a[3] * b[3]) * half
    exchanged = (a[4] * b[1 + d] + b[4] * a[1 + d]) * half
    internal = p * real(1.0 / (GAMMA - 1.0)) * normal
    f[1 + d] += p
    f[4] = internal + mass * kinetic + exchanged
    return f


def rusanov(xp: Any, low: Host, high: Host, d: int) -> Host:
    """The flux through a face between two states, the second on the side of larger coordinate."""
    real = low.dtype.type
    left, right = primitive(low), primitive(high)
    sound = [xp.sqrt(s[4] * real(GAMMA) / s[0]) for s in (left, right)]
    speed = xp.maximum(abs(left[1 + d]), abs(right[1 + d])) + xp.maximum(*sound)
    f: Host = (flux(low, left, d) + flux(high, right, d)) * real(0.5)
    f -= speed * real(0.5) * (high - low)
    return f


def elements(xp: Any, u: Host, slab: Box, d: int = 0, shift: int = 0) -> Host:
    """A view of the slab's elements, or of their neighbours along d, component first."""
    za, zb, ya, yb, xa, xb = slab
    dx, dy, dz = (shift if axis == d else 0 for axis in range(3))
    part = u[za + dz : zb + dz, ya + dy : yb + dy, :, :, :, :, xa + dx : xb + dx]
    view: Host = xp.moveaxis(part, 2, 0)
    return view


def node(q: Host, d: int, i: int) -> Host:
    """The nodes with index i along d."""
    part: Host = q[(..., i) + (slice(None),) * (d + 1)]
    return part


def functions(
    xp: Any, cut: Cut, nodes: int, split: int, volume: str, lift: float
) -> dict[str, Callable[..., None]]:
    """The functions of an array module for p + 1 = `nodes`; `euler.constants` has the rest."""
    matrix = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)
    add_volume = _split if split else _weak

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
        real = u.dtype.type
        for slab in cut(box, nodes**3, u.itemsize):
            q = xp.ascontiguousarray(elements(xp, u, slab))
            r = elements(xp, k, slab) * real(a)
            for d, c in enumerate((cx, cy, cz)):
                add_volume(xp, r, q, d, real(c) * matrix.astype(u.dtype))
                add_surface(r, q, u, slab, d, real(c * lift))
            elements(xp, k, slab)[...] = r
            elements(xp, out, slab)[...] = q + r * real(b)

    def add_surface(r: Host, q: Host, u: Host, slab: Box, d: int, c: Any) -> None:
        last = nodes - 1
        below = node(elements(xp, u, slab, d, -1), d, last)
        above = node(elements(xp, u, slab, d, 1), d, 0)
        first = node(r, d, 0)
        first += rusanov(xp, below, node(q, d, 0), d) * c
        final = node(r, d, last)
        final -= rusanov(xp, node(q, d, last), above, d) * c

    return {"stage": stage}


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int
) -> dict[str, Callable[..., None]]:
    made = functions(np, slabs, nodes, split, volume, lift)
    # `inadmissible` finds bad states and names them.
    quiet = np.errstate(divide="ignore", invalid="ignore")
    return {name: quiet(function) for name, function in made.items()}


def _lines(xp: Any, q: Host, d: int) -> Host:
    """A copy with the nodes along d first: what then has one index there is contiguous."""
    copied: Host = xp.ascontiguousarray(xp.moveaxis(q, -2 - d, 0))
    return copied


def _add_lines(xp: Any, r: Host, change: Host, d: int) -> None:
    r += xp.moveaxis(change, 0, -2 - d)


def _weak(xp: Any, r: Host, q: Host, d: int, matrix: Host) -> None:
    f = _lines(xp, flux(q, primitive(q), d), d)
    change = xp.zeros_like(f)
    part = xp.empty_like(f[0])
    for i, row in enumerate(matrix):
        for l, v in enumerate(row):  # noqa: E741 -- the index of the formula
            change[i] += xp.multiply(f[l], v, out=part)
    _add_lines(xp, r, change, d)


def _split(xp: Any, r: Host, q: Host, d: int, matrix: Host) -> None:
    prim = _lines(xp, xp.stack(primitive(q)), d)
    change = xp.zeros_like(prim)
    part = xp.empty_like(prim[0])
    n = len(matrix)
    for i in range(n):
        for l in range(i + 1, n):  # noqa: E741
            f = two_point_flux(xp, tuple(prim[i]), tuple(prim[l]), d)
            change[i] += xp.multiply(f, matrix[i, l], out=part)
            change[l] += xp.multiply(f, matrix[l, i], out=part)
    _add_lines(xp, r, change, d)
