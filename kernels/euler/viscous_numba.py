"""Viscosity in Numba: the gradients and fluxes of a state, and what their divergence adds.

Written like euler_numba.py: a few elements that are neighbours in x are computed together, one in
each lane; lanes beyond the end of a row are not stored. `jump` leads from a node of a line to the
next, `across` from an element to the next. Scratch memory holds, by lanes, the variables `u`
[v1, v2, v3, T][node] and their gradients `g` [direction][variable][node].
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_lanes import LANE_BYTES, load, muladd, store
from joulia.kernels.euler.states import GAMMA

FLAGS: dict[str, Any] = {"fastmath": {"nsz"}, "error_model": "numpy", "cache": True}
inlined = numba.njit(forceinline=True, **FLAGS)
apart = numba.njit(**FLAGS)
"""For what three directions share: inlined and unrolled, it would take the compiler minutes."""

THIRD = 1.0 / 3.0


@inlined
def variables(q: Any, at: Any, component: Any) -> Any:
    """v1, v2, v3 and T = p / rho of a node."""
    inverse = 1.0 / load(q, at)
    m1, m2 = load(q, at + component), load(q, at + 2 * component)
    m3, energy = load(q, at + 3 * component), load(q, at + 4 * component)
    v1, v2, v3 = m1 * inverse, m2 * inverse, m3 * inverse
    twice_kinetic = muladd(m3, v3, muladd(m2, v2, m1 * v1))
    return v1, v2, v3, (GAMMA - 1.0) * muladd(-0.5, twice_kinetic, energy) * inverse


@inlined
def store_variables(q: Any, at: Any, component: Any, to: Any, place: Any, step: Any) -> None:
    v1, v2, v3, temperature = variables(q, at, component)
    store(to, place, v1)
    store(to, place + step, v2)
    store(to, place + 2 * step, v3)
    store(to, place + 3 * step, temperature)


@inlined
def slope(u: Any, at: Any, g: Any, to: Any, jump: Any, matrix: Any, lift: Any, below: Any,
          above: Any, n: Any) -> None:  # fmt: skip
    """g_i += sum_l S_il u_l, and the neighbours' part at the ends, along a line of nodes."""
    for i in range(n):
        here = to + i * jump
        total = load(g, here)
        for l in range(n):  # noqa: E741 -- the index of the formula
            total = muladd(matrix[i, l], load(u, at + l * jump), total)
        store(g, here, total)
    last = to + (n - 1) * jump
    store(g, to, muladd(-lift, below, load(g, to)))
    store(g, last, muladd(lift, above, load(g, last)))


@inlined
def write(field: Any, at: Any, values: Any, place: Any, count: Any, lanes: Any) -> None:
    """The first `count` lanes of a value in scratch memory."""
    if count >= lanes:
        store(field, at, load(values, place))
    else:
        for lane in range(count):
            field[at + lane] = values[place + lane]


@inlined
def store_flux(f: Any, lanes: Any, d: Any, n_: Any, s_: Any, t_: Any, velocity: Any,
               stress: Any, heat: Any) -> None:  # fmt: skip
    """A node's flux along n: stresses on the velocities along n, s and t, their work, and heat."""
    v_n, v_s, v_t = velocity
    stress_n, stress_s, stress_t = stress
    energy = muladd(v_t, stress_t, muladd(v_s, stress_s, muladd(v_n, stress_n, heat)))
    first = 4 * d * lanes
    store(f, first + (n_ - 1) * lanes, stress_n)
    store(f, first + (s_ - 1) * lanes, stress_s)
    store(f, first + (t_ - 1) * lanes, stress_t)
    store(f, first + 3 * lanes, energy)


