"""Accuracy against cost: the same problem to the same end time, on every grid and backend."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulia import registry
from joulia.analysis import ranksum
from joulia.analysis.compare import verdict
from joulia.analysis.power import MARGIN
from joulia.analysis.uncertain import Uncertain, uncertain
from joulia.analysis.units import digits, quantity
from joulia.case import DTYPES, Case, Shape, Value
from joulia.errors import JouliaError
from joulia.kernel import Frontier, Kernel
from joulia.records.parts import Summary
from joulia.records.record import Record
from joulia.runner.cases import Planned
from joulia.runner.plan import Request, expand
from joulia.simulation import end_time

SAME_ERROR = 1.01
"""Errors within this factor are the same accuracy: backends differ in rounding."""


@dataclass(frozen=True)
class Point:
    """One solution: its error, and time (s) and measured joules to the end time.

    Costs are those of the steps, from repeated windows; start-up is not in them. `estimate` are
    joules by the model, where none were measured. `swept` are the parameters that differ among
    points of this problem; `grids` tells whether their grids do.
    """

    record: Record
    error: float
    steps: int
    time: Uncertain
    energy: Uncertain | None
    estimate: float | None = None
    swept: frozenset[str] = frozenset()
    grids: bool = True

    @property
    def label(self) -> str:
        """What was chosen: order and other parameters, grid, precision, backend, limits."""
        return f"{self.method} {self.record.case.cap}".rstrip()

    @property
    def method(self) -> str:
        """The same without the limits that it computed under."""
        case = self.record.case
        where = "" if case.cores == 1 else f" {case.ranks} x {case.threads}{case.waiting}"
        precision = {"float64": "fp64", "float32": "fp32"}[case.dtype]
        if self.choice:
            grid = f", {self.grid}" if self.grids else ""
            return f"{self.choice}{grid}, {precision} on {case.backend}{where}"
        swept = "".join(f" {k} = {v}" for k, v in case.params if k in self.swept)
        return f"{self.grid}, {precision}{swept} on {case.backend}{where}"

    @property
    def choice(self) -> str:
        """What its parameters choose, in the kernel's words; nothing where it has none."""
        known = registry.kernels().get(self.record.case.kernel)
        return known.kernel.choice(self.record.case) if known else ""

    @property
    def grid(self) -> str:
        shape = self.record.case.shape
        return f"{shape[0]}^{len(shape)}" if len(set(shape)) == 1 else "x".join(map(str, shape))

    @property
    def estimated(self) -> str:
        """Joules by the model, in brackets and marked; nothing where some were measured."""
        if self.estimate is None:
            return ""
        return f" (≈ {quantity(self.estimate, 'J')}, estimated)"


def by_method(points: Sequence[Point]) -> list[list[Point]]:
    """Points that differ in their limits only, in groups of several, the highest limits first."""
    groups: dict[Case, list[Point]] = {}
    for point in points:
        uncapped = replace(point.record.case, power_limit_w=None, clock_mhz=None)
        groups.setdefault(uncapped, []).append(point)
    return [sorted(group, key=limits, reverse=True) for group in groups.values() if len(group) > 1]


def limits(point: Point) -> tuple[float, float]:
    """A point's power limit and clock; infinite where none was set."""
    case = point.record.case
    return (case.power_limit_w or math.inf, case.clock_mhz or math.inf)


