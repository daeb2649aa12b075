"""What makes two records of one thing: case, settings, code and what runs it, machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulia.case import Case, Settings, digest


def identity(
    case: Case, settings: Settings, code: str, machine: str, toolchain: Mapping[str, str]
) -> str:
    """The record's id. The time-out and the size's name do not change what is measured.

    `toolchain` is what decides which code runs beside its sources (`joulia.records.toolchain`).
    """
    return _named(case.to_json(), settings.to_json(), code, machine, dict(toolchain))


def of_line(data: Mapping[str, Any]) -> str:
    """The id that a line of a results file must have, by what it says of itself.

    From the line as it was written, since the version that wrote it may know other settings than
    this one; the first versions had no toolchain. KeyError or TypeError where it is no record.
    """
    parts = [data["software"]["code"], data["machine"]["id"]]
    toolchain = data.get("toolchain", data.get("variant"))  # what older records call it
    if toolchain is not None:
        parts.append(dict(toolchain))
    return _named(data["case"], data["settings"], *parts)


def _named(case: Mapping[str, Any], settings: Mapping[str, Any], *parts: Any) -> str:
    measured = {**settings, "timeout_s": 0, "oversubscribe": False}
    return digest({**case, "size": None}, measured, *parts)
