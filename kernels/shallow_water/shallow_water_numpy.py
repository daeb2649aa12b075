"""Rotating shallow water in NumPy: du/dt = q V - dB/dx, dv/dt = -q U - dB/dy, dh/dt = -div(U, V).

The reference: U, V = h u, h v, q = (f + dv/dx - du/dy) / h and B = (u^2 + v^2) / 2 + g h, written
out with Sadourny's means on a C-grid. Slabs of rows, whose temporaries stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box

SLAB_BYTES = 1 << 15


def slabs(box: Box, u: Host, slab_bytes: int) -> Iterator[tuple[slice, slice]]:
    """The box in groups of rows."""
    y0, y1, x0, x1 = box
    if y1 <= y0 or x1 <= x0:
        return
    rows = max(1, slab_bytes // ((x1 - x0) * u.itemsize))
    for ya in range(y0, y1, rows):
        yield slice(ya, min(ya + rows, y1)), slice(x0, x1)


def moved(part: tuple[slice, slice], dy: int, dx: int) -> tuple[slice, slice]:
    y, x = part
    return slice(y.start + dy, y.stop + dy), slice(x.start + dx, x.stop + dx)


def tendencies(
    part: tuple[slice, slice], u: Host, v: Host, h: Host, f: float, g: float, idx: float, idy: float
) -> tuple[Host, Host, Host]:
    """du/dt, dv/dt and dh/dt. u lies on west faces, v on south faces, q on south-west corners."""
    y, x = part
    # One more row and column on each side: j, i below are relative to `part`.
    wide = (slice(y.start - 1, y.stop + 1), slice(x.start - 1, x.stop + 1))
    u, v, h = u[wide], v[wide], h[wide]
    in_x = h[:, :-1] + h[:, 1:]
    flux_x = 0.5 * in_x * u[:, 1:]
    flux_y = 0.5 * (h[:-1] + h[1:]) * v[1:]
    vorticity = (v[1:, 1:] - v[1:, :-1]) * idx - (u[1:, 1:] - u[:-1, 1:]) * idy
    q = (f + vorticity) / (0.25 * (in_x[:-1] + in_x[1:]))
    squares_x = np.square(u[:-1, :-1]) + np.square(u[:-1, 1:])
    squares_y = np.square(v[:-1, :-1]) + np.square(v[1:, :-1])
    bernoulli = 0.25 * (squares_x + squares_y) + g * h[:-1, :-1]
    turning_x = q * (flux_y[:, :-1] + flux_y[:, 1:])
    turning_y = q * (flux_x[:-1] + flux_x[1:])
    du = (
        0.25 * (turning_x[:-1, :-1] + turning_x[1:, :-1])
        - (bernoulli[1:, 1:] - bernoulli[1:, :-1]) * idx
    )
    dv = (
        -0.25 * (turning_y[:-1, :-1] + turning_y[:-1, 1:])
        - (bernoulli[1:, 1:] - bernoulli[:-1, 1:]) * idy
    )
    dh = (flux_x[1:-1, :-1] - flux_x[1:-1, 1:]) * idx + (flux_y[:-1, 1:-1] - flux_y[1:, 1:-1]) * idy
    return du, dv, dh


def stage1(
    box: Box, u: Host, v: Host, h: Host, u1: Host, v1: Host, h1: Host,
    f: float, g: float, idx: float, idy: float, first: float, *, slab_bytes: int = SLAB_BYTES,
) -> None:  # fmt: skip
    """state1 = state + first G(state)."""
    for part in slabs(box, u, slab_bytes):
        rates = tendencies(part, u, v, h, f, g, idx, idy)
        for now, following, rate in zip((u, v, h), (u1, v1, h1), rates, strict=True):
            following[part] = now[part] + first * rate


def stage2(
    box: Box, u1: Host, v1: Host, h1: Host, u: Host, v: Host, h: Host,
    u2: Host, v2: Host, h2: Host,
    f: float, g: float, idx: float, idy: float, second: float, weight: float, ahead: float,
    *, slab_bytes: int = SLAB_BYTES,
) -> None:  # fmt: skip
    """state2 = state1 + second G(state1) + weight (state1 - state).

    And state = state2 + ahead G(state1), which the third stage adds to.
    """
    for part in slabs(box, u, slab_bytes):
        rates = tendencies(part, u1, v1, h1, f, g, idx, idy)
        fields = zip((u1, v1, h1), (u, v, h), (u2, v2, h2), rates, strict=True)
        for now, history, following, rate in fields:
            result = now[part] + (second * rate + weight * (now[part] - history[part]))
            following[part] = result
            np.add(result, ahead * rate, out=history[part])


def stage3(
    box: Box, u2: Host, v2: Host, h2: Host, u: Host, v: Host, h: Host,
    f: float, g: float, idx: float, idy: float, third: float, *, slab_bytes: int = SLAB_BYTES,
) -> None:  # fmt: skip
    """state += third G(state2)."""
    for part in slabs(box, u, slab_bytes):
        rates = tendencies(part, u2, v2, h2, f, g, idx, idy)
        for field, rate in zip((u, v, h), rates, strict=True):
            field[part] += third * rate
