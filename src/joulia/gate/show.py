"""Verdicts for people, for programs and for a pull request's comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from joulia.analysis.labels import chosen, label
from joulia.analysis.record_table import CASE, VERDICT, case_cells
from joulia.analysis.terminal import Cell, Column, Grid, console, draw
from joulia.analysis.units import digits, quantity
from joulia.gate.compare import Command, Verdict, exit_code
from joulia.gate.decision import VERDICTS

COLOURS = {
    "regression": "bold red",
    "improvement": "green",
    "same": "green",
    "inconclusive": "yellow",
    "conditions differ": "yellow",
    "failed": "bold red",
    "nothing measured": "dim",
}
NOT_IN_TURN = (
    "joulia: these were not measured in turn: what changed on the machine between the two files "
    "counts as a change of the code"
)
HEADINGS = ("verdict", "case", "metric", "base", "head", "change", "interval", "pairs")
"""Of the table in a pull request's comment."""
FIGURES = (
    Column("metric", right=False, least=20),
    Column("source", drop=2, right=False),
    Column("base", drop=3),
    Column("head", drop=4),
    Column("change"),
    Column("interval", drop=5),
    Column("pairs", drop=1),
)
COLUMNS = (VERDICT, *CASE, *FIGURES)
"""Of the table in a terminal: the case in columns of its own, of which few differ."""
OF_A_COMMAND = (VERDICT, *FIGURES)
"""The same where all rows are of one command."""
SCALED = ("s", "J", "W", "B", "Hz", "B/s", "flop/s")
"""Units that take a prefix; a command may have others."""


def name(verdict: Verdict) -> str:
    """The case or the command, as people read it."""
    case = verdict.case
    return case.label if isinstance(case, Command) else label(case)


def change(verdict: Verdict) -> str:
    return "" if verdict.change is None else f"{verdict.change:+.1%}"


def interval(verdict: Verdict) -> str:
    if verdict.interval is None:
        return ""
    low, high = verdict.interval
    return f"{low:+.1%} to {high:+.1%}"


def cells(verdict: Verdict) -> list[str]:
    """Base, head, change, interval and pairs."""
    unit = verdict.unit.removesuffix("/step")
    return [
        "" if verdict.base is None else amount(verdict.base, unit),
        "" if verdict.head is None else amount(verdict.head, unit),
        change(verdict),
        interval(verdict),
        str(verdict.pairs or ""),
    ]


def amount(value: float, unit: str) -> str:
    """A figure in a unit that may be any."""
    return quantity(value, unit) if unit in SCALED else f"{digits(value)} {unit}".rstrip()


def shown(verdicts: Sequence[Verdict]) -> tuple[list[Verdict], list[str]]:
    """What gets a row; and, each once, why a metric was measured nowhere."""
    measured = {v.metric for v in verdicts if v.verdict != "nothing measured"}
    rows = [v for v in verdicts if v.metric in measured]
    silent = (v for v in verdicts if v.metric not in measured)
    notes = dict.fromkeys(f"{v.metric}: nothing measured: {v.reason}" for v in silent)
    return rows, list(notes)


def sides(about: Mapping[str, Any]) -> list[str]:
    """Which revisions are compared, a line each; none of two files."""
    return [
        f"{side}: {about[side][:12]} {about[f'{side}_subject']}"
        for side in ("base", "head")
        if f"{side}_subject" in about
    ]


def table(verdicts: Sequence[Verdict], about: Mapping[str, Any]) -> None:
    """What is compared, one row a case and metric on stdout, reasons below, and a closing line."""
    out = console()
    for line in sides(about):
        out.print(line, markup=False)
    rows, notes = shown(verdicts)
    if rows:
        columns = OF_A_COMMAND if isinstance(rows[0].case, Command) else COLUMNS
        draw(out, Grid(columns, [row(v) for v in rows], "`joulia gate --markdown FILE`"))
    for line in [*remarks(rows), *notes]:
        out.print(line, markup=False)
    out.print(summary(verdicts), markup=False)


def remarks(rows: Sequence[Verdict]) -> list[str]:
    """Below the rows: the reason of each that has one, and whether watts differ."""
    regressed = any(v.verdict == "regression" for v in rows)
    reasons = [
        f"{name(v)}, {v.metric}: {v.reason}"
        for v in rows
        if v.reason and (regressed or v.verdict != "failed")  # else the closing line has it
    ]
    powers = [f"{name(v)}: {v.power.sentence}" for v in rows if v.power]
    return reasons + powers


def row(verdict: Verdict) -> list[Cell]:
    """A verdict under `COLUMNS`, or under `OF_A_COMMAND`."""
    case = verdict.case
    judged = Text(verdict.verdict, style=COLOURS[verdict.verdict])
    figures = verdict.metric, verdict.source or "", *cells(verdict)
    if isinstance(case, Command):
        return [judged, *figures]
    kernel = " ".join([case.kernel, *chosen(case.kernel, case.params)])
    return [judged, *case_cells(case, kernel), *figures]


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line: every regression by name, else what failed, else what there was."""
    regressions = [v for v in verdicts if v.verdict == "regression"]
    if regressions:
        worse: dict[str, list[str]] = {}
        for v in regressions:
            worse.setdefault(name(v), []).append(f"{v.metric} {change(v)} ({interval(v)})")
        return "Regression: " + "; ".join(f"{n}: {', '.join(m)}" for n, m in worse.items())
    failures = dict.fromkeys(f"{name(v)}: {v.reason}" for v in verdicts if v.verdict == "failed")
    if failures:
        return "Failed: " + "; ".join(failures)
    counts = {word: sum(v.verdict == word for v in verdicts) for word in VERDICTS}
    tally = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"No regression: {tally or 'nothing measured'}"


def as_json(verdicts: Sequence[Verdict], about: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": "joulia-gate/1",
        **about,
        "exit_code": exit_code(verdicts),
        "summary": summary(verdicts),
        "verdicts": [v.to_json() for v in verdicts],
    }


def markdown(verdicts: Sequence[Verdict], about: dict[str, Any]) -> str:
    """A comment for a pull request: the closing line, the table, the reasons, how it was done."""
    rows, notes = shown(verdicts)
    lines = [f"### joulia gate\n\n{_escape(summary(verdicts))}\n"]
    if compared := sides(about):
        lines.append(f"{_escape('; '.join(compared))}\n")
    if rows:
        lines += ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
        for verdict in rows:
            judged = verdict.verdict
            strong = f"**{judged}**" if judged in ("regression", "failed") else judged
            metric = verdict.metric + (f" ({verdict.source})" if verdict.source else "")
            plain = [_escape(cell) for cell in (name(verdict), metric, *cells(verdict))]
            lines.append("| " + " | ".join([strong, *plain]) + " |")
        lines.append("")
    lines += [f"- {_escape(line)}" for line in [*remarks(rows), *notes]]
    details = ", ".join(f"{k} {v}" for k, v in about.items() if isinstance(v, str | int | float))
    lines.append(f"\n<sub>{_escape(details)}</sub>")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
