"""Initial states of euler, exact where the equations are, with the fastest waves in them.

A state gives primitive variables (rho, v1, v2, v3, p) at points (x, y, z), arrays that broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from joulia.arrays import Host

GAMMA = 1.4

Point = Sequence[Host]
Primitive = list[Host]


@dataclass(frozen=True)
class State:
    """An initial state on a periodic cube of side `length` centred at `centre`.

    `at(point, time, plane, viscosity)` is the solution where `exact`, and with viscosity where
    `viscous`, else only the state at time 0. `rate(inverse, plane)` bounds sum_d (|v_d| + c) / dx_d
    over the cube, for inverse = 1 / dx_d. No density is below `thinnest`.
    """

    length: float
    centre: float
    exact: bool
    at: Callable[[Point, float, str, float], Primitive]
    rate: Callable[[Sequence[float], str], float]
    thinnest: float
    viscous: bool = False


# ---- the isentropic vortex (Shu 1998), with the parameters of Trixi.jl's example ------------

PRESSURE, STRENGTH, DRIFT, WIDTH = 25.0, 5.0, 1.0, 20.0


def axes(plane: str) -> tuple[int, int, int]:
    """The two axes of the vortex's plane and the one along which it is extruded; x is 0."""
    a, b = ("xyz".index(letter) for letter in plane)
    return a, b, 3 - a - b


def vortex(point: Point, time: float, plane: str, viscosity: float) -> Primitive:
    a, b, _ = axes(plane)
    # The grid is periodic: the nearest image of the centre counts.
    r, s = ((point[d] - DRIFT * time + WIDTH / 2) % WIDTH - WIDTH / 2 for d in (a, b))
    swirl = STRENGTH / (2.0 * math.pi) * np.exp(0.5 * (1.0 - r * r - s * s))
    cooling = -(GAMMA - 1.0) / (2.0 * GAMMA * PRESSURE) * swirl**2
    rho = (1.0 + cooling) ** (1.0 / (GAMMA - 1.0))
    velocity = [np.zeros_like(rho) for _ in range(3)]
    velocity[a] = DRIFT - swirl * s
    velocity[b] = DRIFT + swirl * r
    return [rho, *velocity, PRESSURE * (1.0 + cooling) ** (GAMMA / (GAMMA - 1.0))]


def vortex_rate(inverse: Sequence[float], plane: str) -> float:
    """The swirl is fastest at r = 1, and the sound outside, where nothing is cooled."""
    a, b, _ = axes(plane)
    swirl = STRENGTH / (2.0 * math.pi) * math.hypot(inverse[a], inverse[b])
    return DRIFT * (inverse[a] + inverse[b]) + swirl + math.sqrt(GAMMA * PRESSURE) * sum(inverse)


# ---- the entropy wave: a density wave that the flow carries along ----------------------------

WAVE = (0.9, -0.6, 0.4)
AMPLITUDE = 0.2


def wave(point: Point, time: float, plane: str, viscosity: float) -> Primitive:
    phase = sum(point[d] - WAVE[d] * time for d in range(3))
    rho = 1.0 + AMPLITUDE * np.sin(2.0 * math.pi * phase)
    return [rho, *(np.full_like(rho, v) for v in WAVE), np.ones_like(rho)]


def wave_rate(inverse: Sequence[float], plane: str) -> float:
    sound = math.sqrt(GAMMA / (1.0 - AMPLITUDE))
    return sum((abs(v) + sound) * i for v, i in zip(WAVE, inverse, strict=True))


# ---- a shear wave that the flow carries along, and that viscosity damps -----------------------

SHEAR = 1e-5


def shear(point: Point, time: float, plane: str, viscosity: float) -> Primitive:
    """Transversal, and so weak that what it heats, of second order in SHEAR, does not show.

    Its velocity lies along the plane's first axis less the second, its crests across x + y + z.
    """
    phase = sum(point[d] - WAVE[d] * time for d in range(3))
    decay = math.exp(-viscosity * 3.0 * (2.0 * math.pi) ** 2 * time)
    swing = SHEAR * decay * np.sin(2.0 * math.pi * phase)
    a, b, _ = axes(plane)
    velocity = [v + ((d == a) - (d == b)) * swing for d, v in enumerate(WAVE)]
    return [np.ones_like(swing), *velocity, np.ones_like(swing)]


def shear_rate(inverse: Sequence[float], plane: str) -> float:
    sound = math.sqrt(GAMMA)
    return sum((abs(v) + SHEAR + sound) * i for v, i in zip(WAVE, inverse, strict=True))


# ---- the Taylor-Green vortex at Mach 0.1, of unit length, speed and density -------------------

MACH = 0.1
BACKGROUND = 1.0 / (GAMMA * MACH**2)


def taylor_green(point: Point, time: float, plane: str, viscosity: float) -> Primitive:
    x, y, z = point
    v1 = np.sin(x) * np.cos(y) * np.cos(z)
    v2 = -np.cos(x) * np.sin(y) * np.cos(z)
    p = BACKGROUND + (np.cos(2.0 * x) + np.cos(2.0 * y)) * (2.0 + np.cos(2.0 * z)) / 16.0
    return [np.ones_like(v1), v1, v2, np.zeros_like(v1), p]


def taylor_green_rate(inverse: Sequence[float], plane: str) -> float:
    """|v1| + |v2| <= |sin(x + y)| or |sin(x - y)| <= 1, and p <= background + 2 * 3 / 16."""
    sound = math.sqrt(GAMMA * (BACKGROUND + 0.375))
    return max(inverse[:2]) + sound * sum(inverse)


REFERENCE = {5.0: 0.118436, 9.0: 0.086404}
"""Its mean kinetic energy at Re 1600, by time, of a spectral solution on 512^3 points."""
PEAK = (8.97, 0.0128575)
"""When its kinetic energy falls fastest there, and how fast."""


STATES = {
    "vortex": State(WIDTH, 0.0, True, vortex, vortex_rate, thinnest=0.95),
    "wave": State(1.0, 0.5, True, wave, wave_rate, thinnest=1.0 - AMPLITUDE),
    "shear": State(1.0, 0.5, True, shear, shear_rate, thinnest=1.0, viscous=True),
    "taylor_green": State(2.0 * math.pi, 0.0, False, taylor_green, taylor_green_rate, thinnest=1.0),
}
