"""Comparisons as rows: for the terminal, Markdown, CSV and JSON, each from the same columns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from joulia.analysis import conditions, node, terminal
from joulia.analysis.columns import COLUMNS, columns
from joulia.analysis.compare import CONDITIONS_DIFFER, Absent, Entry, Problem
from joulia.analysis.portability import Portability
from joulia.analysis.record_table import by_reason
from joulia.analysis.terminal import console, draw
from joulia.analysis.tuning import tunings
from joulia.analysis.unmetered import unmetered

LEGEND = (
    "± is half the 95 % interval of the median. Ratios are baseline / backend (above 1 is better); "
    "in brackets their 95 % interval; = no clear difference (rank sum test, p > 0.05 after Holm, "
    "or below 2 %), ? too few repeats to tell, ≠ no verdict: conditions differ. Of watts, backend "
    "/ baseline: = the same within 5 %, ? neither that nor a clear difference."
)

ALL = "`joulia compare --csv` or `--markdown`"
"""What shows every column where a terminal is too narrow."""


def rows(problem: Problem) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a problem's table."""
    shown = columns(problem.entries)
    return [c.title for c in shown], [[c.cell(e) for c in shown] for e in problem.entries]


def absent_text(absent: Absent) -> str:
    where = f"{absent.case.ranks} x {absent.case.threads}{absent.case.waiting}"
    return f"{absent.backend} ({where}) {absent.status}: {absent.reason}"


def notes(problem: Problem) -> list[str]:
    """What a reader must know beside the table: who failed, mixed meters, reruns."""
    lines = [absent_text(a) for a in problem.absent if a.status != "skipped"]
    if len(problem.sources) > 1:
        lines.append(f"joules from different kinds of meters: {', '.join(problem.sources)}")
    lines += [
        f"{e.label}: runs of the same case differ by {e.spread:.1%}; smaller differences are not "
        "called any"
        for e in problem.entries
        if e.spread > 0.0
    ]
    lines += conditions.notes([e.record for e in problem.entries])
    lines += coverage(problem)
    prices = "; ".join(tuning.sentence for tuning in tunings(problem))
    return lines + ([prices] if prices else []) + powers(problem) + refusals(problem)


def powers(problem: Problem) -> list[str]:
    """In a line, who draws another power than the baseline, and who the same."""
    base = problem.baseline
    told = [
        f"{e.label} {e.power_ratio.sentence(base.label)}"
        for e in problem.entries
        if base and e.power_ratio and not e.power_ratio.verdict.startswith(CONDITIONS_DIFFER)
    ]
    return ["; ".join(told)] if told else []


def refusals(problem: Problem) -> list[str]:
    """Why there is no verdict about an entry's time or joules."""
    pairs = [(e, d) for e in problem.entries for d in (e.time_difference, e.energy_difference)]
    return list(
        dict.fromkeys(
            f"{entry.label}: no verdict, {difference.verdict}"
            for entry, difference in pairs
            if difference and difference.verdict.startswith(CONDITIONS_DIFFER)
        )
    )


def coverage(problem: Problem) -> list[str]:
    """Where joules do not count the same parts as the baseline's: what a ratio of them covers, or
    why there is none."""
    base, told = problem.baseline, []
    for entry in problem.entries:
        if base is None or base.record.energy is None or entry.record.energy is None:
            continue
        energies, names = [base.record.energy, entry.record.energy], [base.label, entry.label]
        told += [node.refused(energies, names), node.beside(energies, names)]
    return [line for line in told if line]


def no_joules(problems: Sequence[Problem]) -> list[str]:
    """Why joules are missing, once for all problems."""
    return unmetered([entry.record for problem in problems for entry in problem.entries])


def skipped(problems: Sequence[Problem]) -> list[str]:
    """What was skipped and why, a line a reason, once for all problems."""
    several = len({p.machine for p in problems}) > 1
    return by_reason(
        [
            (f"{a.reason} (on {p.hostname})" if several else a.reason, a.backend)
            for p in problems
            for a in p.absent
            if a.status == "skipped"
        ]
    )


def markdown(problems: Sequence[Problem], portable: Sequence[Portability]) -> str:
    parts = []
    several = len({p.machine for p in problems}) > 1
    for problem in problems:
        title = problem.title + (f" on {problem.hostname}" if several else "")
        parts.append(f"### {title}\n")
        if problem.entries:
            heads, cells = rows(problem)
            parts.append(markdown_table(heads, cells))
        parts += [f"- {line}" for line in notes(problem)]
        parts.append("")
    if portable:
        parts.append("### Performance portability\n")
        parts.append(markdown_table(*portability_rows(portable)))
        parts.append("")
    parts += [f"{line}\n" for line in (*skipped(problems), *no_joules(problems))]
    return "\n".join(parts) + "\n" + LEGEND + "\n"


