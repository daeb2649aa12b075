"""Which charts a report has; each with a title, a caption, and what it leaves out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from joulia.analysis.advice import main_problems
from joulia.analysis.compare import Entry, Problem
from joulia.analysis.uncertain import Uncertain
from joulia.analysis.units import digits, quantity
from joulia.case import TUNED, Place, count_of
from joulia.records.parts import Startup
from joulia.report import charts
from joulia.report.charts import Line, Mark

ROWS = 26
"""Rows of one chart; the table holds the rest."""
MACHINES = 6
"""Machines drawn one by one; the table holds the rest."""


@dataclass(frozen=True)
class Plot:
    """A chart with what stands around it. `legend` lists (series, name) pairs."""

    kind: str
    title: str
    caption: str
    svg: str
    legend: tuple[tuple[int, str], ...] = ()


class Series:
    """A fixed number for each backend: the same colour and shape in every chart.

    A plainer source has its backend's; its marks are hollow.
    """

    def __init__(self, backends: Iterable[str]) -> None:
        first = ("numpy", "numba", "julia", "occa:serial", "occa:openmp")
        every = {tuned(b) for b in backends}
        names = sorted(every, key=lambda b: (first.index(b) if b in first else 9, b))
        self.numbers = {name: i for i, name in enumerate(names)}

    def of(self, backend: str) -> int:
        return self.numbers.setdefault(tuned(backend), len(self.numbers))

    def legend(self, used: Iterable[int]) -> tuple[tuple[int, str], ...]:
        wanted = set(used)
        return tuple((i, name) for name, i in self.numbers.items() if i in wanted)


def tuned(backend: str) -> str:
    """A backend's name without the variant of its sources."""
    return backend.partition("/")[0]


def plainer(entry: Entry) -> bool:
    """Whether another than the tuned source ran."""
    return entry.record.case.variant != TUNED


def updates(entry: Entry) -> float:
    """Updates a step."""
    assert entry.record.work is not None
    return entry.record.work.updates


def interval_text(value: Uncertain, unit: str) -> str:
    if value.low is None or value.high is None:
        return quantity(value.value, unit)
    return (
        f"{quantity(value.value, unit)} "
        f"({quantity(value.low, unit)} to {quantity(value.high, unit)})"
    )


def first_machines(problems: Sequence[Problem]) -> list[str]:
    return list(dict.fromkeys(p.machine for p in problems if p.entries))[:MACHINES]


def drawn(problems: Sequence[Problem]) -> list[Problem]:
    """The main problem of every kernel on the machines that are drawn one by one."""
    machines = first_machines(problems)
    return [p for p in main_problems(problems) if p.machine in machines]


def by_kernel(problems: Sequence[Problem]) -> dict[tuple[str, str], list[Problem]]:
    """Problems with entries by machine and kernel, the largest first, few machines only."""
    machines = first_machines(problems)
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        if problem.entries and problem.machine in machines:
            groups.setdefault((problem.machine, problem.kernel), []).append(problem)
    for group in groups.values():
        group.sort(key=lambda p: (-_cells(p), p.dtype != "float64"))
    return groups


def _cells(problem: Problem) -> int:
    cells = 1
    for n in problem.shape:
        cells *= n
    return cells


def where(problem: Problem, several: bool) -> str:
    return f"{problem.kernel} on {problem.hostname}" if several else problem.kernel


def several_machines(problems: Sequence[Problem]) -> bool:
    return len({p.machine for p in problems}) > 1


def costs(problems: Sequence[Problem], series: Series, metric: str) -> list[Plot]:
    """Time or measured joules per update, one chart a kernel, one row a backend and problem."""
    unit, word = ("s", "Time") if metric == "time" else ("J", "Energy")
    plots = []
    for group in by_kernel(problems).values():
        shown: list[Mark] = []
        left_out = 0
        for problem in group:
            marks = cost_marks(problem, series, metric, unit)
            if shown and len(shown) + len(marks) > ROWS:
                left_out += len(marks)
            else:
                shown += marks
        if not shown:
            continue
        name = where(group[0], several_machines(problems))
        best = min(shown, key=lambda m: m.x)
        note = f" {left_out} more rows are in the table." if left_out > 0 else ""
        plots.append(
            Plot(
                metric,
                f"{word} per cell update: {name}",
                f"Further left is better. Bars are 95 % intervals of the median.{note}",
                charts.dots(
                    shown,
                    f"{word.lower()} per update",
                    unit,
                    f"{word} per update of {name}",
                    f"{len(shown)} rows; the least is {best.tip}",
                ),
                series.legend(m.series for m in shown),
            )
        )
    return plots


