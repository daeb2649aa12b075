"""Rotating shallow water in JAX: du/dt = q V - dB/dx, dv/dt = -q U - dB/dy, dh/dt = -div(U, V).

U, V = h u, h v, q = (f + dv/dx - du/dy) / h and B = (u^2 + v^2) / 2 + g h, with Sadourny's means on
a C-grid, over a whole box.
"""

from __future__ import annotations

from typing import Any

from joulia.bridges._jax_boxes import put, writes
from joulia.grid import Box, grow, slices


def tendencies(
    box: Box, u: Any, v: Any, h: Any, f: float, g: float, idx: float, idy: float
) -> tuple[Any, Any, Any]:
    """du/dt, dv/dt and dh/dt. u lies on west faces, v on south faces, q on south-west corners."""
    # One more row and column on each side: j, i below are relative to the box.
    wide = slices(grow(box, 1))
    u, v, h = u[wide], v[wide], h[wide]
    in_x = h[:, :-1] + h[:, 1:]
    flux_x = 0.5 * in_x * u[:, 1:]
    flux_y = 0.5 * (h[:-1] + h[1:]) * v[1:]
    vorticity = (v[1:, 1:] - v[1:, :-1]) * idx - (u[1:, 1:] - u[:-1, 1:]) * idy
    q = (f + vorticity) / (0.25 * (in_x[:-1] + in_x[1:]))
    squares_x = u[:-1, :-1] ** 2 + u[:-1, 1:] ** 2
    squares_y = v[:-1, :-1] ** 2 + v[1:, :-1] ** 2
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


@writes("u1", "v1", "h1")
def stage1(
    box: Box, u: Any, v: Any, h: Any, u1: Any, v1: Any, h1: Any,
    f: float, g: float, idx: float, idy: float, first: float,
) -> tuple[Any, ...]:  # fmt: skip
    """state1 = state + first G(state)."""
    rates = tendencies(box, u, v, h, f, g, idx, idy)
    part = slices(box)
    return tuple(
        put(following, box, now[part] + first * rate)
        for now, following, rate in zip((u, v, h), (u1, v1, h1), rates, strict=True)
    )


@writes("u", "v", "h", "u2", "v2", "h2")
def stage2(
    box: Box, u1: Any, v1: Any, h1: Any, u: Any, v: Any, h: Any, u2: Any, v2: Any, h2: Any,
    f: float, g: float, idx: float, idy: float, second: float, weight: float, ahead: float,
) -> tuple[Any, ...]:  # fmt: skip
    """state2 = state1 + second G(state1) + weight (state1 - state).

    And state = state2 + ahead G(state1), which the third stage adds to.
    """
    rates = tendencies(box, u1, v1, h1, f, g, idx, idy)
    part = slices(box)
    results = [
        now[part] + (second * rate + weight * (now[part] - history[part]))
        for now, history, rate in zip((u1, v1, h1), (u, v, h), rates, strict=True)
    ]
    histories = [
        put(history, box, result + ahead * rate)
        for history, result, rate in zip((u, v, h), results, rates, strict=True)
    ]
    states = [put(old, box, result) for old, result in zip((u2, v2, h2), results, strict=True)]
    return (*histories, *states)


@writes("u", "v", "h")
def stage3(
    box: Box, u2: Any, v2: Any, h2: Any, u: Any, v: Any, h: Any,
    f: float, g: float, idx: float, idy: float, third: float,
) -> tuple[Any, ...]:  # fmt: skip
    """state += third G(state2)."""
    rates = tendencies(box, u2, v2, h2, f, g, idx, idy)
    part = slices(box)
    return tuple(
        put(field, box, field[part] + third * rate)
        for field, rate in zip((u, v, h), rates, strict=True)
    )
