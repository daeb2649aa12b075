"""`joulia scale`: time and energy over ranks, in a table and a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.analysis.labels import label
from joulia.analysis.prediction import Prediction
from joulia.analysis.record_table import VERDICT, status
from joulia.analysis.terminal import Cell, Column, Grid
from joulia.analysis.units import quantity, seconds
from joulia.case import Case, Shape
from joulia.errors import JouliaError
from joulia.grid import decompose
from joulia.kernel import Kernel
from joulia.records.parts import Parallel
from joulia.records.record import Record


@dataclass(frozen=True)
class Point:
    """One number of ranks of one backend: efficiency against the fewest ranks, with its interval.

    `efficiency` and `interval` are None where the ranks exceed the cores, which would measure the
    scheduler and not the code.
    """

    record: Record
    efficiency: float | None
    interval: tuple[float, float] | None
    energy_ratio: float | None
    over: bool


def weak_shape(kernel: Kernel, base: Shape, ranks: int) -> Shape:
    """The grid that gives each of `ranks` ranks as many cells as `base` gives one."""
    widest = tuple(n * ranks for n in base)
    parts = decompose(widest, ranks, kernel.least(widest))
    return tuple(n * p for n, p in zip(base, parts, strict=True))


def points(records: Sequence[Record], *, weak: bool) -> list[Point]:
    """The points of every backend in `records`, in order; failed and skipped cases stay in.

    Strong: T(base) base / (T(n) n), where n counts cores. Weak: T(base) / T(n). The interval takes
    the worst and the best of both medians' intervals.
    """
    bases: dict[tuple[str, str], Record] = {}
    for record in records:
        if record.status == "valid":
            best = bases.get(curve(record))
            if best is None or record.case.cores < best.case.cores:
                bases[curve(record)] = record
    return [point(record, base_of(record, bases), weak=weak) for record in records]


def curve(record: Record) -> tuple[str, str]:
    """What the points of one curve share: the backend, and how threads and ranks wait."""
    return record.case.backend, record.case.wait


def base_of(record: Record, bases: Mapping[tuple[str, str], Record]) -> Record | None:
    """The base of a point's curve. One thread waits for nobody, and is the base of every curve."""
    alone = bases.get((record.case.backend, "default"))
    if alone is not None and alone.case.cores == 1:
        return alone
    return bases.get(curve(record))


def point(record: Record, base: Record | None, *, weak: bool) -> Point:
    over = oversubscribed(record)
    if record.status != "valid" or base is None or over:
        return Point(record, None, None, None, over)
    assert record.time is not None
    assert base.time is not None
    work = 1.0 if weak else base.case.cores / record.case.cores
    efficiency = base.time.median / record.time.median * work
    interval = None
    if base.time.ci95 and record.time.ci95:
        (b_low, b_high), (low, high) = base.time.ci95, record.time.ci95
        interval = (b_low / high * work, b_high / low * work)
    ratio = None
    if record.energy and base.energy:
        grown = record.case.ranks / base.case.ranks if weak else 1.0
        ratio = record.energy.median / base.energy.median / grown
    return Point(record, efficiency, interval, ratio, over)


def oversubscribed(record: Record) -> bool:
    """Whether threads took turns: on fewer hardware threads, or within a smaller CPU quota."""
    nodes = record.parallel.nodes if record.parallel else 1
    cores = record.machine.cores
    quota = record.conditions.quota_cores if record.conditions else None
    return record.case.cores > nodes * min(cores, math.ceil(quota or cores))


COLUMNS = (
    VERDICT,
    Column("backend", right=False, least=14),
    Column("ranks x threads"),
    Column("grid", drop=4),
    Column("parts", drop=3),
    Column("time/step"),
    Column("efficiency"),
    Column("95 % interval", drop=8),
    Column("exchange", drop=6),
    Column("predicted", drop=1),
    Column("packing", drop=2),
    Column("imbalance", drop=5),
    Column("energy ratio", drop=7),
)


def table(points: Sequence[Point]) -> Grid:
    """One row a point; `notes` says why one has no efficiency."""
    return Grid(COLUMNS, [row(p) for p in points])


