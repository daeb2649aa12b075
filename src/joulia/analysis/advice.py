"""Comparisons in words: which backend for which kernel on this machine, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from joulia import registry
from joulia.analysis import conditions, node
from joulia.analysis.columns import percent, steps
from joulia.analysis.compare import (
    CONDITIONS_DIFFER,
    Difference,
    Entry,
    Problem,
    differences,
)
from joulia.analysis.tuning import interval
from joulia.analysis.units import digits, quantity

COMPILED = "c++"
"""The bridge whose sources are the compiled baseline."""

NOISY = 0.1
"""Half an interval above this share of the median is called noisy."""

NAMED = 4
"""How many that cannot be told apart from the quickest are named in a line; others are counted."""

ABOVE = 1.1
"""A fraction of the bound above this says that the bound was measured too low."""


@dataclass(frozen=True)
class Advice:
    """What to choose for one kernel on one machine.

    `best` is the quickest, `rivals` those that are not clearly slower; `thrifty` uses the least
    measured joules. `short` says it in one line, `lines` in sentences, the choice first.
    """

    problem: Problem
    best: Entry
    rivals: tuple[Entry, ...]
    thrifty: Entry | None
    short: str
    lines: tuple[str, ...]
    doubts: tuple[str, ...]


def main_problems(problems: Sequence[Problem]) -> list[Problem]:
    """For each kernel and machine, the problem most backends measured; of several, the largest."""
    best: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        if not problem.entries or not registry.ranked(problem.kernel):
            continue
        key = (problem.machine, problem.kernel)
        if key not in best or weight(problem) > weight(best[key]):
            best[key] = problem
    return list(best.values())


def weight(problem: Problem) -> tuple[int, bool, float]:
    backends = len({e.backend for e in problem.entries})
    return backends, problem.dtype == "float64", math.prod(problem.shape)


def advise(problem: Problem) -> Advice:
    """Advice for a problem that has entries."""
    best, *others = problem.entries
    against = differences(best, others, lambda e: e.record.time)
    rivals = tuple(e for e in others if not clearly_worse(against[id(e)]))
    thrifty = thriftiest(problem.entries)
    lines = [choice(best, rivals, others), *beside(problem, best, others)]
    lines += joules(best, thrifty)
    lines += drawn(problem, best)
    if early := soonest(best, others):
        lines.append(early)
    short = briefly(problem, best, rivals, thrifty)
    return Advice(problem, best, rivals, thrifty, short, tuple(lines), tuple(doubts(problem)))


def briefly(problem: Problem, best: Entry, rivals: Sequence[Entry], thrifty: Entry | None) -> str:
    """The winner, by how much over the C++ or NumPy baseline, and how sure that is, in a line."""
    figures = [quantity(best.time.value, "s")]
    figures += [against(best, base) for base in yardsticks(problem) if base is not best]
    if len(problem.entries) == 1:
        return f"only {best.label} was measured: {', '.join(figures)}"
    named = [e.label for e in rivals[:NAMED]]
    more = [f"{len(rivals) - NAMED} more"] if len(rivals) > NAMED else []
    tied = f" (or {', '.join(named + more)}: cannot be told apart)" if rivals else ""
    if thrifty is not None:
        others = thrifty is not best
        figures.append(f"fewest joules: {thrifty.label}" if others else "and the fewest joules")
    return f"{best.label}{tied}: {', '.join(figures)}"


def yardsticks(problem: Problem) -> list[Entry]:
    """What a winner is held against: the quickest compiled baseline, and the chosen baseline."""
    compiled = next((e for e in problem.entries if e.record.case.bridge == COMPILED), None)
    return [e for e in problem.entries if e is compiled or e is problem.baseline]


def against(best: Entry, base: Entry) -> str:
    """How far the winner is ahead, with the interval."""
    difference = differences(base, [best], lambda e: e.record.time)[id(best)]
    if difference is None or difference.verdict.startswith(CONDITIONS_DIFFER):
        return f"not comparable with {base.backend}"
    if difference.verdict == "no clear difference":
        return f"not clearly faster than {base.backend}"
    return f"{digits(difference.ratio.value)} times as fast as {base.backend}{interval(difference)}"


def clearly_worse(difference: Difference | None) -> bool:
    return difference is not None and difference.verdict == "worse"


def choice(best: Entry, rivals: Sequence[Entry], others: Sequence[Entry]) -> str:
    if not others:
        return f"Only {best.label} was measured, so there is nothing to choose from."
    if not rivals:
        return f"Choose {best.label}: every other backend is clearly slower."
    names = " or ".join([best.label, *(e.label for e in rivals)])
    return f"Choose {names}: the measurements cannot tell which of them is faster."


def beside(problem: Problem, best: Entry, others: Sequence[Entry]) -> list[str]:
    """The winner's figures, and how far it is ahead of the baseline."""
    bound = f", {percent(best.fraction)} of the bound" if best.fraction else ""
    line = f"{best.label} takes {quantity(best.time.value, 's')} a step{bound}"
    base = problem.baseline
    if base is None or best.time_difference is None:
        return [line + "."]
    ratio = best.time_difference.ratio
    interval = ""
    if ratio.low is not None and ratio.high is not None:
        interval = f" (95 % interval {digits(ratio.low)} to {digits(ratio.high)})"
    return [f"{line}: {digits(ratio.value)} times as fast as {base.label}{interval}."]


