"""The case that is under way, on disk: what ends with its node still becomes a record.

Whoever kills a job (a time limit, scancel, a node that dies) leaves its processes no time to write.
So where JOULIA_UNDERWAY names a file, the record of each case stands in it before the case begins,
as `failed`; it goes when the case's own record is in the results.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

from joulia.errors import JouliaError
from joulia.records import store
from joulia.records.record import Record

UNDERWAY = "JOULIA_UNDERWAY"
NO_END = "the job ended in the middle of it, without a word"


def begin(record: Record) -> None:
    """Put the record of a case that begins where it outlives this process."""
    if path := _path():
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(record.to_json()) + "\n")
        partial.replace(path)


def end() -> None:
    """The case's own record is in the results."""
    if path := _path():
        path.unlink(missing_ok=True)


def recover(results: Path, file: store.ResultsFile, why: str = NO_END) -> Record | None:
    """Append what an earlier job left in the middle, for the reason given; it, or None."""
    path = _path()
    return take(path, results, file, why) if path else None


def take(path: Path, results: Path, file: store.ResultsFile, why: str) -> Record | None:
    """Turn a file of a case under way into one `failed` record of `results`; it, or None.

    A record that is there already, written in the last moment, is not written twice.
    """
    try:
        left = Record.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, JouliaError) as error:
        raise JouliaError(
            f"cannot read {path}: {error}. Allowed: a case under way, or no such file"
        ) from None
    there = {(known.id, known.started_at) for known in store.load(results)}
    record = None
    if (left.id, left.started_at) not in there:
        record = replace(left, reasons=(why,))
        file.append(record)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return record


def _path() -> Path | None:
    name = os.environ.get(UNDERWAY)
    return Path(name) if name else None
