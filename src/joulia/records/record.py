"""The record: one case measured, one JSON object a line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from joulia.case import Case, Settings
from joulia.errors import JouliaError

SCHEMA = "joulia-record/1"
STATUSES = ("valid", "invalid", "failed", "skipped")


@dataclass
class Record:
    """One case measured.

    `status` is `valid`; `invalid` (a check failed: no time is kept); `failed` (crash, signal,
    time-out; `stderr` holds the last lines); or `skipped` (with the reason). `id` names the case,
    the code, the machine and the settings: two records with one id measured the same thing.
    Seconds, joules, bytes; units are in the field names or in `unit`.
    """

    id: str
    started_at: str
    duration_s: float
    status: str
    reasons: list[str]
    case: Case
    settings: Settings
    machine: dict[str, Any]
    software: dict[str, Any]
    commit: str | None
    time: dict[str, Any] | None = None
    energy: dict[str, Any] | None = None
    energy_reason: str | None = None
    energy_estimate: dict[str, Any] | None = None
    rates: dict[str, Any] | None = None
    startup: dict[str, Any] | None = None
    parallel: dict[str, Any] | None = None
    verify: dict[str, Any] | None = None
    solution: dict[str, Any] | None = None
    stderr: list[str] = field(default_factory=list)
    schema: str = SCHEMA

    def to_json(self) -> dict[str, Any]:
        flat = {k: v for k, v in vars(self).items() if k not in {"case", "settings", "schema"}}
        return {
            "schema": self.schema,
            **flat,
            "case": self.case.to_json(),
            "settings": asdict(self.settings),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        if data.get("schema") != SCHEMA:
            raise JouliaError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        if data.get("status") not in STATUSES:
            raise JouliaError(f"status {data.get('status')!r} is none of {', '.join(STATUSES)}")
        try:
            case = Case.from_json(data["case"])
            settings = Settings.from_json(data["settings"])
            return cls(**{**data, "case": case, "settings": settings})
        except (KeyError, TypeError, AttributeError) as error:
            raise JouliaError(f"not a joulia record: {error}") from None
