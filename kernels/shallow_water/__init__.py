"""shallow_water: Sadourny's energy-conserving scheme on a doubly periodic C-grid, RK3 in time."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case
from joulia.checks import Checks, Conserved, Exact, within
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernel import Exchange, Frontier, Function, Halo, Kernel, Param, Picture, Work, by_dt
from joulia.kernels import _rk3 as rk3

CFL_LIMIT = 0.4
STAGES = 3
DROP_HEIGHT, DROP_WIDTH = 0.1, 0.05
"""Of the drop, over the mean depth, and over the domain's side."""


@cache
def spacing(case: Case) -> tuple[float, float]:
    """(dx, dy) of a square domain with sides of `length`."""
    ny, nx = case.shape
    length = float(case.param("length"))
    return length / nx, length / ny


@cache
def time_step(case: Case) -> float:
    """dt of the parameters: given, or cfl times the cell's shorter side over sqrt(g H)."""
    given, cfl = float(case.param("dt")), float(case.param("cfl"))
    return given or cfl * float(min(spacing(case))) / wave_speed(case)


def wave_speed(case: Case) -> float:
    return math.sqrt(float(case.param("g")) * float(case.param("H")))


def balanced(case: Case) -> float:
    """The surface height of a current of unit `speed` in geostrophic balance: f L / (2 pi g)."""
    f, length, g, speed = (float(case.param(name)) for name in ("f", "length", "g", "speed"))
    return f * length * speed / (2.0 * math.pi * g)


def waves(case: Case, axis: int, start: int, stop: int, offset: float) -> tuple[Host, Host]:
    """sin and cos of one wave along an axis at cells start <= i < stop, `offset` cells further."""
    n = case.shape[axis]
    phase = (2.0 * math.pi / n) * (np.arange(start, stop) % n + offset)
    return np.sin(phase), np.cos(phase)


def state(case: Case, start: tuple[int, ...], stop: tuple[int, ...]) -> dict[str, Host]:
    """Geostrophic currents at cells start <= i < stop, or a `drop` of water at rest in the middle.

    `jet` runs along x and varies with y; it is an exact steady solution of the nonlinear equations.
    `eddies` adds its like along y: the gravest waves of the box, which stay as they are but for a
    small ageostrophic part, so that long runs neither steepen nor decay. The drop becomes waves.
    """
    if case.param("start") == "drop":
        return drop(case, start, stop)
    (ya, xa), (yb, xb) = start, stop
    both = 1.0 if case.param("start") == "eddies" else 0.0
    sin_y, cos_y = waves(case, 0, ya, yb, 0.5)
    sin_x, cos_x = waves(case, 1, xa, xb, 0.5)
    speed, height = case.param("speed"), balanced(case)
    shape = (yb - ya, xb - xa)
    return {
        "u": np.broadcast_to(speed * sin_y[:, None], shape).copy(),
        "v": np.broadcast_to(-both * speed * sin_x[None, :], shape).copy(),
        "h": case.param("H") + height * (cos_y[:, None] + both * cos_x[None, :]),
    }


def drop(case: Case, start: tuple[int, ...], stop: tuple[int, ...]) -> dict[str, Host]:
    """Water that stands higher by a Gaussian, which is 0 to rounding where the domain repeats."""
    heights = []
    for n, a, b in zip(case.shape, start, stop, strict=True):
        from_middle = (np.arange(a, b) % n + 0.5) / n - 0.5
        heights.append(np.exp(-0.5 * (from_middle / DROP_WIDTH) ** 2))
    depth = case.param("H") * (1.0 + DROP_HEIGHT * heights[0][:, None] * heights[1][None, :])
    return {"u": np.zeros_like(depth), "v": np.zeros_like(depth), "h": depth}


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    h = tile.halo
    return state(case, tuple(a - h for a in tile.start), tuple(b + h for b in tile.stop))


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    """One time step of three stages: state, then state1, then state2 are differentiated."""
    now, one, two = ([fields[name + stage] for name in "uvh"] for stage in ("", "1", "2"))
    geometry, (first, second, history, ahead, third) = coefficients(case)
    for box in exchange(*now):
        ops.stage1(box, *now, *one, *geometry, first)
    for box in exchange(*one):
        ops.stage2(box, *one, *now, *two, *geometry, second, history, ahead)
    for box in exchange(*two):
        ops.stage3(box, *two, *now, *geometry, third)
    return fields


@cache
def coefficients(case: Case) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(f, g, 1/dx, 1/dy), and those of the stages' updates; see `joulia.kernels._rk3`."""
    dx, dy = spacing(case)
    dt = time_step(case)
    return (case.param("f"), case.param("g"), 1.0 / dx, 1.0 / dy), (
        dt * rk3.FIRST,
        dt * rk3.SECOND,
        rk3.HISTORY,
        dt * rk3.AHEAD,
        dt * rk3.THIRD,
    )


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """The jet does not change."""
    return state(case, tile.start, tile.stop) if case.param("start") == "jet" else {}


