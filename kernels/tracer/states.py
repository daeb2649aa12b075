"""Initial tracers, their exact answers, and velocity fields on the C-grid of the unit cube."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from joulia.arrays import Host
from joulia.case import Case

PI = math.pi
SIGMA = 0.05
"""Width of the Gaussian."""
AXES = {"z": 0, "y": 1, "x": 2}
Range = tuple[int, ...]


def places(case: Case, start: Range, stop: Range, offset: float) -> list[Host]:
    """z, y and x at cells start <= i < stop, `offset` cells from their lower faces, in [0, 1)."""
    z, y, x = (
        ((np.arange(a, b) % n) + offset) / n
        for n, a, b in zip(case.shape, start, stop, strict=True)
    )
    return [z[:, None, None], y[None, :, None], x[None, None, :]]


def filled(case: Case, start: Range, stop: Range, values: Host | float) -> Host:
    shape = tuple(b - a for a, b in zip(start, stop, strict=True))
    return np.broadcast_to(np.asarray(values, np.float64), shape).copy()


# ---- velocities: u on west faces, v on south faces, w on bottom faces -------------------------


def velocity(case: Case, start: Range, stop: Range) -> dict[str, Host]:
    """The flow of the case. None depends on its own axis: all are free of divergence."""
    z, y, x = places(case, start, stop, 0.5)
    flow = case.param("flow")
    u: Host | float
    v: Host | float
    w: Host | float
    if flow == "uniform":
        u, v, w = (case.param(name) for name in "uvw")
    elif flow == "rotation":
        u, v, w = -2.0 * PI * (y - 0.5), 2.0 * PI * (x - 0.5), 0.0
    else:
        u = np.sin(2.0 * PI * y) + np.cos(2.0 * PI * z)
        v = np.sin(2.0 * PI * z) + np.cos(2.0 * PI * x)
        w = np.sin(2.0 * PI * x) + np.cos(2.0 * PI * y)
        w = w if case.param("z") == "periodic" else 0.0
    return {name: filled(case, start, stop, f) for name, f in (("u", u), ("v", v), ("w", w))}


def fastest(case: Case) -> tuple[float, float, float]:
    """The largest |w|, |v| and |u| of the flow."""
    if case.param("flow") == "uniform":
        return abs(case.param("w")), abs(case.param("v")), abs(case.param("u"))
    if case.param("flow") == "rotation":
        return 0.0, PI, PI
    return (2.0 if case.param("z") == "periodic" else 0.0), 2.0, 2.0


# ---- tracers ----------------------------------------------------------------------------------


def along(case: Case, start: Range, stop: Range, mean: Callable[[Host, float], Host]) -> Host:
    """A tracer that varies along one axis: `mean(left faces, dx)` are its cell averages."""
    axis = AXES[case.param("axis")]
    faces = places(case, start, stop, 0.0)[axis]
    return filled(case, start, stop, mean(faces, 1.0 / case.shape[axis]))


def sine(case: Case, start: Range, stop: Range, time: float) -> Host:
    """Averages of sin 2 pi (x - u t), damped by diffusion."""
    speed = case.param({"x": "u", "y": "v", "z": "w"}[case.param("axis")])
    damping = math.exp(-case.param("kappa") * (2.0 * PI) ** 2 * time)

    def mean(left: Host, dx: float) -> Host:
        phase = 2.0 * PI * (left - speed * time)
        average: Host = (np.cos(phase) - np.cos(phase + 2.0 * PI * dx)) / (2.0 * PI * dx)
        return damping * average

    return along(case, start, stop, mean)


def gaussian(case: Case, start: Range, stop: Range, time: float) -> Host:
    """Averages of exp(-(x - 1/2 - u t)^2 / (2 sigma^2)), widened by diffusion."""
    speed = case.param({"x": "u", "y": "v", "z": "w"}[case.param("axis")])
    width = math.sqrt(SIGMA**2 + 2.0 * case.param("kappa") * time)
    erf = np.vectorize(math.erf, otypes=[float])

    def mean(left: Host, dx: float) -> Host:
        centre = (0.5 + speed * time) % 1.0
        total = np.zeros_like(left)
        for image in (-1.0, 0.0, 1.0):
            a = (left - centre + image) / (math.sqrt(2.0) * width)
            total += erf(a + dx / (math.sqrt(2.0) * width)) - erf(a)
        return SIGMA * math.sqrt(PI / 2.0) / dx * total

    return along(case, start, stop, mean)


def cylinder(case: Case, start: Range, stop: Range, time: float) -> Host:
    """Zalesak's slotted cylinder, turned about the z axis; cell averages from 8 x 8 points."""
    n = 8
    _, y, x = places(case, start, stop, 0.0)
    _, ny, nx = case.shape
    turn = 2.0 * PI * time
    total = np.zeros((1, y.size, x.size))
    for j in range(n):
        for i in range(n):
            a = x + (i + 0.5) / (n * nx) - 0.5
            b = y + (j + 0.5) / (n * ny) - 0.5
            back_x = a * math.cos(turn) + b * math.sin(turn)
            back_y = b * math.cos(turn) - a * math.sin(turn) - 0.25
            inside = back_x**2 + back_y**2 <= 0.15**2
            slot = (np.abs(back_x) < 0.025) & (back_y < 0.1)
            total += inside & ~slot
    return filled(case, start, stop, total / n**2)


def waves(case: Case, start: Range, stop: Range, time: float) -> Host:
    """A smooth tracer that differs along every axis."""
    z, y, x = places(case, start, stop, 0.5)
    product = np.sin(2.0 * PI * (x + 0.1)) * np.cos(4.0 * PI * (y - 0.2))
    return filled(case, start, stop, 0.5 * product * np.sin(2.0 * PI * (z + 0.3)))


STARTS = {"waves": waves, "sine": sine, "gaussian": gaussian, "cylinder": cylinder}


def tracer(case: Case, start: Range, stop: Range, time: float = 0.0) -> Host:
    state = STARTS[case.param("start")](case, start, stop, time)
    return state + float(case.param("background"))


def has_exact(case: Case) -> bool:
    """Whether `tracer` tells the answer at any time: a wave in its uniform flow, a turned body."""
    if case.param("start") in ("sine", "gaussian"):
        walled = case.param("z") == "walls" and case.param("axis") == "z"
        return case.param("flow") == "uniform" and not walled
    still = case.param("kappa") == 0.0
    return bool(case.param("start") == "cylinder" and case.param("flow") == "rotation" and still)
