"""dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in JAX, over all elements of a box.

`ll` and `rr` are the states on the lower and the upper side of a face, or of a pair of nodes; v_n
is the velocity along the direction d. Inside, arrays have the axes [component][z][y][k][j][i][x].
Sums over a line are written out: a matrix product's order would depend on the box.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from jax import lax
from jax import numpy as jnp

from joulia.bridges._jax_boxes import held, put, writes
from joulia.grid import Box, slices
from joulia.kernels.euler import viscous_arrays
from joulia.kernels.euler.states import GAMMA

State = tuple[Any, ...]
"""rho, v1, v2, v3, p."""


def primitive(q: Any) -> State:
    rho, m1, m2, m3, energy = q
    v1, v2, v3 = m1 / rho, m2 / rho, m3 / rho
    p = (GAMMA - 1.0) * (energy - 0.5 * (m1 * v1 + m2 * v2 + m3 * v3))
    return rho, v1, v2, v3, p


def flux(q: Any, state: State, d: int) -> Any:
    """f of a state along x, y or z (d = 0, 1, 2)."""
    _, *v, p = state
    f = [component * v[d] for component in q]
    f[1 + d] += p
    f[4] += p * v[d]
    return jnp.stack(f)


def flux_shima(ll: State, rr: State, d: int) -> Any:
    """The two-point flux of Shima et al. (2021) along d.

    Symmetric; it preserves kinetic energy and the equilibrium of pressure.
    """
    rho_ll, *v_ll, p_ll = ll
    rho_rr, *v_rr, p_rr = rr
    v_n_mean = 0.5 * (v_ll[d] + v_rr[d])
    p_mean = 0.5 * (p_ll + p_rr)
    mass = 0.5 * (rho_ll + rho_rr) * v_n_mean
    half_product = 0.5 * (v_ll[0] * v_rr[0] + v_ll[1] * v_rr[1] + v_ll[2] * v_rr[2])
    half_work = 0.5 * (p_ll * v_rr[d] + p_rr * v_ll[d])
    momentum = [mass * (0.5 * (v_ll[axis] + v_rr[axis])) for axis in range(3)]
    momentum[d] += p_mean
    energy = 1.0 / (GAMMA - 1.0) * p_mean * v_n_mean + mass * half_product + half_work
    return jnp.stack([mass, *momentum, energy])


def flux_rusanov(q_ll: Any, q_rr: Any, d: int) -> Any:
    """The Rusanov (local Lax-Friedrichs) flux along d, lambda = max |v_n| + max c."""
    ll, rr = primitive(q_ll), primitive(q_rr)
    c_ll, c_rr = (jnp.sqrt(GAMMA * state[4] / state[0]) for state in (ll, rr))
    speed = jnp.maximum(jnp.abs(ll[1 + d]), jnp.abs(rr[1 + d])) + jnp.maximum(c_ll, c_rr)
    mean = 0.5 * (flux(q_ll, ll, d) + flux(q_rr, rr, d))
    return mean - 0.5 * speed * (q_rr - q_ll)


def elements(q: Any, box: Box) -> Any:
    """The box's elements, component first."""
    return jnp.moveaxis(q[slices(box)], 2, 0)


