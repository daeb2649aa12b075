"""Charts as inline SVG: colours from the page's style sheet, marks that differ in shape as well.

Every chart is `role="img"` with a title and a description, and every mark has a tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from joulia.analysis.units import quantity
from joulia.report.axes import Axis, linear_axis, log_axis

WIDTH = 520.0
SHAPES = 8
"""Series colours and shapes; more series than this repeat them."""


@dataclass(frozen=True)
class Mark:
    """A measured point: `series` chooses colour and shape; `label` is its row or its tooltip."""

    label: str
    series: int
    x: float
    y: float = 0.0
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None
    group: str = ""
    tip: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points; `series` None is a ceiling or a front in the text's colour."""

    points: Sequence[tuple[float, float]]
    label: str = ""
    series: int | None = None
    dashed: bool = False


@dataclass
class Canvas:
    """Collects SVG elements."""

    height: float
    title: str
    description: str
    parts: list[str] = field(default_factory=list)

    def add(self, element: str) -> None:
        self.parts.append(element)

    def text(self, x: float, y: float, text: str, cls: str = "", anchor: str = "start") -> None:
        self.add(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        self.add(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" class="{cls}"/>')

    def mark(self, x: float, y: float, mark: Mark) -> None:
        hollow = " hollow" if mark.hollow else ""
        self.add(
            f'<g class="mark s{mark.series % SHAPES}{hollow}"><title>{escape(mark.tip)}</title>'
            f"{shape(mark.series, x, y)}</g>"
        )

    def svg(self) -> str:
        return (
            f'<svg viewBox="0 0 {WIDTH:.0f} {self.height:.0f}" role="img" class="chart" '
            f'aria-label="{escape(self.title)}. {escape(self.description)}">'
            + "".join(self.parts)
            + "</svg>"
        )


def shape(series: int, x: float, y: float, r: float = 5.0) -> str:
    """Circle, square, diamond, triangle up, down, cross, bar, ring, for colour-blind readers."""
    kinds = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>',
        f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r}" height="{2 * r}"/>',
        f'<path d="M{x:.1f} {y - r - 1:.1f}l{r + 1} {r + 1}l-{r + 1} {r + 1}l-{r + 1} -{r + 1}z"/>',
        f'<path d="M{x:.1f} {y - r:.1f}l{r} {2 * r}h-{2 * r}z"/>',
        f'<path d="M{x:.1f} {y + r:.1f}l{r} -{2 * r}h-{2 * r}z"/>',
        f'<path d="M{x - r:.1f} {y - 2:.1f}h3v-3h4v3h3v4h-3v3h-4v-3h-3z"/>',
        f'<rect x="{x - r:.1f}" y="{y - 2:.1f}" width="{2 * r}" height="4"/>',
        f'<rect x="{x - 2:.1f}" y="{y - r:.1f}" width="4" height="{2 * r}"/>',
    )
    return kinds[series % SHAPES]


def x_axis(canvas: Canvas, axis: Axis, top: float, bottom: float, name: str) -> None:
    for value, text in axis.ticks:
        x = axis.at(value)
        canvas.line(x, top, x, bottom, "grid")
        canvas.text(x, bottom + 15, text, "tick", "middle")
    canvas.text((axis.start + axis.end) / 2, bottom + 32, name, "name", "middle")


def y_axis(canvas: Canvas, axis: Axis, left: float, right: float, name: str) -> None:
    for value, text in axis.ticks:
        y = axis.at(value)
        canvas.line(left, y, right, y, "grid")
        canvas.text(left - 6, y + 4, text, "tick", "end")
    canvas.text(4, 12, name, "name")


