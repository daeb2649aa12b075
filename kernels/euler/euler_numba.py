"""euler in Numba: rows of elements shared among threads, vectors of neighbouring elements.

A few elements that are neighbours in x are computed together, one in each lane of a vector, so that
everything is vector arithmetic for any degree. Lanes beyond the end of a row compute on whatever
follows in memory (a field ends in a plane of halo, so something does) and are not stored: an
element's result does not depend on its lane, its row's length or its rank.

Scratch memory holds, by lanes, the primitive variables `s` [rho, u, v, w, p, E][node], the change
`r` [component][node] and the fluxes `f` [component][node of a line]. Along a direction d the
velocity (n, t, b) and the momentum are rotated so that n is normal.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.kernels.euler.lanes_numba import LANE_BYTES, larger, load, magnitude, root, store
from joulia.kernels.euler.states import GAMMA

FLAGS: dict[str, Any] = {
    "fastmath": {"nsz", "contract"},
    "error_model": "numpy",
    "cache": True,
}
inlined = numba.njit(forceinline=True, **FLAGS)

INTERNAL = 1.0 / (GAMMA - 1.0)


@inlined
def primitive(rho: Any, mx: Any, my: Any, mz: Any, energy: Any) -> Any:
    inverse = 1.0 / rho
    u, v, w = mx * inverse, my * inverse, mz * inverse
    return u, v, w, (GAMMA - 1.0) * (energy - 0.5 * (mx * u + my * v + mz * w))


@inlined
def two_point(
    ra: Any, na: Any, ta: Any, ba: Any, pa: Any, rb: Any, nb: Any, tb: Any, bb: Any, pb: Any
) -> Any:
    """Kinetic-energy and pressure-equilibrium preserving (Shima et al. 2021)."""
    normal = 0.5 * (na + nb)
    p = 0.5 * (pa + pb)
    mass = 0.5 * (ra + rb) * normal
    half = 0.5 * mass
    kinetic = half * (na * nb + ta * tb + ba * bb)
    return (
        mass,
        half * (na + nb) + p,
        half * (ta + tb),
        half * (ba + bb),
        INTERNAL * p * normal + kinetic + 0.5 * (pa * nb + pb * na),
    )


@inlined
def rusanov(
    ra: Any, na: Any, ta: Any, ba: Any, pa: Any, ea: Any,
    rb: Any, nb: Any, tb: Any, bb: Any, pb: Any, eb: Any,
) -> Any:  # fmt: skip
    """The flux between two states, the second on the side of larger coordinate."""
    sound = larger(root(GAMMA * pa / ra), root(GAMMA * pb / rb))
    speed = larger(magnitude(na), magnitude(nb)) + sound
    ma, mb = ra * na, rb * nb
    return (
        0.5 * (ma + mb) - 0.5 * speed * (rb - ra),
        0.5 * ((ma * na + pa) + (mb * nb + pb)) - 0.5 * speed * (mb - ma),
        0.5 * (ma * ta + mb * tb) - 0.5 * speed * (rb * tb - ra * ta),
        0.5 * (ma * ba + mb * bb) - 0.5 * speed * (rb * bb - ra * ba),
        0.5 * ((ea + pa) * na + (eb + pb) * nb) - 0.5 * speed * (eb - ea),
    )


@inlined
def add(r: Any, at: Any, step: Any, one: Any, two: Any, three: Any, c: Any, f: Any) -> None:
    """r += c f at a node, with f's momentum in the directions `one`, `two`, `three`."""
    store(r, at, load(r, at) + c * f[0])
    store(r, at + one * step, load(r, at + one * step) + c * f[1])
    store(r, at + two * step, load(r, at + two * step) + c * f[2])
    store(r, at + three * step, load(r, at + three * step) + c * f[3])
    store(r, at + 4 * step, load(r, at + 4 * step) + c * f[4])


@inlined
def neighbour(u: Any, at: Any, component: Any, one: Any, two: Any, three: Any) -> Any:
    """Primitive variables and energy of a node in another element, rotated."""
    rho = load(u, at)
    energy = load(u, at + 4 * component)
    n, t, b, p = primitive(
        rho,
        load(u, at + one * component),
        load(u, at + two * component),
        load(u, at + three * component),
        energy,
    )
    return rho, n, t, b, p, energy


@inlined
def own(s: Any, at: Any, step: Any, one: Any, two: Any, three: Any) -> Any:
    return (
        load(s, at),
        load(s, at + one * step),
        load(s, at + two * step),
        load(s, at + three * step),
        load(s, at + 4 * step),
        load(s, at + 5 * step),
    )


@inlined
def weak(s: Any, r: Any, f: Any, at: Any, jump: Any, step: Any, one: Any, two: Any, three: Any,
         c: Any, matrix: Any, n: Any, lanes: Any) -> None:  # fmt: skip
    """r_i += c sum_l V_il f_l along the line of nodes at, at + jump, ..."""
    for l in range(n):  # noqa: E741 -- the index of the formula
        rho, un, ut, ub, p, energy = own(s, at + l * jump, step, one, two, three)
        mass = rho * un
        here = l * lanes
        line = n * lanes
        store(f, here, mass)
        store(f, here + one * line, mass * un + p)
        store(f, here + two * line, mass * ut)
        store(f, here + three * line, mass * ub)
        store(f, here + 4 * line, (energy + p) * un)
    for i in range(n):
        for v in range(5):
            first = v * n * lanes
            total = matrix[i, 0] * load(f, first)
            for l in range(1, n):  # noqa: E741
                total = total + matrix[i, l] * load(f, first + l * lanes)
            to = at + i * jump + v * step
            store(r, to, load(r, to) + c * total)


