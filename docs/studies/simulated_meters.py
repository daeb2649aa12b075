"""Loads whose energy is known exactly, and meters that lag behind them as real ones do."""

from __future__ import annotations

import bisect
import math

from joulia.meters import Base, Domain
from joulia.meters._sampled import Integral, longest_gap

LOOK_S, LOOK_PERIOD_S = 0.025, 0.1
"""How long a sensor of A100 to H200 looks, and how often."""


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Load:
    """Power that is constant between changes."""

    def __init__(self, watts: float) -> None:
        self.times, self.powers, self.sums = [0.0], [watts], [0.0]

    def change(self, at: float, watts: float) -> None:
        self.sums.append(self.joules(at))
        self.times.append(at)
        self.powers.append(watts)

    def joules(self, t: float) -> float:
        """The exact integral from 0."""
        i = max(bisect.bisect_right(self.times, t) - 1, 0)
        return self.sums[i] + self.powers[i] * (t - self.times[i])


class Counter(Base):
    """Tells at any moment the energy up to its last update."""

    def __init__(self, clock: Clock, load: Load, period_s: float, phase: float) -> None:
        self.id, self.clock, self.load = "counter", clock, load
        self.period_s_, self.phase_s = period_s, phase * period_s
        self.domains = {"package-0": Domain("package", period_s)}

    def updated(self) -> float:
        periods = math.floor((self.clock() - self.phase_s) / self.period_s_)
        return max(periods * self.period_s_ + self.phase_s, 0.0)

    def read(self) -> dict[str, float]:
        return {"package-0": self.load.joules(self.updated())}


class Looking(Counter):
    """As A100 to H200: it takes the power of the last 25 of each 100 ms for that of all."""

    def __init__(self, clock: Clock, load: Load, period_s: float, phase: float) -> None:
        super().__init__(clock, load, period_s, phase)
        self.domains = {"package-0": Domain("package", period_s, looks_rel=LOOK_S / period_s)}
        self.seen_to, self.sum_j = max(self.updated(), period_s), 0.0

    def read(self) -> dict[str, float]:
        while self.seen_to + 0.5 * self.period_s_ < self.updated():
            self.seen_to += self.period_s_
            seen = self.load.joules(self.seen_to) - self.load.joules(self.seen_to - LOOK_S)
            self.sum_j += seen * self.period_s_ / LOOK_S
        return {"package-0": self.sum_j}


class Averaged(Base):
    """Power averaged over a second and refreshed every 0.1 s, which a sampler adds up."""

    source = "sampled"
    AVERAGE_S, REFRESH_S, SAMPLE_S = 1.0, 0.1, 0.05

    def __init__(
        self, clock: Clock, load: Load, phase: float, average_s: float = AVERAGE_S
    ) -> None:
        self.id, self.clock, self.load = "sampled", clock, load
        self.phase_s = phase * self.REFRESH_S
        self.domains = {
            "package-0": Domain("package", self.REFRESH_S, average_s=average_s)
            if average_s
            else Domain("package", self.AVERAGE_S)
        }
        self.integral = Integral(longest_gap(self.SAMPLE_S))
        self.due = clock()

    def watts(self, t: float) -> float:
        at = math.floor((t - self.phase_s) / self.REFRESH_S) * self.REFRESH_S + self.phase_s
        return (self.load.joules(at) - self.load.joules(at - self.AVERAGE_S)) / self.AVERAGE_S

    def read(self) -> dict[str, float]:
        while self.due <= self.clock():
            self.integral.add(self.due, {"package-0": self.watts(self.due)})
            self.due += self.SAMPLE_S
        return self.integral.until(self.clock())

    def period_s(self) -> float:
        return self.SAMPLE_S
