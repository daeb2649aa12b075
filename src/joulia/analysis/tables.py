"""Comparisons as rows: for the terminal, Markdown, CSV and JSON, each from the same columns."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joulia.analysis.break_even import BreakEven
from joulia.analysis.compare import Absent, Difference, Entry, Problem
from joulia.analysis.figure import Figure
from joulia.analysis.portability import Portability
from joulia.analysis.units import quantity

SURE = {"better": "", "worse": "", "no clear difference": " =", "too few repeats": " ?"}
LEGEND = (
    "± is half the 95 % interval of the median. Ratios are baseline / backend (above 1 is better); "
    "in brackets their 95 % interval; = no clear difference (rank sum test, p > 0.05 after Holm, "
    "or below 2 %), ? too few repeats to tell."
)


@dataclass(frozen=True)
class Column:
    """A column of a comparison: its heading, and what it has of an entry.

    `cell` is the text, `by` what the page sorts by, `plain` the values of CSV and JSON by name.
    `when` says of all entries of a table whether there is anything to show.
    """

    title: str
    cell: Callable[[Entry], str]
    by: Callable[[Entry], float | str]
    plain: Callable[[Entry], dict[str, Any]]
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True


def metered(entries: Sequence[Entry]) -> bool:
    return any(e.energy for e in entries)


def of_figure(
    title: str,
    name: str,
    pick: Callable[[Entry], Figure | None],
    text: Callable[[Figure | None], str],
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """A figure with its interval."""
    return Column(
        title,
        lambda e: text(pick(e)),
        lambda e: sorting(pick(e)),
        lambda e: spread_out(name, pick(e)),
        when,
    )


def of_difference(
    title: str,
    name: str,
    pick: Callable[[Entry], Difference | None],
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """How many times better than the baseline."""

    def plain(e: Entry) -> dict[str, Any]:
        found = pick(e)
        return {
            **spread_out(f"{name}_ratio", found.ratio if found else None),
            f"{name}_p": found.p if found else None,
            f"{name}_verdict": found.verdict if found else None,
        }

    return Column(
        title,
        lambda e: factor(pick(e)),
        lambda e: sorting(found.ratio if (found := pick(e)) else None),
        plain,
        when,
    )


def of_break_even(
    title: str,
    name: str,
    pick: Callable[[Entry], BreakEven | None],
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """After how many steps the start has paid off."""

    def plain(e: Entry) -> dict[str, Any]:
        found = pick(e)
        told = {f"{name}_break_even": found.kind if found else None}
        return told | spread_out(f"{name}_break_even_steps", found.steps if found else None)

    return Column(title, lambda e: pays_off(pick(e)), lambda e: crossing(pick(e)), plain, when)


COLUMNS = (
    Column(
        "backend",
        lambda e: e.label + (" (baseline)" if e.is_baseline else ""),
        lambda e: e.label,
        lambda e: {
            "backend": e.backend,
            "ranks": e.record.case.ranks,
            "threads": e.record.case.threads,
            "baseline": e.is_baseline,
        },
    ),
    of_figure(
        "time/step", "time_s_per_step", lambda e: e.time, lambda f: with_error(f, "s")
    ),
    of_difference("times as fast", "time", lambda e: e.time_difference),
    of_figure(
        "of bound", "fraction_of_bound", lambda e: e.fraction, lambda f: percent(f),
        lambda entries: any(e.fraction for e in entries),
    ),
    of_figure(
        "J/step", "energy_j_per_step", lambda e: e.energy, lambda f: with_error(f, "J"), metered
    ),
    of_difference("times less J", "energy", lambda e: e.energy_difference, metered),
    of_figure("power", "power_w", lambda e: e.power, lambda f: with_error(f, "W"), metered),
    of_figure(
        "J s", "energy_delay_j_s", lambda e: e.delay_product,
        lambda f: with_error(f, "J s"), metered,
    ),
    of_figure(
        "updates/J", "updates_per_joule", lambda e: e.updates_per_joule,
        lambda f: with_error(f, ""), metered,
    ),
    of_figure(
        "≈ J/step (modelled)", "estimate_j_per_step", lambda e: e.estimate,
        lambda f: estimated(f), lambda entries: any(e.estimate for e in entries),
    ),
    Column(
        "start-up",
        lambda e: startup(e),
        lambda e: e.startup,
        lambda e: {"startup_s": e.startup, "cold_startup_s": e.cold_startup},
    ),
    of_break_even("pays off in time after", "time", lambda e: e.break_even_time),
    of_break_even("pays off in J after", "energy", lambda e: e.break_even_energy, metered),
)  # fmt: skip
"""All that a comparison tells of an entry: the one list behind table, Markdown, CSV and page."""


def columns(entries: Sequence[Entry]) -> list[Column]:
    """Those with something to show; estimates have one of their own."""
    return [column for column in COLUMNS if column.when(entries)]


def sorting(figure: Figure | None) -> float | str:
    return "" if figure is None else float(figure.value)


def crossing(found: BreakEven | None) -> float | str:
    if found is None:
        return ""
    if found.steps is not None:
        return float(found.steps.value)
    return 0.0 if found.kind == "always" else 1e300


def rows(problem: Problem) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a problem's table."""
    shown = columns(problem.entries)
    return [c.title for c in shown], [[c.cell(e) for c in shown] for e in problem.entries]


