"""After how many steps a slower start pays off: where two straight lines cross."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulia.analysis.uncertain import Uncertain


@dataclass(frozen=True)
class BreakEven:
    """After how many steps the backend has used less in total than the baseline, start-up included.

    `kind` is `after` (`steps` of them), `always`, `never` or `until` (it starts quicker and runs
    slower: it wins up to `steps`).
    """

    kind: str
    steps: Uncertain | None = None


def break_even(
    start_low: float,
    start_high: float,
    cost: Uncertain,
    base_start_low: float,
    base_start_high: float,
    base_cost: Uncertain,
) -> BreakEven:
    """Where two straight lines cross: start-up (between low and high) plus cost a step times steps.

    The interval takes the ends of start-up and of the cost's intervals that lie furthest apart.
    """
    start = (start_low + start_high) / 2.0 - (base_start_low + base_start_high) / 2.0
    gain = base_cost.value - cost.value
    if gain >= 0.0 and start <= 0.0:
        return BreakEven("always")
    if gain <= 0.0 and start >= 0.0:
        return BreakEven("never")
    ends = [cost.low, cost.high, base_cost.low, base_cost.high]
    if None in ends:
        return BreakEven("after" if gain > 0.0 else "until", Uncertain(start / gain))
    starts = (start_low - base_start_high, start_high - base_start_low)
    gains = (base_cost.low - cost.high, base_cost.high - cost.low)  # type: ignore[operator]
    corners = sorted(crossing(s, g, gain) for s in starts for g in gains)
    steps = Uncertain(start / gain, corners[0], corners[-1])
    return BreakEven("after" if gain > 0.0 else "until", steps)


def crossing(start: float, gain: float, sign: float) -> float:
    """Steps at which a lead of `start` is used up at `gain` a step; infinite where it never is."""
    if gain * sign <= 0.0:
        return math.inf
    return max(0.0, start / gain)
