"""Start-up in joules: metered like a window with rest on both sides, and each of its parts.

The whole is surer than its parts: around it the counters catch up at rest (`joulia.energy.rest`).
No part waits for that, for it would change what is timed. So the counters' lag is taken out at the
part's own power at its end, and at its beginning at the power of what came before it; each end is
unsure by half an update period's energy. Where that is too much, several starts in fresh processes
help: their ends lie at other phases, and the mean is surer by the root of their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Key, Reading, Window
from joulia.energy.rest import without_rest
from joulia.energy.uncertainty import END_95
from joulia.records.starts import MeteredPhase, MeteredStart, PhaseEnergy, StartupEnergy

PHASES = ("import", "load", "first_call")
MOST_STARTS = 10
"""Fresh processes that are started for the joules of a start-up; where more would be needed, none
but the first."""
LONG = 4.0
"""A part of so many update periods tells its own power. A shorter one is given the whole start's,
and twice that as what is unsure of it."""


class StartMeter:
    """Readings at the ends of the parts of a start, from its beginning on.

    Every rank takes part. Nothing is done where there is no meter.
    """

    def __init__(self, energy: EnergyMonitor) -> None:
        self.energy = energy
        self.parts: list[str] = []
        self.readings: list[Reading] = []
        energy.idle()
        if energy.active:
            self.readings.append(energy.read())

    def after(self, part: str) -> None:
        """A part has ended, on all ranks."""
        if self.energy.active:
            self.energy.comm.barrier()
            self.parts.append(part)
            self.readings.append(self.energy.read())

    def start(self, cache: str) -> MeteredStart | str:
        """What was metered, or why it was not; the same on every rank.

        The runtime is there only after it, so the rest around a start is no idle of the windows.
        """
        energy = self.energy
        if not energy.active:
            problem = energy.account.problem if energy.seen else None
            return problem or "no meter on this machine"
        if energy.spins:
            return "threads spin while they wait: there is no rest after the start"
        began, ended = self.readings[0], self.readings[-1]
        energy.sleep(energy.lead_s(ended.at - began.at))
        settled = energy.read()
        energy.idle()
        rests, energy.idles = energy.idles, []
        whole = energy.between(began, settled)
        if isinstance(whole, str):
            return whole
        if len(rests) != 2:
            return "the power at rest around the start was not measured"
        rest_s = energy.comm.bcast(settled.at - ended.at)
        work = without_rest(whole, rest_s, energy.periods, *rests)
        parts = [
            energy.between(first, last, at_rest=True)
            for first, last in zip(self.readings, self.readings[1:], strict=False)
        ]
        before, phases = rests[0], {}
        for name, part in zip(self.parts, parts, strict=True):
            if isinstance(part, str):
                return part
            if name in PHASES:
                phases[name] = metered(energy, part, before, work)
            before = part
        sources = sorted({domain.source for domain in energy.account.counted})
        total = metered(energy, work, rests[0], work)
        return MeteredStart(cache, "+".join(sources), energy.slowest_s, phases, total)


def metered(energy: EnergyMonitor, part: Window, before: Window, whole: Window) -> MeteredPhase:
    """A part of a start after another one or after rest; its lag is taken out where it is not."""
    joules = first_j = last_j = quantum_j = systematic_j = 0.0
    for domain in energy.account.counted:
        key, lag_s = domain.key, energy.periods[domain.key]
        told = part.joules[key]
        if key in part.ends_w:
            first, last = (0.5 * lag_s * watts for watts in part.ends_w[key])
        else:
            (first_w, first_most_w), (last_w, last_most_w) = (
                watts_of(side, whole, key, lag_s) for side in (before, part)
            )
            told += 0.5 * lag_s * (last_w - first_w)
            first, last = 0.5 * lag_s * first_most_w, 0.5 * lag_s * last_most_w
        joules += told
        first_j, last_j = first_j + first, last_j + last
        quantum_j += domain.quantum_j
        systematic_j += told * domain.systematic_rel
    return MeteredPhase(joules, part.seconds, first_j, last_j, quantum_j, systematic_j)


def watts_of(part: Window, whole: Window, key: Key, lag_s: float) -> tuple[float, float]:
    """The power in a part, and what it may be; the whole start's where the part is too short."""
    if part.seconds >= LONG * lag_s:
        watts = part.joules.get(key, 0.0) / part.seconds
        return watts, watts
    watts = whole.joules.get(key, 0.0) / whole.seconds
    return watts, 2.0 * watts


def startup_energy(starts: Sequence[MeteredStart], tolerance: float) -> StartupEnergy:
    """Of all starts of a case that found their caches alike."""
    first = starts[0]
    phases = {
        name: mean_joules([start.phases[name] for start in starts], first.period_s, tolerance)
        for name in first.phases
    }
    totals = [start.total for start in starts]
    return StartupEnergy(
        "J",
        first.source,
        len(starts),
        tuple(total.joules for total in totals),
        phases,
        mean_joules(totals, first.period_s, tolerance),
    )


def mean_joules(phases: Sequence[MeteredPhase], period_s: float, tolerance: float) -> PhaseEnergy:
    """The mean joules of a phase of several starts, or why the meters are too slow for it."""
    count = len(phases)
    joules = sum(phase.joules for phase in phases) / count
    seconds = sum(phase.seconds for phase in phases) / count
    sigma = sigma_j(phases) / count
    if not joules > 0.0 or sigma > tolerance * joules:
        off = f" is off by {sigma / joules:.0%} (one sigma)" if joules > 0.0 else " tells nothing"
        return PhaseEnergy(
            None,
            None,
            f"too short: {seconds:.2g} s in {count} start{'s' if count > 1 else ''} against an "
            f"update period of {period_s:.2g} s{off}, and {tolerance:.1%} was asked for",
        )
    worst = sum(phase.first_lag_j + phase.last_lag_j for phase in phases) / count
    quantum = sum(phase.quantum_j for phase in phases) / count
    systematic = sum(phase.systematic_j for phase in phases) / count
    random = math.hypot(END_95 * worst, quantum) / math.sqrt(count)
    return PhaseEnergy(joules, (systematic + random) / joules)


def sigma_j(phases: Sequence[MeteredPhase]) -> float:
    """One sigma of the sum of phases of several starts: their ends are uniform and independent."""
    return math.sqrt(sum(p.first_lag_j**2 + p.last_lag_j**2 for p in phases) / 3.0)


def starts_needed(start: MeteredStart, tolerance: float) -> int:
    """How many starts like this one bring the mean of the whole within a tolerance."""
    joules = start.total.joules
    if not joules > 0.0:
        return MOST_STARTS + 1
    return max(1, math.ceil((sigma_j([start.total]) / (tolerance * joules)) ** 2))
