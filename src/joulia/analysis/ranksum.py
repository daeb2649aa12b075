"""Do two sets of samples differ, and by which factor? Distribution-free, exact for small samples.

The test is Wilcoxon's rank sum (Mann and Whitney, 1947) on midranks; the interval of the factor is
the one that belongs to it, from the ordered ratios of all pairs (Moses; Hollander, Wolfe and
Chicken, Nonparametric Statistical Methods, section 4.3, on logarithms).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

EXACT_UP_TO = 60
"""Samples of both sets together for which the null distribution is counted, not approximated."""


@dataclass(frozen=True)
class Ratio:
    """`numerator` over `denominator`: ratio of medians, interval, two-sided p.

    `low` and `high` are None where there are too few samples for the confidence asked for.
    """

    value: float
    low: float | None
    high: float | None
    p: float


def ratio(
    numerator: Sequence[float], denominator: Sequence[float], confidence: float = 0.95
) -> Ratio:
    """The factor between two sets of positive samples. ValueError where one is empty."""
    if len(numerator) == 0 or len(denominator) == 0:
        raise ValueError("both sets need samples")
    value = statistics.median(numerator) / statistics.median(denominator)
    p = p_value(numerator, denominator)
    rank = interval_rank(len(numerator), len(denominator), confidence)
    if rank is None:
        return Ratio(value, None, None, p)
    pairs = np.sort(np.divide.outer(np.asarray(numerator), np.asarray(denominator)).ravel())
    # The interval is that of the median ratio of pairs; the ratio of medians lies in it but for
    # odd cases, in which the interval is widened to hold what is shown beside it.
    low, high = float(pairs[rank - 1]), float(pairs[-rank])
    return Ratio(value, min(low, value), max(high, value), p)


def p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p of the rank sum test; exact, also with ties, up to EXACT_UP_TO samples."""
    doubled = _doubled_midranks(np.concatenate([a, b]))
    observed = int(doubled[: len(a)].sum())
    if len(doubled) > EXACT_UP_TO:
        return _normal_p(doubled, len(a), observed)
    tails = _tails(tuple(sorted(doubled.tolist())), len(a))
    return min(1.0, 2.0 * float(tails[observed]))


@lru_cache(maxsize=1024)
def interval_rank(n: int, m: int, confidence: float) -> int | None:
    """Which ordered pair ratio bounds the interval, from 1; None where none is wide enough."""
    alpha = (1.0 - confidence) / 2.0
    if n + m > EXACT_UP_TO:
        deviation = math.sqrt(n * m * (n + m + 1) / 12.0)
        rank = math.floor(n * m / 2.0 - _normal_quantile(1.0 - alpha) * deviation)
        return rank if rank >= 1 else None
    counts = _rank_sum_counts(tuple(range(2, 2 * (n + m) + 1, 2)), n)
    least = n * (n + 1)
    cumulative = np.cumsum(counts[least::2]) / counts.sum()
    rank = int(np.searchsorted(cumulative, alpha, side="right"))
    return rank or None


def holm(values: Sequence[float]) -> list[float]:
    """p values corrected for having made that many comparisons (Holm, 1979)."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    adjusted = [0.0] * len(values)
    highest = 0.0
    for position, i in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - position) * values[i]))
        adjusted[i] = highest
    return adjusted


def _doubled_midranks(values: np.ndarray) -> np.ndarray:
    """Twice the rank of each value, from 2; equal values share the mean: integers throughout."""
    ordered = np.sort(values)
    first = np.searchsorted(ordered, values, side="left")
    last = np.searchsorted(ordered, values, side="right")
    return first + last + 1


@lru_cache(maxsize=256)
def _rank_sum_counts(doubled: tuple[int, ...], n: int) -> np.ndarray:
    """How many choices of n of the ranks have each sum (an array indexed by the doubled sum)."""
    ways = np.zeros((n + 1, sum(doubled) + 1))
    ways[0, 0] = 1.0
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    chosen: np.ndarray = ways[n]
    return chosen


@lru_cache(maxsize=256)
def _tails(doubled: tuple[int, ...], n: int) -> np.ndarray:
    """The smaller of P(sum <= s) and P(sum >= s), by the doubled sum s."""
    counts = _rank_sum_counts(doubled, n)
    below = np.cumsum(counts)
    above = np.cumsum(counts[::-1])[::-1]
    tails: np.ndarray = np.minimum(below, above) / below[-1]
    return tails


def _normal_p(doubled: np.ndarray, n: int, observed: int) -> float:
    """The normal approximation with continuity and tie correction."""
    total = len(doubled)
    m = total - n
    _, ties = np.unique(doubled, return_counts=True)
    tied = float((ties.astype(float) ** 3 - ties).sum()) / (total * (total - 1))
    variance = n * m / 12.0 * (total + 1 - tied)
    if variance <= 0.0:
        return 1.0
    distance = max(0.0, abs(observed / 2.0 - n * (total + 1) / 2.0) - 0.5)
    return math.erfc(distance / math.sqrt(2.0 * variance))


def _normal_quantile(q: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(q)
