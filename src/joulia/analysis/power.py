"""Does one backend draw another power than the baseline, or do joules follow seconds?

Watts of the same windows, so that what a meter gets wrong by a factor cancels. The test and the
interval are those of `joulia.analysis.ranksum`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from joulia.analysis import node, ranksum
from joulia.analysis.uncertain import Uncertain
from joulia.analysis.units import digits
from joulia.records.record import Record

LEVEL = 0.05
"""Largest p, after Holm's correction within a problem, at which a difference is called one."""
MARGIN = 0.02
"""Differences below this are not called any: repeats in one process do not see what changes
between processes (memory placement, clock rates), which is about this much."""
SAME = 0.05
"""The same power: the interval of the ratio lies within this of 1, either way."""


@dataclass(frozen=True)
class PowerRatio:
    """A backend's watts over the baseline's: above 1 it draws more.

    `verdict` is `more`, `less`, `the same`, `no clear difference`, `too few repeats`, or what
    differs in the conditions; `p` is corrected.
    """

    ratio: Uncertain
    p: float
    verdict: str

    def sentence(self, other: str) -> str:
        """What it draws, against the power of another."""
        interval = ""
        if self.ratio.low is not None and self.ratio.high is not None:
            interval = f" ({digits(self.ratio.low)} to {digits(self.ratio.high)})"
        if self.verdict in ("more", "less"):
            return f"draws {digits(self.ratio.value)} times the power of {other}{interval}"
        if self.verdict == "the same":
            return f"draws the same power as {other}{interval}"
        if self.verdict == "no clear difference":
            return f"draws a power not clearly other than {other}'s{interval}"
        return f"draws {digits(self.ratio.value)} times the power of {other}, {self.verdict}"


def watts(record: Record) -> tuple[float, ...]:
    """The power of each window; none where there are no joules, or some windows were void."""
    if record.energy is None or record.time is None:
        return ()
    joules, seconds = record.energy.samples, record.time.samples
    if len(joules) != len(seconds) or min(joules) <= 0.0:
        return ()
    return tuple(e / t for e, t in zip(joules, seconds, strict=True))


def same_parts(base: Record, other: Record) -> bool:
    """Whether the same parts of the machine were measured, in the same way."""
    if base.energy is None or other.energy is None:
        return False
    return node.same([base.energy, other.energy])


def ratios(
    base: Record, others: Sequence[Record], refused: Sequence[str | None]
) -> list[PowerRatio | None]:
    """Each record's power against the baseline's; None where they cannot be compared.

    `refused` says of each why there is no verdict over it.
    """
    reference = watts(base)
    compared = [
        ranksum.ratio(drawn, reference)
        if reference and (drawn := watts(other)) and same_parts(base, other)
        else None
        for other in others
    ]
    corrected = iter(ranksum.holm([ratio.p for ratio in compared if ratio]))
    return [
        _judged(ratio, next(corrected), why) if ratio else None
        for ratio, why in zip(compared, refused, strict=True)
    ]


def _judged(ratio: ranksum.Ratio, p: float, refused: str | None) -> PowerRatio:
    interval = Uncertain(ratio.value, ratio.low, ratio.high)
    return PowerRatio(interval, p, refused or verdict(interval, p))


def verdict(ratio: Uncertain, p: float) -> str:
    if ratio.low is None or ratio.high is None:
        return "too few repeats"
    if p <= LEVEL and abs(math.log(ratio.value)) > math.log1p(MARGIN):
        return "more" if ratio.value > 1.0 else "less"
    if ratio.low >= 1.0 / (1.0 + SAME) and ratio.high <= 1.0 + SAME:
        return "the same"
    return "no clear difference"
