"""shallow_water in NumPy: the reference. Slabs of rows whose temporaries stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulia.grid import Box
from joulia.kernel import Host

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
    f: float, g: float, idx: float, idy: float, a: float, *, slab_bytes: int = SLAB_BYTES,
) -> None:  # fmt: skip
    """state1 = state + a G(state)."""
    for part in slabs(box, u, slab_bytes):
        grow = tendencies(part, u, v, h, f, g, idx, idy)
        for old, new, rate in zip((u, v, h), (u1, v1, h1), grow, strict=True):
            new[part] = old[part] + a * rate


def stage2(
    box: Box, u1: Host, v1: Host, h1: Host, u: Host, v: Host, h: Host,
    u2: Host, v2: Host, h2: Host,
    f: float, g: float, idx: float, idy: float, b: float, r: float, s: float,
    *, slab_bytes: int = SLAB_BYTES,
) -> None:  # fmt: skip
    """state2 = state1 + b G(state1) + r (state1 - state); state = state2 + s G(state1)."""
    for part in slabs(box, u, slab_bytes):
        grow = tendencies(part, u1, v1, h1, f, g, idx, idy)
        for old, one, two, rate in zip((u, v, h), (u1, v1, h1), (u2, v2, h2), grow, strict=True):
            result = one[part] + (b * rate + r * (one[part] - old[part]))
            two[part] = result
            np.add(result, s * rate, out=old[part])


def stage3(
    box: Box, u2: Host, v2: Host, h2: Host, u: Host, v: Host, h: Host,
    f: float, g: float, idx: float, idy: float, c: float, *, slab_bytes: int = SLAB_BYTES,
) -> None:  # fmt: skip
    """state += c G(state2)."""
    for part in slabs(box, u, slab_bytes):
        grow = tendencies(part, u2, v2, h2, f, g, idx, idy)
        for field, rate in zip((u, v, h), grow, strict=True):
            field[part] += c * rate
