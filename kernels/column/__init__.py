"""column: dT/dt = d/dz(kappa dT/dz), implicit vertical mixing with convective adjustment."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case
from joulia.checks import Checks, Conserved, Exact, Tolerance, within
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernel import Exchange, Frontier, Function, Kernel, Param, Work, by_dt

MOST_LEVELS = 1024
"""Processors keep the factors of at least 32 columns in a buffer of 32768 elements."""
STARTS = ("inversions", "mode", "stratified")


@cache
def coefficients(case: Case) -> tuple[float, float, float]:
    """(dt kb / dz^2, dt kc / dz^2, dt flux / dz) on columns of height 1."""
    dt, levels = case.param("dt"), case.shape[0]
    stable, unstable = (case.param(name) * dt * levels**2 for name in ("kb", "kc"))
    return stable, unstable, case.param("flux") * dt * levels


def places(case: Case, tile: Tile) -> tuple[Host, Host, Host]:
    """z, y and x of the tile's cells in the unit cube, so that they broadcast to [z][y][x]."""
    z, y, x = (
        (np.arange(a, b) + 0.5) / n
        for a, b, n in zip(tile.start, tile.stop, case.shape, strict=True)
    )
    return z[:, None, None], y[:, None], x


def mode(case: Case, tile: Tile, amplitude: float) -> Host:
    """The background and a cosine of m half waves, on every column."""
    z, *_ = places(case, tile)
    wave = case.param("background") + amplitude * np.cos(case.param("m") * math.pi * z)
    return np.broadcast_to(wave, tile.shape).copy()


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """Stratified, with layers upside down where waves are steep; stratified; or one mode."""
    if case.param("start") == "mode":
        return {"temperature": mode(case, tile, 1.0)}
    z, y, x = places(case, tile)
    temperature = np.broadcast_to(z, tile.shape).copy()
    if case.param("start") == "inversions":
        turn = 2.0 * math.pi
        temperature += 0.3 * np.sin(2.0 * turn * z + turn * x) * np.cos(turn * y)
        temperature += 0.1 * np.sin(turn * (x + y))
    return {"temperature": temperature}


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    temperature, out = fields["temperature"], fields["out"]
    for box in exchange():
        ops.mix(box, temperature, out, *coefficients(case))
    return {"temperature": out, "out": temperature}


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """Backward Euler divides a mode by 1 + 4 kappa dt / dz^2 sin^2(m pi dz / 2) in each step.

    Where every face has the same diffusivity, and no heat leaves.
    """
    stable, unstable, cooling = coefficients(case)
    if case.param("start") != "mode" or stable != unstable or cooling != 0.0:
        return {}
    half = math.sin(0.5 * case.param("m") * math.pi / case.shape[0])
    return {"temperature": mode(case, tile, (1.0 + 4.0 * stable * half**2) ** -steps)}


def truth(case: Case, time: float, tile: Tile) -> dict[str, Host]:
    """The mode as the differential equation damps it."""
    rate = case.param("kb") * (case.param("m") * math.pi) ** 2
    return {"temperature": mode(case, tile, math.exp(-rate * time))}


def heat(case: Case, tile: Tile, fields: Any) -> dict[str, float]:
    return {"heat": float(np.sum(fields["temperature"], dtype=np.float64))}


def lost(case: Case, steps: int) -> dict[str, float]:
    """What the flux out of the top takes from all columns."""
    *_, cooling = coefficients(case)
    return {"heat": -cooling * steps * math.prod(case.shape[1:])}


def rounding(float64: float, float32: float) -> Tolerance:
    """These, by precision; or a unit in the last place of the mean temperature for every step.

    The sweeps round a little more often down than up, so that what is lost grows with the steps. A
    flux makes the mean grow as well: from 1/2 by flux dt a step.
    """
    first = within(float64, float32)

    def allowed(case: Case, steps: int, name: str) -> float:
        unit = float(np.finfo(case.dtype).eps)
        growth = 1.0 + abs(float(case.param("flux"))) * float(case.param("dt")) * steps
        return max(first(case, steps, name), unit * steps * growth)

    return allowed


def work(case: Case) -> Work:
    """A cell is read once and written once; 12 flops, of which a division and a comparison."""
    cells = math.prod(case.shape)
    return Work(2.0 * np.dtype(case.dtype).itemsize * cells, 12.0 * cells)


def require(case: Case) -> None:
    if case.shape[0] > MOST_LEVELS:
        raise JouliaError(
            f"column computes columns of at most {MOST_LEVELS} cells, not {case.shape[0]}. "
            f"Allowed: 1 to {MOST_LEVELS} along z"
        )


KERNEL = Kernel(
    name="column",
    title="implicit vertical mixing with convective adjustment, a tridiagonal solve a column",
    fields=("temperature", "out"),
    results=("temperature",),
    functions=(Function("mix", ("temperature", "out"), reals=("stable", "unstable", "cooling")),),
    sizes={
        "tiny": (8, 10, 12),
        "small": (64, 64, 64),
        "medium": (64, 512, 512),
        "large": (128, 1024, 1024),
    },
    params={
        "start": Param("inversions", "the initial temperature", choices=STARTS),
        "dt": Param(0.1, "the time step", low=0.0),
        "kb": Param(1e-4, "the diffusivity of stable faces", low=0.0),
        "kc": Param(1.0, "the diffusivity where colder water lies above", low=0.0),
        "flux": Param(0.0, "the upward flux of temperature out of the top"),
        "m": Param(3, "half waves of start=mode", low=0),
        "background": Param(1.0, "mean temperature of start=mode"),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=within(1e-13, 1e-6),
        exact=Exact(exact, rounding(1e-13, 1e-6)),
        conserved=Conserved(heat, rounding(1e-14, 1e-6), gained=lost),
    ),
    periodic=lambda case: (False, True, True),
    whole=(0,),
    require=require,
    ends_at=by_dt(lambda case: float(case.param("dt"))),
    frontier=Frontier(
        until=1.0,
        shapes=((8, 4, 4), (16, 4, 4), (32, 4, 4), (64, 4, 4)),
        result="temperature",
        params={"start": "mode", "kb": 0.05, "kc": 0.05},
        sweep={"dt": (0.1, 0.02, 0.004)},
        truth=truth,
    ),
)
