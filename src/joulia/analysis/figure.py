"""A median with its interval, as tables, charts and comparisons pass it on."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joulia.records.parts import Summary
from joulia.records.stats import median_interval


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval, None where there are too few repeats for one."""

    value: float
    low: float | None = None
    high: float | None = None

    def map(self, f: Callable[[float], float]) -> Figure:
        """The figure of a monotone function of it."""
        if self.low is None or self.high is None:
            return Figure(f(self.value))
        ends = sorted((f(self.low), f(self.high)))
        return Figure(f(self.value), *ends)

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        low, high = median_interval(samples) or (None, None)
        return cls(statistics.median(samples), low, high)


def figure(part: Summary) -> Figure:
    """A part's median with its interval."""
    return Figure(part.median, *(part.ci95 or (None, None)))
