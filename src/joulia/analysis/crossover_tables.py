"""Crossovers as a table, lines, Markdown, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from joulia.analysis.columns import spread_out
from joulia.analysis.compare import Problem
from joulia.analysis.crossover import Crossing, Pair
from joulia.analysis.labels import chosen
from joulia.analysis.tables import csv_text, markdown_table, no_joules
from joulia.analysis.terminal import Column, Grid, console, draw
from joulia.analysis.uncertain import Uncertain
from joulia.analysis.units import quantity
from joulia.case import Shape

LEGEND = (
    "Costs of a step, start-up aside; joules are measured ones. In brackets the 95 % interval, "
    "from the ratio's; between two measured sizes the ratio is interpolated in logarithms. "
    "Nothing is said beyond the sizes that were measured."
)
COLUMNS = (
    Column("kernel", right=False, least=14),
    Column("cost", right=False),
    Column("less below", right=False, least=12),
    Column("less above", right=False, least=12),
    Column("cells"),
    Column("between", drop=1),
)


def name(problem: Problem) -> str:
    """What is computed, at whichever size."""
    return " ".join([problem.kernel, problem.dtype, *chosen(problem.kernel, problem.params)])


def shape_text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def cells_text(cells: Uncertain) -> str:
    ends = (cells.value, cells.low or cells.value, cells.high or cells.value)
    value, low, high = (quantity(end, "").strip() for end in ends)
    return f"{value} [{low}, {high}]"


def rows(pairs: Sequence[Pair]) -> list[list[str]]:
    """A row a crossing."""
    several = len({p.problem.machine for p in pairs}) > 1
    return [
        [
            name(pair.problem) + (f" on {pair.problem.hostname}" if several else ""),
            pair.metric,
            crossing.below,
            crossing.above,
            cells_text(crossing.cells),
            " and ".join(map(shape_text, crossing.between)),
        ]
        for pair in pairs
        for crossing in pair.crossings
    ]


def lines(pairs: Sequence[Pair]) -> list[str]:
    """Who is ahead at all sizes, in one line each, and who cannot be told apart."""
    several = len({p.problem.machine for p in pairs}) > 1
    listed: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.crossings:
            continue
        host = f" on {pair.problem.hostname}" if several else ""
        sizes = f"{shape_text(pair.shapes[0])} to {shape_text(pair.shapes[-1])}"
        where = f"{name(pair.problem)}{host}, {pair.metric}, {sizes}"
        if pair.ahead is None:
            listed.setdefault(f"{where}, {pair.reason}: ", []).append(" and ".join(pair.labels))
            continue
        every = pair.clear == len(pair.shapes)
        part = "" if every else f" (clearly less at {pair.clear} of {len(pair.shapes)} sizes)"
        verb = "needs less at every size than" if every else "never clearly needs more than"
        listed.setdefault(f"{where}: {pair.ahead} {verb} ", []).append(pair.behind + part)
    return [says + ", ".join(names) for says, names in listed.items()]


def show(pairs: Sequence[Pair], problems: Sequence[Problem]) -> None:
    """Print crossings as a table, and a line for each that stays ahead."""
    out = console()
    cells = rows(pairs)
    if cells:
        draw(out, Grid(COLUMNS, cells, "`--csv` or `--markdown`"))
    else:
        out.print(NO_CROSSING, markup=False)
    for line in (*lines(pairs), *no_joules(problems), LEGEND):
        out.print(line, markup=False)


NO_CROSSING = "No two costs cross within the sizes that were measured."


def markdown(pairs: Sequence[Pair], problems: Sequence[Problem]) -> str:
    cells = rows(pairs)
    table = markdown_table([c.title for c in COLUMNS], cells) if cells else NO_CROSSING + "\n"
    listed = [f"- {line}" for line in (*lines(pairs), *no_joules(problems))]
    return "\n".join(["### Over size\n", table, *listed, "", LEGEND]) + "\n"


def flat(pair: Pair, crossing: Crossing | None) -> dict[str, Any]:
    """A crossing, or a pair without one, as plain values."""
    outcome = "crosses" if crossing else pair.reason
    if pair.ahead:
        outcome = "ahead" if pair.clear == len(pair.shapes) else "never behind"
    below, above = crossing.between if crossing else (pair.shapes[0], pair.shapes[-1])
    return {
        "machine": pair.problem.machine,
        "hostname": pair.problem.hostname,
        "kernel": pair.problem.kernel,
        "dtype": pair.problem.dtype,
        "params": " ".join(f"{k}={v}" for k, v in pair.problem.params),
        "over": "size",
        "question": pair.question,
        "metric": pair.metric,
        "first": pair.labels[0],
        "second": pair.labels[1],
        "outcome": outcome,
        "less_below": crossing.below if crossing else pair.ahead,
        "less_above": crossing.above if crossing else pair.ahead,
        **spread_out("cells", crossing.cells if crossing else None),
        "from_shape": shape_text(below),
        "from_cells": math.prod(below),
        "to_shape": shape_text(above),
        "to_cells": math.prod(above),
        "sizes": len(pair.shapes),
        "clear_sizes": pair.clear,
    }


def every(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    return [flat(pair, crossing) for pair in pairs for crossing in pair.crossings or (None,)]


def as_csv(pairs: Sequence[Pair]) -> str:
    return csv_text(every(pairs))


def as_json(pairs: Sequence[Pair]) -> str:
    return json.dumps({"schema": "joulia-crossover/1", "crossovers": every(pairs)}, indent=1) + "\n"
