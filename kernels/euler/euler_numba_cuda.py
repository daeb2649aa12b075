"""euler in Numba's CUDA: a thread a node, a launch a stage.

Neighbouring threads have neighbouring elements in x (contiguous in memory), then neighbouring
nodes; a block holds all nodes of its elements where they fit, so that the lines of nodes that each
thread goes along come from the first-level cache. A thread makes the primitive variables and the
fluxes of its lines itself: that repeats arithmetic, which the GPU has to spare, and needs no
barrier. Along a direction d the velocity (n, t, b) is rotated so that n is normal.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from joulia.grid import extent
from joulia.kernels._numba_cuda import LEAST_BLOCKS, SIMULATED, larger
from joulia.kernels.euler.states import GAMMA

ELEMENTS, NODES = (2, 4) if SIMULATED else (8, 64)
"""Elements in x and, at most, nodes of a block."""


def division(nodes: int) -> tuple[int, int]:
    """The blocks that an element's nodes are divided among, and the nodes of each."""
    parts = -(-(nodes**3) // NODES)
    return parts, -(-(nodes**3) // parts)


def physics(real: Any) -> tuple[Any, Any, Any]:
    """Device functions in a precision: a node's variables, the two-point and the Rusanov flux."""
    gamma, gamma1, internal = real(GAMMA), real(GAMMA - 1.0), real(1.0 / (GAMMA - 1.0))
    one, half = real(1.0), real(0.5)

    @cuda.jit(device=True)
    def node(q: Any, at: Any, v1: Any, v2: Any, v3: Any, v4: Any) -> Any:
        """rho, n, t, b, p and E of a node; v1 to v3 lead to its momentum as rotated, v4 to E."""
        rho, energy = q.flat[at], q.flat[at + v4]
        mn, mt, mb = q.flat[at + v1], q.flat[at + v2], q.flat[at + v3]
        inverse = one / rho
        n, t, b = mn * inverse, mt * inverse, mb * inverse
        return rho, n, t, b, gamma1 * (energy - half * (mn * n + mt * t + mb * b)), energy

    @cuda.jit(device=True)
    def two_point(x: Any, y: Any) -> Any:
        """Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."""
        ra, na, ta, ba, pa, _ = x
        rb, nb, tb, bb, pb, _ = y
        normal = half * (na + nb)
        p = half * (pa + pb)
        mass = half * (ra + rb) * normal
        part = half * mass
        kinetic = part * (na * nb + ta * tb + ba * bb)
        return (
            mass,
            part * (na + nb) + p,
            part * (ta + tb),
            part * (ba + bb),
            internal * p * normal + kinetic + half * (pa * nb + pb * na),
        )

    @cuda.jit(device=True)
    def rusanov(x: Any, y: Any) -> Any:
        """The flux between two states, the second on the side of larger coordinate."""
        ra, na, ta, ba, pa, ea = x
        rb, nb, tb, bb, pb, eb = y
        sound = larger(math.sqrt(gamma * pa / ra), math.sqrt(gamma * pb / rb))
        speed = larger(abs(na), abs(nb)) + sound
        ma, mb = ra * na, rb * nb
        return (
            half * (ma + mb) - half * speed * (rb - ra),
            half * ((ma * na + pa) + (mb * nb + pb)) - half * speed * (mb - ma),
            half * (ma * ta + mb * tb) - half * speed * (rb * tb - ra * ta),
            half * (ma * ba + mb * bb) - half * speed * (rb * bb - ra * ba),
            half * ((ea + pa) * na + (eb + pb) * nb) - half * speed * (eb - ea),
        )

    return node, two_point, rusanov


def volume_term(real: Any, nodes: int, split: bool, entries: Any, node: Any, two_point: Any) -> Any:
    """The device function for the volume term of a node, along a line."""
    zero = real(0.0)

    @cuda.jit(device=True)
    def weak(q: Any, line: Any, jump: Any, i: Any, own: Any,
             v1: Any, v2: Any, v3: Any, v4: Any) -> Any:  # fmt: skip
        """sum_l V_il f_l over the nodes at line, line + jump, ..."""
        matrix = cuda.const.array_like(entries)
        f0 = f1 = f2 = f3 = f4 = zero
        for l in range(nodes):  # noqa: E741 -- the index of the formula
            rho, n, t, b, p, energy = node(q, line + l * jump, v1, v2, v3, v4)
            weight = matrix[i, l]
            mass = rho * n
            f0 += weight * mass
            f1 += weight * (mass * n + p)
            f2 += weight * (mass * t)
            f3 += weight * (mass * b)
            f4 += weight * ((energy + p) * n)
        return f0, f1, f2, f3, f4

    @cuda.jit(device=True)
    def pairs(q: Any, line: Any, jump: Any, i: Any, own: Any,
              v1: Any, v2: Any, v3: Any, v4: Any) -> Any:  # fmt: skip
        """sum_l V_il f#_il; V_ii is zero."""
        matrix = cuda.const.array_like(entries)
        f0 = f1 = f2 = f3 = f4 = zero
        for l in range(nodes):  # noqa: E741
            other = node(q, line + l * jump, v1, v2, v3, v4)
            weight = matrix[i, l]
            g0, g1, g2, g3, g4 = two_point(own, other)
            f0 += weight * g0
            f1 += weight * g1
            f2 += weight * g2
            f3 += weight * g3
            f4 += weight * g4
        return f0, f1, f2, f3, f4

    return pairs if split else weak


def direction(real: Any, nodes: int, split: bool, entries: Any, lift: Any) -> Any:
    """The device function for what one direction adds to a node."""
    node, two_point, rusanov = physics(real)
    volume = volume_term(real, nodes, split, entries, node, two_point)
    last = nodes - 1

    @cuda.jit(device=True)
    def along(q: Any, at: Any, i: Any, jump: Any, across: Any, c: Any,
              v1: Any, v2: Any, v3: Any, v4: Any) -> Any:  # fmt: skip
        """`i` is the node's index in its line, `jump` leads to the next, `across` to the next
        element."""
        own = node(q, at, v1, v2, v3, v4)
        f0, f1, f2, f3, f4 = volume(q, at - i * jump, jump, i, own, v1, v2, v3, v4)
        if i == 0:
            other = node(q, at - across + last * jump, v1, v2, v3, v4)
            g0, g1, g2, g3, g4 = rusanov(other, own)
            f0, f1, f2 = f0 + lift * g0, f1 + lift * g1, f2 + lift * g2
            f3, f4 = f3 + lift * g3, f4 + lift * g4
        if i == last:
            other = node(q, at + across - last * jump, v1, v2, v3, v4)
            g0, g1, g2, g3, g4 = rusanov(own, other)
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
        box: Any, u: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        z0, z1, y0, y1, x0, x1 = box
        x = x0 + cuda.blockIdx.x // parts * ELEMENTS + cuda.threadIdx.x
        m = cuda.blockIdx.x % parts * share + cuda.threadIdx.y
        y, z = y0 + cuda.blockIdx.y, z0 + cuda.blockIdx.z
        if x < x1 and m < cube and y < y1 and z < z1:
            ny, nx = u.shape[1], u.shape[6]
            component = cube * nx
            across = 5 * component
            at = (z * ny + y) * across + m * nx + x
            v1, v2, v3, v4 = component, 2 * component, 3 * component, 4 * component
            # Each direction has its momentum in the order (n, t, b).
            dx = along(u, at, m % nodes, nx, 1, cx, v1, v2, v3, v4)
            jump = nodes * nx
            dy = along(u, at, m // nodes % nodes, jump, across, cy, v2, v3, v1, v4)
            jump *= nodes
            dz = along(u, at, m // square, jump, ny * across, cz, v3, v1, v2, v4)
            rates = (
                dx[0] + dy[0] + dz[0],
                dx[1] + dy[3] + dz[2],
                dx[2] + dy[1] + dz[3],
                dx[3] + dy[2] + dz[1],
                dx[4] + dy[4] + dz[4],
            )
            for v in range(5):
                change = a * k.flat[at + v * component] + rates[v]
                k.flat[at + v * component] = change
                out.flat[at + v * component] = u.flat[at + v * component] + b * change

    return update


@cache
def specialize(nodes: int, split: int, volume: str, lift: float, lanes: int) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    parts, share = division(nodes)
    threads = (ELEMENTS, share)

    def stage(
        box: Any, u: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        depth, height, width = (max(LEAST_BLOCKS, cells) for cells in extent(box))
        grid = (-(-width // ELEMENTS) * parts, height, depth)
        real = u.dtype.type
        update = compiled(real, nodes, bool(split), volume, lift)
        update[grid, threads](box, u, k, out, real(a), real(b), real(cx), real(cy), real(cz))

    return {"stage": stage}
