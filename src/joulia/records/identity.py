"""What makes two records of one thing: case, settings, code and what runs it, machine."""

from __future__ import annotations

from collections.abc import Mapping

from joulia.case import Case, Settings, digest


def identity(
    case: Case, settings: Settings, code: str, machine: str, toolchain: Mapping[str, str]
) -> str:
    """The record's id. The time-out and the size's name do not change what is measured.

    `toolchain` is what decides which code runs beside its sources (`joulia.records.toolchain`).
    """
    measured = settings.to_json() | {"timeout_s": 0, "oversubscribe": False}
    return digest(case.to_json() | {"size": None}, measured, code, machine, dict(toolchain))