def with_error(figure: Figure | None, unit: str) -> str:
    if figure is None:
        return ""
    text = quantity(figure.value, unit).strip()
    if figure.low is None or figure.high is None or not figure.value:
        return text
    error = (figure.high - figure.low) / 2.0 / abs(figure.value)
    return f"{text} ±{short(error * 100)} %"


def short(value: float) -> str:
    """Two significant digits, no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"


def factor(difference: Difference | None) -> str:
    if difference is None:
        return ""
    ratio = difference.ratio
    interval = ""
    if ratio.low is not None and ratio.high is not None:
        interval = f" [{digits(ratio.low)}, {digits(ratio.high)}]"
    return f"{digits(ratio.value)}{interval}{SURE[difference.verdict]}"


def digits(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def percent(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.value:.0%}"


def estimated(figure: Figure | None) -> str:
    if figure is None:
        return ""
    text = f"≈ {quantity(figure.value, 'J')}"
    if figure.low is not None and figure.high is not None:
        text += f" ({quantity(figure.low, 'J')} to {quantity(figure.high, 'J')})"
    return text


def startup(one: Entry) -> str:
    cold = f" (cold {quantity(one.cold_startup, 's')})" if one.cold_startup is not None else ""
    return quantity(one.startup, "s") + cold


def pays_off(found: BreakEven | None) -> str:
    """Steps until the backend has used less than the baseline, start-up included."""
    if found is None:
        return ""
    if found.steps is None:
        return found.kind
    low, high = found.steps.low, found.steps.high
    interval = ""
    if low is not None and high is not None:
        interval = f" [{steps(low)}, {steps(high)}]"
    return f"{found.kind} {steps(found.steps.value)}{interval} steps"


def steps(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{math.ceil(value):,}".replace(",", "\u202f") if value < 1e7 else f"{value:.1e}"


def absent_text(absent: Absent) -> str:
    where = f"{absent.case.ranks} x {absent.case.threads}"
    return f"{absent.backend} ({where}) {absent.status}: {absent.reason}"


def notes(problem: Problem) -> list[str]:
    """What a reader must know beside the table: who has no figure, mixed meters, reruns."""
    lines = [absent_text(a) for a in problem.absent]
    if len(problem.sources) > 1:
        lines.append(f"joules from different kinds of meters: {', '.join(problem.sources)}")
    reasons = {e.record.energy_reason for e in problem.entries if e.record.energy_reason}
    lines += [f"no joules: {reason}" for reason in sorted(r for r in reasons if r)]
    lines += [
        f"{e.label}: runs of the same case differ by {e.spread:.1%}; smaller differences are not "
        "called any"
        for e in problem.entries
        if e.spread > 0.0
    ]
    return lines


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
    return "\n".join(parts) + "\n" + LEGEND + "\n"


def markdown_table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(v.replace("|", "\\|") for v in values) + " |"

    aligned = ["---", *("---:" for _ in heads[1:])]
    return "\n".join([line(heads), line(aligned), *map(line, cells)]) + "\n"


def portability_rows(found: Sequence[Portability]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for p in found for name in p.efficiency))
    heads = ["problem", "backend", "metric", "efficiency", *names, "portability", "note"]
    cells = []
    for p in found:
        value = "unknown" if p.value is None else f"{p.value:.0%}"
        machines = [efficiency_text(p.efficiency.get(name)) for name in names]
        cells.append([p.problem, p.backend, p.metric, p.kind, *machines, value, p.why or ""])
    return heads, cells


def efficiency_text(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def flat(problem: Problem, one: Entry) -> dict[str, Any]:
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
        row |= column.plain(one)
    return row


def spread_out(name: str, figure: Figure | None) -> dict[str, float | None]:
    """value, _low and _high of a figure; None also for infinity, which JSON cannot hold."""
    values = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    finite = [v if v is not None and math.isfinite(v) else None for v in values]
    return dict(zip((name, f"{name}_low", f"{name}_high"), finite, strict=True))


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
    from joulia.analysis.terminal import console

    out = console()
    if not out.is_terminal:
        out.width = 400  # a file or a pipe: rows stay whole, however many columns
    several = len({p.machine for p in problems}) > 1
    for problem in problems:
        out.print(
            problem.title + (f" on {problem.hostname}" if several else ""),
            style="bold",
            markup=False,
        )
        if problem.entries:
            out.print(rich_table(*rows(problem)))
        for line in notes(problem):
            out.print(f"  {line}", markup=False)
        out.print()
    if portable:
        out.print("Performance portability", style="bold")
        out.print(rich_table(*portability_rows(portable)))
    out.print(LEGEND, markup=False)


def rich_table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    view = Table(box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(heads):
        view.add_column(name, justify="right" if i else "left", overflow="fold")
    for row in cells:
        view.add_row(*map(Text, row))
    return view
