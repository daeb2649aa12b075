"""A results archive: records, report, environment and checksums in one file that can be checked.

The file is a plain .tar that holds a BagIt bag (RFC 8493): `sha256sum -c manifest-sha256.txt` and
libraries' own tools check its sums, `joulia verify-bundle` all the rest. The same records in the
same environment give the same bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from joulia.analysis.files import standing
from joulia.errors import JouliaError
from joulia.records import store
from joulia.records.record import Record
from joulia.report import page
from joulia.report.environment import environment, requirements
from joulia.version import version

ROOT = "joulia-results"
RECORDS, REPORT = "data/records.jsonl", "data/report.html"
ENVIRONMENT, REQUIREMENTS = "data/environment.json", "data/requirements.txt"
PAYLOAD = (RECORDS, REPORT, ENVIRONMENT, REQUIREMENTS)
BAG, INFO = "bagit.txt", "bag-info.txt"
MANIFEST, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
FILES = (BAG, INFO, MANIFEST, TAGS, *PAYLOAD)
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True)
class Archived:
    """What was written."""

    records: int
    sha256: str
    """Of the whole archive: whoever publishes a figure can publish this beside it."""
    unlike: Sequence[str]
    """In which versions the environment here differs from that of the records."""


def write(results: Sequence[Path], output: Path) -> Archived:
    """Archive the records of results files. JouliaError where there is none, or no place."""
    lines = b"".join(whole_lines(path) for path in results)
    records = store.parse(lines, Path(RECORDS))
    if not records:
        raise JouliaError(
            f"{', '.join(map(str, results))}: no record. Allowed: files that `joulia run` wrote"
        )
    locked = environment(records)
    payload = {
        RECORDS: lines,
        REPORT: page.build(standing(records), archived=True).encode(),
        ENVIRONMENT: (json.dumps(locked, indent=1, sort_keys=True) + "\n").encode(),
        REQUIREMENTS: requirements(locked).encode(),
    }
    data = pack(sealed(payload), moment(records))
    page.write_whole(output, data)
    return Archived(len(records), sha256(data), locked["unlike"])


def whole_lines(path: Path) -> bytes:
    """A results file's lines as they are, without blank ones and a torn last one (TornLine)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JouliaError(f"cannot read {path}: {error.strerror}") from None
    count = len(store.parse(data, path))
    lines = [line for line in data.split(b"\n") if line.strip()]
    return b"".join(line + b"\n" for line in lines[:count])


def moment(records: Sequence[Record]) -> int:
    """When the last record was begun, s since 1970: the time of every file in the archive."""
    last = max(datetime.datetime.fromisoformat(record.started_at) for record in records)
    return int(last.timestamp())


def sealed(payload: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of an archive: a bag around its payload, with the checksums of both."""
    size = sum(map(len, payload.values()))
    info = f"Bag-Software-Agent: joulia {version()}\nPayload-Oxum: {size}.{len(payload)}\n"
    tags = {BAG: DECLARATION, INFO: info.encode(), MANIFEST: manifest(payload)}
    return {**tags, TAGS: manifest(tags), **payload}


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Checksums as `sha256sum` writes and reads them."""
    return "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files)).encode()


def pack(files: Mapping[str, bytes], at: int) -> bytes:
    """A .tar of these files and nothing of who packed it; `at` is the time of each."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{ROOT}/{name}")
            member.size, member.mtime = len(data), at
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
