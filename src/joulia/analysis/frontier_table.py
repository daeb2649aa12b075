"""Every solution of a frontier in a line: its error, what it costs, and what beats it."""

from __future__ import annotations

from collections.abc import Sequence

from joulia.analysis import frontier
from joulia.analysis.frontier import SAME_ERROR, Point
from joulia.analysis.terminal import Cell, Column, Grid
from joulia.analysis.units import digits, quantity, seconds

COLUMNS = (
    Column("error"),
    Column("time"),
    Column("joules"),
    Column("≈ joules", drop=1),
    Column("choice", right=False, least=32),
    Column("beaten by", drop=2, right=False, least=32),
)


def table(points: Sequence[Point]) -> Grid:
    """The points of one problem, the most accurate first."""
    ordered = sorted(points, key=lambda point: (point.error, point.time.value))
    return Grid(COLUMNS, [row(point, points) for point in ordered], "`joulia export`")


def row(point: Point, points: Sequence[Point]) -> list[Cell]:
    return [
        f"{point.error:.2g}",
        seconds(point.time.value),
        quantity(point.energy.value, "J") if point.energy else "",
        "" if point.estimate is None else f"≈ {quantity(point.estimate, 'J')}",
        point.label,
        beaten_by(point, points),
    ]


def beaten_by(point: Point, points: Sequence[Point]) -> str:
    """The quickest that is as accurate; nothing where none is quicker, or takes fewer joules."""
    best = min(
        (other for other in points if other.error <= SAME_ERROR * point.error),
        key=lambda other: other.time.value,
    )
    if best is point or (point.energy and point in frontier.front(points, frontier.energy_of)):
        return ""
    return f"{best.label} ({digits(point.time.value / best.time.value)} times quicker)"
