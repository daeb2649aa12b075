"""dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in NumPy: the reference.

Works through slabs of element rows that fit in a cache. `ll` and `rr` are the states on the lower
and the upper side of a face, or of a pair of nodes; v_n is the velocity along the direction d.

Inside a slab arrays have the axes [component][y][k][j][i][x]. All arithmetic is by element, without
BLAS, whose order of summation would depend on the shape of the slab.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box
from joulia.kernels.euler import viscous_arrays
from joulia.kernels.euler.states import GAMMA

SLAB_BYTES = 1 << 17

Slab = tuple[int, int, int, int, int]
"""z, and y and x ranges."""
Primitives = tuple[Host, ...]
"""rho, v1, v2, v3, p."""
State = tuple[Host, Primitives]
"""Conserved variables, and the primitive ones that they make."""


def primitive(q: Host) -> Primitives:
    """rho, v1, v2, v3, p of conserved variables."""
    rho, m1, m2, m3, energy = q
    real = q.dtype.type
    v1, v2, v3 = m1 / rho, m2 / rho, m3 / rho
    p = real(GAMMA - 1.0) * (energy - real(0.5) * (m1 * v1 + m2 * v2 + m3 * v3))
    return rho, v1, v2, v3, p


def flux(q: Host, primitives: Primitives, d: int) -> Host:
    """f of a state along x, y or z (d = 0, 1, 2)."""
    _, *v, p = primitives
    f: Host = q * v[d]
    f[1 + d] += p
    f[4] += p * v[d]
    return f


def flux_shima(ll: Primitives, rr: Primitives, d: int) -> Host:
    """The two-point flux of Shima et al. (2021) along d, of primitive variables.

    Symmetric; it preserves kinetic energy and the equilibrium of pressure.
    """
    rho_ll, *v_ll, p_ll = ll
    rho_rr, *v_rr, p_rr = rr
    real = rho_ll.dtype.type
    half = real(0.5)
    v_n_mean = half * (v_ll[d] + v_rr[d])
    p_mean = half * (p_ll + p_rr)
    mass = half * (rho_ll + rho_rr) * v_n_mean
    half_product = half * (v_ll[0] * v_rr[0] + v_ll[1] * v_rr[1] + v_ll[2] * v_rr[2])
    half_work = half * (p_ll * v_rr[d] + p_rr * v_ll[d])
    f: Host = np.empty_like(mass, shape=(5, *mass.shape))
    f[0] = mass
    for axis in range(3):
        f[1 + axis] = mass * (half * (v_ll[axis] + v_rr[axis]))
    f[1 + d] += p_mean
    f[4] = real(1.0 / (GAMMA - 1.0)) * p_mean * v_n_mean + mass * half_product + half_work
    return f


def flux_rusanov(state_ll: State, state_rr: State, d: int) -> Host:
    """The Rusanov (local Lax-Friedrichs) flux along d, lambda = max |v_n| + max c."""
    (q_ll, ll), (q_rr, rr) = state_ll, state_rr
    real = q_ll.dtype.type
    half = real(0.5)
    c_ll, c_rr = (np.sqrt(real(GAMMA) * state[4] / state[0]) for state in (ll, rr))
    speed = np.maximum(np.abs(ll[1 + d]), np.abs(rr[1 + d])) + np.maximum(c_ll, c_rr)
    mean = half * (flux(q_ll, ll, d) + flux(q_rr, rr, d))
    f: Host = mean - half * speed * (q_rr - q_ll)
    return f


def elements(q: Host, slab: Slab, d: int = 0, shift: int = 0) -> Host:
    """A view of the slab's elements, or of their neighbours along d, component first."""
    z, ya, yb, xa, xb = slab
    dx, dy, dz = (shift if axis == d else 0 for axis in range(3))
    part = q[z + dz, ya + dy : yb + dy, :, :, :, :, xa + dx : xb + dx]
    return np.moveaxis(part, 1, 0)


def node(q: Host, d: int, i: int) -> Host:
    """The nodes with index i along d, whichever axes come before k."""
    part: Host = q[(..., i) + (slice(None),) * (1 + d)]
    return part


def face(state: State, d: int, i: int) -> State:
    """The nodes of a slab's own elements with index i along d."""
    q, primitives = state
    return node(q, d, i), tuple(node(values, d, i) for values in primitives)


def facing(q: Host, d: int, i: int) -> State:
    """The nodes with index i along d of neighbours, whose primitive variables nobody has yet."""
    conserved = node(q, d, i)
    return conserved, primitive(conserved)


