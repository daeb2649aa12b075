"""Work-precision and energy-precision diagrams, and their Pareto fronts in words."""

from __future__ import annotations

from collections.abc import Sequence

from joulia.analysis import frontier
from joulia.analysis.frontier import Point
from joulia.records.record import Record
from joulia.report import charts
from joulia.report.charts import Line, Mark
from joulia.report.figures import Plot, Series, interval_text


def titled(records: Sequence[Record]) -> list[tuple[str, list[Point]]]:
    """Points by kernel, end time and machine, with a title."""
    groups = frontier.points(records)
    several = len({machine for machine, _, _ in groups}) > 1
    titled_points = []
    for (_, kernel, until), points in groups.items():
        host = f" on {points[0].record.machine.label}" if several else ""
        titled_points.append((f"{kernel} until t = {until:g}{host}", points))
    return titled_points


def words(records: Sequence[Record], max_error: float | None = None) -> list[tuple[str, list[str]]]:
    """Titles with the sentences of each front: time, energy where it was measured, limits.

    Last comes what is cheapest within `max_error`.
    """
    return [
        (
            f"Accuracy against cost: {title}",
            frontier.sentences(points, frontier.time_of, "time")
            + frontier.sentences(points, frontier.energy_of, "energy")
            + frontier.limits_in_words(points)
            + ([] if max_error is None else frontier.cheapest(points, max_error)),
        )
        for title, points in titled(records)
    ]


def plots(records: Sequence[Record], series: Series) -> list[Plot]:
    """One diagram a kernel in time, and one in joules where they were measured."""
    diagrams = []
    for title, points in titled(records):
        diagrams.append(diagram(title, points, series, "time"))
        if any(p.energy for p in points):
            diagrams.append(diagram(title, points, series, "energy"))
        if limited := frontier.by_method([p for p in points if p.energy]):
            diagrams.append(limits_diagram(title, limited, series))
    return diagrams


def limits_diagram(title: str, groups: Sequence[Sequence[Point]], series: Series) -> Plot:
    """Joules over seconds to solution; a line joins what differs in its limits only."""
    marks, lines = [], []
    for group in groups:
        corners = []
        for point in group:
            if point.energy is None:
                continue
            time, energy = point.time, point.energy
            corners.append((time.value, energy.value))
            marks.append(
                Mark(
                    point.label, series.of(point.record.case.backend), time.value, energy.value,
                    time.low, time.high, energy.low, energy.high,
                    hollow=point.record.case.dtype == "float32",
                    tip=f"{point.label}: {interval_text(time, 's')}, {interval_text(energy, 'J')}",
                )
            )  # fmt: skip
        lines.append(Line(corners, series=series.of(group[0].record.case.backend)))
    return Plot(
        "limits",
        f"Energy against time under limits: {title}",
        "Lower left is better. A line joins one method under several power limits or clocks, the "
        "highest first. Start-up is not in the cost.",
        charts.scatter(
            marks, lines, ("time to solution", "energy to solution"), ("s", "J"),
            f"Energy against time under limits of {title}", "; ".join(m.tip for m in marks[:6]),
        ),
        series.legend(m.series for m in marks),
    )  # fmt: skip


def diagram(title: str, points: Sequence[Point], series: Series, word: str) -> Plot:
    """Cost to solution over error; float32 is hollow; the line is the Pareto front."""
    unit = {"time": "s", "energy": "J"}[word]
    cost = frontier.time_of if word == "time" else frontier.energy_of
    marks = []
    for point in points:
        value = point.time if word == "time" else point.energy
        if value is None or point.error <= 0.0:
            continue
        marks.append(
            Mark(
                point.label,
                series.of(point.record.case.backend),
                point.error,
                value.value,
                y_low=value.low,
                y_high=value.high,
                hollow=point.record.case.dtype == "float32",
                tip=f"{point.label}: error {point.error:.3g}, {interval_text(value, unit)}, "
                f"{point.steps} steps",
            )
        )
    best = [p for p in frontier.front(points, cost) if p.error > 0.0]
    corners = [(p.error, c) for p in best if (c := cost(p)) is not None]
    lines = [Line(corners, dashed=True)] if len(corners) > 1 else []
    name = {"time": "Work-precision", "energy": "Energy-precision"}[word]
    return Plot(
        "work-precision" if word == "time" else "energy-precision",
        f"{name}: {title}",
        "Lower left is better: less error, less cost. Hollow marks are float32. The dashed line is "
        "the Pareto front. Start-up is not in the cost.",
        charts.scatter(
            marks,
            lines,
            ("relative error (L2)", f"{word} to solution"),
            ("", unit),
            f"{name} of {title}",
            "; ".join(p.label for p in best),
        ),
        series.legend(m.series for m in marks),
    )