def markdown_table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(v.replace("|", "\\|") for v in values) + " |"

    aligned = ["---", *("---:" for _ in heads[1:])]
    return "\n".join([line(heads), line(aligned), *map(line, cells)]) + "\n"


def portability_rows(portable: Sequence[Portability]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for p in portable for name in p.efficiency))
    heads = ["problem", "backend", "metric", "efficiency", *names, "portability", "note"]
    cells = []
    for p in portable:
        value = "unknown" if p.value is None else f"{p.value:.0%}"
        machines = [efficiency_text(p.efficiency.get(name)) for name in names]
        cells.append([p.problem, p.backend, p.metric, p.kind, *machines, value, p.why or ""])
    return heads, cells


def efficiency_text(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def flat(problem: Problem, entry: Entry) -> dict[str, Any]:
    """One entry as plain numbers, units in the names, for CSV and JSON."""
    row: dict[str, Any] = {
        "machine": problem.machine,
        "hostname": problem.hostname,
        "kernel": problem.kernel,
        "size": problem.size,
        "shape": "x".join(map(str, problem.shape)),
        "dtype": problem.dtype,
        "params": " ".join(f"{k}={v}" for k, v in problem.params),
    }
    for column in COLUMNS:
        row |= column.plain(entry)
    return row


def as_csv(problems: Sequence[Problem]) -> str:
    data = [flat(p, e) for p in problems for e in p.entries]
    return csv_text(data)


def csv_text(data: Sequence[dict[str, Any]]) -> str:
    """Rows of the same keys as CSV (RFC 4180) with a heading; empty cells for None."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in data for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(data)
    return out.getvalue()


def as_json(problems: Sequence[Problem], portable: Sequence[Portability]) -> str:
    data = {
        "schema": "joulia-compare/1",
        "problems": [
            {
                "title": p.title,
                "machine": p.machine,
                "entries": [flat(p, e) for e in p.entries],
                "absent": [
                    {
                        "backend": a.backend,
                        "ranks": a.case.ranks,
                        "threads": a.case.threads,
                        "wait": a.case.wait,
                        "status": a.status,
                        "reason": a.reason,
                    }
                    for a in p.absent
                ],
            }
            for p in problems
        ],
        "portability": [vars(p) for p in portable],
    }
    return json.dumps(data, indent=1) + "\n"


def show(problems: Sequence[Problem], portable: Sequence[Portability]) -> None:
    """Print one table a problem to the terminal."""
    out = console()
    several = len({p.machine for p in problems}) > 1
    for problem in problems:
        out.print(
            problem.title + (f" on {problem.hostname}" if several else ""),
            style="bold",
            markup=False,
        )
        if problem.entries:
            draw(out, grid(problem))
        for line in notes(problem):
            out.print(f"  {line}", markup=False)
        out.print()
    if portable:
        out.print("Performance portability", style="bold")
        draw(out, portability_grid(portable))
        for p in portable:
            if p.why:
                out.print(f"  {p.problem}, {p.backend}: {p.why}", markup=False)
    for line in (*skipped(problems), *no_joules(problems), LEGEND):
        out.print(line, markup=False)


def grid(problem: Problem) -> terminal.Grid:
    """A problem's table for a terminal."""
    drops = [terminal.Column(c.title, c.drop) for c in columns(problem.entries)]
    _, cells = rows(problem)
    backend = terminal.Column("backend", right=False, least=24)
    return terminal.Grid([backend, *drops[1:]], cells, ALL)


def portability_grid(portable: Sequence[Portability]) -> terminal.Grid:
    """The same for portability: its notes have lines of their own."""
    heads, cells = portability_rows(portable)
    fixed = (
        terminal.Column("problem", right=False, least=14),
        terminal.Column("backend", right=False, least=14),
        terminal.Column("metric", right=False),
        terminal.Column("efficiency", right=False),
    )
    machines = [terminal.Column(name, drop=1) for name in heads[len(fixed) : -2]]
    figures = [row[:-1] for row in cells]
    return terminal.Grid([*fixed, *machines, terminal.Column("portability")], figures, ALL)
