"""Statistics of repeated measurements."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from joulia.records.parts import Summary


def median_interval(
    samples: Sequence[float], confidence: float = 0.95
) -> tuple[float, float] | None:
    """Distribution-free confidence interval of the median, from order statistics.

    The narrowest symmetric pair of order statistics whose binomial coverage reaches `confidence`
    (Conover, Practical Nonparametric Statistics, section 3.2). None where there are too few samples
    for any pair to reach it: fewer than 6 at 95 %.
    """
    n = len(samples)
    ordered = sorted(samples)
    outside = 0.0
    best = None
    for k in range((n + 1) // 2):
        outside += 2.0 * math.comb(n, k) / 2.0**n
        if 1.0 - outside < confidence:
            break
        best = (ordered[k], ordered[n - 1 - k])
    return best


def summary(samples: Sequence[float]) -> Summary:
    """The samples with their median and its interval."""
    return Summary(tuple(samples), statistics.median(samples), median_interval(samples))
