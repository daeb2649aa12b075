"""A median with its interval, as tables, charts and comparisons pass it on."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joulia.records.parts import Summary
from joulia.records.stats import median_interval


@dataclass(frozen=True)
class Uncertain:
    """A value with its 95 % interval, None where there are too few repeats for one."""

    value: float
    low: float | None = None
    high: float | None = None

    def map(self, f: Callable[[float], float]) -> Uncertain:
        """The figure of a monotone function of it."""
        if self.low is None or self.high is None:
            return Uncertain(f(self.value))
        ends = sorted((f(self.low), f(self.high)))
        return Uncertain(f(self.value), *ends)

    @classmethod
    def of(cls, samples: Sequence[float]) -> Uncertain:
        low, high = median_interval(samples) or (None, None)
        return cls(statistics.median(samples), low, high)


def uncertain(part: Summary) -> Uncertain:
    """A part's median with its interval."""
    return Uncertain(part.median, *(part.ci95 or (None, None)))
