"""A results archive held against itself: its files, checksums, records, environment and report.

Nothing is unpacked: what an archive calls its files reaches no file here.
"""

from __future__ import annotations

import io
import itertools
import json
import lzma
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulia.analysis.files import standing
from joulia.errors import JouliaError
from joulia.records.consistency import contradictions
from joulia.records.record import Record
from joulia.report import archive, page, page_text
from joulia.report.environment import requirements, told
from joulia.version import version

# Beside its own errors, tarfile lets those of the numbers in headers out.
DAMAGED = (
    tarfile.TarError, OSError, EOFError, ValueError, OverflowError, zlib.error, lzma.LZMAError,
)  # fmt: skip
FOLDERS = (archive.ROOT, f"{archive.ROOT}/data")
ALLOWED = "Allowed: what `joulia export --bundle` wrote"
MOST = 160
"""Characters that are quoted of what differs."""
SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass
class Verdict:
    """What came of a check."""

    sha256: str
    """Of the archive as it is."""
    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Each in a line; none where everything is as it was written."""
    notes: list[str] = field(default_factory=list)
    """What could not be compared, and why."""


def verify(path: Path, sha256: str | None = None) -> Verdict:
    """Check an archive, and where `sha256` is given that it is the one with this checksum.

    JouliaError where there is none, or it is no results archive.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JouliaError(f"cannot read {path}: {error.strerror}. {ALLOWED}") from None
    verdict = Verdict(archive.sha256(data))
    if sha256 is not None and sha256.lower() != verdict.sha256:
        verdict.problems.append(f"the archive's checksum is {verdict.sha256}, not {sha256}")
    files = members(path, data, verdict.problems)
    verdict.problems += checksums(files)
    lines = files.get(archive.RECORDS)
    if lines is not None:
        verdict.records, problems = read_records(lines)
        verdict.problems += problems
        if verdict.records and not problems:
            check_derived(files, verdict)
    return verdict


def members(path: Path, data: bytes, problems: list[str]) -> dict[str, bytes]:
    """The files of an archive by name; what else is in it becomes a problem."""
    files: dict[str, bytes] = {}
    others: list[str] = []
    opened: tarfile.TarFile | None = None
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as opened:
            for member in opened:
                name = member.name.removeprefix("./")
                inside = name.removeprefix(f"{archive.ROOT}/")
                if member.isdir() and name in FOLDERS:
                    continue
                if name == inside or inside not in archive.FILES:
                    others.append(stranger(member.name))
                elif not member.isfile() or member.issparse():
                    others.append(f"{inside} is no plain file")
                elif inside in files:
                    others.append(f"{inside} is there twice")
                else:
                    content = opened.extractfile(member)
                    files[inside] = content.read() if content else b""
            if not ended(opened):
                problems.append("the archive is cut off: it ends without its end mark")
    except DAMAGED as error:
        if opened is None:
            raise JouliaError(f"{path} is no archive. {ALLOWED}") from None
        problems.append(f"the archive is damaged or cut off: {error}")
    if not files:
        raise JouliaError(f"{path} is no results archive. {ALLOWED}")
    problems += others
    return files


def ended(opened: tarfile.TarFile) -> bool:
    """Whether two empty blocks follow the last file, as every tar's end has them."""
    assert opened.fileobj is not None
    opened.fileobj.seek(opened.offset)
    return opened.fileobj.read(2 * tarfile.BLOCKSIZE) == bytes(2 * tarfile.BLOCKSIZE)


def stranger(name: str) -> str:
    """A file that does not belong there, and whether its name leads elsewhere."""
    if name.startswith("/") or ".." in name.split("/"):
        return f"{name}: a path that leads out of the archive"
    return f"{name} is not one of an archive's files"


def checksums(files: Mapping[str, bytes]) -> Iterator[str]:
    """What is missing, and what does not have its checksum."""
    for name in archive.FILES:
        if name not in files:
            yield f"{name} is missing"
    tags = (archive.BAG, archive.INFO, archive.MANIFEST)
    for listing, listed in ((archive.MANIFEST, archive.PAYLOAD), (archive.TAGS, tags)):
        if listing not in files:
            continue
        sums, problems = parsed(listing, files[listing])
        yield from problems
        for name in listed:
            if name not in sums:
                yield f"{listing} has no checksum of {name}"
            elif name in files and archive.sha256(files[name]) != sums[name]:
                yield f"{name} is not what its checksum in {listing} says"
        for name in sums:
            if name not in listed:
                yield f"{listing} lists {name}, which is not one of an archive's files"


