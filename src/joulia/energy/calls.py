"""Joules of a function that is called again and again in this process, and of one call of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from joulia.energy.monitor import EnergyMonitor
from joulia.energy.result import energy_result, without_advice
from joulia.records.parts import Energy

Value = TypeVar("Value")

FEWEST_WINDOWS = 6
"""Fewer have no 95 % interval of their median."""
LONGEST_WINDOW_S = 30.0
"""A meter that needs longer windows than this is too slow for a test: there are no joules."""


@dataclass(frozen=True)
class CallEnergy:
    """What a call takes: joules, watts, seconds, each the median of the windows."""

    joules: float
    """J a call."""
    interval: tuple[float, float]
    """The 95 % interval of the joules: scatter of the windows, the meters' lag and gain error."""
    watts: float
    """Mean power over all windows, W."""
    seconds: float
    """s a call."""
    calls: int
    """Calls in a window."""
    energy: Energy
    """The rest that is known, as in a record, with `J/call` for `J/step`."""


@dataclass(frozen=True)
class Called(Generic[Value]):
    """What the first call returned, and what a call takes or why that is not known."""

    value: Value
    energy: CallEnergy | None
    reason: str | None


def measure(
    energy: EnergyMonitor, call: Callable[[], Value], window_s: float, windows: int
) -> Called[Value]:
    """Call a function once, then in windows, 6 or more, of at least `window_s` seconds.

    Windows grow as far as the meters need it. Each begins in work that already runs, as those of
    `joulia run` do, for counters lag. `energy` knows the periods of its meters already.
    """
    value = call()
    energy.begin_anew()
    planned_s = energy.window_s(window_s, max(window_s, LONGEST_WINDOW_S))
    calls, lead = counts(energy, call, planned_s)
    energy.idle()
    seconds = []
    for _ in range(windows):
        energy.spread_phases(planned_s)
        repeat(call, lead)
        before = energy.read()
        began = energy.clock()
        repeat(call, calls)
        seconds.append((energy.clock() - began) / calls)
        energy.window(before, energy.read())
    energy.idle()
    data, reason = energy_result(energy, calls)
    if data is None:
        return Called(value, None, without_advice(reason))
    if len(energy.windows) < FEWEST_WINDOWS:
        voids = f"{len(energy.voids)} of {windows} windows were void: {energy.voids[0]}"
        return Called(value, None, voids)
    told = CallEnergy(
        data.median, interval(data), data.watts, statistics.median(seconds), calls, data
    )
    return Called(value, told, None)


def counts(energy: EnergyMonitor, call: Callable[[], object], window_s: float) -> tuple[int, int]:
    """How many calls fill a window, and the lead before it, from timing ever more of them.

    Whatever disturbs them only adds time, so they are counted by the quickest.
    """
    calls, quickest = 1, math.inf
    while True:
        began = energy.clock()
        repeat(call, calls)
        seconds = energy.clock() - began
        quickest = min(quickest, seconds / calls)
        if seconds >= 0.1 * window_s:
            lead_s = energy.lead_s(window_s)
            return max(1, math.ceil(window_s / quickest)), math.ceil(lead_s / quickest)
        calls *= 2


def repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def interval(data: Energy) -> tuple[float, float]:
    """The 95 % interval of the median joules: what all windows share, and their own scatter."""
    gain = data.systematic_rel * data.median
    random = (data.uncertainty_rel - data.systematic_rel) * data.median
    low, high = data.ci95 or (data.median, data.median)
    return (
        data.median - gain - math.hypot(random, data.median - low),
        data.median + gain + math.hypot(random, high - data.median),
    )