def spec(kernel: Kernel) -> Frontier:
    """The kernel's own, or one made from its sizes and time step. JouliaError where neither is."""
    if kernel.frontier is not None:
        return kernel.frontier
    known = [name for name, e in registry.kernels().items() if e.kernel.frontier]
    if kernel.checks.exact is None or kernel.ends_at is None:
        raise JouliaError(
            f"{kernel.name} has no exact solution with a time step. Allowed: {', '.join(known)}"
        )
    small = kernel.sizes["small"]
    shapes = tuple(tuple(max(4, n // part) for n in small) for part in (8, 4, 2, 1))
    return Frontier(until=1.0, shapes=shapes, result=kernel.results[0])


def plan(
    name: str,
    *,
    backends: Sequence[str] = (),
    shapes: Sequence[Shape] = (),
    dtypes: Sequence[str] = DTYPES,
    threads: Sequence[int] | None = None,
    params: Mapping[str, Sequence[Value]] | None = None,
    until: float | None = None,
    power_limits_w: Sequence[float | None] = (None,),
    clocks_mhz: Sequence[float | None] = (None,),
    waits: Sequence[str] = ("default",),
) -> tuple[list[Planned], float]:
    """The cases of a sweep, each fitted to the end time and under each limit, and that time."""
    kernel = registry.kernel(name).kernel
    chosen = spec(kernel)
    params = {
        name: [kernel.params[name].parse(name, value) for value in values]
        if name in kernel.params
        else values
        for name, values in (params or {}).items()
    }
    end = chosen.until if until is None else until
    planned = [
        replace(each, case=end_time.ends_at(each.case, end)[0])
        for swept in sweeps(chosen, params)
        for each in expand(
            Request(
                (name,), backends, shapes=shapes or chosen.shapes, dtypes=dtypes, threads=threads,
                params=swept, ceilings=False, waits=waits,
            )
        )
    ]  # fmt: skip
    return [
        replace(p, case=replace(p.case, power_limit_w=watts, clock_mhz=megahertz))
        for p in planned
        for watts, megahertz in itertools.product(power_limits_w, clocks_mhz)
    ], end


def sweeps(
    chosen: Frontier, params: Mapping[str, Sequence[Value]]
) -> list[Mapping[str, Sequence[Value]]]:
    """The kernel's rectangles of parameters, with a user's in their place.

    Of its `choices`, those that have one of the user's values for each parameter that he gave.
    """
    fixed: dict[str, Sequence[Value]] = {k: (v,) for k, v in chosen.params.items()}
    if not chosen.choices:
        return [fixed | dict(chosen.sweep) | dict(params)]
    wanted = {name: set(map(str, values)) for name, values in params.items()}
    for name in wanted:
        offered = {str(choice[name]) for choice in chosen.choices if name in choice}
        if offered and not wanted[name] <= offered:
            raise JouliaError(
                f"no choice has {name}={','.join(sorted(wanted[name] - offered))}. Allowed: "
                f"{', '.join(sorted(offered))}"
            )
    kept = [
        choice
        for choice in chosen.choices
        if all(str(choice[name]) in values for name, values in wanted.items() if name in choice)
    ]
    if not kept:
        raise JouliaError("no choice has all of these parameters. Allowed: fewer of them")
    swept = {name for choice in chosen.choices for name in choice}
    others = {name: values for name, values in params.items() if name not in swept}
    return [fixed | others | {name: (value,) for name, value in choice.items()} for choice in kept]


def points(records: Sequence[Record]) -> dict[tuple[str, str, float], list[Point]]:
    """Points of records that hold a solution, by machine, kernel and end time; the last counts."""
    latest = {
        (r.machine.id, r.case, r.solution.until): r
        for r in records
        if r.status == "valid" and r.solution and r.time
    }
    groups: dict[tuple[str, str, float], list[Point]] = {}
    for (machine, case, until), record in latest.items():
        assert record.solution is not None
        assert record.time is not None
        steps = record.solution.steps
        point = Point(
            record,
            record.solution.error,
            steps,
            scaled(uncertain(record.time), steps),
            scaled(uncertain(record.energy), steps) if record.energy else None,
            record.energy_estimate.median * steps
            if record.energy_estimate and not record.energy
            else None,
        )
        groups.setdefault((machine, case.kernel, until), []).append(point)
    return {
        key: [replace(p, swept=varied(group), grids=several_grids(group)) for p in group]
        for key, group in groups.items()
    }


def several_grids(points: Sequence[Point]) -> bool:
    return len({point.record.case.shape for point in points}) > 1


def varied(points: Sequence[Point]) -> frozenset[str]:
    """The parameters that were swept; those that only set the time step follow from the grid."""
    values: dict[str, set[Value]] = {}
    for point in points:
        for name, value in point.record.case.params:
            values.setdefault(name, set()).add(value)
    return frozenset(k for k, v in values.items() if len(v) > 1 and k not in ("cfl", "dt", "t_end"))


def scaled(per_step: Uncertain, factor: float) -> Uncertain:
    if per_step.low is None or per_step.high is None:
        return Uncertain(per_step.value * factor)
    return Uncertain(per_step.value * factor, per_step.low * factor, per_step.high * factor)


def time_of(point: Point) -> float | None:
    return point.time.value


def energy_of(point: Point) -> float | None:
    return point.energy.value if point.energy else None


def front(points: Sequence[Point], cost: Callable[[Point], float | None]) -> list[Point]:
    """The Pareto front, most accurate first: nothing is as accurate and cheaper."""
    priced = [(c, p) for p in points if (c := cost(p)) is not None]
    kept = [
        p
        for c, p in priced
        if not any(o < c and q.error <= SAME_ERROR * p.error for o, q in priced)
    ]
    return sorted(kept, key=lambda p: p.error)


def sentences(
    points: Sequence[Point], cost: Callable[[Point], float | None], word: str
) -> list[str]:
    """The front in words: the most accurate choice, then what each step down saves."""
    unit, fewer = {"time": ("s", "less time"), "energy": ("J", "fewer joules")}[word]
    best = front(points, cost)
    if not best:
        return []
    first, *rest = best
    least = cost(first)
    assert least is not None
    lines = [
        f"Most accurate: relative error {first.error:.2g} for {quantity(least, unit)}"
        f"{first.estimated}: {first.label}."
    ]
    for point in rest:
        price = cost(point)
        assert price is not None
        more = math.inf if first.error == 0.0 else point.error / first.error
        lines.append(
            f"At {digits(more)} times the error, {digits(least / price)} times {fewer}"
            f"{point.estimated}: {point.label}."
        )
    return lines


def cheapest(points: Sequence[Point], error: float) -> list[str]:
    """What is accurate enough for the least time, and for the least energy where measured."""
    fit = [point for point in points if point.error <= error]
    if not fit:
        least = min(points, key=lambda p: p.error)
        return [
            f"Nothing measured has a relative error of at most {error:g}. The least is "
            f"{least.error:.2g}: {least.label}."
        ]
    return [
        answer(min(priced, key=lambda pair: pair[0]), error, word)
        for cost, word in ((time_of, "time"), (energy_of, "energy"))
        if (priced := [(c, p) for p in fit if (c := cost(p)) is not None])
    ]


def answer(choice: tuple[float, Point], error: float, word: str) -> str:
    cost, point = choice
    unit = {"time": "s", "energy": "J"}[word]
    return (
        f"Least {word} at a relative error of at most {error:g}: {point.label}, "
        f"{quantity(cost, unit)}{point.estimated}, error {point.error:.2g}."
    )


def limits_in_words(points: Sequence[Point]) -> list[str]:
    """Under which limits what is on a front was quickest, and under which it took fewest joules."""
    best = [*front(points, time_of), *front(points, energy_of)]
    return [
        sentence_of_limits(group)
        for group in by_method(points)
        if any(point in best for point in group)
    ]


def sentence_of_limits(group: Sequence[Point]) -> str:
    quickest = min(group, key=lambda p: p.time.value)
    seconds = quantity(quickest.time.value, "s")
    line = f"{quickest.method}: quickest {quickest.record.case.cap or 'without a limit'}"
    alike = ties(quickest, group, lambda p: p.record.time)
    metered = [p for p in group if p.energy]
    thrifty = min(metered, key=lambda p: p.energy.value if p.energy else 0.0, default=None)
    if thrifty is None or thrifty.energy is None:
        return f"{line}, {seconds}{alike}; joules were not measured."
    least = quantity(thrifty.energy.value, "J")
    if quickest.energy is None:
        return f"{line}, {seconds}{alike}; its joules were not measured."
    if thrifty is quickest:
        return f"{line}, {seconds}{alike}, and fewest joules there, {least}."
    line += f", {seconds} and {quantity(quickest.energy.value, 'J')}{alike}; fewest joules "
    line += f"{thrifty.record.case.cap or 'without a limit'}, {least}"
    line += ties(thrifty, metered, lambda p: p.record.energy)
    line += f": {digits(quickest.energy.value / thrifty.energy.value)} times fewer joules for "
    line += f"{digits(thrifty.time.value / quickest.time.value)} times the time"
    lowest = min(metered, key=limits)
    if lowest is not thrifty and lowest.energy is not None:
        line += f"; {lowest.record.case.cap} takes {quantity(lowest.energy.value, 'J')} again"
    return line + "."


def ties(best: Point, group: Sequence[Point], part: Callable[[Point], Summary | None]) -> str:
    """The limits whose cost does not clearly differ from the least, in brackets."""
    least = part(best)
    names = []
    for point in group:
        other = part(point)
        if point is not best and least and other:
            ratio = ranksum.ratio(other.samples, least.samples)
            if verdict(ratio, ratio.p, MARGIN) != "better":
                names.append(point.record.case.cap.removeprefix("at ") or "no limit")
    return f" (no clear difference from {', '.join(names)})" if names else ""
