"""Records as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from joulia import registry
from joulia.analysis import conditions
from joulia.analysis.labels import backend, label, shape
from joulia.analysis.terminal import Cell, Column, Grid, console, draw
from joulia.analysis.units import quantity, seconds, spread
from joulia.analysis.unmetered import unmetered
from joulia.case import Case, Place, count_of
from joulia.records.parts import Energy, Feed, Rates
from joulia.records.record import Record
from joulia.system.machine import Machine

COLOURS = {"valid": "green", "invalid": "red", "failed": "red", "skipped": "yellow"}


VERDICT = Column("verdict", right=False)
CASE = (
    Column("kernel", right=False, least=20),
    Column("backend", right=False, least=14),
    Column("shape", drop=9),
    Column("dtype", drop=7, right=False),
    Column("ranks x threads", drop=8),
)
"""What tells a case from another; `case_cells` fills them."""
COLUMNS = (
    VERDICT,
    *CASE,
    Column("time/step"),
    Column("95 % interval", drop=3),
    Column("updates/s", drop=1),
    Column("bytes/s", drop=2),
    Column("of bound", drop=4),
    Column("J/step", drop=6),
    Column("≈ J/step", drop=5),
)
"""`drop` is the order in which columns go where a terminal is narrow: docs/reading-a-result.md."""


def table(records: Sequence[Record]) -> Grid:
    """One row a record: verdict, case, time with its interval, rates, fraction of bound, energy.

    What was skipped has no row: `notes` tells of it, and why a case is not valid.
    """
    return Grid(COLUMNS, [row(r) for r in measured_or_failed(records)], "`joulia export`")


def case_cells(case: Case, kernel: str) -> list[Cell]:
    """A case under the columns of `CASE`; the kernel with what of its parameters matters."""
    where = f"{case.ranks} x {case.threads}{case.waiting}"
    return [kernel, backend(case), shape(case), case.dtype, where]


def status(record: Record) -> Text:
    return Text(record.status, style=COLOURS[record.status])


def measured_or_failed(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.status != "skipped"]


def skips(records: Sequence[Record]) -> list[str]:
    """What was skipped: a line a reason, with the backends and the number of their cases."""
    skipped = [record for record in records if record.status == "skipped"]
    return by_reason([(record.reasons[0], record.case.backend) for record in skipped])


def by_reason(skipped: Sequence[tuple[str, str]]) -> list[str]:
    """A line a reason, from the reason and the backend of each case."""
    backends_of: dict[str, list[str]] = {}
    for reason, name in skipped:
        backends_of.setdefault(reason, []).append(name)
    return [
        f"skipped: {', '.join(dict.fromkeys(backends))} "
        f"({len(backends)} case{'s' if len(backends) > 1 else ''}): {reason}"
        for reason, backends in backends_of.items()
    ]


def not_valid(records: Sequence[Record]) -> list[str]:
    """Why a case with a row has no figures, or figures to be careful with: a line a case."""
    return [
        f"{record.status}: {label(record.case)}: {'; '.join(record.reasons)}"
        for record in measured_or_failed(records)
        if record.reasons
    ]


def row(record: Record) -> list[Cell]:
    """A record under `COLUMNS`."""
    known = registry.kernels().get(record.case.kernel)
    kernel = known.kernel.label(record.case) if known else record.case.kernel
    where = [status(record), *case_cells(record.case, kernel)]
    if record.status != "valid" or not record.time or not record.rates:
        return [*where, *[""] * (len(COLUMNS) - len(where))]
    median, interval = record.time.median, record.time.ci95
    return [
        *where,
        seconds(median),
        spread(median, interval),
        quantity(record.rates.updates_per_s, ""),
        quantity(record.rates.bytes_per_s, "B/s"),
        of_bound(record.rates),
        measured(record),
        estimated(record),
    ]


def of_bound(rates: Rates) -> str:
    """The fraction of the bound; above 100 % with its cause: a cache, or a defect (`!`)."""
    fraction = rates.fraction_of_bound
    if fraction is None:
        return ""
    if fraction <= 1.0:
        return f"{fraction:.0%}"
    of_bytes = rates.ceiling_bytes_per_s and rates.bytes_per_s >= rates.ceiling_bytes_per_s
    of_flops = rates.ceiling_flops_per_s and rates.flops_per_s > rates.ceiling_flops_per_s
    return f"{fraction:.0%} {'cache' if of_bytes and not of_flops else '!'}"


def measured(record: Record) -> str:
    """Joules with half the width of their 95 % interval; "none" where nothing was measured."""
    energy = record.energy
    if not energy:
        return "none"
    doubt = " !" if energy.flags else ""
    return f"{quantity(energy.median, 'J')} ±{energy.uncertainty_rel:.0%}{doubt}"


def estimated(record: Record) -> str:
    """The estimate with its range, marked as one."""
    estimate = record.energy_estimate
    if not estimate:
        return ""
    low, middle, high = (
        quantity(joules, "J") for joules in (estimate.low, estimate.median, estimate.high)
    )
    return f"≈ {middle} ({low} to {high})"


def notes(records: Sequence[Record]) -> list[str]:
    """What the table leaves out: reasons, why there are no joules, what bounds the fractions."""
    without = unmetered(records)
    lines = not_valid(records) + skips(records) + without
    if any(r.settings.joules and r.energy is None and r.status == "valid" for r in records):
        lines.append("How to get joules: `joulia doctor` names the remedy for each meter")
    lines += energy_notes(records)
    lines += [f"{label(r.case)}: {fed(r.feed, r.machine)}" for r in records if r.feed]
    lines += conditions.notes(records)
    lines += sharing(records)
    lines += bounds(records)
    lines += other_code(records)
    for record in records:
        if record.stderr:
            lines.append(f"{label(record.case)}: last lines of stderr:")
            lines += [f"    {line}" for line in record.stderr]
    return lines


def other_code(records: Sequence[Record]) -> list[str]:
    """What differs between records of one case that did not run the same code."""
    by_case: dict[tuple[str, Case], list[dict[str, str]]] = {}
    for record in records:
        if record.toolchain:
            by_case.setdefault((record.machine.id, record.case), []).append(record.toolchain)
    lines = []
    for (_, case), toolchains in by_case.items():
        names = sorted({name for toolchain in toolchains for name in toolchain})
        values = {name: dict.fromkeys(v.get(name, "not set") for v in toolchains) for name in names}
        differing = [f"{k} {' and '.join(v)}" for k, v in values.items() if len(v) > 1]
        if differing:
            lines.append(f"{label(case)}: measured with different code: {'; '.join(differing)}")
    return lines


def energy_notes(records: Sequence[Record]) -> list[str]:
    """Joules spent waiting, what makes joules doubtful, what an estimate is, CO2e."""
    lines = []
    for record in records:
        if record.energy:
            lines += [f"{label(record.case)}: {note}" for note in waste(record.energy)]
            lines += [f"! {label(record.case)}: {flag}" for flag in record.energy.flags]
        for mark, part in (("", record.energy), ("≈ ", record.energy_estimate)):
            if part and (note := part.carbon):
                year = f", {note.year}" if note.year else ""
                lines.append(
                    f"{label(record.case)}: {mark}{quantity(note.median, 'g')} CO2e a step at "
                    f"{note.g_per_kwh:g} g/kWh ({note.site or 'grid'}: {note.source}{year})"
                )
    titles = {
        r.energy_estimate.profile: r.energy_estimate.title for r in records if r.energy_estimate
    }
    for profile, title in sorted(titles.items()):
        lines.append(
            f"≈ is not measured: energy-roofline estimate with the profile {profile} ({title}), "
            "from time, bytes and flops"
        )
    return lines


def waste(energy: Energy) -> list[str]:
    """Joules that went while a GPU did nothing, and while ranks waited for others."""
    lines = []
    for uuid, device in energy.devices.items():
        if device.idle_share >= 0.01:
            idle = "" if device.idle is None else f", {quantity(device.idle, 'J')} a step"
            lines.append(
                f"{uuid} did nothing for {device.idle_share:.0%} of the time "
                f"(by its {device.told_by}){idle}"
            )
    if energy.waiting.share >= 0.01:
        lines.append(
            f"{energy.waiting.share:.0%} of the joules were spent waiting "
            f"(exchange and imbalance), {quantity(energy.waiting.waiting, 'J')} a step"
        )
    return lines


def fed(feed: Feed, machine: Machine) -> str:
    """How the input of a step came from a file, and what waiting for it took."""
    joules = "" if feed.idle is None else f", {quantity(feed.idle, 'J')} a step"
    line = (
        f"the device idled for its input {feed.idle_share:.0%} of the time{joules}; "
        f"{quantity(float(feed.bytes), 'B')} a step, read at "
        f"{quantity(feed.read_bytes_per_s, 'B/s')}"
    )
    if 0 < feed.file_bytes < machine.memory_bytes:
        size = quantity(float(feed.file_bytes), "B")
        line += f" from a file of {size}, which lies in memory: no disk's rate"
    return line


def sharing(records: Sequence[Record]) -> list[str]:
    """The cases whose ranks share a GPU."""
    return [
        f"{label(record.case)}: {len(gpu.ranks)} ranks share {gpu.name} {gpu.uuid}"
        for record in records
        for gpu in (record.parallel.gpus if record.parallel else ())
        if len(gpu.ranks) > 1
    ]


def bounds(records: Sequence[Record]) -> list[str]:
    """The ceilings that the fractions are held against, a line each."""
    bandwidth: dict[tuple[Place, int], float] = {}
    peak: dict[tuple[Place, str], float] = {}
    for record in records:
        rates, case = record.rates, record.case
        if not rates or rates.fraction_of_bound is None:
            continue
        if ceiling := rates.ceiling_bytes_per_s:
            level = case.place, rates.ceiling_footprint_bytes or 0
            bandwidth[level] = max(bandwidth.get(level, 0.0), ceiling)
        if ceiling := rates.ceiling_flops_per_s:
            key = case.place, case.dtype
            peak[key] = max(peak.get(key, 0.0), ceiling)
    lines = [
        f"Bound for {count_of(place)}: the best triad of the run"
        f"{f' over {held / 1e6:.0f} MB' if held else ''}, "
        f"{value / 1e9:.2f} GB/s, 24 B an element, without write-allocate"
        for (place, held), value in sorted(bandwidth.items())
    ]
    lines += [
        f"Compute bound for {count_of(place)}: the run's best rate of "
        f"fused multiply-adds in {dtype}, {value / 1e9:.2f} Gflop/s"
        for (place, dtype), value in sorted(peak.items())
    ]
    if any(r.rates and (r.rates.fraction_of_bound or 0.0) > 1.0 for r in records):
        lines.append(
            "Above 100 % of a bound: `cache` where a cache served bytes that the triad took from "
            "further away; `!` where the bound was measured too low (another program ran): "
            "measure again"
        )
    return lines


def show(records: Sequence[Record]) -> None:
    out = console()
    if measured_or_failed(records):
        draw(out, table(records))
    for line in notes(records):
        out.print(line, markup=False)
