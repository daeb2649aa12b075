"""tracer: WENO5-Z advection and diffusion of a tracer on a C-grid, RK3 in time."""

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
from joulia.kernel import Exchange, Frontier, Function, Halo, Kernel, Param, Work, by_dt
from joulia.kernels import _rk3 as rk3
from joulia.kernels.tracer import states

CFL_LIMIT = 1.0
STAGES = 3
HALO = 3
FAR = 1 << 20
"""Where the walls of a periodic axis are: beyond every cell."""


def speed_per_cell(case: Case) -> float:
    """sum_d |u_d| / dx_d + 2 kappa sum_d 1 / dx_d^2, in 1/s: dt times this is the CFL number."""
    advection = sum(u * n for u, n in zip(states.fastest(case), case.shape, strict=True))
    return advection + 2.0 * float(case.param("kappa")) * sum(n * n for n in case.shape)


@cache
def time_step(case: Case) -> float:
    """dt of the parameters: given, or what `cfl` allows."""
    given, cfl = float(case.param("dt")), float(case.param("cfl"))
    return given or cfl / speed_per_cell(case)


@cache
def coefficients(case: Case) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(1/dx, 1/dy, 1/dz, kappa/dx, kappa/dy, kappa/dz), and those of the stages' updates."""
    dt = time_step(case)
    per_length = [float(n) for n in case.shape[::-1]]
    return (*per_length, *(case.param("kappa") * p for p in per_length)), (
        dt * rk3.FIRST,
        dt * rk3.SECOND,
        rk3.HISTORY,
        dt * rk3.AHEAD,
        dt * rk3.THIRD,
    )


def walls(tile: Tile) -> tuple[int, int]:
    """The bottom and the top wall as z indices of faces in the tile's padded arrays."""
    if tile.periodic[0]:
        return -FAR, FAR
    bottom = tile.halo - tile.start[0]
    return bottom, bottom + tile.grid[0]


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    """One time step of three stages: c, then c1, then c2 are differentiated."""
    c, c1, c2 = fields["c"], fields["c1"], fields["c2"]
    flow = [fields[name] for name in "uvw"]
    geometry, (first, second, history, ahead, third) = coefficients(case)
    faces = walls(exchange.tile)
    for box in exchange(c):
        ops.stage1(box, c, *flow, c1, *faces, *geometry, first)
    for box in exchange(c1):
        ops.stage2(box, c1, *flow, c, c2, *faces, *geometry, second, history, ahead)
    for box in exchange(c2):
        ops.stage3(box, c2, *flow, c, *faces, *geometry, third)
    return fields


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """The tracer's cell averages and the velocities on the padded tile."""
    start = tuple(a - tile.halo for a in tile.start)
    stop = tuple(b + tile.halo for b in tile.stop)
    return {"c": states.tracer(case, start, stop), **states.velocity(case, start, stop)}


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    if not states.has_exact(case):
        return {}
    return {"c": states.tracer(case, tile.start, tile.stop, steps * time_step(case))}


def totals(case: Case, tile: Tile, fields: Any) -> dict[str, float]:
    return {"tracer": float(np.sum(fields["c"], dtype=np.float64))}


def work(case: Case) -> Work:
    """c as `_rk3` counts it, three velocities a stage; 219 flops a cell and stage."""
    cells = math.prod(case.shape)
    item = np.dtype(case.dtype).itemsize
    return Work((rk3.VALUES + 3.0 * STAGES) * item * cells, 219.0 * STAGES * cells)


def require(case: Case) -> None:
    rate = speed_per_cell(case)
    if rate == 0.0 and not case.param("dt"):
        raise JouliaError(
            "tracer has no time step where nothing moves. Allowed: a velocity, kappa or dt above 0"
        )
    cfl = time_step(case) * rate
    if cfl > CFL_LIMIT * (1.0 + 1e-12):
        raise JouliaError(
            f"tracer is not run at a CFL number of {cfl:g} "
            f"(dt (sum |u|/dx + 2 kappa sum 1/dx^2)). Allowed: up to {CFL_LIMIT:g}"
        )
    if case.param("z") == "walls" and states.fastest(case)[0] > 0.0:
        raise JouliaError(
            "w does not vanish at the walls: z=walls needs w=0. Allowed: z=periodic, or w=0"
        )


def _stage(name: str, arrays: tuple[str, ...], *update: str) -> Function:
    geometry = ("idx", "idy", "idz", "kx", "ky", "kz")
    return Function(name, arrays, reals=(*geometry, *update), ints=("bottom", "top"))


KERNEL = Kernel(
    name="tracer",
    title="WENO5-Z advection and diffusion of a tracer, RK3",
    fields=("c", "u", "v", "w", "c1", "c2"),
    results=("c",),
    functions=(
        _stage("stage1", ("c", "u", "v", "w", "c1"), "first"),
        _stage("stage2", ("c1", "u", "v", "w", "c", "c2"), "second", "history", "ahead"),
        _stage("stage3", ("c2", "u", "v", "w", "c"), "third"),
    ),
    sizes={
        "tiny": (16, 12, 8),
        "small": (64, 64, 64),
        "medium": (192, 192, 192),
        "large": (512, 512, 512),
    },
    params={
        "start": Param("waves", "the initial tracer", choices=tuple(states.STARTS)),
        "axis": Param("x", "along which sine and gaussian vary", choices=("x", "y", "z")),
        "background": Param(1.0, "added to the tracer"),
        "flow": Param("shear", "the velocity field", choices=("shear", "rotation", "uniform")),
        "u": Param(1.0, "velocity along x of the uniform flow, m/s"),
        "v": Param(0.0, "velocity along y of the uniform flow, m/s"),
        "w": Param(0.0, "velocity along z of the uniform flow, m/s"),
        "kappa": Param(1e-4, "diffusivity, m2/s", low=0.0),
        "z": Param("periodic", "the z axis", choices=("periodic", "walls")),
        "cfl": Param(0.5, "dt (sum |u|/dx + 2 kappa sum 1/dx^2)", low=1e-12, high=CFL_LIMIT),
        "dt": Param(0.0, "time step in s; 0: from cfl", low=0.0),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=within(1e-13, 1e-5),
        # The scheme converges to the exact answer: it serves for error norms, not for a check.
        exact=Exact(exact),
        conserved=Conserved(totals, within(1e-13, 1e-5)),
    ),
    halo=Halo(HALO, exchanges=STAGES),
    periodic=lambda case: (case.param("z") == "periodic", True, True),
    constants=lambda case: {"single": int(case.dtype == "float32")},
    require=require,
    ends_at=by_dt(time_step),
    frontier=Frontier(
        until=1.0,
        shapes=((4, 4, 64), (4, 4, 128), (4, 4, 256)),
        result="c",
        params={"start": "gaussian", "flow": "uniform", "kappa": 0.0},
    ),
    quick="small",
)
