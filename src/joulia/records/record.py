"""The record: one case measured, one JSON object a line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from joulia.case import Case, Settings
from joulia.errors import JouliaError
from joulia.records.codec import fields_to_json, from_json
from joulia.records.conditions import Conditions
from joulia.records.parts import (
    DeclaredWork,
    EndTimeError,
    Energy,
    Estimate,
    Feed,
    Parallel,
    Rates,
    SourceLines,
    Startup,
    Timing,
    Verification,
)
from joulia.records.starts import MeteredStart
from joulia.system.machine import Machine

SCHEMA = "joulia-record/1"
STATUSES = ("valid", "invalid", "failed", "skipped")


@dataclass(frozen=True)
class Findings:
    """What came of a case, and why it is not more."""

    status: str
    """`valid`; `invalid` (a check failed: no time is kept); `failed` (crash, signal, time-out;
    `stderr` holds the last lines); or `skipped`."""
    reasons: tuple[str, ...] = ()
    """Why it is not valid, in words."""
    time: Timing | None = None
    """Time of a step; null unless valid."""
    energy: Energy | None = None
    """Joules of a step; null where they were not measured."""
    energy_reason: str | None = None
    """Why there are no joules."""
    work: DeclaredWork | None = None
    """The declared minimum of a step."""
    rates: Rates | None = None
    """The declared work over the time, and how near that is to the machine's bounds."""
    startup: Startup | None = None
    """What it took before the first step was done."""
    parallel: Parallel | None = None
    """How the ranks shared the step."""
    verify: Verification | None = None
    """Whether the answer was right."""
    conditions: Conditions | None = None
    """Under which conditions the samples were taken."""
    feed: Feed | None = None
    """What of the step was waiting for input, where that came from a file."""
    solution: EndTimeError | None = None
    """The problem solved to an end time, where that was asked for."""
    stderr: tuple[str, ...] = ()
    """The last lines of a case that failed."""


@dataclass(frozen=True)
class Measured(Findings):
    """What the process of a case finds out, also the time of one that is not valid."""

    runtime: dict[str, str] | None = None
    """Versions that the runtime tells of itself."""
    start: MeteredStart | None = None
    """The joules of this process's start."""


@dataclass(frozen=True, kw_only=True)
class Record(Findings):
    """One case measured: one line of a results file.

    Two records with one `id` measured the same thing. Seconds, joules, bytes; units are in the
    names or in `unit`.
    """

    id: str
    """Names the case, the settings, the code, what else decides which code runs, the machine."""
    started_at: str
    """ISO 8601, UTC."""
    duration_s: float
    """From the start of the case's process to its end, s."""
    case: Case
    """What was measured."""
    settings: Settings
    """How."""
    machine: Machine
    """Where."""
    software: dict[str, str | None]
    """Versions by name, and the digest of the code that decides what is measured (`code`)."""
    commit: str | None
    """Of the source tree that joulia ran from, with a plus where it was changed since."""
    commit_reason: str | None = None
    """Why the commit is not known."""
    toolchain: dict[str, str] = field(default_factory=dict)
    """What decides which code runs beside its sources, and so is part of the id: versions,
    compilers, flags, and environment variables of the case's process."""
    source_lines: SourceLines | None = None
    """How long the source is that ran; null in older records, and where nobody can count it."""
    energy_estimate: Estimate | None = None
    """Modelled joules of a step, where there is no meter."""
    schema: str = SCHEMA
    """The version of this layout: a reader refuses others."""

    def to_json(self) -> dict[str, Any]:
        # By its beginning a torn line is known.
        return {"schema": self.schema} | fields_to_json(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        """A record from a line of a results file; what this joulia does not know is left out."""
        if data.get("schema") != SCHEMA:
            raise JouliaError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        if data.get("status") not in STATUSES:
            raise JouliaError(f"status {data.get('status')!r} is none of {', '.join(STATUSES)}")
        if "toolchain" not in data and isinstance(data.get("variant"), dict):
            data = data | {"toolchain": data["variant"]}  # what older records call it
        try:
            record = from_json(cls, data)
        except ValueError as error:
            raise JouliaError(f"not a joulia record: {error}") from None
        return record if record.work else replace(record, work=work_of(record))


def work_of(record: Record) -> DeclaredWork | None:
    """The declared work of a step, from the time and rates of records that do not hold it yet."""
    if record.time is None or record.rates is None:
        return None
    rates, seconds = record.rates, record.time.median
    return DeclaredWork(
        bytes=rates.bytes_per_s * seconds,
        flops=rates.flops_per_s * seconds,
        updates=rates.updates_per_s * seconds,
    )
