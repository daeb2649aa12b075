"""The record: one case measured, one JSON object a line."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from joulia.case import Case, Settings
from joulia.errors import JouliaError
from joulia.records.codec import from_json, to_json
from joulia.records.parts import (
    DeclaredWork,
    EndTimeError,
    Energy,
    Estimate,
    Parallel,
    Rates,
    Startup,
    Timing,
    Verification,
)
from joulia.system.machine import Machine

SCHEMA = "joulia-record/1"
STATUSES = ("valid", "invalid", "failed", "skipped")


@dataclass(frozen=True)
class Measured:
    """What the process of a case finds out: its part of the record."""

    status: str
    """`valid`; `invalid` (a check failed: no time is kept); `failed` (crash, signal, time-out); or
    `skipped`."""
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
    """The declared work over the time."""
    startup: Startup | None = None
    """What it took before the first step was done."""
    parallel: Parallel | None = None
    """How the ranks shared the step."""
    verify: Verification | None = None
    """Whether the answer was right."""
    solution: EndTimeError | None = None
    """The problem solved to an end time, where that was asked for."""
    runtime: dict[str, str] | None = None
    """Versions that the runtime tells of itself."""
    stderr: tuple[str, ...] = ()
    """The last lines of a case that failed."""


@dataclass(frozen=True)
class Record:
    """One case measured: one line of a results file.

    Two records with one `id` measured the same thing. Seconds, joules, bytes; units are in the
    names or in `unit`.
    """

    id: str
    """Names the case, the code, the machine and the settings."""
    started_at: str
    """ISO 8601, UTC."""
    duration_s: float
    """From the start of the case's process to its end, s."""
    status: str
    """`valid`; `invalid` (a check failed: no time is kept); `failed` (crash, signal, time-out;
    `stderr` holds the last lines); or `skipped`."""
    reasons: tuple[str, ...]
    """Why it is not valid, in words."""
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
    time: Timing | None = None
    """Time of a step; null unless valid."""
    energy: Energy | None = None
    """Joules of a step; null where they were not measured."""
    energy_reason: str | None = None
    """Why there are no joules."""
    energy_estimate: Estimate | None = None
    """Modelled joules of a step, where there is no meter."""
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
    solution: EndTimeError | None = None
    """The problem solved to an end time, where that was asked for."""
    stderr: tuple[str, ...] = ()
    """The last lines of a case that failed."""
    schema: str = SCHEMA
    """The version of this layout."""

    def to_json(self) -> dict[str, Any]:
        every = {field.name: to_json(getattr(self, field.name)) for field in fields(self)}
        cases = {"case": self.case.to_json(), "settings": self.settings.to_json()}
        return {"schema": self.schema, **every, **cases}  # by its beginning a torn line is known

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        """A record from a line of a results file; what this joulia does not know is left out."""
        if data.get("schema") != SCHEMA:
            raise JouliaError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        if data.get("status") not in STATUSES:
            raise JouliaError(f"status {data.get('status')!r} is none of {', '.join(STATUSES)}")
        try:
            return from_json(cls, data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise JouliaError(f"not a joulia record: {error}") from None
