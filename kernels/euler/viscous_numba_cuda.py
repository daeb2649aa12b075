"""Viscosity in Numba's CUDA: a thread a node, as in euler_numba_cuda.py.

A thread makes the variables of its three lines itself, and reads the fluxes along them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cuda

from joulia.grid import extent
from joulia.kernels._numba_cuda import LEAST_BLOCKS
from joulia.kernels.euler.states import GAMMA
from joulia.kernels.euler.viscous_arrays import entries as matrix_of


def gradient_of(real: Any, nodes: int, entries: Any, lift: Any) -> tuple[Any, Any]:
    """Device functions: v1, v2, v3, T = p / rho of a node, and their derivatives along a line."""
    gamma_minus_one, unity, half, zero = real(GAMMA - 1.0), real(1.0), real(0.5), real(0.0)
    last = nodes - 1

    @cuda.jit(device=True)
    def variables(q: Any, at: Any, component: Any) -> Any:
        inverse = unity / q.flat[at]
        m1, m2 = q.flat[at + component], q.flat[at + 2 * component]
        m3, energy = q.flat[at + 3 * component], q.flat[at + 4 * component]
        v1, v2, v3 = m1 * inverse, m2 * inverse, m3 * inverse
        internal = energy - half * (m1 * v1 + m2 * v2 + m3 * v3)
        return v1, v2, v3, gamma_minus_one * internal * inverse

    @cuda.jit(device=True)
    def gradient(q: Any, at: Any, i: Any, jump: Any, across: Any, component: Any, c: Any) -> Any:
        """`i` is the node's index in its line, `jump` leads to the next, `across` to the next
        element."""
        matrix = cuda.const.array_like(entries)
        line = at - i * jump
        g1 = g2 = g3 = g4 = zero
        for l in range(nodes):  # noqa: E741 -- the index of the formula
            u1, u2, u3, u4 = variables(q, line + l * jump, component)
            entry = matrix[i, l]
            g1, g2, g3, g4 = g1 + entry * u1, g2 + entry * u2, g3 + entry * u3, g4 + entry * u4
        if i == 0:
            u1, u2, u3, u4 = variables(q, line - across + last * jump, component)
            g1, g2, g3, g4 = g1 - lift * u1, g2 - lift * u2, g3 - lift * u3, g4 - lift * u4
        if i == last:
            u1, u2, u3, u4 = variables(q, line + across, component)
            g1, g2, g3, g4 = g1 + lift * u1, g2 + lift * u2, g3 + lift * u3, g4 + lift * u4
        return c * g1, c * g2, c * g3, c * g4

    return variables, gradient


@cache
def compiled(
    real: Any, nodes: int, slope: str, lift: float, launch: tuple[int, int, int]
) -> tuple[Any, Any]:
    """The CUDA functions in a precision; `launch` says how nodes are divided among blocks."""
    matrix_entries, lifted = matrix_of(slope).astype(real), real(lift)
    variables, gradient = gradient_of(real, nodes, matrix_entries, lifted)
    third, zero = real(1.0 / 3.0), real(0.0)
    elements, parts, share = launch
    square, cube, last = nodes**2, nodes**3, nodes - 1

    @cuda.jit
    def fluxes(
        box: Any, q: Any, fx: Any, fy: Any, fz: Any, mu: Any, kappa: Any, ix: Any, iy: Any, iz: Any
    ) -> None:
        z0, z1, y0, y1, x0, x1 = box
        x = x0 + cuda.blockIdx.x // parts * elements + cuda.threadIdx.x
        m = cuda.blockIdx.x % parts * share + cuda.threadIdx.y
        y, z = y0 + cuda.blockIdx.y, z0 + cuda.blockIdx.z
        if x < x1 and m < cube and y < y1 and z < z1:
            ny, nx = q.shape[1], q.shape[6]
            component = cube * nx
            across = 5 * component
            at = (z * ny + y) * across + m * nx + x
            v1, v2, v3, _ = variables(q, at, component)
            x1_, x2_, x3_, xt = gradient(q, at, m % nodes, nx, 1, component, ix)
            jump = nodes * nx
            y1_, y2_, y3_, yt = gradient(q, at, m // nodes % nodes, jump, across, component, iy)
            jump *= nodes
            z1_, z2_, z3_, zt = gradient(q, at, m // square, jump, ny * across, component, iz)
            compression = third * (x1_ + y2_ + z3_)
            xx = (mu + mu) * (x1_ - compression)
            yy = (mu + mu) * (y2_ - compression)
            zz = (mu + mu) * (z3_ - compression)
            xy, xz, yz = mu * (x2_ + y1_), mu * (x3_ + z1_), mu * (y3_ + z2_)
            to = at + component
            fx.flat[to], fy.flat[to], fz.flat[to] = xx, xy, xz
            to += component
            fx.flat[to], fy.flat[to], fz.flat[to] = xy, yy, yz
            to += component
            fx.flat[to], fy.flat[to], fz.flat[to] = xz, yz, zz
            to += component
            fx.flat[to] = v1 * xx + v2 * xy + v3 * xz + kappa * xt
            fy.flat[to] = v1 * xy + v2 * yy + v3 * yz + kappa * yt
            fz.flat[to] = v1 * xz + v2 * yz + v3 * zz + kappa * zt

    @cuda.jit(device=True)
    def derivative(f: Any, at: Any, i: Any, jump: Any, across: Any) -> Any:
        matrix = cuda.const.array_like(matrix_entries)
        line = at - i * jump
        total = zero
        for l in range(nodes):  # noqa: E741
            total += matrix[i, l] * f.flat[line + l * jump]
        if i == 0:
            total -= lifted * f.flat[line - across + last * jump]
        if i == last:
            total += lifted * f.flat[line + across]
        return total

    @cuda.jit
    def divergence(
        box: Any, fx: Any, fy: Any, fz: Any, k: Any, out: Any, b: Any, sx: Any, sy: Any, sz: Any
    ) -> None:
        z0, z1, y0, y1, x0, x1 = box
        x = x0 + cuda.blockIdx.x // parts * elements + cuda.threadIdx.x
        m = cuda.blockIdx.x % parts * share + cuda.threadIdx.y
        y, z = y0 + cuda.blockIdx.y, z0 + cuda.blockIdx.z
        if x < x1 and m < cube and y < y1 and z < z1:
            ny, nx = k.shape[1], k.shape[6]
            component = cube * nx
            across = 5 * component
            first = (z * ny + y) * across + m * nx + x
            for part in range(1, 5):
                at = first + part * component
                added = sx * derivative(fx, at, m % nodes, nx, 1)
                jump = nodes * nx
                added += sy * derivative(fy, at, m // nodes % nodes, jump, across)
                jump *= nodes
                added += sz * derivative(fz, at, m // square, jump, ny * across)
                k.flat[at] += added
                out.flat[at] += b * added

    return fluxes, divergence


def functions(nodes: int, slope: str, lift: float, launch: tuple[int, int, int]) -> tuple[Any, Any]:
    """viscous_flux and viscous; `launch`: a block's elements, an element's parts, their nodes."""
    elements, parts, share = launch

    def place(box: Any) -> Any:
        depth, height, width = (max(LEAST_BLOCKS, cells) for cells in extent(box))
        return (-(-width // elements) * parts, height, depth), (elements, share)

    def viscous_flux(box: Any, q: Any, fx: Any, fy: Any, fz: Any, *reals: Any) -> None:
        """The viscous fluxes of q, with gradients of central fluxes; mu, kappa, 1 / dx_d."""
        real = q.dtype.type
        fluxes, _ = compiled(real, nodes, slope, lift, launch)
        fluxes[place(box)](box, q, fx, fy, fz, *map(real, reals))

    def viscous(box: Any, fx: Any, fy: Any, fz: Any, k: Any, out: Any, *reals: Any) -> None:
        """k += dt V, out += b dt V, with V the divergence of the fluxes; b, s_d = dt / dx_d."""
        real = k.dtype.type
        _, divergence = compiled(real, nodes, slope, lift, launch)
        divergence[place(box)](box, fx, fy, fz, k, out, *map(real, reals))

    return viscous_flux, viscous