def parsed(listing: str, data: bytes) -> tuple[dict[str, str], list[str]]:
    """A manifest's checksums by name, and the lines that are none."""
    sums, problems = {}, []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if found := SUM.fullmatch(line):
            sums[found[2]] = found[1]
        else:
            problems.append(f"{listing}, line {number}, is no checksum")
    return sums, problems


def read_records(lines: bytes) -> tuple[list[Record], list[str]]:
    """The records, and what is wrong with each line."""
    records, problems = [], []
    digests: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines.removesuffix(b"\n").split(b"\n"), 1):
        where = f"{archive.RECORDS}, line {number}"
        try:
            data = json.loads(line, parse_int=integer)
            if not isinstance(data, dict):
                raise JouliaError("not a joulia record")
            record = Record.from_json(data)
        except (ValueError, RecursionError, JouliaError) as error:
            reason = str(error) if isinstance(error, JouliaError) else "not JSON"
            problems.append(f"{where}: {reason}")
            continue
        problems += [f"{where}: {text}" for text in contradictions(data, record)]
        if record.verify and record.verify.first_step_digest:
            own = record.verify.first_step_digest
            if digests.setdefault(record.id, own) != own:
                problems.append(f"{where}: its first step has other bits than another of its id")
        records.append(record)
    return records, problems


def integer(text: str) -> int:
    """A record's integer: no count of anything needs more than 63 bits, and floats hold no more."""
    if len(text) > 20 or abs(int(text)) >= 2**63:
        raise JouliaError(f"{text[:20]}... is no number of a record")
    return int(text)


def check_derived(files: Mapping[str, bytes], verdict: Verdict) -> None:
    """What follows from the records: the environment's account of them, and the report."""
    lock: dict[str, Any] | None = None
    if archive.ENVIRONMENT in files:
        lock, problems = check_environment(files, verdict.records)
        verdict.problems += problems
    if archive.REPORT not in files:
        return
    try:
        written = files[archive.REPORT].decode()
    except UnicodeDecodeError:
        verdict.problems.append(f"{archive.REPORT} is not UTF-8")
        return
    own = page.build(standing(verdict.records), archived=True)
    if written == own:
        return
    by = str(lock["joulia"]) if lock else version()
    if by == version():
        verdict.problems.append(f"{archive.REPORT} {difference(written, own)}")
        return
    verdict.notes.append(
        f"joulia {by} wrote {archive.REPORT}, this is {version()}: its table of all figures is "
        f"compared, its charts and words are not; joulia {by} compares all of it"
    )
    if odd := other_figures(written, own):
        verdict.problems.append(f"{archive.REPORT}, section figures: {odd}")


def check_environment(
    files: Mapping[str, bytes], records: Sequence[Record]
) -> tuple[dict[str, Any] | None, list[str]]:
    """The lock, and where it contradicts the records or its list of requirements."""
    try:
        lock = json.loads(files[archive.ENVIRONMENT])
        own, listed = told(records, lock), requirements(lock)
        by = str(lock["joulia"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, [f"{archive.ENVIRONMENT} is no environment that joulia writes"]
    if by != version():  # another one may tell more, or less
        return lock, []
    problems = [
        f"{archive.ENVIRONMENT}: {name} is not what the records tell"
        for name in own
        if lock.get(name) != own[name]
    ]
    if archive.REQUIREMENTS in files and files[archive.REQUIREMENTS] != listed.encode():
        problems.append(f"{archive.REQUIREMENTS} does not list what {archive.ENVIRONMENT} does")
    return lock, problems


def difference(written: str, own: str) -> str:
    """The first thing in which a report differs from that of the records, in words."""
    theirs, ours = page_text.read(written).words, page_text.read(own).words
    for (section, text), (_, expected) in itertools.zip_longest(
        theirs, ours, fillvalue=("end", "")
    ):
        if text != expected:
            return f"(section {section}) says '{text[:MOST]}' where the records give " + (
                f"'{expected[:MOST]}'"
            )
    return "says what the records give, but its marks, styles or code are not those of joulia"


def other_figures(written: str, own: str) -> str | None:
    """The first row of the table of all figures that the records do not give; by its heads, since
    another version may have other columns."""
    theirs, ours = page_text.read(written).table, page_text.read(own).table
    if not theirs or not ours:
        return None if theirs == ours else "one has a table of all figures, the other none"
    heads = [head for head in theirs[0] if head in ours[0]]

    def rows(table: Sequence[Sequence[str]]) -> Counter[tuple[str, ...]]:
        at = [table[0].index(head) for head in heads]
        return Counter(tuple(row[i] for i in at if i < len(row)) for row in table[1:])

    for row in rows(theirs) - rows(ours):
        return f"no record gives the row '{' | '.join(row)}'"
    for row in rows(ours) - rows(theirs):
        return f"the row '{' | '.join(row)}' is missing"
    return None
