"""A clock that only moves when told, power curves with exact integrals, sampling on that clock."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from joulia.meters import Clock
from joulia.meters._sampled import Integral, Reader, longest_gap, narrowed


class VirtualClock:
    """Seconds since `now`; `sleep` moves on and calls what is due on the way."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.due: list[tuple[float, int, float, Callable[[], None]]] = []
        self.numbers = itertools.count()

    def __call__(self) -> float:
        return self.now

    def every(self, period_s: float, call: Callable[[], None], first: float = 0.0) -> None:
        heapq.heappush(self.due, (self.now + first, next(self.numbers), period_s, call))

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            at, number, period_s, call = heapq.heappop(self.due)
            self.now = max(self.now, at)
            call()
            heapq.heappush(self.due, (at + period_s, number, period_s, call))
        self.now = end


@dataclass(frozen=True)
class Curve:
    """P(t) = mean + swing sin(2 pi t / period + phase), and between `on` and `off` extra watts."""

    mean_w: float
    swing_w: float = 0.0
    period_s: float = 1.0
    phase: float = 0.0
    extra_w: float = 0.0
    on_s: float = math.inf
    off_s: float = math.inf

    def watts(self, t: float) -> float:
        wave = self.swing_w * math.sin(2 * math.pi * t / self.period_s + self.phase)
        return self.mean_w + wave + (self.extra_w if self.on_s <= t < self.off_s else 0.0)

    def joules(self, t: float) -> float:
        """The exact integral from 0."""
        omega = 2 * math.pi / self.period_s
        wave = self.swing_w / omega * (math.cos(self.phase) - math.cos(omega * t + self.phase))
        extra = self.extra_w * max(0.0, min(t, self.off_s) - self.on_s) if t > self.on_s else 0.0
        return self.mean_w * t + wave + extra


class LocalSampler:
    """A sampler that the virtual clock drives."""

    def __init__(self, reader: Reader, period_s: float, clock: Clock) -> None:
        assert isinstance(clock, VirtualClock)
        self.reader = reader
        self.every_s = period_s
        self.clock = clock
        self.integral = Integral(longest_gap(period_s), reader.most_w)
        self.noted: dict[str, int] = {}
        self.started = False
        self.alive = True
        self.busy: Collection[int] = field(default_factory=list)

    def only(self, names: Collection[str]) -> None:
        self.reader = narrowed(self.reader, names)

    def start(self, busy: Collection[int]) -> None:
        if not self.started:
            self.started = True
            self.busy = busy
            self.clock.every(self.every_s, self.tick)

    def tick(self) -> None:
        if self.alive:
            self.integral.take(self.clock, self.reader.local)

    def joules(self) -> dict[str, float]:
        if not self.started:
            self.start(())
        if not self.integral.samples:
            self.tick()
        return self.integral.until(self.clock(), self.noted)

    def period_s(self) -> float:
        return self.every_s

    def cost_s(self) -> float:
        return 0.0

    def close(self) -> None:
        self.alive = False
