"""heat: 7-point explicit diffusion on a periodic box; one mode decays exactly."""

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
from joulia.kernel import Exchange, Frontier, Function, Halo, Kernel, Param, Work

LENGTH = 2.0 * math.pi
LIMIT = 0.5


@cache
def coefficients(case: Case) -> tuple[float, float, float]:
    """(cx, cy, cz) = dt kappa / dx_d^2 with the time step that `cfl` sets: cx + cy + cz = cfl."""
    inverse = [(n / LENGTH) ** 2 for n in case.shape]
    dt = case.param("cfl") / sum(inverse)
    cz, cy, cx = (dt * i for i in inverse)
    return cx, cy, cz


def mode(case: Case, start: tuple[int, ...], stop: tuple[int, ...]) -> Host:
    """sin kx sin ly sin mz at cells start <= i < stop, x and y and z shifted apart."""
    waves = (case.param("m"), case.param("l"), case.param("k"))
    z, y, x = (
        np.sin(wave * (LENGTH / n) * (np.arange(a, b) % n + 0.25 * (axis + 1)))
        for axis, (wave, n, a, b) in enumerate(zip(waves, case.shape, start, stop, strict=True))
    )
    product: Host = z[:, None, None] * y[None, :, None] * x[None, None, :]
    return product


def decay(case: Case) -> float:
    """The factor by which the discrete scheme damps the mode in one step."""
    waves = (case.param("k"), case.param("l"), case.param("m"))
    sizes = case.shape[::-1]
    return 1.0 - sum(
        c * (2.0 * math.sin(wave * math.pi / n)) ** 2
        for c, wave, n in zip(coefficients(case), waves, sizes, strict=True)
    )


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    h = tile.halo
    start = tuple(a - h for a in tile.start)
    stop = tuple(b + h for b in tile.stop)
    return {"u": case.param("background") + mode(case, start, stop)}


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    u, out = fields["u"], fields["out"]
    cx, cy, cz = coefficients(case)
    for box in exchange(u):
        ops.diffuse(box, u, out, cx, cy, cz)
    return {"u": out, "out": u}


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    amplitude = decay(case) ** steps
    return {"u": case.param("background") + amplitude * mode(case, tile.start, tile.stop)}


def truth(case: Case, time: float, tile: Tile) -> dict[str, Host]:
    """The mode as the heat equation damps it: exp(-(k^2 + l^2 + m^2) t), with kappa = 1."""
    rate = sum(float(case.param(name)) ** 2 for name in "klm")
    wave = mode(case, tile.start, tile.stop)
    return {"u": case.param("background") + math.exp(-rate * time) * wave}


def ends_at(case: Case, until: float) -> tuple[Case, int]:
    """The least number of equal steps, none longer than `cfl` allows, that ends at `until`."""
    inverse = sum((n / LENGTH) ** 2 for n in case.shape)
    steps = math.ceil(until * inverse / case.param("cfl") * (1.0 - 1e-12))
    return case.with_params(cfl=until / steps * inverse), steps


def totals(case: Case, tile: Tile, fields: Any) -> dict[str, float]:
    return {"heat": float(np.sum(fields["u"], dtype=np.float64))}


def work(case: Case) -> Work:
    """A cell is read once and written once; 6 additions and 2 products where dx = dy = dz."""
    cells = math.prod(case.shape)
    return Work(2.0 * np.dtype(case.dtype).itemsize * cells, 8.0 * cells)


def require(case: Case) -> None:
    if case.param("cfl") > LIMIT:
        raise JouliaError(f"heat is unstable at cfl={case.param('cfl')}. Allowed: up to {LIMIT}")


KERNEL = Kernel(
    name="heat",
    title="7-point explicit diffusion, periodic",
    fields=("u", "out"),
    results=("u",),
    functions=(Function("diffuse", ("u", "out"), reals=("cx", "cy", "cz")),),
    sizes={
        "tiny": (12, 10, 8),
        "small": (64, 64, 64),
        "medium": (256, 256, 256),
        "large": (512, 512, 512),
    },
    params={
        "cfl": Param(0.4, "dt kappa (1/dx^2 + 1/dy^2 + 1/dz^2)", low=1e-12, high=LIMIT),
        "k": Param(1, "waves along x", low=0),
        "l": Param(2, "waves along y", low=0),
        "m": Param(1, "waves along z", low=0),
        "background": Param(1.0, "mean temperature; keeps long runs out of denormal numbers"),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=within(1e-14, 1e-6),
        exact=Exact(exact, within(1e-13, 1e-5)),
        conserved=Conserved(totals, within(1e-13, 1e-5)),
    ),
    halo=Halo(1),
    require=require,
    ends_at=ends_at,
    frontier=Frontier(
        until=0.25,
        shapes=((8, 8, 8), (16, 16, 16), (32, 32, 32), (64, 64, 64)),
        result="u",
        truth=truth,
    ),
)
