"""Do joulia's error bars hold the true joules in 95 % of windows? On simulated meters.

`python docs/studies/energy_coverage.py` prints the table of docs/energy.md. Every trial lets
joulia's own `EnergyMonitor`, `window_of` and `energy_result` measure a load whose energy is known
exactly, on a virtual clock, with a meter that lags as real ones do, at a random phase. The meters'
gain is right, so that its 5 % hide nothing.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from simulated_meters import LOOK_PERIOD_S, Averaged, Clock, Counter, Load, Looking

from joulia.energy.monitor import EnergyMonitor
from joulia.energy.rest import window_of
from joulia.energy.result import energy_result
from joulia.energy.starts import MOST_STARTS, StartMeter, starts_needed, startup_energy
from joulia.meters import Base, Meter
from joulia.parallel.comm import OneRank
from joulia.records.starts import MeteredStart

TOLERANCE = 0.02
TRIALS = 500
REPEATS = 9


Powers = Iterable[tuple[float, float]]
"""Seconds and watts, one after the other."""


@dataclass
class Trial:
    """A load that rests at some watts, a meter on it, and joulia's monitor of that."""

    rng: random.Random
    clock: Clock
    load: Load
    monitor: EnergyMonitor

    @classmethod
    def of(
        cls, rng: random.Random, rest_w: float, make: Callable[[Clock, Load, float], Base]
    ) -> Trial:
        clock, load = Clock(rng.uniform(10.0, 11.0)), Load(rest_w)
        opened: tuple[list[Meter], dict[str, Exception]] = ([make(clock, load, rng.random())], {})
        monitor = EnergyMonitor(
            OneRank(), tolerance=TOLERANCE, clock=clock, sleep=clock.sleep, opened=opened
        )
        monitor.random = rng
        return cls(rng, clock, load, monitor)

    def draw(self, seconds: float, powers: Powers) -> None:
        """From now on, and for some seconds at least, draw these watts, each for so long."""
        now, end = self.clock.now, self.clock.now + seconds
        for length, watts in powers:
            self.load.change(now, watts)
            now += length
            if now > end:
                break

    def window(self, seconds: float, powers: Powers, *, lead: bool = True) -> float:
        """A window as `joulia run` measures it; the true joules."""
        lead_s = self.monitor.lead_s(seconds) if lead else 0.0
        self.draw(lead_s + seconds, powers)
        self.clock.sleep(lead_s)
        before = self.monitor.read()
        began = self.clock.now
        self.clock.sleep(seconds)
        self.monitor.window(before, self.monitor.read())
        return self.load.joules(self.clock.now) - self.load.joules(began)


@dataclass
class Found:
    """Of one trial: the relative error of the joules, and the half width stated for it."""

    error: float
    stated: float

    @property
    def holds(self) -> bool:
        return abs(self.error) <= self.stated


Make = Callable[[Clock, Load, float], Base]
Row = Callable[[random.Random], Found | None]
"""One trial; None where joulia's verdict is "too short"."""


def counter(clock: Clock, load: Load, phase: float) -> Base:
    return Counter(clock, load, 0.1, phase)


def averaged(clock: Clock, load: Load, phase: float) -> Base:
    return Averaged(clock, load, phase)


def looking(clock: Clock, load: Load, phase: float) -> Base:
    return Looking(clock, load, LOOK_PERIOD_S, phase)


def swinging(rng: random.Random, swing: float) -> Iterator[tuple[float, float]]:
    """Steps that draw more in one half than in the other, of 0.03 to 3 s."""
    half_s = 0.5 * 10.0 ** rng.uniform(-1.5, 0.5)
    yield half_s * rng.random(), 1.0 + swing
    while True:
        yield half_s, 1.0 - swing
        yield half_s, 1.0 + swing


def running(ratio: float, make: Make, *, lead: bool = True, swing: float = 0.0) -> Row:
    """One window of `joulia run`, where the power before the work is `ratio` times the work's."""

    def trial(rng: random.Random) -> Found | None:
        t = Trial.of(rng, ratio, make)
        t.monitor.infer_periods()
        # Windows are filled with whole steps: they are longer by some part of one.
        seconds = t.monitor.window_s(0.5, 100.0) * rng.uniform(1.0, 1.05)
        powers = swinging(rng, swing) if swing else [(math.inf, 1.0)]
        return told(t, t.window(seconds, powers, lead=lead))

    return trial


def told(t: Trial, truth: float) -> Found | None:
    data, _ = energy_result(t.monitor, 1)
    if data is None:
        return None
    return Found(data.median / truth - 1.0, data.uncertainty_rel)


