"""A run: planned cases, one after another, each recorded before the next begins."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulia.case import Case, Settings
from joulia.energy import carbon, estimate
from joulia.parallel import launchers
from joulia.records import lines, software, store
from joulia.records.identity import identity
from joulia.records.parts import Energy, Estimate, Feed
from joulia.records.record import Measured, Record
from joulia.records.toolchain import toolchain
from joulia.runner import launch, starts, underway
from joulia.runner.caps import Caps
from joulia.runner.cases import Planned
from joulia.runner.ceilings import Ceilings
from joulia.runner.quiet import Wait, wait_for_quiet
from joulia.system import machine


@dataclass(frozen=True)
class Outcome:
    """A case's record, and whether it was there already."""

    record: Record
    resumed: bool


def toolchain_of(case: Case, settings: Settings) -> dict[str, str]:
    """What decides which code runs beside its sources."""
    return toolchain(case, launch.environment(case, settings, Path()))


def identify(case: Case, settings: Settings, decides: Mapping[str, str] | None = None) -> str:
    """The id of a case's record; `decides` is its `toolchain_of`, where that is known already."""
    code = software.code(case.kernel, case.bridge)
    where = machine.describe(settings.machine)
    known = toolchain_of(case, settings) if decides is None else decides
    return identity(case, settings, code, where.id, known)


def outcomes(
    planned: Sequence[Planned],
    settings: Settings,
    path: Path,
    *,
    resume: bool = True,
    before: Callable[[Case], None] = lambda case: None,
    quiet_for: float | None = None,
    waited: Callable[[Wait], None] = lambda wait: None,
    caps: Caps | None = None,
) -> Iterator[Outcome]:
    """Measure the planned cases in order and append each record to `path`.

    `before` is called before each case; where `quiet_for` seconds are given, the case then waits
    until the node was quiet for so long, and `waited` hears of it. `caps` sets the
    limits that cases have.

    Cases that the file holds as valid for the same code, machine and settings are handed out from
    there, also where another run put them there in the meantime.
    """
    launchers.require_one_process()
    file = store.ResultsFile(path)
    underway.recover(path, file)
    ceilings = Ceilings()
    for entry in planned:
        known = file.find(identify(entry.case, settings)) if resume else None
        if known is None:
            before(entry.case)
            wait = wait_for_quiet(quiet_for) if quiet_for and not entry.skip else None
            if wait is not None:
                waited(wait)
            record = after(wait, record_of(entry, settings, ceilings, caps, starts_again=resume))
            if not file.append(record, again=not resume):
                known = file.find(record.id)
            underway.end()
        outcome = Outcome(known, True) if known else Outcome(record, False)
        ceilings.learn(outcome.record)
        yield outcome


def after(wait: Wait | None, record: Record) -> Record:
    """The record with how long its case waited, where its samples have conditions."""
    known = record.conditions
    if wait is None or known is None:
        return record
    return replace(record, conditions=replace(known, waited_s=wait.seconds, quiet=wait.quiet))


def record_of(
    planned: Planned,
    settings: Settings,
    ceilings: Ceilings,
    caps: Caps | None = None,
    *,
    starts_again: bool,
) -> Record:
    # What may fail comes before the measurement: nothing that was measured is lost.
    case = planned.case
    decides = toolchain_of(case, settings)
    name = identify(case, settings, decides)
    where, commit = machine.describe(settings.machine), software.commit()
    versions = software.describe() | {"code": software.code(case.kernel, case.bridge)}
    source_lines = lines.of(case)
    began = time.monotonic()
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    measured = caps.measured if caps else launch.measured
    record = Record(
        id=name,
        started_at=started_at,
        duration_s=0.0,
        status="failed",
        reasons=(underway.NO_END,),
        case=case,
        settings=settings,
        machine=where,
        software=versions,
        commit=commit.name,
        commit_reason=commit.reason,
        toolchain=decides,
        source_lines=source_lines,
    )
    if not planned.skip:
        underway.begin(record)
    part = Measured("skipped", (planned.skip,)) if planned.skip else measured(case, settings)
    record = replace(
        record,
        duration_s=time.monotonic() - began,
        status=part.status,
        reasons=part.reasons,
        software=versions | (part.runtime or {}),
        verify=part.verify,
        conditions=part.conditions,
        stderr=part.stderr,
    )
    # A failed check publishes no time, no rate, no joule.
    if part.status != "valid":
        return record
    # Who measures a case again and again (the gate) also starts it as often: one start a record.
    startup = starts.with_joules(case, settings, part, most=None if starts_again else 1)
    return published(record, replace(part, startup=startup), ceilings)


def published(record: Record, part: Measured, ceilings: Ceilings) -> Record:
    """A valid record with what was measured, and what follows from it and from the run."""
    energy, estimated = part.energy, estimate_of(record, part)
    if record.settings.carbon:
        grid = carbon.load(record.settings.carbon)
        if energy is not None:
            energy = replace(energy, carbon=grid.note(energy.median))
        if estimated is not None:
            estimated = replace(estimated, carbon=grid.note(estimated.median))
    rates = part.rates and ceilings.held_against(record.case, part.rates)
    parallel = part.parallel
    if parallel and parallel.packing_bytes_per_s and rates and rates.ceiling_bytes_per_s:
        fraction = parallel.packing_bytes_per_s / rates.ceiling_bytes_per_s
        parallel = replace(parallel, packing_of_triad=fraction)
    return replace(
        record,
        time=part.time,
        energy=energy,
        energy_reason=part.energy_reason,
        energy_estimate=estimated,
        work=part.work,
        rates=rates,
        startup=part.startup,
        parallel=parallel,
        feed=fed_at(part.feed, energy),
        solution=part.solution,
    )


def fed_at(feed: Feed | None, energy: Energy | None) -> Feed | None:
    """How the input came, with the joules that went while it was waited for."""
    if feed is None or energy is None:
        return feed
    return replace(feed, idle=feed.idle_share * energy.median)


def estimate_of(record: Record, part: Measured) -> Estimate | None:
    """The estimate, where there are no joules and a machine profile fits."""
    if part.energy or part.time is None or part.work is None or part.parallel is None:
        return None
    case, where = record.case, record.machine
    named = record.settings.profile
    profile = estimate.load(named) if named else estimate.choose(case, where.cpu, where.arch)
    if profile is None:
        return None
    cores = (where.physical_cores or where.cores) * part.parallel.nodes
    units = cores if profile.kind == "cpu" else max(1, len(part.parallel.gpus))
    return estimate.estimate(profile, part.time.median, part.work, case.dtype, units)
