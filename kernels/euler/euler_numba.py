"""dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in Numba.

The compressible Euler equations by DGSEM; rows of elements are shared among threads. The next row
is asked for meanwhile, a share with each line of nodes: all at once would wait for each other.

A few elements that are neighbours in x are computed together, one in each lane of a vector, so that
everything is vector arithmetic for any degree. Lanes beyond the end of a row compute on whatever
follows in memory (a field ends in a plane of halo, so something does) and are not stored: an
element's result does not depend on its lane, its row's length or its rank.

Scratch memory holds, by lanes, the primitive variables `s` [rho, v1, v2, v3, p, E][node], the
change `r` [component][node] and the fluxes `f` [component][node of a line]. Along a direction d the
velocity is (v_n, v_s, v_t), v_n normal to faces; `ll` and `rr` are the lower and upper side.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_lanes import (
    LANE_BYTES,
    larger,
    load,
    magnitude,
    muladd,
    root,
    store,
)
from joulia.bridges._numba_rows import LINE_BYTES, prefetch_to_read, prefetch_to_write
from joulia.kernels.euler import viscous_numba
from joulia.kernels.euler.states import GAMMA
from joulia.kernels.euler.viscous_arrays import entries as matrix_of

FLAGS: dict[str, Any] = {
    "fastmath": {"nsz"},
    "error_model": "numpy",
    "cache": True,
}
inlined = numba.njit(forceinline=True, **FLAGS)

INVERSE_GAMMA_MINUS_ONE = 1.0 / (GAMMA - 1.0)


@inlined
def primitive(rho: Any, m1: Any, m2: Any, m3: Any, energy: Any) -> Any:
    """v1, v2, v3 and p of conserved variables."""
    inverse = 1.0 / rho
    v1, v2, v3 = m1 * inverse, m2 * inverse, m3 * inverse
    twice_kinetic = muladd(m3, v3, muladd(m2, v2, m1 * v1))
    return v1, v2, v3, (GAMMA - 1.0) * muladd(-0.5, twice_kinetic, energy)


@inlined
def flux(rho: Any, v_n: Any, v_s: Any, v_t: Any, p: Any, energy: Any) -> Any:
    """f of a state in a direction: mass, momentum along n, s and t, energy."""
    mass = rho * v_n
    return mass, muladd(mass, v_n, p), mass * v_s, mass * v_t, (energy + p) * v_n


@inlined
def flux_shima(
    rho_ll: Any, v_n_ll: Any, v_s_ll: Any, v_t_ll: Any, p_ll: Any,
    rho_rr: Any, v_n_rr: Any, v_s_rr: Any, v_t_rr: Any, p_rr: Any,
) -> Any:  # fmt: skip
    """Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."""
    v_n_mean = 0.5 * (v_n_ll + v_n_rr)
    p_mean = 0.5 * (p_ll + p_rr)
    mass = 0.5 * (rho_ll + rho_rr) * v_n_mean
    half_mass = 0.5 * mass
    product = muladd(v_t_ll, v_t_rr, muladd(v_s_ll, v_s_rr, v_n_ll * v_n_rr))
    work = muladd(p_ll, v_n_rr, p_rr * v_n_ll)
    internal = INVERSE_GAMMA_MINUS_ONE * p_mean
    return (
        mass,
        muladd(half_mass, v_n_ll + v_n_rr, p_mean),
        half_mass * (v_s_ll + v_s_rr),
        half_mass * (v_t_ll + v_t_rr),
        muladd(internal, v_n_mean, muladd(half_mass, product, 0.5 * work)),
    )


@inlined
def flux_rusanov(
    rho_ll: Any, v_n_ll: Any, v_s_ll: Any, v_t_ll: Any, p_ll: Any, energy_ll: Any,
    rho_rr: Any, v_n_rr: Any, v_s_rr: Any, v_t_rr: Any, p_rr: Any, energy_rr: Any,
) -> Any:  # fmt: skip
    """The Rusanov (local Lax-Friedrichs) flux, lambda = max |v_n| + max c."""
    sound = larger(root(GAMMA * p_ll / rho_ll), root(GAMMA * p_rr / rho_rr))
    half = -0.5 * (larger(magnitude(v_n_ll), magnitude(v_n_rr)) + sound)
    mass_ll, mass_rr = rho_ll * v_n_ll, rho_rr * v_n_rr
    momentum = muladd(mass_ll, v_n_ll, p_ll) + muladd(mass_rr, v_n_rr, p_rr)
    second = muladd(mass_ll, v_s_ll, mass_rr * v_s_rr)
    third = muladd(mass_ll, v_t_ll, mass_rr * v_t_rr)
    energy = muladd(energy_ll + p_ll, v_n_ll, (energy_rr + p_rr) * v_n_rr)
    return (
        muladd(half, rho_rr - rho_ll, 0.5 * (mass_ll + mass_rr)),
        muladd(half, mass_rr - mass_ll, 0.5 * momentum),
        muladd(half, muladd(-rho_ll, v_s_ll, rho_rr * v_s_rr), 0.5 * second),
        muladd(half, muladd(-rho_ll, v_t_ll, rho_rr * v_t_rr), 0.5 * third),
        muladd(half, energy_rr - energy_ll, 0.5 * energy),
    )


@inlined
def add(r: Any, at: Any, step: Any, n_: Any, s_: Any, t_: Any, c: Any, f: Any) -> None:
    """r += c f at a node, with f's momentum in the directions n_, s_ and t_."""
    store(r, at, muladd(c, f[0], load(r, at)))
    store(r, at + n_ * step, muladd(c, f[1], load(r, at + n_ * step)))
    store(r, at + s_ * step, muladd(c, f[2], load(r, at + s_ * step)))
    store(r, at + t_ * step, muladd(c, f[3], load(r, at + t_ * step)))
    store(r, at + 4 * step, muladd(c, f[4], load(r, at + 4 * step)))


