"""The environment of an archive: what its records were measured with, and what is installed here.

The two need not be one: who archives may have updated something since. Both are told, and where
they differ.
"""

from __future__ import annotations

import json
import platform
import re
import sysconfig
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from joulia.records.codec import to_json
from joulia.records.record import Record
from joulia.records.software import PACKAGES
from joulia.version import version

SCHEMA = "joulia-environment/1"


def environment(records: Sequence[Record]) -> dict[str, Any]:
    """The lock of this environment, and what records tell of theirs; no time, the same bytes."""
    lock = {
        "schema": SCHEMA,
        "joulia": version(),
        "python": {
            "implementation": platform.python_implementation(),
            "version": platform.python_version(),
            "platform": sysconfig.get_platform(),
        },
        "distributions": distributions(),
    }
    return lock | told(records, lock)


def told(records: Sequence[Record], lock: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from records: their software, toolchains and machines; `unlike` this lock."""
    software = values({k: v for k, v in r.software.items() if k != "code"} for r in records)
    machines = {json.dumps(to_json(r.machine), sort_keys=True) for r in records}
    return {
        "records": {
            "software": software,
            "toolchain": values(r.toolchain for r in records),
            "machines": [json.loads(text) for text in sorted(machines)],
        },
        "unlike": unlike(software, lock),
    }


def values(given: Any) -> dict[str, list[str]]:
    """Every value that a name has, sorted."""
    found: dict[str, set[str]] = {}
    for each in given:
        for name, value in each.items():
            if value is not None:
                found.setdefault(name, set()).add(str(value))
    return {name: sorted(found[name]) for name in sorted(found)}


def unlike(software: Mapping[str, Sequence[str]], lock: Mapping[str, Any]) -> list[str]:
    """In which versions records and lock differ, a line each."""
    installed = {canonical(name): text for name, text in lock["distributions"].items()}
    installed |= {"python": lock["python"]["version"], "joulia": lock["joulia"]}
    lines = []
    for name in ("joulia", "python", *PACKAGES):
        measured = list(software.get(name, ()))
        here = installed.get(name)
        if measured and measured != [here]:
            lines.append(f"{name}: {', '.join(measured)} in the records, {here or 'none'} here")
    return lines


def distributions() -> dict[str, str]:
    """The version of every distribution that this interpreter finds, by name."""
    found: dict[str, tuple[str, str]] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # the first on the path is the one that is imported
            found.setdefault(canonical(name), (name, distribution.version))
    return dict(found[key] for key in sorted(found))


def requirements(lock: Mapping[str, Any]) -> str:
    """The lock as `pip install -r` reads it."""
    python = lock["python"]
    head = (
        f"# {python['implementation']} {python['version']} on {python['platform']}; "
        "pip install -r requirements.txt\n"
    )
    names = sorted(lock["distributions"], key=canonical)
    return head + "".join(f"{name}=={lock['distributions'][name]}\n" for name in names)


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it (packaging's name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()
