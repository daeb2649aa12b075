"""Joules so far at one moment, and the joules between two such moments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from joulia.energy.accounting import Seen

Key = tuple[str, str]
"""(meter id, domain)."""


@dataclass
class Reading:
    """One rank's cumulative joules at one moment of its own clock."""

    at: float
    cost_s: float
    """Seconds that this reading took."""
    sampler_s: float = 0.0
    """Processor seconds of the samplers so far."""
    faults: dict[Key, int] = field(default_factory=dict)
    """Failed reads of each domain so far, also those between two readings."""
    joules: dict[Key, float] = field(default_factory=dict)
    checks: dict[Key, float] = field(default_factory=dict)
    active: dict[str, float] = field(default_factory=dict)
    """Seconds so far in which each device computed, by meter."""


@dataclass
class Window:
    """Joules between two readings on all nodes, the longest time between them, and the rest.

    `active` is the share of the window in which each device computed, by meter, where it is told.
    `ends_w` are the watts before the two readings, where the joules were corrected for them.
    """

    seconds: float
    cost_s: float
    joules: dict[Key, float]
    checks: dict[Key, float]
    active: dict[str, float] = field(default_factory=dict)
    waiting: float = 0.0
    ends_w: dict[Key, tuple[float, float]] = field(default_factory=dict)

    def total(self, counted: Sequence[Seen]) -> float:
        return sum(self.joules[domain.key] for domain in counted)


def difference(before: Reading, after: Reading, faulty: Collection[Key], cores: int) -> Window:
    """One rank's window, without what faulty domains tell; the samplers took one of `cores`."""
    seconds = after.at - before.at
    return Window(
        seconds,
        before.cost_s + after.cost_s + (after.sampler_s - before.sampler_s) / cores,
        minus(after.joules, before.joules, faulty),
        minus(after.checks, before.checks, faulty),
        {
            meter: min(1.0, max(0.0, (active_s - before.active[meter]) / seconds))
            for meter, active_s in after.active.items()
            if meter in before.active
        },
    )


def union(parts: Sequence[Window]) -> Window:
    """The windows of all ranks that read: their joules together, the longest of their times."""
    whole = Window(max(part.seconds for part in parts), max(part.cost_s for part in parts), {}, {})
    for part in parts:
        whole.joules |= part.joules
        whole.checks |= part.checks
        whole.active |= part.active
    return whole


def minus(
    after: dict[Key, float], before: dict[Key, float], faulty: Collection[Key]
) -> dict[Key, float]:
    """What was added from one moment to the other, without what faulty domains tell."""
    return {
        key: joules - before[key]
        for key, joules in after.items()
        if key in before and key not in faulty
    }
