"""Where over the size of a grid one backend overtakes another, and from where more cores pay.

Costs of a step, so start-up is left aside. Between two measured sizes the ratio of two costs is a
straight line over the number of cells in logarithms, as power laws have it; beyond the measured
sizes nothing is said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from joulia.analysis import ranksum
from joulia.analysis.compare import Entry, Problem, both_samples, conditions_differ, verdict
from joulia.analysis.power import MARGIN
from joulia.analysis.ranksum import Ratio
from joulia.analysis.uncertain import Uncertain
from joulia.case import Shape
from joulia.errors import JouliaError, suggest
from joulia.records.parts import Energy, Timing

OVER = ("size",)
"""What a comparison goes over."""
METRICS: dict[str, Callable[[Entry], Timing | Energy | None]] = {
    "time": lambda e: e.record.time,
    "energy": lambda e: e.record.energy,
}
"""The cost of a step, s or measured J."""


@dataclass(frozen=True)
class Crossing:
    """Who needs less below and above a number of cells, and the measured shapes around it.

    The interval of `cells` is where the 95 % interval of the ratio meets 1.
    """

    below: str
    above: str
    cells: Uncertain
    between: tuple[Shape, Shape]


@dataclass(frozen=True)
class Pair:
    """Two backends on as many cores (`question` is `backend`), or one on more `ranks`, `threads`.

    A backend that was measured on one thread only stands beside others on any number of threads,
    and a GPU beside the most cores that another backend was measured on.

    `clear` counts the sizes at which they clearly differ. Without a crossing, `ahead` needs less at
    all of those, which may not be all `shapes`; where there are none, `reason` is the verdict.
    """

    problem: Problem
    question: str
    metric: str
    labels: tuple[str, str]
    shapes: tuple[Shape, ...]
    clear: int
    crossings: tuple[Crossing, ...] = ()
    ahead: str | None = None
    reason: str = ""

    @property
    def behind(self) -> str:
        return self.labels[self.labels[0] == self.ahead]


@dataclass(frozen=True)
class Contender:
    """A backend on one split into ranks and threads: what it needs at each number of cells."""

    backend: str
    bridge: str
    ranks: int
    threads: int
    on_gpu: bool
    rest: tuple[Any, ...]
    entries: dict[int, tuple[Shape, Entry]]


def require(over: str) -> None:
    """JouliaError, in one line, for what there is no comparison over."""
    if over not in OVER:
        raise suggest("--over", over, list(OVER))


def pairs(problems: Sequence[Problem], baseline: str | None = None) -> list[Pair]:
    """Pairs with two sizes in common, in each metric; of backends, those with `baseline` or all.

    JouliaError where there is none.
    """
    found = [pair for sweep in _sweeps(problems) for pair in _compared(sweep, baseline)]
    if not found:
        raise JouliaError(
            "nothing to compare over size: no two backends on as many cores, and none on 1 and "
            "more ranks or threads, have two sizes of a kernel in common. Allowed: files of "
            "`joulia run KERNEL --size tiny,small,medium`"
        )
    return found


def _sweeps(problems: Sequence[Problem]) -> Iterator[list[Problem]]:
    """Problems that differ in shape alone, from the fewest cells to the most."""
    groups: dict[tuple[Any, ...], list[Problem]] = {}
    for problem in problems:
        key = (problem.machine, problem.kernel, problem.dtype, problem.params)
        groups.setdefault(key, []).append(problem)
    for group in groups.values():
        yield sorted(group, key=lambda p: math.prod(p.shape))


def _contenders(sweep: Sequence[Problem]) -> list[Contender]:
    known: dict[tuple[Any, ...], Contender] = {}
    for problem, entry in ((p, e) for p in sweep for e in p.entries):
        case, overlap = entry.record.case, entry.record.settings.overlap
        where = (case.backend, case.bridge, case.ranks, case.threads, case.on_gpu)
        what = (*where, (case.cap, overlap))
        contender = known.setdefault(what, Contender(*what, entries={}))
        contender.entries[math.prod(problem.shape)] = (problem.shape, entry)
    return [known[what] for what in sorted(known, key=lambda what: what[:4])]


def _compared(sweep: Sequence[Problem], baseline: str | None) -> Iterator[Pair]:
    contenders = _contenders(sweep)
    threaded = {c.backend for c in contenders if c.threads > 1}
    most = {
        backend: max(c.ranks * c.threads for c in contenders if c.backend == backend)
        for backend in {c.backend for c in contenders}
    }
    for one, other in itertools.combinations(contenders, 2):
        if one.on_gpu != other.on_gpu:
            processor = other if one.on_gpu else one
            whole = processor.ranks * processor.threads == most[processor.backend]
            question = "backend" if whole and one.rest == other.rest else None
        else:
            question = _question(one, other, threaded)
        names = (one.backend, one.bridge, other.backend, other.bridge)
        if question is None or (question == "backend" and baseline not in (None, *names)):
            continue
        made = (_pair(sweep[0], question, metric, one, other) for metric in METRICS)
        yield from (pair for pair in made if pair)


def _question(one: Contender, other: Contender, threaded: set[str]) -> str | None:
    """What two contenders differ in; None where it is more than one thing."""
    if one.rest != other.rest:
        return None
    if one.backend != other.backend:
        single = {one.backend, other.backend} - threaded
        same = one.threads == other.threads or bool(single)
        return "backend" if one.ranks == other.ranks and same else None
    if one.threads == other.threads:
        return "ranks" if 1 in (one.ranks, other.ranks) else None
    return "threads" if one.ranks == other.ranks and 1 in (one.threads, other.threads) else None


def _pair(
    problem: Problem, question: str, metric: str, one: Contender, other: Contender
) -> Pair | None:
    """Two contenders in a metric; None where fewer than two sizes have both their costs."""
    sizes = []
    for cells in sorted(one.entries.keys() & other.entries.keys()):
        (shape, a), (_, b) = one.entries[cells], other.entries[cells]
        first, second = METRICS[metric](a), METRICS[metric](b)
        samples = both_samples(first, second) if first and second else None
        if samples and min(*samples[0], *samples[1]) > 0.0:
            sizes.append((cells, shape, a, b, ranksum.ratio(samples[0], samples[1])))
    if len(sizes) < 2:
        return None
    corrected = ranksum.holm([ratio.p for *_, ratio in sizes])
    points, verdicts = [], []
    for (cells, shape, a, b, ratio), p in zip(sizes, corrected, strict=True):
        margin = max(MARGIN, a.spread, b.spread)
        verdicts.append(conditions_differ(a, b) or verdict(ratio, p, margin))
        points.append(_Point(math.log(cells), shape, ratio, verdicts[-1]))
    (_, _, a, b, _) = sizes[0]
    labels = (a.label, b.label)
    crossings = tuple(_crossings(points, labels))
    clear = [point for point in points if point.clear]
    return Pair(
        problem, question, metric, labels, tuple(point.shape for point in points), len(clear),
        crossings,
        None if crossings or not clear else labels[clear[0].verdict == "better"],
        "" if clear else verdicts[0],
    )  # fmt: skip


@dataclass(frozen=True)
class _Point:
    """A size: the first's cost over the second's, `better` where the second needs less."""

    log_cells: float
    shape: Shape
    ratio: Ratio
    verdict: str

    @property
    def clear(self) -> bool:
        return self.verdict in ("better", "worse")


def _crossings(points: Sequence[_Point], labels: tuple[str, str]) -> Iterator[Crossing]:
    """Between sizes at which the one and then the other clearly needs less."""
    clear = [i for i, point in enumerate(points) if point.clear]
    for i, j in itertools.pairwise(clear):
        if points[i].verdict == points[j].verdict:
            continue
        between = points[i : j + 1]
        at = _zeros(between, lambda r: r.value)
        ends = [end for pick in (_low, _high) for end in _zeros(between, pick)]
        every = [math.exp(x) for x in (*at, *ends)]
        cells = Uncertain(math.exp((at[0] + at[-1]) / 2.0), min(every), max(every))
        second_first = points[i].verdict == "better"
        below, above = labels[second_first], labels[not second_first]
        yield Crossing(below, above, cells, (points[i].shape, points[j].shape))


def _low(ratio: Ratio) -> float:
    return ratio.value if ratio.low is None else ratio.low


def _high(ratio: Ratio) -> float:
    return ratio.value if ratio.high is None else ratio.high


def _zeros(points: Sequence[_Point], pick: Callable[[Ratio], float]) -> list[float]:
    """Logarithms of the cells at which a curve through the points is 1, the first first."""
    zeros = []
    for a, b in itertools.pairwise(points):
        y, end = math.log(pick(a.ratio)), math.log(pick(b.ratio))
        if y * end < 0.0 or (end == 0.0 and y != 0.0):
            zeros.append(a.log_cells + (b.log_cells - a.log_cells) * y / (y - end))
    return zeros
