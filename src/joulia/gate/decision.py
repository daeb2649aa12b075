"""Deciding from pairs: how much slower is head than base, and is that more than noise?

On a shared machine noise only ever adds time: another job takes the core, the caches or the memory
away for a while. So each process gives its best sample, and the processes of a side are summed up
by the mean of the faster half of them, which a third of disturbed processes leaves alone. (A change
that slows only some processes, fewer than half, therefore stays unseen.) Its uncertainty is found
by drawing whole pairs again and again (the bootstrap of Efron, Ann. Statist. 7, 1979), so that what
disturbs both members of a pair alike cancels. `docs/gate.md` has the study that these rules passed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 0.01
"""The largest probability that any of all comparisons of a gate is an alarm without a cause."""
MISSED = 0.05
"""Two-sided level of the interval that must lie inside the threshold before a case is the same."""
FIRST_LOOK = 10
FEWEST = 6
RESAMPLES = 2000
MOST_PAIRS_TOLD = 1000

VERDICTS = (
    "regression", "improvement", "same", "inconclusive", "conditions differ", "failed",
    "nothing measured",
)  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """What the pairs say: `change` and its interval are relative (0.05 is 5 % more than base).

    `more_pairs` is, where inconclusive, about how many more would settle it; None where the change
    lies so near the threshold that no reasonable number would.
    """

    verdict: str
    change: float
    interval: tuple[float, float]
    pairs: int
    more_pairs: int | None = None


def looks(pairs: int) -> tuple[int, ...]:
    """After how many pairs to decide, up to a budget. Fixed beforehand: each look costs error."""
    counts = []
    n = FIRST_LOOK
    while n < pairs:
        counts.append(n)
        n *= 2
    return (*counts, pairs)


def faster_half(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the smaller half along the last axis."""
    half = logs.shape[-1] // 2
    smallest = np.partition(logs, half - 1, axis=-1)[..., :half]
    mean: NDArray[np.float64] = smallest.mean(axis=-1)
    return mean


def decide(
    base: Sequence[float], head: Sequence[float], threshold: float, comparisons: int
) -> Decision:
    """Compare paired costs (seconds or joules, all positive), pair by pair in order.

    A regression needs a change above the threshold and an interval that excludes no change, its
    level corrected for the number of comparisons (Bonferroni: cases x metrics x looks). Same needs
    the plain 95 % interval to lie inside the threshold, either way.
    """
    b, h = np.log(np.asarray(base, float)), np.log(np.asarray(head, float))
    n = len(b)
    change = float(faster_half(h) - faster_half(b))
    error = standard_error(b, h)
    wide = student(1.0 - 0.5 * FALSE_ALARMS / comparisons, n - 1) * error
    narrow = student(1.0 - 0.5 * MISSED, n - 1) * error
    limit = math.log1p(threshold)
    if abs(change) > limit and abs(change) > wide:
        verdict, more = ("regression" if change > 0 else "improvement"), None
    elif abs(change) + narrow < limit:
        verdict, more = "same", None
    else:
        verdict, more = "inconclusive", pairs_to_settle(change, wide, narrow, limit, n)
    interval = (math.expm1(change - wide), math.expm1(change + wide))
    return Decision(verdict, math.expm1(change), interval, n, more)


def standard_error(base: NDArray[np.float64], head: NDArray[np.float64]) -> float:
    """Of the difference of the faster halves, from resampled pairs. The same at every call."""
    n = len(base)
    drawn = np.random.default_rng(n).integers(0, n, (RESAMPLES, n))
    return float(np.std(faster_half(head[drawn]) - faster_half(base[drawn]), ddof=1))


def pairs_to_settle(change: float, wide: float, narrow: float, limit: float, n: int) -> int | None:
    """How many more pairs would settle it if change and noise stayed; widths shrink as 1/sqrt n."""
    size = abs(change)
    ratio = wide / size if size > limit else narrow / max(limit - size, 1e-9)
    total = n * max(ratio, 1.0) ** 2
    return None if total > MOST_PAIRS_TOLD else max(1, math.ceil(total) - n)


@cache
def student(probability: float, degrees: int) -> float:
    """The quantile of Student's t, by bisection; `probability` above one half."""
    low, high = 0.0, 2.0 * NormalDist().inv_cdf(probability)
    while _student_cdf(high, degrees) < probability:
        high *= 2.0
    while high - low > 1e-10 * high:
        middle = 0.5 * (low + high)
        if _student_cdf(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return high


def _student_cdf(t: float, degrees: int) -> float:
    """For t >= 0 and whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    theta = math.atan2(t, math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    if degrees % 2:
        term, total = cosine, cosine if degrees > 1 else 0.0
        for k in range(3, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        inside = 2.0 / math.pi * (theta + sine * total)
    else:
        term, total = 1.0, 1.0
        for k in range(2, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        inside = sine * total
    return 0.5 * (1.0 + inside)