def thriftiest(entries: Sequence[Entry]) -> Entry | None:
    """The entry of the least joules of the same parts; None where not all cover the same."""
    metered = [(e, e.record.energy) for e in entries if e.record.energy]
    samples = node.alike([energy for _, energy in metered]) if metered else None
    if samples is None:
        return None
    medians = [statistics.median(each) for each in samples]
    return metered[medians.index(min(medians))][0]


def joules(best: Entry, thrifty: Entry | None) -> list[str]:
    """Who uses the least measured energy; empty where nobody's was measured."""
    if thrifty is None or thrifty.energy is None:
        return []
    both = [e.record.energy for e in (thrifty, best) if e.record.energy]
    least, *others = [statistics.median(each) for each in node.alike(both) or []]
    per_step = f"{quantity(least, 'J')} a step"
    if thrifty is best:
        return [f"It also uses the least energy measured, {per_step}."]
    if best.energy is not None and not clearly_worse(
        differences(thrifty, [best], lambda e: e.record.energy)[id(best)]
    ):
        return [f"No backend clearly uses less energy than {best.label}."]
    extra = ""
    for other in others:
        extra = f", {digits(other / least)} times less than {best.label}"
    return [f"{thrifty.label} uses the least energy measured, {per_step}{extra}."]


CONSEQUENCES = {
    "the same": ": joules follow seconds",
    "more": ": joules fall less than seconds",
    "less": ": joules fall more than seconds",
}
"""What the power of a backend that is quicker means for its joules."""


def drawn(problem: Problem, best: Entry) -> list[str]:
    """Whether the winner draws another power than the baseline; empty where nobody can tell."""
    base, compared = problem.baseline, best.power_ratio
    if base is None or compared is None or best.time_difference is None:
        return []
    quicker = best.time_difference.verdict == "better"
    follows = CONSEQUENCES.get(compared.verdict, "") if quicker else ""
    return [f"It {compared.sentence(base.label)}{follows}."]


def soonest(best: Entry, others: Sequence[Entry]) -> str | None:
    """Below which number of steps a quicker start beats the quickest step."""
    until = [
        ((best.startup - e.startup) / (e.time.value - best.time.value), e)
        for e in others
        if e.startup < best.startup and e.time.value > best.time.value
    ]
    if not until:
        return None
    count, other = max(until, key=lambda pair: pair[0])
    if count < 2.0:
        return None
    return (
        f"In a run of fewer than about {steps(count)} steps, {other.label} is done sooner, because "
        f"it starts in {quantity(other.startup, 's')} instead of {quantity(best.startup, 's')}."
    )


def doubts(problem: Problem) -> list[str]:
    """What weakens the figures: disturbances, wide intervals, too few repeats."""
    weaknesses = conditions.notes([entry.record for entry in problem.entries])
    for entry in problem.entries:
        time = entry.time
        if time.low is None or time.high is None:
            weaknesses.append(f"{entry.label}: too few repeats for an interval")
        elif entry.fraction is not None and entry.fraction.value > ABOVE:
            weaknesses.append(
                f"{entry.label}: {percent(entry.fraction)} of the bound, so the bound is low"
            )
        elif (time.high - time.low) / 2.0 > NOISY * time.value:
            half = (time.high - time.low) / 2.0 / time.value
            weaknesses.append(f"{entry.label}: noisy, ±{half:.0%}")
    return weaknesses
