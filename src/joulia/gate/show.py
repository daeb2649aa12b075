"""Verdicts for people, for programs and for a pull request's comment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from joulia.analysis.labels import chosen, label
from joulia.analysis.record_table import CASE, VERDICT, case_cells
from joulia.analysis.terminal import Cell, Column, Grid, console, draw
from joulia.analysis.units import quantity
from joulia.gate.compare import METRICS, Verdict, exit_code
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
HEADINGS = ("verdict", "case", "metric", "base", "head", "change", "interval", "pairs")
"""Of the table in a pull request's comment."""
COLUMNS = (
    VERDICT,
    *CASE,
    Column("metric", right=False),
    Column("source", drop=2, right=False),
    Column("base", drop=3),
    Column("head", drop=4),
    Column("change"),
    Column("interval", drop=5),
    Column("pairs", drop=1),
)
"""Of the table in a terminal: the case in columns of its own, of which few differ."""


def change(verdict: Verdict) -> str:
    return "" if verdict.change is None else f"{verdict.change:+.1%}"


def interval(verdict: Verdict) -> str:
    if verdict.interval is None:
        return ""
    low, high = verdict.interval
    return f"{low:+.1%} to {high:+.1%}"


def cells(verdict: Verdict) -> list[str]:
    """Base, head, change, interval and pairs."""
    unit = verdict.unit.partition("/")[0]
    return [
        quantity(verdict.base, unit) if verdict.base else "",
        quantity(verdict.head, unit) if verdict.head else "",
        change(verdict),
        interval(verdict),
        str(verdict.pairs or ""),
    ]


def shown(verdicts: Sequence[Verdict]) -> tuple[list[Verdict], list[str]]:
    """What gets a row; and, each once, why a metric was measured nowhere."""
    notes: dict[str, None] = {}
    for metric in METRICS:
        of_metric = [v for v in verdicts if v.metric == metric]
        if of_metric and all(v.verdict == "nothing measured" for v in of_metric):
            notes |= {f"{metric}: nothing measured: {v.reason}": None for v in of_metric}
    rows = [v for v in verdicts if not any(n.startswith(f"{v.metric}: ") for n in notes)]
    return rows, list(notes)


def table(verdicts: Sequence[Verdict]) -> None:
    """One row a case and metric on stdout, reasons below, and a closing line."""
    out = console()
    rows, notes = shown(verdicts)
    if rows:
        draw(out, Grid(COLUMNS, [row(v) for v in rows], "`joulia gate --markdown FILE`"))
    for verdict in rows:
        if verdict.reason:
            out.print(f"{label(verdict.case)}, {verdict.metric}: {verdict.reason}", markup=False)
    for note in notes:
        out.print(note, markup=False)
    out.print(summary(verdicts), markup=False)


def row(verdict: Verdict) -> list[Cell]:
    """A verdict under `COLUMNS`."""
    case = verdict.case
    kernel = " ".join([case.kernel, *chosen(case.kernel, case.params)])
    judged = Text(verdict.verdict, style=COLOURS[verdict.verdict])
    metric = verdict.metric, verdict.source or ""
    return [judged, *case_cells(case, kernel), *metric, *cells(verdict)]


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line: every regression by name, else what there was."""
    regressions = [v for v in verdicts if v.verdict == "regression"]
    if regressions:
        return "Regression: " + "; ".join(
            f"{label(v.case)}: {v.metric} {change(v)} ({interval(v)})" for v in regressions
        )
    counts = {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS}
    tally = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
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
    if rows:
        lines += ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
        for verdict in rows:
            judged = verdict.verdict
            strong = f"**{judged}**" if judged in ("regression", "failed") else judged
            metric = verdict.metric + (f" ({verdict.source})" if verdict.source else "")
            plain = [_escape(cell) for cell in (label(verdict.case), metric, *cells(verdict))]
            lines.append("| " + " | ".join([strong, *plain]) + " |")
        lines.append("")
    lines += [
        f"- {_escape(label(v.case))}, {v.metric}: {_escape(v.reason)}" for v in rows if v.reason
    ]
    lines += [f"- {_escape(note)}" for note in notes]
    details = ", ".join(f"{k} {v}" for k, v in about.items() if isinstance(v, str | int | float))
    lines.append(f"\n<sub>{_escape(details)}</sub>")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