def add_surface(r: Host, own: State, below: Host, above: Host, d: int, c: Any) -> None:
    """r += c f* at the first nodes along d, r -= c f* at the last, f* through their own faces."""
    first, last = node(r, d, 0), node(r, d, -1)
    first += c * flux_rusanov(facing(below, d, -1), face(own, d, 0), d)
    last -= c * flux_rusanov(face(own, d, -1), facing(above, d, 0), d)


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int, slope: str = ""
) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    matrix = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)
    add_volume = split_form if split else weak_form

    # `inadmissible` finds bad states and names them.
    @np.errstate(divide="ignore", invalid="ignore")
    def stage(
        box: Box, q: Host, k: Host, out: Host, a: float, b: float, cx: float, cy: float, cz: float
    ) -> None:
        """k = a k + dt R(q), out = q + b k, with R the right-hand side and c_d = 2 dt / dx_d."""
        z0, z1, y0, y1, x0, x1 = box
        real = q.dtype.type
        rows = max(1, SLAB_BYTES // (nodes**3 * max(1, x1 - x0) * q.itemsize))
        for z in range(z0, z1):
            for ya in range(y0, y1, rows):
                slab = (z, ya, min(ya + rows, y1), x0, x1)
                own = np.ascontiguousarray(elements(q, slab))
                state = own, primitive(own)
                r = real(a) * elements(k, slab)
                for d, c in enumerate((cx, cy, cz)):
                    add_volume(r, state, d, real(c) * matrix.astype(q.dtype))
                    below, above = (elements(q, slab, d, shift) for shift in (-1, 1))
                    add_surface(r, state, below, above, d, real(c * lift))
                elements(k, slab)[...] = r
                elements(out, slab)[...] = own + real(b) * r

    return {"stage": stage} | (viscous_functions(nodes, slope, lift) if slope else {})


def lines(q: Host, d: int) -> Host:
    """A copy with the nodes along d first: what then has one index there is contiguous."""
    return np.ascontiguousarray(np.moveaxis(q, 4 - d, 0))


def add_lines(r: Host, change: Host, d: int) -> None:
    r += np.moveaxis(change, 0, 4 - d)


def weak_form(r: Host, state: State, d: int, matrix: Host) -> None:
    """r_i += sum_l matrix[i, l] f_l along d."""
    f = lines(flux(*state, d), d)
    change = np.zeros_like(f)
    product = np.empty_like(f[0])
    for i, row in enumerate(matrix):
        for l, entry in enumerate(row):  # noqa: E741 -- the index of the formula
            change[i] += np.multiply(entry, f[l], out=product)
    add_lines(r, change, d)


def split_form(r: Host, state: State, d: int, matrix: Host) -> None:
    """r_i += sum_l matrix[i, l] f#_il along d; each two-point flux serves both its nodes."""
    primitives = lines(np.stack(state[1]), d)
    change = np.zeros_like(primitives)
    product = np.empty_like(primitives[0])
    n = len(matrix)
    for i in range(n):
        for l in range(i + 1, n):  # noqa: E741
            f = flux_shima(tuple(primitives[i]), tuple(primitives[l]), d)
            change[i] += np.multiply(matrix[i, l], f, out=product)
            change[l] += np.multiply(matrix[l, i], f, out=product)
    add_lines(r, change, d)


# ---- viscosity -------------------------------------------------------------------------------


def slabs(box: Box, cell_bytes: int) -> Iterator[Slab]:
    """The box in slabs of at most SLAB_BYTES a component, or of one row."""
    z0, z1, y0, y1, x0, x1 = box
    rows = max(1, SLAB_BYTES // (cell_bytes * max(1, x1 - x0)))
    for z in range(z0, z1):
        for y in range(y0, y1, rows):
            yield z, y, min(y + rows, y1), x0, x1


def ends(q: Host, slab: Slab, d: int) -> tuple[Host, Host]:
    """The nodes of the neighbours below and above along d that touch the slab's elements."""
    below, above = (elements(q, slab, d, shift) for shift in (-1, 1))
    return (
        viscous_arrays.along(below, d, slice(-1, None)),
        viscous_arrays.along(above, d, slice(0, 1)),
    )


def viscous_functions(nodes: int, slope: str, lift: float) -> dict[str, Any]:
    """The functions that a viscosity needs besides."""
    by_direction = [viscous_arrays.columns(slope, lift, d) for d in range(3)]
    cube = nodes**3

    @np.errstate(divide="ignore", invalid="ignore")
    def viscous_flux(
        box: Box, q: Host, fx: Host, fy: Host, fz: Host,
        mu: float, kappa: float, ix: float, iy: float, iz: float,
    ) -> None:  # fmt: skip
        """The viscous fluxes of q, with gradients of central fluxes; i_d = 1 / dx_d."""
        real = q.dtype.type
        for slab in slabs(box, cube * q.itemsize):
            own = viscous_arrays.variables(primitive(elements(q, slab)))
            gradients = []
            for d, inverse in enumerate((ix, iy, iz)):
                scaled = [real(inverse) * column.astype(q.dtype) for column in by_direction[d]]
                below, above = (
                    viscous_arrays.variables(primitive(side)) for side in ends(q, slab, d)
                )
                gradients.append(
                    [
                        viscous_arrays.derivative(*three, d, scaled)
                        for three in zip(own, below, above, strict=True)
                    ]
                )
            made = viscous_arrays.fluxes(own[:3], gradients, real(mu), real(kappa), real(1.0 / 3.0))
            for field, flux_d in zip((fx, fy, fz), made, strict=True):
                for target, values in zip(elements(field, slab)[1:], flux_d, strict=True):
                    target[...] = values

    def viscous(
        box: Box, fx: Host, fy: Host, fz: Host, k: Host, out: Host,
        b: float, sx: float, sy: float, sz: float,
    ) -> None:  # fmt: skip
        """k += dt V, out += b dt V, with V the divergence of the fluxes and s_d = dt / dx_d."""
        real = k.dtype.type
        for slab in slabs(box, cube * k.itemsize):
            r = np.zeros_like(elements(k, slab)[1:])
            for d, (f, scale) in enumerate(zip((fx, fy, fz), (sx, sy, sz), strict=True)):
                scaled = [real(scale) * column.astype(k.dtype) for column in by_direction[d]]
                below, above = (side[1:] for side in ends(f, slab, d))
                r += viscous_arrays.derivative(elements(f, slab)[1:], below, above, d, scaled)
            change, result = elements(k, slab)[1:], elements(out, slab)[1:]
            change += r
            result += real(b) * r

    return {"viscous_flux": viscous_flux, "viscous": viscous}
