"""Records as flat rows: CSV, Parquet, a pandas DataFrame, and what benchmark dashboards read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joulia.analysis.compare import startup_joules, startup_seconds
from joulia.analysis.tables import csv_text
from joulia.errors import JouliaError, suggest
from joulia.records.parts import Energy, Summary
from joulia.records.record import Record

FORMATS = ("csv", "parquet", "github-action-benchmark", "bencher")
INSTALL = "pip install 'joulia[pandas]'"


def row(record: Record) -> dict[str, Any]:
    """One record as plain values, units in the names; None where there is no value.

    Measured joules (`energy_*`) and modelled ones (`estimate_*`) have columns of their own.
    """
    case, time, energy, model = record.case, record.time, record.energy, record.energy_estimate
    rates, start, parallel = record.rates, record.startup, record.parallel
    low, high = time.ci95 if time and time.ci95 else (None, None)
    energy_low, energy_high = energy.ci95 if energy and energy.ci95 else (None, None)
    return {
        "id": record.id,
        "started_at": record.started_at,
        "status": record.status,
        "reason": "; ".join(record.reasons) or None,
        "kernel": case.kernel,
        "backend": case.backend,
        "size": case.size,
        "shape": "x".join(map(str, case.shape)),
        "dtype": case.dtype,
        "ranks": case.ranks,
        "threads": case.threads,
        "wait": case.wait,
        "params": " ".join(f"{k}={v}" for k, v in case.params),
        "power_limit_w": case.power_limit_w,
        "clock_mhz": case.clock_mhz,
        "source_lines": record.source_lines.total if record.source_lines else None,
        "time_s_per_step": time.median if time else None,
        "time_low_s_per_step": low,
        "time_high_s_per_step": high,
        "repeats": len(time.samples) if time else None,
        "energy_j_per_step": energy.median if energy else None,
        "energy_low_j_per_step": energy_low,
        "energy_high_j_per_step": energy_high,
        "energy_source": energy.source if energy else None,
        "energy_reason": record.energy_reason,
        "estimate_j_per_step": model.median if model else None,
        "estimate_low_j_per_step": model.low if model else None,
        "estimate_high_j_per_step": model.high if model else None,
        "estimate_profile": model.profile if model else None,
        "updates_per_s": rates.updates_per_s if rates else None,
        "bytes_per_s": rates.bytes_per_s if rates else None,
        "flops_per_s": rates.flops_per_s if rates else None,
        "fraction_of_bound": rates.fraction_of_bound if rates else None,
        "startup_s": startup_seconds(record) if start else None,
        "startup_j": joules.value if (joules := startup_joules(record)) else None,
        "import_s": start.import_s if start else None,
        "load_s": start.load_s if start else None,
        "first_call_s": start.first_call_s if start else None,
        "call_overhead_s": start.call_overhead_s if start else None,
        "cache": start.cache if start else None,
        "imbalance": parallel.imbalance if parallel else None,
        "verify_error": record.verify.error if record.verify else None,
        "solution_error": record.solution.error if record.solution else None,
        "hostname": record.machine.hostname,
        "machine": record.machine.id,
        "cpu": record.machine.cpu,
        "commit": record.commit,
        "joulia": record.software.get("joulia"),
    }


def frame(records: Sequence[Record]) -> Any:
    """A pandas DataFrame, one row a record. JouliaError where pandas is not installed."""
    try:
        import pandas
    except ImportError:
        raise JouliaError(f"a DataFrame needs pandas. Allowed: {INSTALL}") from None
    return pandas.DataFrame([row(r) for r in records])


def parquet(records: Sequence[Record], path: Path) -> None:
    """Write one row a record as Parquet. JouliaError where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise JouliaError(f"Parquet needs pyarrow. Allowed: {INSTALL}") from None
    rows = [row(r) for r in records]
    names = list(rows[0])
    columns = {name: [r[name] for r in rows] for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def label(record: Record, metric: str) -> str:
    return f"{record.case.label} {metric}"


def metrics(record: Record) -> list[tuple[str, str, Summary]]:
    """(name, unit, median with interval) of what was measured: never of what was modelled."""
    medians: list[tuple[str, str, Summary]] = []
    if record.status == "valid" and record.time:
        medians.append(("time", "s/step", record.time))
        if record.energy:
            medians.append(("energy", "J/step", record.energy))
    return medians


def bounds(part: Summary) -> tuple[float, float] | None:
    """What a dashboard draws around a median: its 95 % interval, None where there is none.

    Of joules it is at least as wide as the 95 % error of a window with the meter's gain error, as
    in joulia's own tables.
    """
    if not isinstance(part, Energy):
        return part.ci95
    off = part.uncertainty_rel * part.median
    low, high = part.ci95 or (part.median, part.median)
    return min(low, part.median - off), max(high, part.median + off)


def github_action_benchmark(records: Sequence[Record]) -> str:
    """`customSmallerIsBetter` of github-action-benchmark."""
    entries = []
    for record in records:
        for name, unit, part in metrics(record):
            ends = bounds(part)
            # Its reader wants at least two characters after the sign.
            half = f"± {(ends[1] - ends[0]) / 2.0:.2e}" if ends else None
            entries.append(
                {
                    "name": label(record, name),
                    "unit": unit,
                    "value": part.median,
                    **({"range": half} if half else {}),
                    "extra": f"{record.machine.label}, {record.commit or 'no commit'}",
                }
            )
    return json.dumps(entries, indent=1) + "\n"


def bencher(records: Sequence[Record]) -> str:
    """Bencher Metric Format: benchmark, measure, value with its bounds."""
    benchmarks: dict[str, dict[str, dict[str, float]]] = {}
    for record in records:
        for name, _, part in metrics(record):
            value = {"value": part.median}
            if ends := bounds(part):
                value |= {"lower_value": ends[0], "upper_value": ends[1]}
            benchmarks.setdefault(record.case.label, {})[f"{name}-per-step"] = value
    return json.dumps(benchmarks, indent=1) + "\n"


def export(records: Sequence[Record], form: str, path: Path) -> None:
    """Write records in one of FORMATS. JouliaError where that cannot be."""
    if form not in FORMATS:
        raise suggest("format", form, list(FORMATS))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "parquet":
            parquet(records, path)
        elif form == "csv":
            path.write_text(csv_text([row(r) for r in records]), encoding="utf-8")
        else:
            writers = {"github-action-benchmark": github_action_benchmark, "bencher": bencher}
            path.write_text(writers[form](records), encoding="utf-8")
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None
