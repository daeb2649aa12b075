"""How often a counter really changes: watched before the first window, not believed."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Collection, Sequence

from joulia.meters import Clock, Meter

UPDATES_WATCHED = 8
LONGEST_WATCH_S = 2.0
FINEST_GAP_S, COARSE_GAP_S = 1e-4, 5e-3


def update_periods(
    meter: Meter,
    names: Collection[str],
    nominal_s: float,
    clock: Clock,
    sleep: Callable[[float], None],
) -> dict[str, float | None]:
    """Seconds between the updates of each named domain; None where it did not move at all.

    Reads until each has changed often enough, 2 s at most. Raises Unavailable on a failed read.
    """
    gap = min(max(nominal_s / 20.0, FINEST_GAP_S), COARSE_GAP_S)
    changes: dict[str, list[float]] = {name: [] for name in names}
    last: dict[str, float] = {}
    end = clock() + LONGEST_WATCH_S
    while clock() < end and any(len(times) <= UPDATES_WATCHED for times in changes.values()):
        now = meter.read()
        at = clock()
        for name in names:
            if name in last and name in now and now[name] != last[name]:
                changes[name].append(at)
        last = now
        moving = [times for times in changes.values() if times]
        if moving and all(len(times) > UPDATES_WATCHED for times in moving):
            gap = COARSE_GAP_S  # what has not moved by now is slow, or never moves
        sleep(gap)
    return {name: _period(times) for name, times in changes.items()}


def _period(changes: Sequence[float]) -> float | None:
    """The median time between changes; with too few of them, what the watch allows at most.

    The median, because an observer that the system stalls sees several updates as one.
    """
    if not changes:
        return None
    if len(changes) < 3:
        return LONGEST_WATCH_S / len(changes)
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(changes))
