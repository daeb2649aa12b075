"""The page: records in, one HTML file out."""

from __future__ import annotations

import contextlib
import datetime
import math
import shlex
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.analysis import advice, columns, conditions, portability, tables
from joulia.analysis.compare import Problem, comparisons
from joulia.analysis.labels import chosen, defaults
from joulia.analysis.unmetered import unmetered
from joulia.case import Settings
from joulia.errors import JouliaError
from joulia.records.record import Record
from joulia.report import charts, effort, figures, frontier_plots, summary
from joulia.report.figures import Plot, Series
from joulia.runner import arguments
from joulia.version import version

SYMBOLS = {"valid": "✓", "invalid": "✗", "failed": "✗", "skipped": "–"}
MATRIX_ROWS = 60
REASONS = 40


def build(
    records: Sequence[Record],
    *,
    baseline: str | None = None,
    now: datetime.datetime | None = None,
    archived: bool = False,
) -> str:
    """The report as HTML; `now` is the time of writing that it names, the present by default.

    Records of `joulia frontier` have their own section and stand in no comparison. An `archived`
    report names the time of its last record instead: the same records give the same bytes.
    """
    steady = [r for r in records if r.settings.until is None]
    problems = comparisons(steady, baseline)
    portable = portability.portability(problems, steady)
    series = Series(r.case.backend for r in records)
    advices = [advice.advise(p) for p in advice.main_problems(problems)]
    moment = now or datetime.datetime.now(datetime.UTC)
    written = f"Written {moment:%Y-%m-%d %H:%M} UTC"
    if archived:
        written = f"Of records until {max(r.started_at for r in records)}, written"
    drawn = sections(problems, series, records)
    context = {
        "version": version(),
        "written": written,
        "several": figures.several_machines(problems),
        "counts": counts(records),
        "advices": advices,
        "matrix": matrix(problems),
        "reasons": reasons(records),
        "conditions": conditions.notes(records),
        "sections": [s for s in drawn if s["plots"]],
        "missing": missing(records, drawn),
        "without": summary.without_figures(records),
        "prices": summary.prices(advices),
        "hollow": HOLLOW,
        "metered": any(e.energy for a in advices for e in a.problem.entries),
        "tuned": (effort.HEADS, effort.bought(problems)),
        "fronts": frontier_plots.words(records),
        "table": table(problems),
        "portable": tables.portability_rows(portable) if portable else None,
        "machines": machines(records),
        "software": software(records),
        "commands": commands(records),
        "legend": tables.LEGEND,
        "symbols": SYMBOLS,
        "shapes": lambda i: charts.shape(i, 0.0, 0.0),
        "style": text("style.css"),
        "script": text("script.js"),
    }
    return str(template().render(context))


def write(path: Path, html: str) -> None:
    """Whole or not at all. JouliaError where the file cannot be written."""
    write_whole(path, html.encode())


def write_whole(path: Path, data: bytes) -> None:
    """The same of any file."""
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None


def text(name: str) -> str:
    return (resources.files("joulia.report") / name).read_text(encoding="utf-8")


def template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.DictLoader({"page": text("page.html.j2")}),
    )
    return environment.get_template("page")


def counts(records: Sequence[Record]) -> dict[str, int]:
    """Cases by status."""
    by_status = dict.fromkeys(SYMBOLS, 0)
    for record in records:
        by_status[record.status] += 1
    return by_status


def matrix(problems: Sequence[Problem]) -> dict[str, Any]:
    """Problems by backends: in each cell the best status, and how many cases have which."""
    every = [e.backend for p in problems for e in p.entries]
    every += [a.backend for p in problems for a in p.absent]
    order = {name: i for i, name in enumerate(registry.backends())}
    backends = sorted(dict.fromkeys(every), key=lambda b: (order.get(b, 99), b))
    rows = []
    for problem in problems[:MATRIX_ROWS]:
        cells = []
        for backend in backends:
            statuses = ["valid" for e in problem.entries if e.backend == backend]
            absent = [a for a in problem.absent if a.backend == backend]
            statuses += [a.status for a in absent]
            status = next((s for s in SYMBOLS if s in statuses), "")
            cells.append({"status": status, "why": "; ".join(map(tables.absent_text, absent))})
        rows.append({"title": problem.title, "host": problem.hostname, "cells": cells})
    return {"backends": backends, "rows": rows, "more": max(0, len(problems) - MATRIX_ROWS)}