@inlined
def split(s: Any, r: Any, at: Any, jump: Any, step: Any, one: Any, two: Any, three: Any,
          c: Any, matrix: Any, n: Any) -> None:  # fmt: skip
    """r_i += c sum_l V_il f#_il along a line; each two-point flux serves both its nodes."""
    for i in range(n - 1):
        ra, na, ta, ba, pa, _ = own(s, at + i * jump, step, one, two, three)
        for l in range(i + 1, n):  # noqa: E741
            rb, nb, tb, bb, pb, _ = own(s, at + l * jump, step, one, two, three)
            f = two_point(ra, na, ta, ba, pa, rb, nb, tb, bb, pb)
            add(r, at + i * jump, step, one, two, three, c * matrix[i, l], f)
            add(r, at + l * jump, step, one, two, three, c * matrix[l, i], f)


@inlined
def row(
    u: Any, k: Any, out: Any, first: Any, count: Any, shape: Any, matrix: Any, n: Any,
    is_split: Any, lift: Any, a: Any, b: Any, scales: Any,
) -> None:  # fmt: skip
    """`count` elements from offset `first` of the flat fields; `shape` is (ny, nx), with halo."""
    lanes = LANE_BYTES // u.itemsize
    ny, nx = shape
    nodes = n * n * n
    component = nodes * nx
    step = nodes * lanes
    s = np.empty(6 * step, u.dtype)
    r = np.empty(5 * step, u.dtype)
    f = np.empty(5 * n * lanes, u.dtype)
    # Along x, y, z: from an element to the next, in the fields.
    across = (1, 5 * component, ny * 5 * component)
    for x in range(0, count, lanes):
        base = first + x
        for m in range(nodes):
            at = base + m * nx
            rho = load(u, at)
            energy = load(u, at + 4 * component)
            vx, vy, vz, p = primitive(
                rho,
                load(u, at + component),
                load(u, at + 2 * component),
                load(u, at + 3 * component),
                energy,
            )
            to = m * lanes
            store(s, to, rho)
            store(s, to + step, vx)
            store(s, to + 2 * step, vy)
            store(s, to + 3 * step, vz)
            store(s, to + 4 * step, p)
            store(s, to + 5 * step, energy)
        r[:] = 0.0
        jump = 1
        for d in range(3):
            one, two, three = 1 + d, 1 + (d + 1) % 3, 1 + (d + 2) % 3
            c = scales[d]
            lifted = c * lift
            # Lines start at the nodes whose index along d is 0.
            for line in range(n * n):
                m = line // jump * (jump * n) + line % jump
                end = m + (n - 1) * jump
                if is_split:
                    split(s, r, m * lanes, jump * lanes, step, one, two, three, c, matrix, n)
                else:
                    weak(
                        s, r, f, m * lanes, jump * lanes, step, one, two, three, c, matrix, n, lanes
                    )
                below = neighbour(u, base - across[d] + end * nx, component, one, two, three)
                low = own(s, m * lanes, step, one, two, three)
                add(r, m * lanes, step, one, two, three, lifted, rusanov(*below, *low))
                above = neighbour(u, base + across[d] + m * nx, component, one, two, three)
                high = own(s, end * lanes, step, one, two, three)
                add(r, end * lanes, step, one, two, three, -lifted, rusanov(*high, *above))
            jump *= n
        for v in range(5):
            for m in range(nodes):
                at = base + v * component + m * nx
                here = v * step + m * lanes
                change = a * load(k, at) + load(r, here)
                value = load(u, at) + b * change
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
def specialize(nodes: int, split: int, volume: str, lift: float, lanes: int) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    n, is_split = nodes, bool(split)
    entries = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)

    @numba.njit(parallel=True, **FLAGS)
    def stage(
        box: Any, u: Any, k: Any, out: Any, a: Any, b: Any, cx: Any, cy: Any, cz: Any
    ) -> None:
        z0, z1, y0, y1, x0, x1 = box
        if z1 <= z0 or y1 <= y0 or x1 <= x0:
            return
        ny, nx = u.shape[1], u.shape[6]
        real = u.dtype.type
        matrix = entries.astype(u.dtype)
        scales = (real(cx), real(cy), real(cz))
        size = 5 * n * n * n * nx
        flat, change, result = u.reshape(u.size), k.reshape(u.size), out.reshape(u.size)
        rows = y1 - y0
        for at in prange((z1 - z0) * rows):
            z, y = z0 + at // rows, y0 + at % rows
            first = (z * ny + y) * size + x0
            row(
                flat, change, result, first, x1 - x0, (ny, nx), matrix, n,
                is_split, real(lift), real(a), real(b), scales,
            )  # fmt: skip

    return {"stage": stage}