def cost_marks(problem: Problem, series: Series, metric: str, unit: str) -> list[Mark]:
    """A row for each entry that has the metric."""
    shape = "x".join(map(str, problem.shape))
    marks = []
    for entry in problem.entries:
        cost = entry.time if metric == "time" else entry.energy
        if cost is None:
            continue
        count = updates(entry)
        per = Uncertain(cost.value / count)
        if cost.low is not None and cost.high is not None:
            per = Uncertain(cost.value / count, cost.low / count, cost.high / count)
        tip = f"{entry.label}, {shape} {problem.dtype}: {interval_text(cost, unit)} a step"
        marks.append(
            Mark(
                entry.label,
                series.of(entry.backend),
                per.value,
                x_low=per.low,
                x_high=per.high,
                group=problem.title,
                tip=tip,
                hollow=plainer(entry),
            )
        )
    return marks


def energy_against_time(problems: Sequence[Problem], series: Series, modelled: bool) -> list[Plot]:
    """Joules against seconds of a step, by kernel. Measured or modelled, never both in one."""
    plots = []
    for problem in drawn(problems):
        marks = []
        for entry in problem.entries:
            joules = entry.estimate if modelled else entry.energy
            if joules is None:
                continue
            about = "≈ " if modelled else ""
            marks.append(
                Mark(
                    entry.label, series.of(entry.backend), entry.time.value, joules.value,
                    entry.time.low, entry.time.high, joules.low, joules.high,
                    hollow=modelled or plainer(entry),
                    tip=f"{entry.label}: {interval_text(entry.time, 's')}, "
                    f"{about}{interval_text(joules, 'J')} a step",
                )
            )  # fmt: skip
        if not marks:
            continue
        name = f"{problem.title}" + (
            f" on {problem.hostname}" if several_machines(problems) else ""
        )
        kind = "≈ Modelled energy" if modelled else "Measured energy"
        caption = (
            "Not measured: an energy-roofline model from time, bytes and flops, with the range of "
            "its machine profile. It cannot tell which of two backends needs less."
            if modelled
            else "Lower left is better. Bars are 95 % intervals of the median."
        )
        plots.append(
            Plot(
                "energy-time-model" if modelled else "energy-time",
                f"{kind} against time: {name}",
                caption,
                charts.scatter(
                    marks, [], ("time per step", "energy per step" + (" ≈" * modelled)),
                    ("s", "J"), f"{kind} against time of {name}",
                    "; ".join(m.tip for m in marks[:6]),
                ),
                series.legend(m.series for m in marks),
            )
        )  # fmt: skip
    return plots


def roofline(problems: Sequence[Problem], series: Series) -> list[Plot]:
    """Flop/s over flop per byte under the measured ceilings, one chart a machine."""
    plots = []
    for machine in first_machines(problems):
        here = [p for p in drawn(problems) if p.machine == machine]
        marks = []
        bandwidths: dict[Place, float] = {}
        peaks: dict[Place, float] = {}
        for problem in here:
            for entry in problem.entries:
                rates = entry.record.rates
                if rates is None:
                    continue
                for roofs, ceiling in (
                    (bandwidths, rates.ceiling_bytes_per_s),
                    (peaks, rates.ceiling_flops_per_s),
                ):
                    if ceiling:
                        place = entry.record.case.place
                        roofs[place] = max(roofs.get(place, 0.0), ceiling)
                if not rates.bytes_per_s or not rates.flops_per_s:
                    continue
                intensity = rates.flops_per_s / rates.bytes_per_s
                bound = f", {entry.fraction.value:.0%} of the bound" if entry.fraction else ""
                marks.append(
                    Mark(
                        entry.label, series.of(entry.backend), intensity, rates.flops_per_s,
                        tip=f"{problem.kernel} {entry.label}: {quantity(rates.flops_per_s, '')}"
                        f"flop/s at {digits(intensity)} flop/B{bound}",
                        hollow=plainer(entry),
                    )
                )  # fmt: skip
        if not marks or not bandwidths:
            continue
        lines = ceilings([m.x for m in marks], bandwidths, peaks)
        host = here[0].hostname
        triads = ", ".join(
            f"{count_of(p)}: {b / 1e9:.1f} GB/s" for p, b in sorted(bandwidths.items())
        )
        plots.append(
            Plot(
                "roofline",
                f"Roofline of {host}",
                f"Sloping lines: the best triad of the run ({triads}), 24 B an element. "
                + (
                    "Flat lines: the measured peak of multiply-add. "
                    if peaks
                    else "No compute ceiling was measured. "
                )
                + "Bytes and flops are each kernel's declared minimum. A point above its line is "
                "served by caches.",
                charts.scatter(
                    marks, lines, ("arithmetic intensity, flop/B", "performance"),
                    ("", "flop/s"), f"Roofline of {host}", f"{len(marks)} points; {triads}",
                ),
                series.legend(m.series for m in marks),
            )
        )  # fmt: skip
    return plots


