"""Axes: where ticks go, and numbers to pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from joulia.analysis.units import quantity


@dataclass(frozen=True)
class Axis:
    """Values low..high on pixels start..end, logarithmic or linear, with ticks and their texts."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """The pixel of a value, held within the axis."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def log_axis(values: Iterable[float], start: float, end: float, unit: str = "") -> Axis:
    """A logarithmic axis around positive values; ticks at decades, at 1, 2, 5, or finer ones."""
    kept = [v for v in values if v > 0.0 and math.isfinite(v)] or [1.0]
    low, high = min(kept) / 1.25, max(kept) * 1.25
    if high / low < 2.0:
        middle = math.sqrt(low * high)
        low, high = middle / 1.5, middle * 1.5
    decades = math.log10(high / low)
    steps: tuple[float, ...] = (1.0, 2.0, 5.0) if decades < 2.6 else (1.0,)
    if decades < 0.8:
        steps = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    every = max(1, math.ceil(decades / 6.0))
    ticks = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        if len(steps) == 1 and power % every:
            continue
        for step in steps:
            value = step * 10.0**power
            if low <= value <= high:
                ticks.append((value, tick_text(value, unit)))
    return Axis(low, high, start, end, True, tuple(ticks))


def linear_axis(highest: float, start: float, end: float, unit: str = "") -> Axis:
    """A linear axis from 0 with about five round ticks."""
    highest = highest if highest > 0.0 else 1.0
    rough = highest / 4.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough)
    count = math.ceil(highest / step)
    ticks = tuple((i * step, tick_text(i * step, unit)) for i in range(count + 1))
    return Axis(0.0, count * step, start, end, False, ticks)


def tick_text(value: float, unit: str) -> str:
    """As few digits as the value needs, with an SI prefix where there is a unit."""
    if not unit:
        return f"{value:g}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.0e}"
    number, _, prefixed = quantity(value, unit).partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {prefixed}"