def rising(rng: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    yield rng.random() * seconds, 1.0
    yield seconds, 10.0


def falling(rng: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    yield rng.random() * seconds, 10.0
    yield seconds, 1.0


def bursts(rng: random.Random, seconds: float) -> Iterator[tuple[float, float]]:
    while True:
        yield rng.expovariate(3.0), 1.0
        yield rng.expovariate(10.0), 10.0


def until(seconds: float, powers: Powers) -> Iterator[tuple[float, float]]:
    """The first seconds of them."""
    for length, watts in powers:
        yield min(length, seconds), watts
        seconds -= length
        if seconds <= 0.0:
            return


def metering(ratio: float, program: Callable[[random.Random, float], Powers], make: Make) -> Row:
    """`joulia meter` on a program of 3 to 30 s; the rest draws `ratio` times its mean power."""

    def trial(rng: random.Random) -> Found | None:
        seconds = rng.uniform(3.0, 30.0)
        powers = list(until(seconds, program(rng, seconds)))
        rest_w = ratio * sum(length * watts for length, watts in powers) / seconds
        t = Trial.of(rng, rest_w, make)
        t.monitor.everything = True
        t.monitor.infer_periods()
        t.monitor.idle()

        def work() -> float:
            began = t.clock.now
            t.draw(seconds, powers)
            t.clock.sleep(seconds)
            t.load.change(t.clock.now, rest_w)
            return t.load.joules(t.clock.now) - t.load.joules(began)

        truth, window = window_of(t.monitor, work)
        t.monitor.keep(window)
        return told(t, truth)

    return trial


def repeating(period_s: tuple[float, float], windows: int) -> Row:
    """A load that repeats about as often as the sensor looks, tenfold between high and low."""

    def trial(rng: random.Random) -> Found | None:
        t = Trial.of(rng, 0.3, looking)
        t.monitor.infer_periods()
        every_s, high = rng.uniform(*period_s), rng.uniform(0.1, 0.9)
        seconds = max(5.0, t.monitor.window_s(0.5, 100.0))
        truths = []
        for _ in range(windows):
            t.monitor.spread_phases(seconds)
            wave = itertools.cycle([(high * every_s, 10.0), ((1.0 - high) * every_s, 1.0)])
            truths.append(t.window(seconds, wave))
            t.load.change(t.clock.now, 0.3)
            t.clock.sleep(rng.uniform(0.1, 0.3))
        return told(t, statistics.median(truths))

    return trial


def net(ratio: float, drift: float) -> Row:
    """Net joules of nine windows: the idle draws `ratio` of the work, and drifts between two."""

    def trial(rng: random.Random) -> Found | None:
        first_w, last_w = ratio * (1.0 - 0.5 * drift), ratio * (1.0 + 0.5 * drift)
        t = Trial.of(rng, first_w, counter)
        t.monitor.infer_periods()
        t.monitor.idle()
        seconds = t.monitor.window_s(0.5, 100.0) * rng.uniform(1.0, 1.05)
        # Somewhere in between the machine's rest becomes what it is at the end.
        turn = rng.randrange(REPEATS + 1)
        for repeat in range(REPEATS):
            rest_w = first_w if repeat < turn else last_w
            t.monitor.spread_phases(seconds)
            t.window(seconds, [(math.inf, rest_w + 1.0 - ratio)])
        t.load.change(t.clock.now, last_w)
        t.monitor.idle()
        data, _ = energy_result(t.monitor, 1)
        if data is None or data.net is None or data.net_ci95 is None:
            return None
        truth = (1.0 - ratio) * seconds
        low, high = data.net_ci95
        return Found(data.net.median / truth - 1.0, 0.5 * (high - low) / truth)

    return trial


STARTS = ("room", "import", "fields", "load", "fields", "first_call")


def starting(phase: str | None) -> Row:
    """Start-up: parts of a tenth of a second to some seconds, 0.3 to 3 times the rest's power."""

    def trial(rng: random.Random) -> Found | None:
        lengths = [0.3, rng.uniform(1, 4), 0.05, rng.uniform(1, 4), 0.05, rng.uniform(0.1, 1)]
        powers = [rng.uniform(0.3, 3.0) for _ in STARTS]
        truths: list[float] = []

        def start() -> MeteredStart:
            t = Trial.of(rng, 1.0, counter)
            t.monitor.infer_periods()
            meter = StartMeter(t.monitor)
            truths.append(0.0)
            for part, mean_s, watts in zip(STARTS, lengths, powers, strict=True):
                seconds = mean_s * rng.uniform(0.97, 1.03)  # no two processes take the same time
                t.load.change(t.clock.now, watts)
                t.clock.sleep(seconds)
                meter.after(part)
                truths[-1] += seconds * watts if phase in (None, part) else 0.0
            t.load.change(t.clock.now, 1.0)
            metered = meter.start("warm")
            assert isinstance(metered, MeteredStart)
            return metered

        starts = [start()]
        needed = starts_needed(starts[0], TOLERANCE)
        if needed > MOST_STARTS:
            return None
        starts += [start() for _ in range(needed - 1)]
        energy = startup_energy(starts, TOLERANCE)
        found = energy.phases[phase] if phase else energy.total
        if found.joules is None or found.uncertainty_rel is None:
            return None
        return Found(found.joules / statistics.fmean(truths) - 1.0, found.uncertainty_rel)

    return trial


def rows() -> dict[str, Row]:
    """Every row of the table by its name."""
    table: dict[str, Row] = {}
    ratios = (0.0, 0.1, 0.3, 1.0, 2.0, 3.0)
    for ratio in ratios:
        table[f"run, counter of 0.1 s, {ratio:g} before"] = running(ratio, counter)
    for ratio in (0.0, 0.1, 0.3, 3.0):
        table[f"*without work before the window, {ratio:g} before*"] = running(
            ratio, counter, lead=False
        )
    table["run, counter of 0.1 s, steps that swing by ±40 %"] = running(0.3, counter, swing=0.4)
    for ratio in (0.0, 0.3, 1.0, 3.0):
        table[f"run, power averaged over 1 s, {ratio:g} before"] = running(ratio, averaged)
    table["run, power averaged over 1 s, steps that swing by ±40 %"] = running(
        0.3, averaged, swing=0.4
    )
    table["*averaged, taken for a period of 1 s, without work before, 3 before*"] = running(
        3.0, lambda clock, load, phase: Averaged(clock, load, phase, 0.0), lead=False
    )
    for name, program in (
        ("rises tenfold", rising), ("falls tenfold", falling), ("tenfold bursts", bursts),
    ):  # fmt: skip
        for ratio in ratios:
            table[f"meter, {name}, {ratio:g} at rest"] = metering(ratio, program, counter)
    table["meter, averaged over 1 s, tenfold bursts, 0.1 at rest"] = metering(0.1, bursts, averaged)
    for name, period_s in (
        ("50 ms", (0.05, 0.05)), ("100 ms", (0.1, 0.1)), ("48 to 52 ms", (0.048, 0.052)),
        ("96 to 104 ms", (0.096, 0.104)),
    ):  # fmt: skip
        table[f"GPU that looks 25 of 100 ms, load of {name}, 9 windows"] = repeating(
            period_s, REPEATS
        )
        table[f"*the same in one window, {name}*"] = repeating(period_s, 1)
    for ratio in (0.3, 0.7, 0.9):
        table[f"net, idle {ratio:g} of the work"] = net(ratio, 0.0)
        table[f"net, idle {ratio:g} of the work, 4 % drift"] = net(ratio, 0.04)
    table["start-up until the first step is done"] = starting(None)
    for phase in ("import", "load", "first_call"):
        table[f"start-up, {phase}"] = starting(phase)
    return table


@dataclass
class Coverage:
    """Of many trials: how many had joules, mean and 95 % of the error, the share that held."""

    found: list[Found]
    trials: int

    @property
    def holds(self) -> float:
        return sum(found.holds for found in self.found) / len(self.found)

    def line(self, name: str) -> str:
        if not self.found:
            return f"| {name} | {self.trials} | all too short | | | |"
        errors = sorted(abs(found.error) for found in self.found)
        bias = statistics.fmean(found.error for found in self.found)
        stated = statistics.median(found.stated for found in self.found)
        most = errors[math.ceil(0.95 * len(errors)) - 1]
        given = f"{len(self.found)} of {self.trials}"
        return f"| {name} | {given} | {bias:+.1%} | {most:.1%} | {stated:.1%} | {self.holds:.1%} |"


def coverage(name: str, row: Row, trials: int) -> Coverage:
    rng = random.Random(name)
    found = [row(rng) for _ in range(trials)]
    return Coverage([each for each in found if each is not None], trials)


def main(trials: int) -> None:
    print("| what is measured | with joules | mean error | 95 % of errors | stated ± | within |")
    print("|---|---|---|---|---|---|")
    for name, row in rows().items():
        print(coverage(name, row, trials).line(name), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS)