def dots(marks: Sequence[Mark], name: str, unit: str, title: str, description: str) -> str:
    """One row a mark with its interval on a logarithmic axis; a heading where the group changes."""
    row, left, right = 21.0, 148.0, WIDTH - 16.0
    groups = len(dict.fromkeys(m.group for m in marks if m.group))
    height = 14.0 + row * (len(marks) + groups) + 40.0
    canvas = Canvas(height, title, description)
    ends = [v for m in marks for v in (m.x, m.x_low, m.x_high) if v is not None]
    axis = log_axis(ends, left, right, unit)
    bottom = height - 40.0
    x_axis(canvas, axis, 6.0, bottom, name)
    y, group = 14.0, ""
    for mark in marks:
        if mark.group and mark.group != group:
            group = mark.group
            canvas.text(4, y + 6, group, "group")
            y += row
        canvas.text(left - 10, y + 4, mark.label, "label", "end")
        if mark.x_low is not None and mark.x_high is not None:
            x1, x2 = axis.at(mark.x_low), axis.at(mark.x_high)
            canvas.line(x1, y, x2, y, f"whisker l{mark.series % SHAPES}")
        canvas.mark(axis.at(mark.x), y, mark)
        y += row
    return canvas.svg()


def scatter(
    marks: Sequence[Mark],
    lines: Sequence[Line],
    names: tuple[str, str],
    units: tuple[str, str],
    title: str,
    description: str,
) -> str:
    """Marks with both intervals on two logarithmic axes; `lines` lie behind them."""
    height, left, right, top = 340.0, 70.0, WIDTH - 16.0, 24.0
    bottom = height - 42.0
    canvas = Canvas(height, title, description)
    xs = [v for m in marks for v in (m.x, m.x_low, m.x_high) if v]
    ys = [v for m in marks for v in (m.y, m.y_low, m.y_high) if v]
    xs += [x for line in lines for x, _ in line.points]
    ys += [y for line in lines for _, y in line.points]
    ax, ay = log_axis(xs, left, right, units[0]), log_axis(ys, bottom, top, units[1])
    x_axis(canvas, ax, top, bottom, names[0])
    y_axis(canvas, ay, left, right, names[1])
    for line in lines:
        draw(canvas, line, ax, ay)
    for mark in marks:
        x, y = ax.at(mark.x), ay.at(mark.y)
        whisker = f"whisker l{mark.series % SHAPES}"
        if mark.x_low is not None and mark.x_high is not None:
            canvas.line(ax.at(mark.x_low), y, ax.at(mark.x_high), y, whisker)
        if mark.y_low is not None and mark.y_high is not None:
            canvas.line(x, ay.at(mark.y_low), x, ay.at(mark.y_high), whisker)
    for mark in marks:
        canvas.mark(ax.at(mark.x), ay.at(mark.y), mark)
    return canvas.svg()


def draw(canvas: Canvas, line: Line, ax: Axis, ay: Axis) -> None:
    path = "L".join(f"{ax.at(x):.1f} {ay.at(y):.1f}" for x, y in line.points)
    colour = "front" if line.series is None else f"l{line.series % SHAPES}"
    dashed = " dashed" if line.dashed else ""
    canvas.add(f'<path d="M{path}" class="line {colour}{dashed}"/>')
    if line.label:
        x, y = line.points[-1]
        canvas.text(ax.at(x) - 4, ay.at(y) - 6, line.label, "tick", "end")


def stacked(
    rows: Sequence[tuple[str, Sequence[tuple[str, float]]]],
    name: str,
    unit: str,
    title: str,
    description: str,
) -> str:
    """Bars of parts on a linear axis: (row, ((part, value), ...)); part i has texture i."""
    row, left, right = 24.0, 148.0, WIDTH - 24.0
    height = 10.0 + row * len(rows) + 40.0
    canvas = Canvas(height, title, description)
    axis = linear_axis(max(sum(v for _, v in parts) for _, parts in rows), left, right - 44.0, unit)
    bottom = height - 40.0
    x_axis(canvas, axis, 4.0, bottom, name)
    for i, (label, parts) in enumerate(rows):
        y = 10.0 + row * i
        canvas.text(left - 10, y + 13, label, "label", "end")
        total = 0.0
        for k, (part, value) in enumerate(parts):
            x1, x2 = axis.at(total), axis.at(total + value)
            total += value
            canvas.add(
                f'<rect x="{x1:.1f}" y="{y:.1f}" width="{max(0.0, x2 - x1):.1f}" height="16" '
                f'class="part p{k}"><title>{escape(f"{label}: {part} {value:.3g} {unit}")}</title>'
                "</rect>"
            )
        canvas.text(axis.at(total) + 5, y + 13, quantity(total, unit), "tick")
    return canvas.svg()