@inlined
def store_fluxes(u: Any, g: Any, at: Any, step: Any, f: Any, lanes: Any, mu: Any,
                 kappa: Any) -> None:  # fmt: skip
    """The three fluxes of a node, [direction][component], of its variables and gradients."""
    v1, v2, v3 = load(u, at), load(u, at + step), load(u, at + 2 * step)
    xx, yy, zz = load(g, at), load(g, at + 5 * step), load(g, at + 10 * step)
    compression = THIRD * (xx + yy + zz)
    xx = (mu + mu) * (xx - compression)
    yy = (mu + mu) * (yy - compression)
    zz = (mu + mu) * (zz - compression)
    xy = mu * (load(g, at + step) + load(g, at + 4 * step))
    xz = mu * (load(g, at + 2 * step) + load(g, at + 8 * step))
    yz = mu * (load(g, at + 6 * step) + load(g, at + 9 * step))
    heat_x, heat_y = kappa * load(g, at + 3 * step), kappa * load(g, at + 7 * step)
    heat_z = kappa * load(g, at + 11 * step)
    store_flux(f, lanes, 0, 1, 2, 3, (v1, v2, v3), (xx, xy, xz), heat_x)
    store_flux(f, lanes, 1, 2, 3, 1, (v2, v3, v1), (yy, yz, xy), heat_y)
    store_flux(f, lanes, 2, 3, 1, 2, (v3, v1, v2), (zz, xz, yz), heat_z)


@apart
def gradient(q: Any, u: Any, g: Any, base: Any, across: Any, jump: Any, matrix: Any, lift: Any,
             n: Any, nx: Any, lanes: Any, to: Any, ends: Any) -> None:  # fmt: skip
    """g += the derivatives of the variables along all lines of one direction; they lie at `to`."""
    component = n * n * n * nx
    step = n * n * n * lanes
    for line in range(n * n):
        m = line // jump * (jump * n) + line % jump
        end = m + (n - 1) * jump
        store_variables(q, base - across + end * nx, component, ends, 0, lanes)
        store_variables(q, base + across + m * nx, component, ends, 4 * lanes, lanes)
        for part in range(4):
            below, above = load(ends, part * lanes), load(ends, (4 + part) * lanes)
            at = part * step + m * lanes
            slope(u, at, g, to + at, jump * lanes, matrix, lift, below, above, n)


@inlined
def flux_row(
    q: Any, fx: Any, fy: Any, fz: Any, first: Any, count: Any, shape: Any, matrices: Any,
    lifts: Any, n: Any, mu: Any, kappa: Any,
) -> None:  # fmt: skip
    """`count` elements from offset `first` of the flat fields; `shape` is (ny, nx), with halo."""
    lanes = LANE_BYTES // q.itemsize
    ny, nx = shape
    nodes = n * n * n
    component = nodes * nx
    step = nodes * lanes
    u = np.empty(4 * step, q.dtype)
    g = np.empty(12 * step, q.dtype)
    ends = np.empty(8 * lanes, q.dtype)
    f = np.empty(12 * lanes, q.dtype)
    across = (1, 5 * component, ny * 5 * component)
    for x in range(0, count, lanes):
        base = first + x
        for m in range(nodes):
            store_variables(q, base + m * nx, component, u, m * lanes, step)
        g[:] = 0.0
        for d in range(3):
            gradient(
                q, u, g, base, across[d], n**d, matrices[d], lifts[d], n, nx, lanes,
                4 * d * step, ends,
            )  # fmt: skip
        for m in range(nodes):
            store_fluxes(u, g, m * lanes, step, f, lanes, mu, kappa)
            for part in range(4):
                to = base + (1 + part) * component + m * nx
                write(fx, to, f, part * lanes, count - x, lanes)
                write(fy, to, f, (4 + part) * lanes, count - x, lanes)
                write(fz, to, f, (8 + part) * lanes, count - x, lanes)


@apart
def divergence(f: Any, r: Any, base: Any, across: Any, jump: Any, matrix: Any, lift: Any, n: Any,
               nx: Any, lanes: Any, line_of_f: Any) -> None:  # fmt: skip
    """r_i += sum_l S_il f_l, and the neighbours' part, along all lines of one direction."""
    nodes = n * n * n
    for part in range(4):
        of_part = base + (1 + part) * nodes * nx
        for line in range(n * n):
            m = line // jump * (jump * n) + line % jump
            for l in range(n):  # noqa: E741
                store(line_of_f, l * jump * lanes, load(f, of_part + (m + l * jump) * nx))
            below = load(f, of_part - across + (m + (n - 1) * jump) * nx)
            above = load(f, of_part + across + m * nx)
            to = (part * nodes + m) * lanes
            slope(line_of_f, 0, r, to, jump * lanes, matrix, lift, below, above, n)


