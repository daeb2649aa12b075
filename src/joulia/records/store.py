"""Records on disk: JSON lines, appended one at a time, never rewritten."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from pathlib import Path

from joulia.errors import JouliaError
from joulia.records.record import Record
from joulia.system.locks import locked


class TornLine(UserWarning):
    """The last line of a results file was not written to its end, and was left out."""


def load(path: Path) -> list[Record]:
    """All records of a file. JouliaError where it is unreadable or holds something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JouliaError(f"cannot read {path}: {error.strerror}") from None
    return parse(data, path)


def parse(data: bytes, path: Path, before: int = 0) -> list[Record]:
    """The records of a file's lines, of which `before` went before these."""
    *lines, last = data.split(b"\n")
    records = [_record(line, path, before + i + 1) for i, line in enumerate(lines) if line.strip()]
    if last.strip():
        if records or before or last.startswith(b'{"schema": "joulia'[: len(last)]):
            try:
                json.loads(last)
            except ValueError:
                warnings.warn(f"{path}: the last line is torn and left out", TornLine, stacklevel=3)
                return records
        records.append(_record(last, path, before + len(lines) + 1))
    return records


def _record(line: bytes, path: Path, number: int) -> Record:
    try:
        data = json.loads(line)
        if not isinstance(data, dict):
            raise JouliaError("not a joulia record")
        return Record.from_json(data)
    except (ValueError, JouliaError) as error:
        reason = "not JSON" if isinstance(error, ValueError) else str(error)
        raise JouliaError(
            f"{path}, line {number}: {reason}. Allowed: files that `joulia run` wrote"
        ) from None


APPENDING = os.O_RDWR | os.O_CREAT | os.O_APPEND


class ResultsFile:
    """A results file that a run appends to: each of its lines is read once.

    Creates the file, and raises JouliaError where it cannot be written or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.valid: dict[str, Record] = {}
        self.read = 0
        """Bytes of whole lines that were read so far."""
        self.lines = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path, APPENDING) as descriptor:
                self._catch_up(descriptor)
        except OSError as error:
            raise JouliaError(f"cannot write {path}: {error.strerror}") from None

    def find(self, identity: str) -> Record | None:
        """The valid record with an id, also one that another run appended meanwhile, or None."""
        try:
            with locked(
                self.path, APPENDING
            ) as descriptor:  # another run may be in the middle of a line
                self._catch_up(descriptor)
        except OSError as error:
            raise JouliaError(f"cannot read {self.path}: {error.strerror}") from None
        return self.valid.get(identity)

    def append(self, record: Record, *, again: bool = False) -> bool:
        """Write a record, to the disk itself; False where a valid one with its id is there already.

        `again` writes it all the same. A write that does not fit (full disk) is taken back, the
        record goes to the temporary directory, and JouliaError says where.
        """
        line = json.dumps(record.to_json()).encode() + b"\n"
        try:
            with locked(self.path, APPENDING) as descriptor:
                size = _mend(descriptor)
                self._catch_up(descriptor)
                if not again and record.id in self.valid:
                    return False
                try:
                    _write(descriptor, line)
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            return True
        except OSError as error:
            rescued = _rescue(line)
            raise JouliaError(
                f"cannot write {self.path}: {error.strerror}; the record at hand is in {rescued}"
            ) from None

    def _catch_up(self, descriptor: int) -> None:
        """Read what was appended since; a last line without its end is read again next time.

        A file that is shorter than what was read is another one: it is read from its start.
        """
        size = os.fstat(descriptor).st_size
        if size < self.read:
            self.valid, self.read, self.lines = {}, 0, 0
        if size <= self.read:
            return
        data = os.pread(descriptor, size - self.read, self.read)
        for record in parse(data, self.path, self.lines):
            if record.status == "valid":
                self.valid.setdefault(record.id, record)
        whole = data.rfind(b"\n") + 1
        self.lines += data.count(b"\n")
        self.read += whole


def _write(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _mend(descriptor: int) -> int:
    """Cut a torn last line off (or end a whole one that lacks its newline); the size after it."""
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    data = os.pread(descriptor, size, 0)
    start = data.rfind(b"\n") + 1
    try:
        json.loads(data[start:])
    except ValueError:
        os.ftruncate(descriptor, start)
        return start
    _write(descriptor, b"\n")
    return size + 1


def _rescue(line: bytes) -> str:
    try:
        with tempfile.NamedTemporaryFile(
            "wb", prefix="joulia-rescued-", suffix=".jsonl", delete=False
        ) as file:
            file.write(line)
        return file.name
    except OSError:
        return "this line: " + line.decode()
