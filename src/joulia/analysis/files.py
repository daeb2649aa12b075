"""Records of several results files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from joulia.errors import JouliaError
from joulia.records import store
from joulia.records.record import Record


def load_all(paths: Iterable[str | Path]) -> list[Record]:
    """The records of all files, in order. JouliaError where there is none, naming the files.

    A torn last line is left out with a warning (store.TornLine). So is what was skipped or failed
    where the same case on the same code and machine has since been measured.
    """
    given = [Path(p) for p in paths]
    records = [record for path in given for record in store.load(path)]
    if not records:
        raise JouliaError(
            f"{', '.join(map(str, given))}: no record. Allowed: files that `joulia run` wrote"
        )
    return standing(records)


def standing(records: Sequence[Record]) -> list[Record]:
    """The records without what was skipped or failed and has been measured as well."""
    measured = {record.id for record in records if record.status == "valid"}
    return [r for r in records if r.status == "valid" or r.id not in measured]