@inlined
def divergence_row(
    fx: Any, fy: Any, fz: Any, k: Any, out: Any, first: Any, count: Any, shape: Any, matrices: Any,
    lifts: Any, n: Any, b: Any,
) -> None:  # fmt: skip
    """As `flux_row`."""
    lanes = LANE_BYTES // k.itemsize
    ny, nx = shape
    nodes = n * n * n
    plane = 5 * nodes * nx
    r = np.empty(4 * nodes * lanes, k.dtype)
    f = np.empty(nodes * lanes, k.dtype)
    for x in range(0, count, lanes):
        base = first + x
        r[:] = 0.0
        divergence(fx, r, base, 1, 1, matrices[0], lifts[0], n, nx, lanes, f)
        divergence(fy, r, base, plane, n, matrices[1], lifts[1], n, nx, lanes, f)
        divergence(fz, r, base, ny * plane, n * n, matrices[2], lifts[2], n, nx, lanes, f)
        for m in range(4 * nodes):
            at = base + (nodes + m) * nx
            added = load(r, m * lanes)
            store(f, 0, load(k, at) + added)
            store(f, lanes, muladd(b, added, load(out, at)))
            write(k, at, f, 0, count - x, lanes)
            write(out, at, f, lanes, count - x, lanes)


@apart
def scale(matrices: Any, lifts: Any, slopes: Any, lift: Any, scales: Any) -> None:
    """S and 1 / w_0 times a number for each direction."""
    for d in range(3):
        lifts[d] = scales[d] * lift
        for i in range(slopes.shape[0]):
            for l in range(slopes.shape[1]):  # noqa: E741
                matrices[d, i, l] = scales[d] * slopes[i, l]


def functions(n: int, slopes: Any, lift: float) -> tuple[Any, Any]:
    """viscous_flux and viscous, for n nodes a line and the matrix S of `viscous.slope`."""

    @numba.njit(parallel=True, **FLAGS)
    def viscous_flux(
        box: Any, q: Any, fx: Any, fy: Any, fz: Any, mu: Any, kappa: Any, ix: Any, iy: Any, iz: Any
    ) -> None:
        """The viscous fluxes of q, with gradients of central fluxes; i_d = 1 / dx_d."""
        z0, z1, y0, y1, x0, x1 = box
        if z1 <= z0 or y1 <= y0 or x1 <= x0:
            return
        ny, nx = q.shape[1], q.shape[6]
        real = q.dtype.type
        matrices = np.empty((3, n, n), q.dtype)
        lifts = np.empty(3, q.dtype)
        scale(matrices, lifts, slopes, lift, (ix, iy, iz))
        size = 5 * n * n * n * nx
        flat, flat_x = q.reshape(q.size), fx.reshape(fx.size)
        flat_y, flat_z = fy.reshape(fy.size), fz.reshape(fz.size)
        rows = y1 - y0
        for at in prange((z1 - z0) * rows):
            z, y = z0 + at // rows, y0 + at % rows
            first = (z * ny + y) * size + x0
            flux_row(
                flat, flat_x, flat_y, flat_z, first, x1 - x0, (ny, nx), matrices, lifts, n,
                real(mu), real(kappa),
            )  # fmt: skip

    @numba.njit(parallel=True, **FLAGS)
    def viscous(
        box: Any, fx: Any, fy: Any, fz: Any, k: Any, out: Any, b: Any, sx: Any, sy: Any, sz: Any
    ) -> None:
        """k += dt V, out += b dt V, with V the divergence of the fluxes and s_d = dt / dx_d."""
        z0, z1, y0, y1, x0, x1 = box
        if z1 <= z0 or y1 <= y0 or x1 <= x0:
            return
        ny, nx = k.shape[1], k.shape[6]
        real = k.dtype.type
        matrices = np.empty((3, n, n), k.dtype)
        lifts = np.empty(3, k.dtype)
        scale(matrices, lifts, slopes, lift, (sx, sy, sz))
        size = 5 * n * n * n * nx
        flat_k, flat_out = k.reshape(k.size), out.reshape(out.size)
        flat_x, flat_y, flat_z = fx.reshape(fx.size), fy.reshape(fy.size), fz.reshape(fz.size)
        rows = y1 - y0
        for at in prange((z1 - z0) * rows):
            z, y = z0 + at // rows, y0 + at % rows
            first = (z * ny + y) * size + x0
            divergence_row(
                flat_x, flat_y, flat_z, flat_k, flat_out, first, x1 - x0, (ny, nx), matrices,
                lifts, n, real(b),
            )  # fmt: skip

    return viscous_flux, viscous
