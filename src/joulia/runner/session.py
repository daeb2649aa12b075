"""A run: planned cases, one after another, each recorded before the next begins."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.case import Case, Settings
from joulia.energy import carbon, estimate
from joulia.records import software, store
from joulia.records.identity import identity
from joulia.records.record import Record
from joulia.runner import launch
from joulia.runner.cases import Planned
from joulia.runner.ceilings import Ceilings
from joulia.system import machine


@dataclass(frozen=True)
class Outcome:
    """A case's record, and whether it was there already."""

    record: Record
    resumed: bool


def identify(case: Case, settings: Settings) -> str:
    code = software.code(case.kernel, case.bridge)
    return identity(case, settings, code, machine.describe()["id"])


def run(
    planned: Sequence[Planned],
    settings: Settings,
    path: Path,
    *,
    resume: bool = True,
    before: Callable[[Case], None] = lambda case: None,
) -> Iterator[Outcome]:
    """Measure the planned cases in order and append each record to `path`.

    Cases that the file holds as valid for the same code, machine and settings are handed out from
    there, also where another run put them there in the meantime.
    """
    store.prepare(path)
    ceilings = Ceilings()
    for one in planned:
        known = find(path, identify(one.case, settings)) if resume else None
        if known is None:
            before(one.case)
            record = measure(one, settings, ceilings)
            if not store.append(path, record, again=not resume):
                known = find(path, record.id)
        outcome = Outcome(known, True) if known else Outcome(record, False)
        ceilings.learn(outcome.record)
        yield outcome


def find(path: Path, wanted: str) -> Record | None:
    """The valid record with an id, or None."""
    return next((r for r in store.load(path) if r.id == wanted and r.status == "valid"), None)


def measure(one: Planned, settings: Settings, ceilings: Ceilings) -> Record:
    began = time.monotonic()
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    part: dict[str, Any] = (
        {"status": "skipped", "reasons": [one.skip]} if one.skip else launch.run(one.case, settings)
    )
    versions = part.pop("runtime", {})
    if part["status"] != "valid":
        # A failed check publishes no time, no rate, no joule.
        part = {k: v for k, v in part.items() if k in {"status", "reasons", "verify", "stderr"}}
    else:
        part |= beside(one.case, settings, part)
    record = Record(
        id=identify(one.case, settings),
        started_at=started_at,
        duration_s=time.monotonic() - began,
        case=one.case,
        settings=settings,
        machine=machine.describe(),
        software=software.describe()
        | versions
        | {"code": software.code(one.case.kernel, one.case.bridge)},
        commit=software.commit(),
        **part,
    )
    if record.rates is not None:
        record.rates |= ceilings.fraction(record)
        packing = (record.parallel or {}).get("packing_bytes_per_s")
        if packing and record.rates["ceiling_bytes_per_s"]:
            assert record.parallel is not None
            record.parallel["packing_of_triad"] = packing / record.rates["ceiling_bytes_per_s"]
    return record


def beside(case: Case, settings: Settings, part: dict[str, Any]) -> dict[str, Any]:
    """What is computed from a measured case: the estimate where there are no joules, and CO2e."""
    found: dict[str, Any] = {}
    if part["energy"] is None:
        facts = machine.describe()
        profile = (
            estimate.load(settings.profile)
            if settings.profile
            else estimate.choose(case, facts["cpu"], facts["arch"])
        )
        if profile is not None:
            work = registry.kernel(case.kernel).kernel.work(case)
            found["energy_estimate"] = estimate.estimate(
                profile,
                part["time"]["median"],
                work,
                case.dtype,
                facts["cores"] * part["parallel"]["nodes"],
            )
    if settings.carbon:
        grid = carbon.load(settings.carbon)
        for name, joules in {"energy": part["energy"], **found}.items():
            if joules is not None:
                found[name] = joules | {"carbon": grid.note(joules["median"])}
    return found