@inlined
def neighbour(q: Any, at: Any, component: Any, n_: Any, s_: Any, t_: Any) -> Any:
    """Primitive variables and energy of a node in another element, rotated."""
    rho = load(q, at)
    energy = load(q, at + 4 * component)
    v_n, v_s, v_t, p = primitive(
        rho,
        load(q, at + n_ * component),
        load(q, at + s_ * component),
        load(q, at + t_ * component),
        energy,
    )
    return rho, v_n, v_s, v_t, p, energy


@inlined
def own(s: Any, at: Any, step: Any, n_: Any, s_: Any, t_: Any) -> Any:
    return (
        load(s, at),
        load(s, at + n_ * step),
        load(s, at + s_ * step),
        load(s, at + t_ * step),
        load(s, at + 4 * step),
        load(s, at + 5 * step),
    )


@inlined
def weak_form(s: Any, r: Any, f: Any, at: Any, jump: Any, step: Any, n_: Any, s_: Any, t_: Any,
         c: Any, matrix: Any, n: Any, lanes: Any) -> None:  # fmt: skip
    """r_i += c sum_l V_il f_l along the line of nodes at, at + jump, ..."""
    for l in range(n):  # noqa: E741 -- the index of the formula
        f0, f1, f2, f3, f4 = flux(*own(s, at + l * jump, step, n_, s_, t_))
        here = l * lanes
        line = n * lanes
        store(f, here, f0)
        store(f, here + n_ * line, f1)
        store(f, here + s_ * line, f2)
        store(f, here + t_ * line, f3)
        store(f, here + 4 * line, f4)
    for i in range(n):
        for part in range(5):
            first = part * n * lanes
            total = matrix[i, 0] * load(f, first)
            for l in range(1, n):  # noqa: E741
                total = muladd(matrix[i, l], load(f, first + l * lanes), total)
            to = at + i * jump + part * step
            store(r, to, muladd(c, total, load(r, to)))


@inlined
def split_form(s: Any, r: Any, at: Any, jump: Any, step: Any, n_: Any, s_: Any, t_: Any,
          c: Any, matrix: Any, n: Any) -> None:  # fmt: skip
    """r_i += c sum_l V_il f#_il along a line; each two-point flux serves both its nodes."""
    for i in range(n - 1):
        rho_ll, v_n_ll, v_s_ll, v_t_ll, p_ll, _ = own(s, at + i * jump, step, n_, s_, t_)
        for l in range(i + 1, n):  # noqa: E741
            rho_rr, v_n_rr, v_s_rr, v_t_rr, p_rr, _ = own(s, at + l * jump, step, n_, s_, t_)
            f = flux_shima(
                rho_ll, v_n_ll, v_s_ll, v_t_ll, p_ll, rho_rr, v_n_rr, v_s_rr, v_t_rr, p_rr
            )
            add(r, at + i * jump, step, n_, s_, t_, c * matrix[i, l], f)
            add(r, at + l * jump, step, n_, s_, t_, c * matrix[l, i], f)


