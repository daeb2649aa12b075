"""Does a record hold together? What its parts say of one another, recomputed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from joulia.case import Case, Settings
from joulia.records import codec, identity, stats
from joulia.records.parts import Check, Rates, Summary, Verification
from joulia.records.record import Record

REL = 1e-9
"""Relative difference up to which a product of a record's numbers counts as recomputed: rounding
of a few operations in float64, far below a digit that anybody publishes."""


def contradictions(data: Mapping[str, Any], record: Record) -> Iterator[str]:
    """Each contradiction in a line of a results file, in words; none where it holds together.

    `data` is the line as it was written, `record` what was read from it.
    """
    if odd := mistyped(data):
        yield odd
        return
    try:
        own = identity.of_line(data)
    except (KeyError, TypeError, ValueError):
        own = None
    if record.id != own:
        yield f"its id {record.id} is not that of its case, settings, code, toolchain and machine"
    if record.status == "valid":
        yield from unproven(record)
    elif record.time is not None or record.energy is not None:
        yield f"it is {record.status} and has figures all the same"
    energy = record.energy
    summaries = {
        "time": record.time,
        "energy": energy,
        "energy.net": energy and energy.net,
        "energy.unused": energy and energy.unused,
    }
    for name, part in summaries.items():
        if part is not None and not follows(part):
            yield f"its {name} (median, ci95) does not follow from the samples"
    if energy and energy.unused and len(energy.unused.samples) != len(energy.samples):
        yield "its energy.unused has other windows than its energy"
    if record.rates and record.time and record.work:
        for name in unlike(record.rates, record):
            yield f"its rates.{name} does not follow from work and time"


def mistyped(data: Mapping[str, Any]) -> str | None:
    """What of case and settings is of another type than a record's: readers do not look."""
    params = data["case"].get("params", {})
    try:
        codec.from_json(Settings, data["settings"], "settings")
        codec.from_json(Case, {**data["case"], "params": []}, "case")
    except ValueError as error:
        return str(error)
    odd = [name for name, value in params.items() if not isinstance(value, int | float | str)]
    return f"case.params.{odd[0]}: {params[odd[0]]!r} is no parameter" if odd else None


def unproven(record: Record) -> Iterator[str]:
    """Why a record that says that it is valid is not."""
    if record.time is None:
        yield "it is valid and has no time"
    if record.verify is None or not record.verify.passed:
        yield "it is valid and its verification did not pass"
    if record.verify is not None:
        for name, check in checks(record.verify).items():
            if check.passed != Check.of(check.error, check.tolerance).passed or not check.passed:
                yield (
                    f"it is valid, and {name} is off by {check.error:g}, tolerance "
                    f"{check.tolerance:g}"
                )


def checks(verify: Verification) -> dict[str, Check]:
    """Every comparison by its name, the one against the reference among them."""
    found = dict(verify.invariants)
    if verify.error is not None and verify.tolerance is not None:
        found["the first step"] = Check.of(verify.error, verify.tolerance)
    return found


def follows(part: Summary) -> bool:
    """Whether median and interval are those of the samples."""
    if not part.samples:
        return False
    own = stats.summary(part.samples)
    return (part.median, part.ci95) == (own.median, own.ci95)


def unlike(rates: Rates, record: Record) -> Iterator[str]:
    """The rates that are not work over time."""
    assert record.work is not None
    assert record.time is not None
    seconds, work = record.time.median, record.work
    own = {"updates_per_s": work.updates, "bytes_per_s": work.bytes, "flops_per_s": work.flops}
    for name, amount in own.items():
        if not math.isclose(getattr(rates, name) * seconds, amount, rel_tol=REL):
            yield name
    if not math.isclose(rates.ns_per_update * 1e-9 * work.updates, seconds, rel_tol=REL):
        yield "ns_per_update"
