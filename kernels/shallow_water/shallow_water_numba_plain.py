"""Rotating shallow water in plain Numba, Sadourny's scheme on a C-grid.

u lies on west faces, v on south faces, h at centres; y and x are a cell's indices:

    U = mean_x(h) u,  V = mean_y(h) v,  q = (f + dv/dx - du/dy) / mean_xy(h),
    B = (mean_x(u^2) + mean_y(v^2)) / 2 + g h,
    du/dt = mean_y(q mean_x(V)) - dB/dx,  dv/dt = -mean_x(q mean_y(U)) - dB/dy,
    dh/dt = -dU/dx - dV/dy.
"""

from __future__ import annotations

from typing import Any

from numba import njit, prange


@njit(cache=True)
def U(u: Any, h: Any, y: Any, x: Any) -> Any:
    """The transport through a west face."""
    return 0.5 * (h[y, x - 1] + h[y, x]) * u[y, x]


@njit(cache=True)
def V(v: Any, h: Any, y: Any, x: Any) -> Any:
    """The transport through a south face."""
    return 0.5 * (h[y - 1, x] + h[y, x]) * v[y, x]


@njit(cache=True)
def q(u: Any, v: Any, h: Any, y: Any, x: Any, f: Any, idx: Any, idy: Any) -> Any:
    """Potential vorticity at a south-west corner."""
    curl = (v[y, x] - v[y, x - 1]) * idx - (u[y, x] - u[y - 1, x]) * idy
    return (f + curl) / (0.25 * (h[y - 1, x - 1] + h[y - 1, x] + h[y, x - 1] + h[y, x]))


@njit(cache=True)
def B(u: Any, v: Any, h: Any, y: Any, x: Any, g: Any) -> Any:
    """The Bernoulli function at a centre."""
    return 0.25 * (u[y, x] ** 2 + u[y, x + 1] ** 2 + v[y, x] ** 2 + v[y + 1, x] ** 2) + g * h[y, x]


@njit(cache=True)
def rates(
    u: Any, v: Any, h: Any, y: Any, x: Any, f: Any, g: Any, idx: Any, idy: Any
) -> tuple[Any, Any, Any]:
    """du/dt, dv/dt and dh/dt of a cell."""
    corner = q(u, v, h, y, x, f, idx, idy)
    along_y = corner * (V(v, h, y, x - 1) + V(v, h, y, x)) + q(
        u, v, h, y + 1, x, f, idx, idy
    ) * (V(v, h, y + 1, x - 1) + V(v, h, y + 1, x))  # fmt: skip
    along_x = corner * (U(u, h, y - 1, x) + U(u, h, y, x)) + q(
        u, v, h, y, x + 1, f, idx, idy
    ) * (U(u, h, y - 1, x + 1) + U(u, h, y, x + 1))  # fmt: skip
    du = 0.25 * along_y - (B(u, v, h, y, x, g) - B(u, v, h, y, x - 1, g)) * idx
    dv = -0.25 * along_x - (B(u, v, h, y, x, g) - B(u, v, h, y - 1, x, g)) * idy
    dh = (U(u, h, y, x) - U(u, h, y, x + 1)) * idx + (V(v, h, y, x) - V(v, h, y + 1, x)) * idy
    return du, dv, dh


@njit(parallel=True, cache=True)
def stage1(
    box: Any, u: Any, v: Any, h: Any, u1: Any, v1: Any, h1: Any,
    f: Any, g: Any, idx: Any, idy: Any, first: Any,
) -> None:  # fmt: skip
    """state1 = state + first G(state)."""
    y0, y1, x0, x1 = box
    for y in prange(y0, y1):
        for x in range(x0, x1):
            du, dv, dh = rates(u, v, h, y, x, f, g, idx, idy)
            u1[y, x] = u[y, x] + first * du
            v1[y, x] = v[y, x] + first * dv
            h1[y, x] = h[y, x] + first * dh


@njit(parallel=True, cache=True)
def stage2(
    box: Any, u1: Any, v1: Any, h1: Any, u: Any, v: Any, h: Any, u2: Any, v2: Any, h2: Any,
    f: Any, g: Any, idx: Any, idy: Any, second: Any, history: Any, ahead: Any,
) -> None:  # fmt: skip
    """state2 = state1 + second G(state1) + history (state1 - state).

    And state = state2 + ahead G(state1), which the third stage adds to.
    """
    y0, y1, x0, x1 = box
    for y in prange(y0, y1):
        for x in range(x0, x1):
            du, dv, dh = rates(u1, v1, h1, y, x, f, g, idx, idy)
            u2[y, x] = u1[y, x] + second * du + history * (u1[y, x] - u[y, x])
            v2[y, x] = v1[y, x] + second * dv + history * (v1[y, x] - v[y, x])
            h2[y, x] = h1[y, x] + second * dh + history * (h1[y, x] - h[y, x])
            u[y, x] = u2[y, x] + ahead * du
            v[y, x] = v2[y, x] + ahead * dv
            h[y, x] = h2[y, x] + ahead * dh


@njit(parallel=True, cache=True)
def stage3(
    box: Any, u2: Any, v2: Any, h2: Any, u: Any, v: Any, h: Any,
    f: Any, g: Any, idx: Any, idy: Any, third: Any,
) -> None:  # fmt: skip
    """state += third G(state2)."""
    y0, y1, x0, x1 = box
    for y in prange(y0, y1):
        for x in range(x0, x1):
            du, dv, dh = rates(u2, v2, h2, y, x, f, g, idx, idy)
            u[y, x] += third * du
            v[y, x] += third * dv
            h[y, x] += third * dh