def ceilings(
    intensities: Sequence[float], bandwidths: dict[Place, float], peaks: dict[Place, float]
) -> list[Line]:
    """A roof for each place, over a span of intensities around the points."""
    low, high = min(intensities) / 2.5, max(intensities) * 2.5
    lines = []
    for place, bandwidth in sorted(bandwidths.items()):
        peak = peaks.get(place)
        if peak and low < peak / bandwidth < high:
            points = [(low, low * bandwidth), (peak / bandwidth, peak), (high, peak)]
        else:
            points = [(low, low * bandwidth), (high, high * bandwidth)]
        lines.append(Line(points, count_of(place), dashed=place[1] == 1))
    return lines


PARTS = (
    ("import_s", "start the runtime"),
    ("load_s", "load or compile"),
    ("first_call_s", "first step"),
)


def startup(problems: Sequence[Problem]) -> list[Plot]:
    """What passes until the first step is done, by backend: medians over all its cases."""
    groups: dict[str, list[Startup]] = {}
    for problem in problems:
        for entry in problem.entries:
            parts = entry.record.startup
            if parts is None:
                continue
            state = "cold" if entry.record.settings.cold or parts.cache == "cold" else "warm"
            groups.setdefault(f"{entry.backend} ({state})", []).append(parts)
    seconds = [
        (
            label,
            [(text, statistics.median(getattr(p, name) for p in parts)) for name, text in PARTS],
        )
        for label, parts in sorted(groups.items())
    ]
    joules = [
        (label, [("until the first step is done", statistics.median(metered))])
        for label, parts in sorted(groups.items())
        if (metered := [p.energy.total.joules for p in parts if p.energy and p.energy.total.joules])
    ]
    plots = []
    for name, what, rows, unit in (
        ("startup", "seconds", seconds, "s"), ("startup-joules", "joules", joules, "J"),
    ):  # fmt: skip
        if not rows:
            continue
        total = {label: sum(value for _, value in parts) for label, parts in rows}
        title = "Start-up until the first step is done" + (" in joules" if unit == "J" else "")
        plots.append(
            Plot(
                name,
                title,
                "Medians over the cases of each backend. Cold: the caches of compiled code were "
                "empty.",
                charts.stacked(
                    rows,
                    what,
                    unit,
                    "Start-up by backend",
                    "; ".join(f"{label} {value:.2f} {unit}" for label, value in total.items()),
                ),
            )
        )
    return plots


def scaling(problems: Sequence[Problem], series: Series) -> list[Plot]:
    """Speed-up over the number of cores or GPUs, where a backend ran a problem on several."""
    plots = []
    for problem in drawn(problems):
        lines, marks = [], []
        highest = 1
        for backend in dict.fromkeys(e.backend for e in problem.entries):
            best: dict[int, Entry] = {}
            for entry in sorted(problem.entries, key=lambda e: -e.time.value):
                if entry.backend == backend:
                    best[entry.record.case.place[1]] = entry
            if len(best) < 2:
                continue
            least = min(best)
            points = []
            for count, entry in sorted(best.items()):
                gain = best[least].time.value / entry.time.value * least
                points.append((float(count), gain))
                marks.append(
                    Mark(
                        entry.label, series.of(backend), float(count), gain,
                        tip=f"{entry.label}: {digits(gain)} on "
                        f"{count_of(entry.record.case.place)}, "
                        f"parallel efficiency {gain / count:.0%}",
                        hollow=plainer(entry),
                    )
                )  # fmt: skip
                highest = max(highest, count)
            lines.append(Line(points, series=series.of(backend)))
        if not lines:
            continue
        lines.insert(0, Line([(1.0, 1.0), (float(highest), float(highest))], "ideal", dashed=True))
        several = several_machines(problems)
        name = problem.title + (f" on {problem.hostname}" if several else "")
        plots.append(
            Plot(
                "scaling",
                f"Scaling: {name}",
                "Speed-up over the fewest cores, or GPUs, of the same backend; the quickest split "
                "into ranks and threads for each number of them.",
                charts.scatter(
                    marks, lines, ("cores (ranks x threads), or GPUs", "speed-up"), ("", ""),
                    f"Scaling of {name}", "; ".join(m.tip for m in marks[:8]),
                ),
                series.legend(m.series for m in marks),
            )
        )  # fmt: skip
    return plots