@inlined
def row(
    q: Any, k: Any, out: Any, first: Any, following: Any, count: Any, shape: Any, matrix: Any,
    n: Any, is_split: Any, lift: Any, a: Any, b: Any, scales: Any,
) -> None:  # fmt: skip
    """`count` elements from offset `first` of the flat fields; `shape` is (ny, nx), with halo.

    `following` is the offset of the row that is computed next.
    """
    lanes = LANE_BYTES // q.itemsize
    ny, nx = shape
    nodes = n * n * n
    component = nodes * nx
    step = nodes * lanes
    s = np.empty(6 * step, q.dtype)
    r = np.empty(5 * step, q.dtype)
    f = np.empty(5 * n * lanes, q.dtype)
    # Along x, y, z: from an element to the next, in the fields.
    across = (1, 5 * component, ny * 5 * component)
    # What is asked for with each line of nodes: of q the row behind the next one, whose nodes that
    # meets along y, and the faces that it meets along z.
    in_line = LINE_BYTES // q.itemsize
    face = n * n * nx
    turns = (count + lanes - 1) // lanes * 3 * n * n
    share = (across[1] // in_line + turns - 1) // turns * in_line
    face_share = (5 * face // in_line + turns - 1) // turns * in_line
    over, under = following + across[2], following - across[2] + component - face
    asked, face_asked = following, 0
    for x in range(0, count, lanes):
        base = first + x
        for m in range(nodes):
            at = base + m * nx
            rho = load(q, at)
            energy = load(q, at + 4 * component)
            v1, v2, v3, p = primitive(
                rho,
                load(q, at + component),
                load(q, at + 2 * component),
                load(q, at + 3 * component),
                energy,
            )
            to = m * lanes
            store(s, to, rho)
            store(s, to + step, v1)
            store(s, to + 2 * step, v2)
            store(s, to + 3 * step, v3)
            store(s, to + 4 * step, p)
            store(s, to + 5 * step, energy)
        r[:] = 0.0
        jump = 1
        for d in range(3):
            n_, s_, t_ = 1 + d, 1 + (d + 1) % 3, 1 + (d + 2) % 3
            c = scales[d]
            lifted = c * lift
            # Lines start at the nodes whose index along d is 0.
            for line in range(n * n):
                m = line // jump * (jump * n) + line % jump
                end = m + (n - 1) * jump
                if is_split:
                    split_form(s, r, m * lanes, jump * lanes, step, n_, s_, t_, c, matrix, n)
                else:
                    weak_form(
                        s, r, f, m * lanes, jump * lanes, step, n_, s_, t_, c, matrix, n, lanes
                    )
                for _ in range(0, share, in_line):
                    prefetch_to_read(q, asked + across[1])
                    prefetch_to_write(k, asked)
                    prefetch_to_write(out, asked)
                    asked += in_line
                for _ in range(0, face_share, in_line):
                    of_face = face_asked // face * component + face_asked % face
                    prefetch_to_read(q, over + of_face)
                    prefetch_to_read(q, under + of_face)
                    face_asked += in_line
                below = neighbour(q, base - across[d] + end * nx, component, n_, s_, t_)
                low = own(s, m * lanes, step, n_, s_, t_)
                add(r, m * lanes, step, n_, s_, t_, lifted, flux_rusanov(*below, *low))
                above = neighbour(q, base + across[d] + m * nx, component, n_, s_, t_)
                high = own(s, end * lanes, step, n_, s_, t_)
                add(r, end * lanes, step, n_, s_, t_, -lifted, flux_rusanov(*high, *above))
            jump *= n
        for part in range(5):
            for m in range(nodes):
                at = base + part * component + m * nx
                here = part * step + m * lanes
                change = muladd(a, load(k, at), load(r, here))
                value = muladd(b, change, load(q, at))
                if x + lanes <= count:
                    store(k, at, change)
                    store(out, at, value)
                else:
                    store(s, 0, change)
                    store(f, 0, value)
                    for lane in range(count - x):
                        k[at + lane] = s[lane]
                        out[at + lane] = f[lane]


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int, slope: str = ""
) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    n, is_split = nodes, bool(split)
    entries = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)

    @numba.njit(parallel=True, **FLAGS)
    def stage(
        box: Any, q: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        z0, z1, y0, y1, x0, x1 = box
        if z1 <= z0 or y1 <= y0 or x1 <= x0:
            return
        ny, nx = q.shape[1], q.shape[6]
        real = q.dtype.type
        matrix = entries.astype(q.dtype)
        scales = (real(cx), real(cy), real(cz))
        size = 5 * n * n * n * nx
        flat, change, result = q.reshape(q.size), k.reshape(q.size), out.reshape(q.size)
        rows = y1 - y0
        for at in prange((z1 - z0) * rows):
            z, y = z0 + at // rows, y0 + at % rows
            first = (z * ny + y) * size + x0
            following = ((z0 + (at + 1) // rows) * ny + y0 + (at + 1) % rows) * size
            row(
                flat, change, result, first, following, x1 - x0, (ny, nx), matrix, n,
                is_split, real(lift), real(a), real(b), scales,
            )  # fmt: skip

    if not slope:
        return {"stage": stage}
    viscous_flux, viscous = viscous_numba.functions(nodes, matrix_of(slope), lift)
    return {"stage": stage, "viscous_flux": viscous_flux, "viscous": viscous}
