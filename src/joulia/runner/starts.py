"""More starts of a case, where one is too short for the meters to tell its joules."""

from __future__ import annotations

from dataclasses import replace

from joulia.case import Case, Settings
from joulia.energy import starts
from joulia.records.parts import Startup
from joulia.records.record import Measured
from joulia.records.starts import MeteredStart
from joulia.runner import launch


def with_joules(
    case: Case, settings: Settings, part: Measured, most: int | None = None
) -> Startup | None:
    """The start-up of a measured case with its joules: from more starts, where they are needed.

    `most` bounds them, MOST_STARTS where it is None.
    """
    most = most or starts.MOST_STARTS
    if part.startup is None or part.start is None:
        return part.startup
    known = [part.start]
    needed = starts.starts_needed(part.start, settings.energy_tolerance)
    reason = None
    if needed > most:
        reason = f"it takes {needed} starts, and at most {most} are tried"
    elif needed > 1:
        known += more(case, settings, part.start, needed - 1)
        if len(known) < needed:
            reason = f"{len(known)} of {needed} starts found their caches like the first"
    energy = starts.startup_energy(known, settings.energy_tolerance)
    return replace(part.startup, energy=energy, energy_reason=reason)


def more(case: Case, settings: Settings, first: MeteredStart, count: int) -> list[MeteredStart]:
    """Fresh processes; with empty caches again where the first one had to compile."""
    again = replace(settings, cold=settings.cold or first.cache == "cold")
    parts = (launch.measured(case, again, start_only=True) for _ in range(count))
    return [part.start for part in parts if part.start and part.start.cache == first.cache]