def reasons(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Why cases have no figure: status, reason, what it concerns; the commonest first."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status != "valid":
            why = record.reasons[0] if record.reasons else "no reason given"
            groups.setdefault((record.status, why), []).append(record)
    rows = []
    for (status, why), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        rows.append(
            {
                "status": status,
                "why": why,
                "count": len(group),
                "backends": ", ".join(sorted({r.case.backend for r in group})),
                "kernels": ", ".join(sorted({r.case.kernel for r in group})),
                "stderr": next(("\n".join(r.stderr) for r in group if r.stderr), ""),
            }
        )
    return rows[:REASONS]


def sections(
    problems: Sequence[Problem],
    series: Series,
    records: Sequence[Record],
) -> list[dict[str, Any]]:
    """Headings with their charts, or with the sentence that says why there is none."""
    nothing = "No case has a valid time."
    alone = "No backend ran one problem on different numbers of cores (--ranks, --threads)."
    unbounded = "No bandwidth ceiling was measured beside the kernels (a medium stream triad)."
    modelled = figures.energy_against_time(problems, series, modelled=True)
    energy = figures.costs(problems, series, "energy")
    energy_time = figures.energy_against_time(problems, series, modelled=False)
    headings = [
        section("time", "Time", figures.costs(problems, series, "time"), nothing),
        section("energy", "Energy", energy),
        section("energy-time", "Energy against time", energy_time),
    ]
    if modelled:
        headings.append(section("energy-model", "Energy, modelled (≈)", modelled))
    lines = [p for metric in ("time", "energy") for p in effort.plots(problems, series, metric)]
    headings.append(section("effort", "Lines of code", lines, UNCOUNTED))
    diagrams = frontier_plots.plots(records, series)
    if diagrams and not problems:
        return [section("frontier", "Accuracy against cost", diagrams)]
    headings += [
        section("roofline", "Roofline", figures.roofline(problems, series), unbounded),
        section("startup", "Start-up", figures.startup(problems), nothing),
        section("scaling", "Scaling", figures.scaling(problems, series), alone),
        section("frontier", "Accuracy against cost", diagrams, NO_FRONTIER),
    ]
    return headings


HOLLOW = ("time", "energy", "energy-time", "effort-time", "effort-energy", "roofline", "scaling")
"""The kinds of charts in which a hollow mark is a plainer source."""
NO_FRONTIER = (
    "Accuracy against cost was not measured: `joulia frontier KERNEL -o FILE` measures it; give "
    "FILE to `joulia report` too."
)
UNCOUNTED = "No problem was measured in two sources whose lines of code are counted."


def section(name: str, title: str, plots: Sequence[Plot], why: str = "") -> dict[str, Any]:
    """`why` says why there are no plots, where nothing else does."""
    return {"id": name, "title": title, "plots": plots, "why": why}


def missing(records: Sequence[Record], drawn: Sequence[dict[str, Any]]) -> list[str]:
    """What was not measured, each once for the whole page."""
    lines = [f"{line}." for line in unmetered(records)]
    return list(dict.fromkeys(lines + [s["why"] for s in drawn if not s["plots"] and s["why"]]))


def table(problems: Sequence[Problem]) -> dict[str, Any]:
    """All figures: heads, and rows of (shown, sorted by) pairs."""
    every = [e for p in problems for e in p.entries]
    shown = columns.columns(every)
    several = figures.several_machines(problems)
    heads = (["machine"] if several else []) + ["kernel", "shape", "dtype"]
    rows = []
    for problem in problems:
        name = problem.kernel + " ".join(["", *chosen(problem.kernel, problem.params)])
        where: list[tuple[str, float | str]] = [(problem.hostname, problem.hostname)] * several
        shape = "x".join(map(str, problem.shape))
        where += [(name, name), (shape, math.prod(problem.shape))]
        where.append((problem.dtype, problem.dtype))
        for e in problem.entries:
            cells = [*where, *((column.cell(e), column.by(e)) for column in shown)]
            rows.append([(text, key(by)) for text, by in cells])
    return {"heads": heads + [column.title for column in shown], "rows": rows}


def key(by: float | str) -> str:
    """What a cell is sorted by, short."""
    return f"{by:.4g}" if isinstance(by, float) else str(by)


def machines(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What each machine says about itself, and when it measured."""
    by_machine: dict[str, dict[str, Any]] = {}
    for record in records:
        facts = by_machine.setdefault(record.machine.id, {"facts": record.machine, "times": []})
        facts["times"].append(record.started_at)
    return [
        {
            "label": facts["facts"].label,
            "facts": {k: size(k, v) for k, v in vars(facts["facts"]).items() if is_plain(v)},
            "first": min(facts["times"]),
            "last": max(facts["times"]),
        }
        for facts in by_machine.values()
    ]


def is_plain(given: Any) -> bool:
    return isinstance(given, str | int | float)


def size(name: str, given: Any) -> Any:
    """Bytes in binary units; everything else as it is."""
    if not name.endswith("_bytes") or not isinstance(given, int | float):
        return given
    return f"{given / 2**30:.1f} GiB" if given >= 2**30 else f"{given / 2**20:.1f} MiB"


def software(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Every version and commit that took part."""
    by_name: dict[str, dict[str, None]] = {}
    for record in records:
        for name, release in {**record.software, "commit": record.commit}.items():
            if release is not None and name != "code":
                by_name.setdefault(name, {})[str(release)] = None
    return [(name, ", ".join(versions)) for name, versions in sorted(by_name.items())]


def commands(records: Sequence[Record]) -> list[str]:
    """Command lines that measure the same again, one a kernel and setting."""
    groups: dict[tuple[str, Settings], list[Record]] = {}
    for record in records:
        groups.setdefault((record.case.kernel, record.settings), []).append(record)
    lines = []
    for (kernel, settings), group in groups.items():
        command = "run"
        varying = varied(kernel, group)
        what = arguments.of_cases([record.case for record in group])
        if settings.until:  # a frontier fits the time step itself, and runs on one rank
            command = "frontier"
            varying = {name: v for name, v in varying.items() if name not in ("cfl", "dt")}
            at = what.index("--ranks")
            what = what[:at] + what[at + 2 :]
        parts = [*what, *arguments.of_params(varying), *arguments.of_settings(settings)]
        lines.append(shlex.join(["joulia", command, *parts]))
    return lines


def varied(kernel: str, records: Sequence[Record]) -> dict[str, list[str]]:
    """Parameters that are not at their default, with all values."""
    known = defaults(kernel)
    values: dict[str, dict[str, None]] = {}
    for record in records:
        for name, given in record.case.params:
            values.setdefault(name, {})[str(given)] = None
    return {
        name: list(given) for name, given in values.items() if list(given) != [str(known.get(name))]
    }
