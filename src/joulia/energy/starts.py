"""Start-up in joules: each phase of a start metered like a window, several starts put together.

No phase waits for the counters to catch up, for that would change what is timed. So the lag at the
end of a phase is taken out at its own power, and at its beginning at the power of what came before
it. What is left is unsure by half an update period's energy at either end; the ends of several
starts lie at independent phases, and their mean is surer by the root of their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Reading, Window
from joulia.energy.uncertainty import END_95
from joulia.records.starts import MeteredPhase, MeteredStart, PhaseEnergy, StartupEnergy

PHASES = ("import", "load", "first_call")
MOST_STARTS = 10
"""Fresh processes that are started for the joules of a start-up; where more would be needed, none
but the first."""


class StartMeter:
    """Readings at the ends of the parts of a start, from its beginning on.

    Every rank takes part. Nothing is done where there is no meter.
    """

    def __init__(self, energy: EnergyMonitor) -> None:
        self.energy = energy
        self.parts: list[str] = []
        self.readings: list[Reading] = []
        self.rest: Window | None = None
        if energy.active:
            energy.idle()
            # These are the watts before the runtime was there: no window's idle.
            self.rest = energy.idles.pop() if energy.idles else None
            self.readings.append(energy.read())

    def after(self, part: str) -> None:
        """A part has ended, on all ranks."""
        if self.energy.active:
            self.energy.comm.barrier()
            self.parts.append(part)
            self.readings.append(self.energy.read())

    def start(self, cache: str) -> MeteredStart | str:
        """What was metered, or why it was not; the same on every rank."""
        energy = self.energy
        if not energy.active:
            return energy.account.problem or "no meter on this machine"
        if self.rest is None:
            return "the power before the start was not measured"
        before, phases = self.rest, {}
        for i, part in enumerate(self.parts):
            window = energy.between(self.readings[i], self.readings[i + 1], at_rest=True)
            if isinstance(window, str):
                return window
            if part in PHASES:
                phases[part] = metered(energy, window, before)
            before = window
        sources = sorted({domain.source for domain in energy.account.counted})
        return MeteredStart(cache, "+".join(sources), energy.slowest_s, phases)


def metered(energy: EnergyMonitor, window: Window, before: Window) -> MeteredPhase:
    """A phase of a start, after another or after rest."""
    joules = first_j = last_j = quantum_j = systematic_j = 0.0
    for domain in energy.account.counted:
        lag_s, told = energy.periods[domain.key], window.joules[domain.key]
        first = 0.5 * lag_s * before.joules.get(domain.key, 0.0) / before.seconds
        last = 0.5 * lag_s * told / window.seconds
        joules += told + last - first
        first_j, last_j = first_j + first, last_j + last
        quantum_j += domain.quantum_j
        systematic_j += told * domain.systematic_rel
    return MeteredPhase(joules, window.seconds, first_j, last_j, quantum_j, systematic_j)


def startup_energy(starts: Sequence[MeteredStart], tolerance: float) -> StartupEnergy:
    """Of all starts of a case that found their caches alike."""
    phases = {
        name: phase_energy(starts, (name,), tolerance)
        for name in PHASES
        if name in starts[0].phases
    }
    samples = tuple(sum(phase.joules for phase in start.phases.values()) for start in starts)
    total = phase_energy(starts, tuple(phases), tolerance)
    return StartupEnergy("J", starts[0].source, len(starts), samples, phases, total)


def phase_energy(
    starts: Sequence[MeteredStart], names: Sequence[str], tolerance: float
) -> PhaseEnergy:
    """The mean joules of phases, or why the meters are too slow for them."""
    phases = [start.phases[name] for start in starts for name in names]
    count = len(starts)
    joules = sum(phase.joules for phase in phases) / count
    period_s = max(start.period_s for start in starts)
    seconds = sum(phase.seconds for phase in phases) / count
    sigma = sigma_j(phases) / count
    if not joules > 0.0 or sigma > tolerance * joules:
        off = f"off by {sigma / joules:.0%}" if joules > 0.0 else "not told from nothing"
        return PhaseEnergy(
            None,
            None,
            f"too short: {seconds:.2g} s in {count} start{'s' if count > 1 else ''} against an "
            f"update period of {period_s:.2g} s is {off} (one sigma), more than the "
            f"{tolerance:.1%} asked for",
        )
    worst = sum(phase.first_lag_j + phase.last_lag_j for phase in phases) / count
    ends = 2.0 * sigma if len(phases) > 1 else END_95 * worst
    quantum = sum(phase.quantum_j for phase in phases) / count
    systematic = sum(phase.systematic_j for phase in phases) / count
    return PhaseEnergy(joules, (systematic + math.hypot(ends, quantum)) / joules)


def sigma_j(phases: Sequence[MeteredPhase]) -> float:
    """One sigma of the sum of phases: both ends of each are uniform and independent."""
    return math.sqrt(sum(p.first_lag_j**2 + p.last_lag_j**2 for p in phases) / 3.0)


def starts_needed(start: MeteredStart, tolerance: float) -> int:
    """How many starts like this one bring the mean of all phases within a tolerance."""
    phases = list(start.phases.values())
    joules = sum(phase.joules for phase in phases)
    if not joules > 0.0:
        return MOST_STARTS + 1
    return max(1, math.ceil((sigma_j(phases) / (tolerance * joules)) ** 2))
