"""dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in Numba's CUDA.

A thread computes a node, a launch is a stage.

Neighbouring threads have neighbouring elements in x (contiguous in memory), then neighbouring
nodes; a block holds all nodes of its elements where they fit, so that the lines of nodes that each
thread goes along come from the first-level cache. A thread makes the primitive variables and the
fluxes of its lines itself: that repeats arithmetic, which the GPU has to spare, and needs no
barrier. A direction has the velocities v_n along its normal and v_s and v_t along its faces; `ll`
and `rr` are the states on the lower and the upper side of a face.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from joulia.grid import extent
from joulia.kernels._numba_cuda import LEAST_BLOCKS, SIMULATED, larger
from joulia.kernels.euler import viscous_numba_cuda
from joulia.kernels.euler.states import GAMMA

ELEMENTS, NODES = (2, 4) if SIMULATED else (8, 64)
"""Elements in x and, at most, nodes of a block."""


def division(nodes: int) -> tuple[int, int]:
    """The blocks that an element's nodes are divided among, and the nodes of each."""
    parts = -(-(nodes**3) // NODES)
    return parts, -(-(nodes**3) // parts)


def physics(real: Any) -> tuple[Any, Any, Any]:
    """Device functions in a precision: a node's variables, the two-point and the Rusanov flux."""
    gamma, gamma_minus_one = real(GAMMA), real(GAMMA - 1.0)
    inverse_gamma_minus_one = real(1.0 / (GAMMA - 1.0))
    unity, half = real(1.0), real(0.5)

    @cuda.jit(device=True)
    def node(q: Any, at: Any, n_: Any, s_: Any, t_: Any, e_: Any) -> Any:
        """rho, v_n, v_s, v_t, p and E of a node, whose momenta and E lie n_, s_, t_ and e_ on."""
        rho, energy = q.flat[at], q.flat[at + e_]
        m_n, m_s, m_t = q.flat[at + n_], q.flat[at + s_], q.flat[at + t_]
        inverse = unity / rho
        v_n, v_s, v_t = m_n * inverse, m_s * inverse, m_t * inverse
        p = gamma_minus_one * (energy - half * (m_n * v_n + m_s * v_s + m_t * v_t))
        return rho, v_n, v_s, v_t, p, energy

    @cuda.jit(device=True)
    def flux_shima(ll: Any, rr: Any) -> Any:
        """Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."""
        rho_ll, v_n_ll, v_s_ll, v_t_ll, p_ll, _ = ll
        rho_rr, v_n_rr, v_s_rr, v_t_rr, p_rr, _ = rr
        v_n_mean = half * (v_n_ll + v_n_rr)
        p_mean = half * (p_ll + p_rr)
        mass = half * (rho_ll + rho_rr) * v_n_mean
        half_mass = half * mass
        product = v_n_ll * v_n_rr + v_s_ll * v_s_rr + v_t_ll * v_t_rr
        work = p_ll * v_n_rr + p_rr * v_n_ll
        return (
            mass,
            half_mass * (v_n_ll + v_n_rr) + p_mean,
            half_mass * (v_s_ll + v_s_rr),
            half_mass * (v_t_ll + v_t_rr),
            inverse_gamma_minus_one * p_mean * v_n_mean + half_mass * product + half * work,
        )

    @cuda.jit(device=True)
    def flux_rusanov(ll: Any, rr: Any) -> Any:
        """The Rusanov (local Lax-Friedrichs) flux, lambda = max |v_n| + max c."""
        rho_ll, v_n_ll, v_s_ll, v_t_ll, p_ll, energy_ll = ll
        rho_rr, v_n_rr, v_s_rr, v_t_rr, p_rr, energy_rr = rr
        sound = larger(math.sqrt(gamma * p_ll / rho_ll), math.sqrt(gamma * p_rr / rho_rr))
        half_speed = half * (larger(abs(v_n_ll), abs(v_n_rr)) + sound)
        mass_ll, mass_rr = rho_ll * v_n_ll, rho_rr * v_n_rr
        momentum = (mass_ll * v_n_ll + p_ll) + (mass_rr * v_n_rr + p_rr)
        second = mass_ll * v_s_ll + mass_rr * v_s_rr
        third = mass_ll * v_t_ll + mass_rr * v_t_rr
        energy = (energy_ll + p_ll) * v_n_ll + (energy_rr + p_rr) * v_n_rr
        return (
            half * (mass_ll + mass_rr) - half_speed * (rho_rr - rho_ll),
            half * momentum - half_speed * (mass_rr - mass_ll),
            half * second - half_speed * (rho_rr * v_s_rr - rho_ll * v_s_ll),
            half * third - half_speed * (rho_rr * v_t_rr - rho_ll * v_t_ll),
            half * energy - half_speed * (energy_rr - energy_ll),
        )

    return node, flux_shima, flux_rusanov


def volume_term(
    real: Any, nodes: int, split: bool, entries: Any, node: Any, flux_shima: Any
) -> Any:
    """The device function for the volume term of a node, along a line."""
    zero = real(0.0)

    @cuda.jit(device=True)
    def weak_form(q: Any, line: Any, jump: Any, i: Any, own: Any,
                  n_: Any, s_: Any, t_: Any, e_: Any) -> Any:  # fmt: skip
        """sum_l V_il f_l over the nodes at line, line + jump, ..."""
        matrix = cuda.const.array_like(entries)
        f0 = f1 = f2 = f3 = f4 = zero
        for l in range(nodes):  # noqa: E741 -- the index of the formula
            rho, v_n, v_s, v_t, p, energy = node(q, line + l * jump, n_, s_, t_, e_)
            entry = matrix[i, l]
            mass = rho * v_n
            f0 += entry * mass
            f1 += entry * (mass * v_n + p)
            f2 += entry * (mass * v_s)
            f3 += entry * (mass * v_t)
            f4 += entry * ((energy + p) * v_n)
        return f0, f1, f2, f3, f4

    @cuda.jit(device=True)
    def split_form(q: Any, line: Any, jump: Any, i: Any, own: Any,
                   n_: Any, s_: Any, t_: Any, e_: Any) -> Any:  # fmt: skip
        """sum_l V_il f#_il; V_ii is zero."""
        matrix = cuda.const.array_like(entries)
        f0 = f1 = f2 = f3 = f4 = zero
        for l in range(nodes):  # noqa: E741
            other = node(q, line + l * jump, n_, s_, t_, e_)
            entry = matrix[i, l]
            g0, g1, g2, g3, g4 = flux_shima(own, other)
            f0 += entry * g0
            f1 += entry * g1
            f2 += entry * g2
            f3 += entry * g3
            f4 += entry * g4
        return f0, f1, f2, f3, f4

    return split_form if split else weak_form


def direction(real: Any, nodes: int, split: bool, entries: Any, lift: Any) -> Any:
    """The device function for what one direction adds to a node."""
    node, flux_shima, flux_rusanov = physics(real)
    volume = volume_term(real, nodes, split, entries, node, flux_shima)
    last = nodes - 1

    @cuda.jit(device=True)
    def along(q: Any, at: Any, i: Any, jump: Any, across: Any, c: Any,
              n_: Any, s_: Any, t_: Any, e_: Any) -> Any:  # fmt: skip
        """`i` is the node's index in its line, `jump` leads to the next, `across` to the next
        element."""
        own = node(q, at, n_, s_, t_, e_)
        f0, f1, f2, f3, f4 = volume(q, at - i * jump, jump, i, own, n_, s_, t_, e_)
        if i == 0:
            below = node(q, at - across + last * jump, n_, s_, t_, e_)
            g0, g1, g2, g3, g4 = flux_rusanov(below, own)
            f0, f1, f2 = f0 + lift * g0, f1 + lift * g1, f2 + lift * g2
            f3, f4 = f3 + lift * g3, f4 + lift * g4
        if i == last:
            above = node(q, at + across - last * jump, n_, s_, t_, e_)
            g0, g1, g2, g3, g4 = flux_rusanov(own, above)
            f0, f1, f2 = f0 - lift * g0, f1 - lift * g1, f2 - lift * g2
            f3, f4 = f3 - lift * g3, f4 - lift * g4
        return c * f0, c * f1, c * f2, c * f3, c * f4

    return along


@cache
def compiled(real: Any, nodes: int, split: bool, volume: str, lift: float) -> Any:
    """The CUDA function of a stage in a precision."""
    entries = np.array([real(v) for v in volume.split(",")], real).reshape(nodes, nodes)
    along = direction(real, nodes, split, entries, real(lift))
    square, cube = nodes**2, nodes**3
    parts, share = division(nodes)

    @cuda.jit
    def update(
        box: Any, q: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        z0, z1, y0, y1, x0, x1 = box
        x = x0 + cuda.blockIdx.x // parts * ELEMENTS + cuda.threadIdx.x
        m = cuda.blockIdx.x % parts * share + cuda.threadIdx.y
        y, z = y0 + cuda.blockIdx.y, z0 + cuda.blockIdx.z
        if x < x1 and m < cube and y < y1 and z < z1:
            ny, nx = q.shape[1], q.shape[6]
            component = cube * nx
            across = 5 * component
            at = (z * ny + y) * across + m * nx + x
            m1, m2, m3, e_ = component, 2 * component, 3 * component, 4 * component
            # Each direction has its momentum in the order (n, s, t).
            dx = along(q, at, m % nodes, nx, 1, cx, m1, m2, m3, e_)
            jump = nodes * nx
            dy = along(q, at, m // nodes % nodes, jump, across, cy, m2, m3, m1, e_)
            jump *= nodes
            dz = along(q, at, m // square, jump, ny * across, cz, m3, m1, m2, e_)
            rates = (
                dx[0] + dy[0] + dz[0],
                dx[1] + dy[3] + dz[2],
                dx[2] + dy[1] + dz[3],
                dx[3] + dy[2] + dz[1],
                dx[4] + dy[4] + dz[4],
            )
            for part in range(5):
                change = a * k.flat[at + part * component] + rates[part]
                k.flat[at + part * component] = change
                out.flat[at + part * component] = q.flat[at + part * component] + b * change

    return update


@cache
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int, slope: str = ""
) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    parts, share = division(nodes)
    threads = (ELEMENTS, share)

    def stage(
        box: Any, q: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        depth, height, width = (max(LEAST_BLOCKS, cells) for cells in extent(box))
        grid = (-(-width // ELEMENTS) * parts, height, depth)
        real = q.dtype.type
        update = compiled(real, nodes, bool(split), volume, lift)
        update[grid, threads](box, q, k, out, real(a), real(b), real(cx), real(cy), real(cz))

    if not slope:
        return {"stage": stage}
    launch = (ELEMENTS, parts, share)
    viscous_flux, viscous = viscous_numba_cuda.functions(nodes, slope, lift, launch)
    return {"stage": stage, "viscous_flux": viscous_flux, "viscous": viscous}
