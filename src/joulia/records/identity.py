"""What makes two records of one thing: the case, the settings, the code, the machine."""

from __future__ import annotations

from joulia.case import Case, Settings, digest


def identity(case: Case, settings: Settings, code: str, machine: str) -> str:
    """The record's id. The time-out and the size's name do not change what is measured."""
    measured = settings.to_json() | {"timeout_s": 0, "oversubscribe": False}
    return digest(case.to_json() | {"size": None}, measured, code, machine)
