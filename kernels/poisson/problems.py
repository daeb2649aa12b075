"""Right-hand sides of poisson, and what solves them: products of functions of x, y and z."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from joulia.arrays import Host
from joulia.case import Case, Shape
from joulia.grid import Tile
from joulia.kernels import _multigrid as mg

Profiles = tuple[Host, ...]
"""A function of each coordinate at the cells of the whole axis, [z, y, x]."""


def lengths(case: Case) -> tuple[float, ...]:
    """The box's, [z, y, x]."""
    return tuple(float(case.param(name)) for name in ("lz", "ly", "lx"))


def walled(case: Case) -> bool:
    return bool(case.param("z") == "walls")


def centres(case: Case) -> list[Host]:
    """z, y and x of cell centres as parts of the box's lengths."""
    return [(np.arange(n) + 0.5) / n for n in case.shape]


def bumps(case: Case) -> tuple[Profiles, Profiles]:
    """The factors of phi = exp(sin 2 pi x + 0.5 sin 4 pi (y + 0.1) + 0.8 Z), and the second
    derivative of each in the box's lengths. Z is cos 2 pi z or, with walls, cos pi z."""
    z, y, x = centres(case)
    wave = math.pi if walled(case) else 2.0 * math.pi
    exponents = [
        (0.8 * np.cos(wave * z), -0.8 * wave * np.sin(wave * z), -0.8 * wave**2 * np.cos(wave * z)),
        sine(0.5, 4.0 * math.pi, y + 0.1),
        sine(1.0, 2.0 * math.pi, x),
    ]
    factors = tuple(np.exp(value) for value, *_ in exponents)
    seconds = tuple(
        factor * (slope**2 + bend) / length**2
        for factor, (_, slope, bend), length in zip(factors, exponents, lengths(case), strict=True)
    )
    return factors, seconds


def sine(amplitude: float, wave: float, place: Host) -> tuple[Host, Host, Host]:
    """amplitude sin(wave place), and its two derivatives."""
    value = amplitude * np.sin(wave * place)
    return value, amplitude * wave * np.cos(wave * place), -(wave**2) * value


def mode(case: Case) -> Profiles:
    """The factors of cos(2 pi x + 0.3) sin(4 pi y + 0.1) cos(6 pi z + 0.2), or with cos 3 pi z."""
    z, y, x = centres(case)
    up = np.cos(3.0 * math.pi * z) if walled(case) else np.cos(6.0 * math.pi * z + 0.2)
    return up, np.sin(4.0 * math.pi * y + 0.1), np.cos(2.0 * math.pi * x + 0.3)


def eigenvalue(case: Case) -> float:
    """Of the mode."""
    waves = (3.0 if walled(case) else 6.0, 4.0, 2.0)
    weights = mg.axis_weights(case.shape, lengths(case))
    return sum(
        4.0 * c * math.sin(wave * math.pi / (2.0 * n)) ** 2
        for c, wave, n in zip(weights, waves, case.shape, strict=True)
    )


def mean(profiles: Profiles) -> float:
    return math.prod(float(np.mean(profile)) for profile in profiles)


def product(case: Case, profiles: Profiles, start: Shape, stop: Shape) -> Host:
    """At cells start <= i < stop; beyond its ends an axis wraps around, and walls mirror z."""
    parts = []
    for axis, (profile, a, b) in enumerate(zip(profiles, start, stop, strict=True)):
        n = len(profile)
        inside = np.arange(a, b) % n
        if axis == 0 and walled(case):
            inside = np.clip(np.arange(a, b), 0, n - 1)
        parts.append(profile[inside])
    z, y, x = parts
    result: Host = z[:, None, None] * y[None, :, None] * x[None, None, :]
    return result


def solution(case: Case, start: Shape, stop: Shape) -> Host:
    """phi minus its mean over all cells."""
    profiles = mode(case) if case.param("start") == "mode" else bumps(case)[0]
    return product(case, profiles, start, stop) - mean(profiles)


@cache
def mean_of_smooth(case: Case) -> float:
    """Of -lap phi over all cells."""
    return -sum(mean(term) for term in laplacian(case))


def laplacian(case: Case) -> list[Profiles]:
    """lap phi as three products."""
    factors, seconds = bumps(case)
    return [(*factors[:d], seconds[d], *factors[d + 1 :]) for d in range(3)]


def right_hand_side(case: Case, tile: Tile) -> Host:
    """b on the tile and its halo."""
    h = tile.halo
    start, stop = tuple(a - h for a in tile.start), tuple(b + h for b in tile.stop)
    if case.param("start") == "smooth":
        terms = [product(case, term, start, stop) for term in laplacian(case)]
        return -(terms[0] + terms[1] + terms[2]) - mean_of_smooth(case)
    wide = tuple(a - 1 for a in start), tuple(b + 1 for b in stop)
    return applied(case, solution(case, *wide))


def applied(case: Case, x: Host) -> Host:
    """A x at the inner cells of an array whose outer ones are filled."""
    inner = (slice(1, -1),) * 3
    result = np.zeros_like(x[inner])
    for axis, c in enumerate(mg.axis_weights(case.shape, lengths(case))):
        if c:
            below, above = list(inner), list(inner)
            below[axis], above[axis] = slice(0, -2), slice(2, None)
            here = x[inner]
            result += c * ((here - x[tuple(below)]) + (here - x[tuple(above)]))
    return result