def along(q: Any, d: int, nodes: slice) -> Any:
    """The nodes of a range along d."""
    return q[(..., nodes) + (slice(None),) * (1 + d)]


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int, slope: str = ""
) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    matrix = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)

    def placed(entries: Any, c: Any, d: int, dtype: Any) -> Any:
        """c times entries of the matrix, along d."""
        return c * jnp.asarray(entries.reshape(-1, *(1,) * (1 + d)), dtype)

    def weak_form(q: Any, state: State, c: Any, d: int) -> Any:
        """sum_l c matrix[i, l] f_l along d."""
        f = held(flux(q, state, d))
        columns = (placed(column, c, d, q.dtype) for column in matrix.T)
        return sum(column * along(f, d, slice(l, l + 1)) for l, column in enumerate(columns))  # noqa: E741

    def split_form(q: Any, state: State, c: Any, d: int) -> Any:
        """sum_l c matrix[i, l] f#_il along d: all pairs of nodes at one distance together."""
        change = jnp.zeros_like(q)
        for s in range(1, nodes):
            low, high = slice(0, nodes - s), slice(s, nodes)
            ll, rr = (tuple(along(x, d, side) for x in state) for side in (low, high))
            f = flux_shima(ll, rr, d)
            upper, lower = (placed(np.diag(matrix, n), c, d, q.dtype) for n in (s, -s))
            change += padded(upper * f, d, 0, s) + padded(lower * f, d, s, 0)
        return change

    def padded(f: Any, d: int, before: int, after: int) -> Any:
        """`f` with so many nodes of zeros along d."""
        widths = [(0, 0, 0)] * f.ndim
        widths[-2 - d] = (before, after, 0)
        return lax.pad(f, jnp.zeros((), f.dtype), widths)

    def surface(q: Any, box: Box, c: Any, d: int) -> Any:
        """c f* at the first nodes along d, -c f* at the last, f* through their own faces.

        A face has the same flux for the element below it and for the one above.
        """
        low, high = 2 * (2 - d), 2 * (2 - d) + 1
        below = tuple(a - (i == low) for i, a in enumerate(box))
        above = tuple(a + (i == high) for i, a in enumerate(box))
        ll = along(elements(q, below), d, slice(nodes - 1, nodes))
        rr = along(elements(q, above), d, slice(0, 1))
        f = held(c * flux_rusanov(ll, rr, d))
        entering, leaving = (
            lax.slice_in_dim(f, first, first + box[high] - box[low], axis=(-1, 2, 1)[d])
            for first in (0, 1)
        )
        return padded(entering, d, 0, nodes - 1) - padded(leaving, d, nodes - 1, 0)

    add_volume = split_form if split else weak_form

    @writes("k", "out")
    def stage(box: Box, q: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any) -> Any:
        """k = a k + dt R(q), out = q + b k, with R the right-hand side and c_d = 2 dt / dx_d."""
        own = elements(q, box)
        state = held(primitive(own))
        r = a * elements(k, box)
        for d, c in enumerate((cx, cy, cz)):
            r += add_volume(own, state, c, d)
            r += surface(q, box, c * lift, d)
        r = jnp.moveaxis(held(r), 0, 2)
        return put(k, box, r), put(out, box, jnp.moveaxis(own, 0, 2) + b * r)

    return {"stage": stage} | (viscous_functions(slope, lift) if slope else {})


def beside(box: Box, d: int, side: int) -> Box:
    """The neighbours on a side, -1 or 1, along d of the box's elements."""
    low, high = 2 * (2 - d), 2 * (2 - d) + 1
    return tuple(a + side * (i in (low, high)) for i, a in enumerate(box))


def viscous_functions(slope: str, lift: float) -> dict[str, Any]:
    """The functions that a viscosity needs besides."""
    by_direction = [viscous_arrays.columns(slope, lift, d) for d in range(3)]

    def scaled(c: Any, d: int, dtype: Any) -> list[Any]:
        return [c * jnp.asarray(column, dtype) for column in by_direction[d]]

    def ends(q: Any, box: Box, d: int) -> tuple[Any, Any]:
        """The nodes of the neighbours below and above along d that touch the box's elements."""
        below, above = (elements(q, beside(box, d, side)) for side in (-1, 1))
        return along(below, d, slice(-1, None)), along(above, d, slice(0, 1))

    @writes("fx", "fy", "fz")
    def viscous_flux(
        box: Box, q: Any, fx: Any, fy: Any, fz: Any,
        mu: Any, kappa: Any, ix: Any, iy: Any, iz: Any,
    ) -> Any:  # fmt: skip
        """The viscous fluxes of q, with gradients of central fluxes; i_d = 1 / dx_d."""
        own = held(viscous_arrays.variables(primitive(elements(q, box))))
        gradients = []
        for d, inverse in enumerate((ix, iy, iz)):
            below, above = (viscous_arrays.variables(primitive(side)) for side in ends(q, box, d))
            gradients.append(
                [
                    viscous_arrays.derivative(*three, d, scaled(inverse, d, q.dtype))
                    for three in zip(own, below, above, strict=True)
                ]
            )
        made = viscous_arrays.fluxes(own[:3], held(gradients), mu, kappa, 1.0 / 3.0)
        return tuple(
            put(field, box, jnp.stack([elements(field, box)[0], *flux_d], axis=2))
            for field, flux_d in zip((fx, fy, fz), made, strict=True)
        )

    @writes("k", "out")
    def viscous(
        box: Box, fx: Any, fy: Any, fz: Any, k: Any, out: Any, b: Any, sx: Any, sy: Any, sz: Any
    ) -> Any:
        """k += dt V, out += b dt V, with V the divergence of the fluxes and s_d = dt / dx_d."""
        r: Any = 0.0
        for d, (f, scale) in enumerate(zip((fx, fy, fz), (sx, sy, sz), strict=True)):
            below, above = (side[1:] for side in ends(f, box, d))
            columns = scaled(scale, d, k.dtype)
            r = r + viscous_arrays.derivative(elements(f, box)[1:], below, above, d, columns)
        added = jnp.moveaxis(held(jnp.concatenate([jnp.zeros_like(r[:1]), r])), 0, 2)
        return put(k, box, k[slices(box)] + added), put(out, box, out[slices(box)] + b * added)

    return {"viscous_flux": viscous_flux, "viscous": viscous}
