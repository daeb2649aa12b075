"""The record: typed, documented, and readable by other versions of joulia."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from joulia.analysis import compare, export, record_table, tables
from joulia.errors import JouliaError
from joulia.records import document, store
from joulia.records.codec import from_json, to_json
from joulia.records.parts import EndTimeError, Energy, Feed
from joulia.records.record import Findings, Measured, Record
from joulia.report import page
from joulia.runner import session
from joulia.runner.ceilings import Ceilings

from .results import made_energy, record

DOCS = Path(__file__).parents[1] / "docs"
FIRST = Path(__file__).parent / "data" / "records-of-0.1.0-first.jsonl"
"""Written by joulia before its records were typed (commit f387976), by `joulia run` on a machine
without a meter and by its tests with one."""


def full() -> Record:
    """A record with everything that a record may have."""
    energy = dataclasses.replace(
        made_energy([1.0, 1.1, 0.9], "counter", [10.0, 11.0]), flags=("made up",)
    )
    bare = record("numba", energy=[1.0], estimate=(1.0, 2.0, 3.0), fraction=0.5)
    return dataclasses.replace(bare, energy=energy, stderr=("last words",))


def test_a_record_survives_json() -> None:
    original = full()
    assert Record.from_json(json.loads(json.dumps(original.to_json()))) == original


@pytest.mark.parametrize("part", [None, "time", "energy", "parallel", "verify", "case", "settings"])
def test_what_a_reader_does_not_know_it_leaves_out(part: str | None) -> None:
    """A newer record does not block an older joulia."""
    data: dict[str, Any] = json.loads(json.dumps(full().to_json()))
    (data if part is None else data[part])["of_the_future"] = {"a": [1, 2]}
    assert Record.from_json(data) == full()


WRONG = (
    (("time", "median"), None, "time.median: None is not a number"),
    (("time", "median"), "fast", "time.median: 'fast' is not a number"),
    (("time", "samples"), "1, 2", "time.samples: '1, 2' is not a list"),
    (("time", "samples"), [1.0, True], "time.samples: True is not a number"),
    (("time", "ci95"), [1.0], r"time.ci95: \[1.0\] is not a list of 2"),
    (("time",), [], r"time: \[\] is not an object"),
    (("energy", "domains"), {"a:b": "much"}, "energy.domains.a:b: 'much' is not a number"),
    (("case", "kernel"), ..., "case.kernel is missing"),
    (("case", "params"), 3, "case: .*"),
    (("time", "median"), ..., "time.median is missing"),
    (("id",), ..., "id is missing"),
    (("commit",), 7, "commit: 7 is not text"),
)


@pytest.mark.parametrize(("keys", "value", "message"), WRONG)
def test_what_is_no_record_is_told_with_file_line_and_key(
    tmp_path: Path, keys: tuple[str, ...], value: Any, message: str
) -> None:
    """A value that is no such thing, or (`...`) a key that is not there."""
    data: dict[str, Any] = json.loads(json.dumps(full().to_json()))
    *parts, last = keys
    inner = data
    for part in parts:
        inner = inner[part]
    inner[last] = value
    if value is ...:
        del inner[last]
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(data) + "\n")
    with pytest.raises(JouliaError, match=rf"r.jsonl, line 1: not a joulia record: {message}"):
        store.load(path)


def test_parts_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        full().status = "valid"  # type: ignore[misc]


def test_a_record_keeps_every_part_that_was_measured() -> None:
    """And joules of the time in which its input was waited for."""
    made = full()
    feed = Feed(1 << 20, 1e9, 0.25, 1 << 28)
    solution = EndTimeError(1.0, 10, "u", "", 0.1)
    names = {f.name for f in dataclasses.fields(Findings)}
    given = {name: getattr(made, name) for name in names} | {"feed": feed, "solution": solution}
    empty = {f.name: f.default for f in dataclasses.fields(Findings) if f.name != "status"}
    bare = dataclasses.replace(made, **empty)
    kept = session.published(bare, Measured(**given), Ceilings())
    set_before = {"status", "reasons", "verify", "conditions", "stderr"}
    for name in names - set_before:
        assert given[name] is None or getattr(kept, name) is not None, name
    assert made.energy is not None
    assert kept.feed == dataclasses.replace(feed, idle=0.25 * made.energy.median)
    without = session.published(bare, Measured(**given | {"energy": None}), Ceilings())
    assert without.feed == feed


def test_a_part_alone() -> None:
    energy = made_energy([1.0, 2.0], "sampled", None)
    assert from_json(Energy, json.loads(json.dumps(to_json(energy)))) == energy


def test_records_of_the_first_joulia_load_show_compare_and_report() -> None:
    records = store.load(FIRST)
    assert {r.status for r in records} == {"valid", "invalid", "failed", "skipped"}
    assert any(r.energy for r in records)
    assert any(r.parallel and r.parallel.messages for r in records)
    assert any(r.case.on_gpu for r in records)
    assert len(record_table.table(records).rows) >= 4
    assert record_table.notes(records)
    problems = compare.comparisons(records)
    assert "numba" in tables.csv_text([tables.flat(p, e) for p in problems for e in p.entries])
    assert len(export.row(records[0])) == len(export.row(full()))
    assert "<html" in page.build(records)
    for stored in records:
        if stored.time and stored.rates and stored.work:  # which they did not hold
            updates = stored.rates.updates_per_s * stored.time.median
            assert stored.work.updates == pytest.approx(updates)
            assert updates == pytest.approx(math.prod(stored.case.shape))
        else:
            assert stored.status != "valid"


def test_the_toolchain_of_older_records_loads_by_its_old_name() -> None:
    data: dict[str, Any] = dataclasses.replace(full(), toolchain={"numba": "0.62"}).to_json()
    older = {"variant" if key == "toolchain" else key: part for key, part in data.items()}
    assert Record.from_json(older) == Record.from_json(data)
    assert Record.from_json(older).toolchain == {"numba": "0.62"}


def test_the_page_is_what_the_types_say() -> None:
    """`python -m joulia.records.document > docs/record.md`"""
    if not DOCS.is_dir():
        pytest.skip("docs/record.md: only a checkout has it")
    assert (DOCS / "record.md").read_text() == document.document()


@pytest.mark.parametrize("kind", document.kinds())
def test_every_attribute_says_what_it_is(kind: type) -> None:
    texts = document.texts(kind)
    assert [f.name for f in dataclasses.fields(kind) if f.init and not texts.get(f.name)] == []
