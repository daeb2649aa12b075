"""Verdicts for people, for programs and for a pull request's comment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from joulia.analysis.terminal import console
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
COLUMNS = ("case", "metric", "base", "head", "change", "interval", "pairs", "verdict")


def change(verdict: Verdict) -> str:
    return "" if verdict.change is None else f"{verdict.change:+.1%}"


def interval(verdict: Verdict) -> str:
    if verdict.interval is None:
        return ""
    low, high = verdict.interval
    return f"{low:+.1%} to {high:+.1%}"


def label(verdict: Verdict) -> str:
    """The case without the parameters that are at their defaults."""
    from joulia import registry

    case = verdict.case
    shape = "x".join(map(str, case.shape))
    known = registry.kernels().get(case.kernel)
    defaults = {n: p.default for n, p in known.kernel.params.items()} if known else {}
    params = [f"{k}={v}" for k, v in case.params if defaults.get(k) != v]
    where = f"{case.ranks}r x {case.threads}t"
    return " ".join([case.kernel, case.backend, shape, case.dtype, where, *params])


def cells(verdict: Verdict) -> list[str]:
    unit = verdict.unit.partition("/")[0]
    metric = verdict.metric + (f" ({verdict.source})" if verdict.source else "")
    return [
        label(verdict),
        metric,
        quantity(verdict.base, unit) if verdict.base else "",
        quantity(verdict.head, unit) if verdict.head else "",
        change(verdict),
        interval(verdict),
        str(verdict.pairs or ""),
        verdict.verdict,
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
    view = Table(box=None, header_style="bold", pad_edge=False)
    for name in COLUMNS:
        right = name in {"base", "head", "change", "interval", "pairs"}
        view.add_column(name, justify="right" if right else "left", overflow="fold")
    for verdict in rows:
        *plain, last = cells(verdict)
        view.add_row(*plain, Text(last, style=COLOURS[last]))
    if rows:
        out.print(view)
    for verdict in rows:
        if verdict.reason:
            out.print(f"{label(verdict)}, {verdict.metric}: {verdict.reason}", markup=False)
    for note in notes:
        out.print(note, markup=False)
    out.print(summary(verdicts), markup=False)


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line: every regression by name, else what there was."""
    regressions = [v for v in verdicts if v.verdict == "regression"]
    if regressions:
        return "Regression: " + "; ".join(
            f"{label(v)}: {v.metric} {change(v)} ({interval(v)})" for v in regressions
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
        lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
        for verdict in rows:
            *plain, last = [_escape(cell) for cell in cells(verdict)]
            strong = f"**{last}**" if last in ("regression", "failed") else last
            lines.append("| " + " | ".join([*plain, strong]) + " |")
        lines.append("")
    lines += [f"- {_escape(label(v))}, {v.metric}: {_escape(v.reason)}" for v in rows if v.reason]
    lines += [f"- {_escape(note)}" for note in notes]
    details = ", ".join(f"{k} {v}" for k, v in about.items() if isinstance(v, str | int | float))
    lines.append(f"\n<sub>{_escape(details)}</sub>")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
