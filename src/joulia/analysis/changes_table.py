"""Steps of series for people, for programs and for a pull request's comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from joulia.analysis import changes
from joulia.analysis.changes import SHORTEST, Step
from joulia.analysis.series import Series
from joulia.analysis.tables import markdown_table
from joulia.analysis.terminal import Cell, Column, Grid, console, draw
from joulia.analysis.units import quantity

SHARED = 0.5
"""The share of a machine's series that step together from which on the cause is not theirs."""
COLUMNS = (
    Column("change"),
    Column("what", right=False, least=24),
    Column("commits", right=False),
    Column("of", drop=2),
    Column("95 % interval", drop=4),
    Column("before", drop=5),
    Column("after", drop=5),
    Column("p", drop=6),
    Column("machine", drop=1, right=False),
)


@dataclass(frozen=True)
class Changed:
    """A step with its series; `alike` of the machine's `series` step the same way there."""

    series: Series
    step: Step
    alike: int
    of: int

    @property
    def commits(self) -> str:
        """The range in which the step lies, as git names it."""
        points = self.series.points
        return (
            f"{short(points[self.step.first - 1].commit)}..{short(points[self.step.last].commit)}"
        )

    @property
    def candidates(self) -> set[str]:
        points = self.series.points
        return {points[i].commit for i in range(self.step.first, self.step.last + 1)}

    @property
    def versions(self) -> list[str]:
        """What else differs between the two sides of the likeliest place: name, before, after."""
        before, after = (
            dict(self.series.points[i].versions) for i in (self.step.index - 1, self.step.index)
        )
        return [
            f"{name} {before.get(name, 'none')} to {after.get(name, 'none')}"
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]


@dataclass(frozen=True)
class Found:
    """All that changed, among how many series, and how many were too short to tell."""

    changed: tuple[Changed, ...]
    series: int
    short: int
    longest: int


def short(commit: str) -> str:
    return commit[:10] + "+" * commit.endswith("+")


def look(series: Sequence[Series], limits: Mapping[str, float]) -> Found:
    """The steps of all series; `limits` is the smallest that counts, by metric."""
    long = [one for one in series if len(one.points) >= 2 * SHORTEST]
    found = [
        (one, step)
        for one in long
        for step in changes.steps(one.values, limits[one.metric], len(long))
    ]
    bare = [Changed(one, step, 1, 1) for one, step in found]
    whole = []
    for changed in bare:
        near = [one for one in long if one.machine == changed.series.machine]
        alike = {
            id(other.series)
            for other in bare
            if other.series.machine == changed.series.machine
            and other.candidates & changed.candidates
            and (other.step.ratio.value > 1.0) == (changed.step.ratio.value > 1.0)
        }
        whole.append(Changed(changed.series, changed.step, len(alike), len(near)))
    whole.sort(key=lambda one: (-one.series.points[one.step.index].order[0], one.step.p))
    longest = max((len(one.points) for one in series), default=0)
    return Found(tuple(whole), len(series), len(series) - len(long), longest)


def cells(changed: Changed) -> list[str]:
    """A step under `COLUMNS`."""
    step, unit = changed.step, changed.series.unit
    prefixed = unit.partition("/")[0].replace("seconds", "s")
    figures = (
        [quantity(value, prefixed) for value in (step.before, step.after)]
        if changed.series.metric != "other"
        else [f"{value:.3g} {unit}".strip() for value in (step.before, step.after)]
    )
    return [
        f"{step.ratio.value - 1.0:+.1%}",
        f"{changed.series.name} {changed.series.metric}",
        changed.commits,
        str(len(changed.series.points)),
        interval(step),
        *figures,
        f"{step.p:.1g}",
        changed.series.machine,
    ]


def interval(step: Step) -> str:
    low, high = step.ratio.low, step.ratio.high
    return "" if low is None or high is None else f"{low - 1.0:+.1%} to {high - 1.0:+.1%}"


def notes(found: Found) -> list[str]:
    """Below the table: where the cause may be another, and what could not be told."""
    lines = []
    for changed in found.changed:
        what = f"{changed.series.name} {changed.series.metric}, {changed.commits}"
        if changed.versions:
            lines.append(f"{what}: there also {', '.join(changed.versions)}")
    told = set()
    for changed in found.changed:
        if changed.of >= 3 and changed.alike > SHARED * changed.of:
            line = (
                f"{changed.alike} of {changed.of} series of {changed.series.machine} step together "
                f"about {changed.commits}: the machine, or what all of them share"
            )
            if (changed.alike, changed.series.machine) not in told:
                lines.append(line)
            told.add((changed.alike, changed.series.machine))
    if found.short:
        lines.append(
            f"{found.short} series of {found.series} have fewer than {2 * SHORTEST} commits and "
            f"tell nothing yet (the longest has {found.longest})"
        )
    return lines


def summary(found: Found) -> str:
    """One line: how many steps, up and down, in how many series."""
    looked = found.series - found.short
    if not found.changed:
        return f"No step in {looked} series"
    up = sum(one.step.ratio.value > 1.0 for one in found.changed)
    many = len({id(one.series) for one in found.changed})
    return f"{up} up, {len(found.changed) - up} down, in {many} of {looked} series"


LEGEND = (
    "A step lies after the first and not after the last of its commits (95 %). p: of a step as "
    "clear in any of these series without a cause."
)


def show(found: Found, told: Sequence[str]) -> None:
    """One row a step on stdout, the newest first, and what to know below."""
    out = console()
    if found.changed:
        grid = [row(one) for one in found.changed]
        draw(out, Grid(COLUMNS, grid, "`joulia changes --markdown FILE`"))
    for line in (*notes(found), *told, *([LEGEND] if found.changed else []), summary(found)):
        out.print(line, markup=False)


def row(changed: Changed) -> list[Cell]:
    first, *rest = cells(changed)
    style = "bold red" if changed.step.ratio.value > 1.0 else "green"
    return [Text(first, style=style), *rest]


def markdown(found: Found, told: Sequence[str]) -> str:
    parts = [f"### joulia changes\n\n{summary(found)}\n"]
    if found.changed:
        heads = [column.title for column in COLUMNS]
        parts += [markdown_table(heads, [cells(one) for one in found.changed]), f"{LEGEND}\n"]
    parts += [f"- {line}" for line in (*notes(found), *told)]
    return "\n".join(parts) + "\n"


def as_json(found: Found, told: Sequence[str]) -> dict[str, Any]:
    """Units in the names; ratios are after over before."""
    return {
        "schema": "joulia-changes/1",
        "summary": summary(found),
        "series": found.series,
        "too_short": found.short,
        "notes": [*notes(found), *told],
        "changes": [
            {
                "name": one.series.name,
                "metric": one.series.metric,
                "unit": one.series.unit,
                "machine": one.series.machine,
                "points": len(one.series.points),
                "commit": one.series.points[one.step.index].commit,
                "after_commit": one.series.points[one.step.first - 1].commit,
                "by_commit": one.series.points[one.step.last].commit,
                "before": one.step.before,
                "after": one.step.after,
                "ratio": one.step.ratio.value,
                "ratio_low": one.step.ratio.low,
                "ratio_high": one.step.ratio.high,
                "p": one.step.p,
                "versions": one.versions,
                "series_alike": one.alike,
                "series_of_machine": one.of,
            }
            for one in found.changed
        ],
    }