def totals(case: Case, tile: Tile, fields: Any) -> dict[str, float]:
    """Mass and energy in the tile, per cell area.

    Energy is what the scheme conserves: sum h (mean_x(u^2) + mean_y(v^2)) / 2 + g h^2 / 2.
    """
    u, v, h = (np.asarray(fields[name], np.float64) for name in "uvh")
    inner = slice(tile.halo, -tile.halo)
    beyond = slice(tile.halo + 1, 1 - tile.halo or None)
    depth = h[inner, inner]
    speed2 = (u[inner, inner] ** 2 + u[inner, beyond] ** 2) / 2.0 + (
        v[inner, inner] ** 2 + v[beyond, inner] ** 2
    ) / 2.0
    energy = (speed2 + case.param("g") * depth) * depth / 2.0
    return {"mass": float(depth.sum()), "energy": float(energy.sum())}


def total_tolerance(case: Case, steps: int, total: str) -> float:
    """Mass is conserved but for rounding; energy also but for the time integration's dissipation.

    RK3 takes (omega dt)^4 / 12 a step from the energy of a wave of frequency omega, that is dt^3 in
    a given time. The energy that waves can have is the part of the total that is not the rest
    state's; omega is that of the gravest inertia-gravity wave of the box, or of one as wide as the
    drop, times two.
    """
    rounding = 1e-14 if case.dtype == "float64" else 2e-6
    eps = float(np.finfo(case.dtype).eps)
    rounding += eps * steps
    if total == "mass":
        return rounding
    depth, g, length = (float(case.param(name)) for name in ("H", "g", "length"))
    if case.param("start") == "drop":
        wavenumber = 1.0 / (DROP_WIDTH * length)
        active = math.pi * (DROP_HEIGHT * DROP_WIDTH) ** 2
    else:
        wavenumber = 2.0 * math.pi / length
        active = (depth * case.param("speed") ** 2 + g * balanced(case) ** 2) / (g * depth**2)
    omega = 2.0 * (abs(case.param("f")) + wave_speed(case) * wavenumber)
    return rounding + float(steps * (omega * time_step(case)) ** 4 / 12.0 * active)


def work(case: Case) -> Work:
    """u, v and h as `joulia.kernels._rk3` counts them; 60 flops a cell and stage (README)."""
    cells = math.prod(case.shape)
    item = np.dtype(case.dtype).itemsize
    return Work(3.0 * rk3.VALUES * item * cells, 60.0 * STAGES * cells)


def require(case: Case) -> None:
    cfl = time_step(case) * wave_speed(case) / min(spacing(case))
    if cfl > CFL_LIMIT * (1.0 + 1e-12):
        raise JouliaError(
            f"shallow_water is not run at a CFL number of {cfl:g} (dt sqrt(g H) / dx). "
            f"Allowed: up to {CFL_LIMIT}"
        )
    waves_here = {"eddies": 2, "jet": 1, "drop": 0}[case.param("start")]
    least = case.param("H") - waves_here * abs(balanced(case))
    if least <= 0.0:
        raise JouliaError(
            f"the depth would be negative: {least:g} where the surface is lowest. "
            "Allowed: a larger H or g, or a smaller speed, f or length"
        )


KERNEL = Kernel(
    name="shallow_water",
    title="rotating shallow water, energy-conserving C-grid, RK3",
    fields=("u", "v", "h", "u1", "v1", "h1", "u2", "v2", "h2"),
    results=("u", "v", "h"),
    functions=(
        Function(
            "stage1",
            ("u", "v", "h", "u1", "v1", "h1"),
            reals=("f", "g", "idx", "idy", "first"),
        ),
        Function(
            "stage2",
            ("u1", "v1", "h1", "u", "v", "h", "u2", "v2", "h2"),
            reals=("f", "g", "idx", "idy", "second", "history", "ahead"),
        ),
        Function(
            "stage3",
            ("u2", "v2", "h2", "u", "v", "h"),
            reals=("f", "g", "idx", "idy", "third"),
        ),
    ),
    sizes={
        "tiny": (24, 20),
        "small": (256, 256),
        "medium": (2048, 2048),
        "large": (8192, 8192),
    },
    params={
        "start": Param("eddies", "the initial state", choices=("eddies", "jet", "drop")),
        "f": Param(1.0, "Coriolis parameter, 1/s"),
        "g": Param(1.0, "gravity, m/s2", low=1e-12),
        "H": Param(1.0, "mean depth, m", low=1e-12),
        "length": Param(2.0 * math.pi, "side of the square domain, m", low=1e-12),
        "speed": Param(0.1, "largest speed of each initial current, m/s"),
        "cfl": Param(CFL_LIMIT, "dt sqrt(g H) / dx", low=1e-12, high=CFL_LIMIT),
        "dt": Param(0.0, "time step in s; 0: from cfl", low=0.0),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=within(1e-14, 1e-6),
        # The scheme converges to the jet with dx^2: it serves for error norms, not for a check.
        exact=Exact(exact),
        conserved=Conserved(totals, total_tolerance, with_halo=True),
        vectors=(("u", "v"),),
    ),
    halo=Halo(1, exchanges=STAGES, corners=True),
    require=require,
    ends_at=by_dt(time_step),
    frontier=Frontier(
        until=2.0,
        shapes=((32, 32), (64, 64), (128, 128), (256, 256)),
        result="h",
        params={"start": "jet"},
    ),
    picture=Picture({"start": "drop"}),
    quick="small",
)
