"""Columns for the emulator: profiles of temperature with their surface flux, by number, and truth.

Column n is a function of n alone, so that a grid may be cut anywhere and training and test never
meet. Profiles have a mean gradient, waves, mixed layers and inversions; a fifth of them one strong
wave more, so that states which such a sea seldom has are seen too.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from functools import cache

import numpy as np
from numpy.typing import NDArray

from joulia.arrays import Host, mixed
from joulia.case import digest
from joulia.kernels.column.column_numpy import mixed as mixed_step
from joulia.system.places import cache_dir

LEVELS = 32
"""Of the emulator: z upwards on [0, 1]."""
FINE = 4
"""The truth has this many levels for each of the emulator's."""
TRUTH_STEPS = 512
INTERVAL = 0.25
STABLE, UNSTABLE = 1e-3, 10.0
"""Diffusivities where temperature rises and where it falls with height."""
LARGEST_FLUX = 0.4 * math.sqrt(2.0)
"""Out of the top of any column: see `surface_flux`."""
TEST, VALIDATION, TRAINING = 0, 1 << 40, 1 << 41
"""The numbers that sets of columns begin at: a measured grid shows columns of the test set."""

Numbers = NDArray[np.uint64]
Reals = NDArray[np.float64]


class Draws:
    """Random numbers of columns, in the order in which they are asked for: one each, in [0, 1).

    Two rounds of SplitMix64's finaliser: of the column's number, then of the draw's.
    """

    def __init__(self, columns: Numbers) -> None:
        self.words = mixed(columns)
        self.count = 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Reals:
        self.count += 1
        bits = mixed(self.words + np.uint64(self.count << 32)) >> np.uint64(11)
        return np.asarray(low + (high - low) * (bits * 2.0**-53), np.float64)

    def normal(self) -> Reals:
        """Standard normal numbers (Box and Muller, 1958)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform()))
        normal: Reals = radius * np.cos(2.0 * math.pi * self.uniform())
        return normal


def heights(levels: int) -> Reals:
    """Centres of the levels, as a column."""
    return np.array((np.arange(levels)[:, None] + 0.5) / levels, np.float64)


def profiles(numbers: Numbers, levels: int) -> tuple[Host, Host]:
    """Temperature (levels, columns) and upward surface flux (columns,) of columns, in float32.

    In float32, since the logarithms and cosines of two machines differ in a last digit of float64.
    """
    draw = Draws(numbers)
    z = heights(levels)
    gradient = background(draw)
    rough = draw.uniform() < 0.3
    amplitude = np.where(rough, draw.uniform(0.1, 0.3), draw.uniform(0.0, 0.1))
    t = gradient * z
    for m in range(1, 7):
        t += gradient * amplitude * draw.normal() * m**-1.5 * np.cos(m * math.pi * z)
    mixed_depth = np.where(draw.uniform() < 0.8, draw.uniform(0.05, 0.7), 0.0)
    t = with_mixed_layer(t, mixed_depth, z)
    t += gradient * draw.uniform(0.0, 0.01) * wave(draw, 8, z)
    strong = np.where(draw.uniform() < 0.2, draw.uniform(0.0, 0.5), 0.0)
    t += strong * wave(draw, 12, z)
    return t.astype("f4"), fluxes(numbers)


def fluxes(numbers: Numbers) -> Host:
    """The upward surface flux of columns, in float32."""
    draw = Draws(mixed(numbers))
    gradient = background(Draws(numbers))
    return surface_flux(draw, gradient).astype("f4")


def background(draw: Draws) -> Reals:
    """The mean gradients; the first draw of a column."""
    return np.exp(draw.uniform(math.log(0.5), math.log(2.0)))


def wave(draw: Draws, shortest: int, z: Reals) -> Reals:
    """cos(m pi z + phase) with m from 1 to `shortest`."""
    m = np.floor(draw.uniform(1.0, shortest + 1.0))
    return np.cos(m * math.pi * z + draw.uniform(0.0, 2.0 * math.pi))


def with_mixed_layer(t: Host, depth: Host, z: Host) -> Host:
    """The part of each column that is nearer to the top than `depth`, replaced by its mean."""
    inside = z > 1.0 - depth
    count = np.maximum(inside.sum(0), 1)
    return np.where(inside, (t * inside).sum(0) / count, t)


def surface_flux(draw: Draws, gradient: Host) -> Host:
    """Upward out of the top: 70 % of the columns are cooled, 25 % warmed, the others left alone."""
    kind = draw.uniform()
    cooled, warmed = draw.uniform(0.0, 0.4), draw.uniform(-0.15, 0.0)
    flux: Host = np.sqrt(gradient) * np.where(
        kind < 0.7, cooled, np.where(kind < 0.95, warmed, 0.0)
    )
    return flux


def coarse(fine: Host) -> Host:
    """Means over the fine levels that lie in each of the emulator's."""
    levels, columns = fine.shape
    means: Host = fine.reshape(LEVELS, levels // LEVELS, columns).mean(1)
    return means


def settled(t: Host, flux: Host, steps: int) -> Host:
    """Profiles (levels, columns) an interval later, after `steps` steps of `column`, in float64.

    The truth of the emulator has FINE times its levels and TRUTH_STEPS steps.
    """
    now, then = t.astype("f8"), np.empty(t.shape)
    scratch, levels, dt = np.empty_like(then), t.shape[0], INTERVAL / steps
    stable, unstable = (kappa * dt * levels**2 for kappa in (STABLE, UNSTABLE))
    for _ in range(steps):
        mixed_step(now, then, scratch, stable, unstable, dt * levels * flux.astype("f8"))
        now, then = then, now
    return now


def increments(first: int, count: int) -> tuple[Host, Host, Host]:
    """Columns from a number on: differences between levels, flux, and the true increments."""
    fine, flux = profiles(np.arange(first, first + count, dtype=np.uint64), FINE * LEVELS)
    before = coarse(fine.astype("f8"))
    return np.diff(before, axis=0), flux, coarse(settled(fine, flux, TRUTH_STEPS)) - before


@cache
def truth(numbers: tuple[int, ...]) -> tuple[Host, Host]:
    """Columns on the emulator's levels, before and after the interval: (LEVELS, columns) each."""
    fine, flux = profiles(np.array(numbers, np.uint64), FINE * LEVELS)
    return coarse(fine.astype("f8")), coarse(kept_truth(fine, flux))


def kept_truth(fine: Host, flux: Host) -> Host:
    """Profiles after TRUTH_STEPS steps; a file keeps them, since they take half a second."""
    folder = cache_dir() / "emulator"
    path = folder / f"{digest(fine.tobytes().hex(), flux.tobytes().hex(), TRUTH_STEPS)}.npy"
    if path.is_file():
        return np.load(path)  # type: ignore[no-any-return]
    result = settled(fine, flux, TRUTH_STEPS)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f"{path.stem}.{os.getpid()}.npy"
        np.save(scratch, result)
        scratch.replace(path)
    return result
