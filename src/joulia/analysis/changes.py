"""Where a series over commits changed: at which commits, by how much, and how sure that is.

ruptures segments the series by its ranks, which a disturbed measurement moves no further than an
undisturbed one (kernel change-point detection with a linear kernel: Celisse, Marot, Pierre-Jean and
Rigaill, Comput. Stat. Data Anal. 128, 2018). It proposes; what stays is decided by the rank sum
test between neighbouring segments, its p times every place and every series that was looked at, so
that looking for the largest step among many is paid for. The commits among which a step lies are
those whose likelihood ratio is below Hansen's 95 % bound for a threshold that was searched
(Econometrica 68, 2000). `docs/tracking.md` has the study that these rules passed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulia.analysis.ranksum import Ratio, ratio
from joulia.errors import JouliaError

INSTALL = "pip install 'joulia[changes]'"
FALSE_ALARMS = 0.01
"""The largest probability that any of all series is said to have changed without a cause."""
NORMAL = NormalDist()
SHORTEST = 4
"""Commits between two steps: fewer cannot be told from disturbed measurements."""
PENALTY = 3.0
"""What a step must gain, times the logarithm of the number of points: low, for it only proposes."""
LIKELIHOOD_RATIO = 7.35
"""Hansen's 95 % bound: (1 - exp(-x / 2))^2 = 0.95."""


@dataclass(frozen=True)
class Step:
    """A lasting change between the points before `index` and those from it on.

    `ratio` is after over before (1.05: 5 % more), with a 95 % interval; `p` the probability of a
    step as clear in any of the series without a cause. Its place is `first` to `last`, 95 %.
    """

    index: int
    first: int
    last: int
    before: float
    after: float
    ratio: Ratio
    p: float


def steps(values: Sequence[float], threshold: float, series: int = 1) -> list[Step]:
    """The steps of a series of positive costs, larger than `threshold` (0.03: 3 %) either way.

    `series` is how many are looked at together. JouliaError where ruptures is not installed.
    """
    ends = proposed(values)
    while ends:
        found = [
            step(values, ends, at, series * len(values)) for at in range(len(ends))
        ]  # after one goes, its neighbours are others
        unsure = max(found, key=lambda one: one.p)
        smallest = min(found, key=magnitude)
        if unsure.p > FALSE_ALARMS:
            ends.remove(unsure.index)
        elif magnitude(smallest) <= threshold:
            ends.remove(smallest.index)
        else:
            return found
    return []


def magnitude(one: Step) -> float:
    """How large a step is, whichever way it goes: 0.25 for 0.8 and for 1.25."""
    return max(one.ratio.value, 1.0 / one.ratio.value) - 1.0


def proposed(values: Sequence[float]) -> list[int]:
    """Where the series may have changed: the indices of first points of segments but the first."""
    if len(values) < 2 * SHORTEST:
        return []
    signal = ranks(values)
    if not signal.any():
        return []
    detector = _ruptures().KernelCPD(kernel="linear", min_size=SHORTEST)
    ends = detector.fit(signal[:, None]).predict(pen=PENALTY * float(np.log(len(values))))
    return [int(end) for end in ends[:-1]]


def step(values: Sequence[float], ends: Sequence[int], at: int, looked: int) -> Step:
    """One of the proposed steps, between its two neighbours; `looked` places were looked at."""
    bounds = [0, *ends, len(values)]
    begin, middle, end = bounds[at : at + 3]
    before, after = values[begin:middle], values[middle:end]
    found = ratio(after, before)
    first, last = place(values[begin:end], middle - begin)
    return Step(
        middle,
        begin + first,
        begin + last,
        statistics.median(before),
        statistics.median(after),
        found,
        min(1.0, dependent(found.p, [before, after]) * looked),
    )


def dependent(p: float, parts: Sequence[Sequence[float]]) -> float:
    """The two-sided p of neighbours that are alike: they tell less than as many independent points.

    Within the segments the autocorrelation r at lag 1 leaves (1 - r) / (1 + r) of the points.
    """
    signal = [ranks(part) for part in parts]
    products = sum(float(part[:-1] @ part[1:]) for part in signal)
    squares = sum(float(part @ part) for part in signal)
    r = min(0.9, max(0.0, products / squares)) if squares else 0.0
    if p <= 0.0 or p >= 1.0:
        return p
    deviation = NORMAL.inv_cdf(0.5 * p) * math.sqrt((1.0 - r) / (1.0 + r))
    return 2.0 * NORMAL.cdf(deviation)


def place(values: Sequence[float], index: int) -> tuple[int, int]:
    """The first and the last place at which the one step of `values` may be, with 95 %."""
    signal = ranks(values)
    count = len(signal)
    sums = np.concatenate([[0.0], np.cumsum(signal)])
    k = np.arange(1, count)
    between = sums[k] ** 2 / k + (sums[-1] - sums[k]) ** 2 / (count - k)
    within = np.maximum(float((signal**2).sum()) - between, 1e-9)
    likely = k[count * np.log(within / within[index - 1]) <= LIKELIHOOD_RATIO]
    return min(index, int(likely.min())), max(index, int(likely.max()))


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Midranks with mean 0 and variance 1; zeros where all values are the same."""
    given = np.asarray(values, float)
    ordered = np.sort(given)
    middle = np.searchsorted(ordered, given, "left") + np.searchsorted(ordered, given, "right")
    centred = middle - middle.mean()
    scale = float(centred.std())
    scaled: NDArray[np.float64] = centred / scale if scale > 0.0 else centred * 0.0
    return scaled


def _ruptures() -> Any:
    """The library, which is imported where a series is long enough to need it."""
    try:
        import ruptures
    except ImportError:
        raise JouliaError(f"change points need ruptures. Allowed: {INSTALL}") from None
    return ruptures