def notes(points: Sequence[Point]) -> list[str]:
    """Why a point is not valid, or has no efficiency: a line each."""
    lines = []
    for p in points:
        why = list(p.record.reasons)
        if p.over:
            why.append("more threads than cores: no efficiency")
        if why:
            lines.append(f"{p.record.status}: {label(p.record.case)}: {'; '.join(why)}")
    return lines


def row(p: Point) -> list[Cell]:
    """A point under `COLUMNS`."""
    case, parallel = p.record.case, p.record.parallel
    shape = "x".join(map(str, case.shape))
    split = f"{case.ranks} x {case.threads}{case.waiting}"
    where: list[Cell] = [status(p.record), case.backend, split, shape]
    if p.record.time is None or parallel is None:
        return [*where, *[""] * (len(COLUMNS) - len(where))]
    step = p.record.time.median
    return [
        *where,
        "x".join(map(str, parallel.parts)),
        seconds(step),
        "" if p.efficiency is None else f"{p.efficiency:.0%}",
        "" if p.interval is None else f"{p.interval[0]:.0%} to {p.interval[1]:.0%}",
        f"{parallel.exchange_s / step:.1%}",
        ""
        if parallel.predicted_exchange_s is None
        else f"{parallel.predicted_exchange_s / step:.1%}",
        packing(parallel),
        f"{parallel.imbalance:.1%}",
        "none" if p.energy_ratio is None else f"{p.energy_ratio:.2f}",
    ]


def packing(parallel: Parallel) -> str:
    """The rate at which messages are packed and unpacked, and its fraction of the triad."""
    rate, fraction = parallel.packing_bytes_per_s, parallel.packing_of_triad
    if not rate:
        return ""
    return quantity(rate, "B/s") + (f" ({fraction:.0%})" if fraction is not None else "")


# ---- the plot ------------------------------------------------------------------------------


PICTURES = (".svg", ".pdf", ".png")


def pyplot(path: Path) -> Any:
    """matplotlib's pyplot. JouliaError where it is not here, or the file is no picture."""
    if path.suffix not in PICTURES:
        raise JouliaError(f"{path.name} is no picture. Allowed: {', '.join(PICTURES)}")
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        raise JouliaError(
            "--plot needs matplotlib. Allowed: pip install 'joulia[plot]' first"
        ) from None
    return plt


def plot(points: Sequence[Point], predicted: Sequence[Prediction], path: Path, title: str) -> None:
    """Efficiency over ranks with intervals, a line a backend and wait; the prediction dashed."""
    plt = pyplot(path)
    figure, axes = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
    for drawn in dict.fromkeys(curve(p.record) for p in points):
        on_curve = [p for p in points if curve(p.record) == drawn and p.efficiency is not None]
        x = [p.record.case.ranks for p in on_curve]
        y = [100.0 * (p.efficiency or 0.0) for p in on_curve]
        intervals = [p.interval or (p.efficiency or 0.0, p.efficiency or 0.0) for p in on_curve]
        errors = [
            [max(0.0, v - 100.0 * low) for v, (low, _) in zip(y, intervals, strict=True)],
            [max(0.0, 100.0 * high - v) for v, (_, high) in zip(y, intervals, strict=True)],
        ]
        backend, wait = drawn
        name = backend if wait == "default" else f"{backend} {wait}"
        axes.errorbar(x, y, yerr=errors, marker="o", capsize=3, label=name)
    if predicted:
        axes.plot(
            [p.ranks for p in predicted], [100.0 * p.efficiency for p in predicted],
            linestyle="--", color="0.4", label="predicted",
        )  # fmt: skip
    axes.axhline(100.0, color="0.8", linewidth=1.0, zorder=0)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="ranks", ylabel="parallel efficiency (%)", title=title, ylim=(0.0, None))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend()
    figure.savefig(path)
    plt.close(figure)


def heading(case: Case, *, weak: bool) -> str:
    return f"{case.kernel}, {'weak' if weak else 'strong'} scaling, {case.dtype}"
