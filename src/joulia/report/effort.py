"""Time and joules against lines of code: what more of them buy, with plain and tuned joined."""

from __future__ import annotations

from collections.abc import Sequence

from joulia.analysis.advice import main_problems
from joulia.analysis.columns import factor
from joulia.analysis.compare import Entry, Problem
from joulia.analysis.tuning import tunings
from joulia.analysis.uncertain import Uncertain
from joulia.report import charts
from joulia.report.charts import Line, Mark
from joulia.report.figures import Plot, Series, drawn, interval_text, plainer, several_machines


def plots(problems: Sequence[Problem], series: Series, metric: str) -> list[Plot]:
    """The cost of a step over the lines of its source, a chart a kernel. `metric`: time, energy."""
    several = several_machines(problems)
    made = (plot(p, series, metric, several) for p in drawn(problems))
    return [chart for chart in made if chart is not None]


HEADS = ("problem", "tuned", "plainer", "times as fast", "times less J", "lines")


def bought(problems: Sequence[Problem]) -> list[list[str]]:
    """What each tuned source gains over a plainer one on the same cores, and its lines: rows."""
    several = several_machines(problems)
    return [
        [
            p.title + (f" on {p.hostname}" if several else ""),
            pair.tuned.label,
            pair.plain.label,
            factor(pair.time),
            factor(pair.energy),
            pair.times_the_lines,
        ]
        for p in main_problems(problems)
        for pair in tunings(p)
    ]


CAPTION = (
    "Lower left is better: fewer lines, less of either. The quickest place of each backend; bars "
    "are 95 % intervals of the median. A dashed line joins a plainer source with the tuned one."
)


def title(problem: Problem, metric: str, several: bool) -> str:
    word = {"time": "Time", "energy": "Measured energy"}[metric]
    where = f" on {problem.hostname}" if several else ""
    return f"{word} against lines of code: {problem.title}{where}"


def cost(entry: Entry, metric: str) -> Uncertain | None:
    return entry.time if metric == "time" else entry.energy


def plot(problem: Problem, series: Series, metric: str, several: bool) -> Plot | None:
    """A kernel's chart; None with fewer than two sources."""
    unit = {"time": "s", "energy": "J"}[metric]
    quickest: dict[str, Entry] = {}
    for entry in problem.entries:  # the quickest first
        if entry.lines and cost(entry, metric):
            quickest.setdefault(entry.backend, entry)
    if len(quickest) < 2:
        return None
    marks = [mark(entry, series, metric, unit) for entry in quickest.values()]
    joined = []
    for pair in tunings(problem):
        ends = [quickest.get(e.backend) for e in (pair.plain, pair.tuned)]
        points = [(e.lines, c.value) for e in ends if e and e.lines and (c := cost(e, metric))]
        if len(points) == 2:
            joined.append(Line(points, series=series.of(pair.tuned.backend), dashed=True))
    heading = title(problem, metric, several)
    svg = charts.scatter(
        marks, joined, ("lines of code", f"{metric} per step"), ("", unit), heading,
        "; ".join(m.tip for m in marks[:8]),
    )  # fmt: skip
    legend = series.legend(m.series for m in marks)
    return Plot(f"effort-{metric}", heading, CAPTION, svg, legend)


def mark(entry: Entry, series: Series, metric: str, unit: str) -> Mark:
    value = cost(entry, metric)
    assert value is not None
    assert entry.lines is not None
    return Mark(
        entry.label, series.of(entry.backend), entry.lines, value.value,
        y_low=value.low, y_high=value.high, hollow=plainer(entry),
        tip=f"{entry.label}: {entry.lines:.0f} lines, {interval_text(value, unit)} a step",
    )  # fmt: skip
