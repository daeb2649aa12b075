"""Rotating shallow water in Numba's CUDA: du/dt = q V - dB/dx, dv/dt = -q U - dB/dy, dh/dt =
-div(U, V) with U, V = h u, h v, q = (f + dv/dx - du/dy) / h, B = (u^2 + v^2) / 2 + g h.

A thread a cell, a launch a stage.
A thread computes what its cell needs from the nine cells around: three potential vorticities, four
mass fluxes along each axis, the Bernoulli function of three cells. Neighbours compute some of them
again, which costs less than to share them: the stage stays bound by memory.
"""

from __future__ import annotations

from typing import Any

from numba import cuda

from joulia.kernels._numba_cuda import block, blocks

THREADS = block(32, 8)


@cuda.jit(device=True)
def flux_u(u: Any, h: Any, at: Any) -> Any:
    """The mass flux through the west face of a cell."""
    half = u.dtype.type(0.5)
    return half * (h.flat[at - 1] + h.flat[at]) * u.flat[at]


@cuda.jit(device=True)
def flux_v(v: Any, h: Any, at: Any, nx: Any) -> Any:
    """The mass flux through the south face of a cell."""
    half = v.dtype.type(0.5)
    return half * (h.flat[at - nx] + h.flat[at]) * v.flat[at]


@cuda.jit(device=True)
def vorticity(u: Any, v: Any, h: Any, at: Any, nx: Any, f: Any, idx: Any, idy: Any) -> Any:
    """The potential vorticity at the south-west corner of a cell."""
    quarter = u.dtype.type(0.25)
    south = h.flat[at - nx - 1] + h.flat[at - nx]
    north = h.flat[at - 1] + h.flat[at]
    turning = (v.flat[at] - v.flat[at - 1]) * idx - (u.flat[at] - u.flat[at - nx]) * idy
    return (f + turning) / (quarter * (south + north))


@cuda.jit(device=True)
def bernoulli(u: Any, v: Any, h: Any, at: Any, nx: Any, g: Any) -> Any:
    quarter = u.dtype.type(0.25)
    squares = (u.flat[at] * u.flat[at] + u.flat[at + 1] * u.flat[at + 1]) + (
        v.flat[at] * v.flat[at] + v.flat[at + nx] * v.flat[at + nx]
    )
    return quarter * squares + g * h.flat[at]


@cuda.jit(device=True)
def rates(u: Any, v: Any, h: Any, at: Any, f: Any, g: Any, idx: Any, idy: Any) -> Any:
    """The rates of u, v and h of a cell."""
    nx = u.shape[1]
    quarter = u.dtype.type(0.25)
    corner = vorticity(u, v, h, at, nx, f, idx, idy)
    north = vorticity(u, v, h, at + nx, nx, f, idx, idy)
    east = vorticity(u, v, h, at + 1, nx, f, idx, idy)
    here = bernoulli(u, v, h, at, nx, g)
    out_west, out_east = flux_u(u, h, at), flux_u(u, h, at + 1)
    out_south, out_north = flux_v(v, h, at, nx), flux_v(v, h, at + nx, nx)
    turn_u = corner * (flux_v(v, h, at - 1, nx) + out_south)
    turn_u += north * (flux_v(v, h, at + nx - 1, nx) + out_north)
    turn_v = corner * (flux_u(u, h, at - nx) + out_west)
    turn_v += east * (flux_u(u, h, at - nx + 1) + out_east)
    du = quarter * turn_u - (here - bernoulli(u, v, h, at - 1, nx, g)) * idx
    dv = -quarter * turn_v - (here - bernoulli(u, v, h, at - nx, nx, g)) * idy
    dh = (out_west - out_east) * idx + (out_south - out_north) * idy
    return du, dv, dh


@cuda.jit
def cells1(
    box: Any, u: Any, v: Any, h: Any, u1: Any, v1: Any, h1: Any,
    f: Any, g: Any, idx: Any, idy: Any, first: Any,
) -> None:  # fmt: skip
    y0, y1, x0, x1 = box
    x, y = cuda.grid(2)
    x += x0
    y += y0
    if x < x1 and y < y1:
        at = y * u.shape[1] + x
        du, dv, dh = rates(u, v, h, at, f, g, idx, idy)
        u1.flat[at] = u.flat[at] + first * du
        v1.flat[at] = v.flat[at] + first * dv
        h1.flat[at] = h.flat[at] + first * dh


@cuda.jit(device=True)
def update2(
    rate: Any, now: Any, history: Any, following: Any, at: Any,
    second: Any, weight: Any, ahead: Any,
) -> None:  # fmt: skip
    here = now.flat[at]
    result = here + (second * rate + weight * (here - history.flat[at]))
    following.flat[at] = result
    history.flat[at] = result + ahead * rate


@cuda.jit
def cells2(
    box: Any, u1: Any, v1: Any, h1: Any, u: Any, v: Any, h: Any, u2: Any, v2: Any, h2: Any,
    f: Any, g: Any, idx: Any, idy: Any, second: Any, weight: Any, ahead: Any,
) -> None:  # fmt: skip
    y0, y1, x0, x1 = box
    x, y = cuda.grid(2)
    x += x0
    y += y0
    if x < x1 and y < y1:
        at = y * u.shape[1] + x
        du, dv, dh = rates(u1, v1, h1, at, f, g, idx, idy)
        update2(du, u1, u, u2, at, second, weight, ahead)
        update2(dv, v1, v, v2, at, second, weight, ahead)
        update2(dh, h1, h, h2, at, second, weight, ahead)


@cuda.jit
def cells3(
    box: Any, u2: Any, v2: Any, h2: Any, u: Any, v: Any, h: Any,
    f: Any, g: Any, idx: Any, idy: Any, third: Any,
) -> None:  # fmt: skip
    y0, y1, x0, x1 = box
    x, y = cuda.grid(2)
    x += x0
    y += y0
    if x < x1 and y < y1:
        at = y * u.shape[1] + x
        du, dv, dh = rates(u2, v2, h2, at, f, g, idx, idy)
        u.flat[at] += third * du
        v.flat[at] += third * dv
        h.flat[at] += third * dh


def stage(kernel: Any, box: Any, fields: tuple[Any, ...], numbers: tuple[float, ...]) -> None:
    real = fields[0].dtype.type
    kernel[blocks(box, THREADS), THREADS](box, *fields, *(real(n) for n in numbers))


def stage1(box: Any, *arguments: Any) -> None:
    stage(cells1, box, arguments[:6], arguments[6:])


def stage2(box: Any, *arguments: Any) -> None:
    stage(cells2, box, arguments[:9], arguments[9:])


def stage3(box: Any, *arguments: Any) -> None:
    stage(cells3, box, arguments[:6], arguments[6:])
