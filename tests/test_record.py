"""The record: typed, documented, and readable by other versions of joulia."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from joulia.analysis import compare, record_table
from joulia.records import document, store
from joulia.records.codec import from_json, to_json
from joulia.records.parts import Energy
from joulia.records.record import Record
from joulia.report import page

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
    one = record("numba", energy=[1.0], estimate=(1.0, 2.0, 3.0), fraction=0.5)
    return dataclasses.replace(one, energy=energy, stderr=("last words",))


def test_a_record_survives_json() -> None:
    one = full()
    assert Record.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize("part", [None, "time", "energy", "parallel", "verify", "case", "settings"])
def test_what_a_reader_does_not_know_it_leaves_out(part: str | None) -> None:
    """A newer record does not block an older joulia."""
    data: dict[str, Any] = json.loads(json.dumps(full().to_json()))
    (data if part is None else data[part])["of_the_future"] = {"a": [1, 2]}
    assert Record.from_json(data) == full()


def test_a_part_that_lacks_what_it_needs_is_told(tmp_path: Path) -> None:
    data = json.loads(json.dumps(full().to_json()))
    del data["time"]["median"]
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(data) + "\n")
    with pytest.raises(Exception, match=r"r.jsonl, line 1: not a joulia record: 'median'"):
        store.load(path)


def test_parts_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        full().status = "valid"  # type: ignore[misc]


def test_a_part_alone() -> None:
    energy = made_energy([1.0, 2.0], "sampled", None)
    assert from_json(Energy, json.loads(json.dumps(to_json(energy)))) == energy


def test_records_of_the_first_joulia_load_show_compare_and_report() -> None:
    records = store.load(FIRST)
    assert {r.status for r in records} == {"valid", "invalid", "failed", "skipped"}
    assert any(r.energy for r in records)
    assert any(r.parallel and r.parallel.messages for r in records)
    assert any(r.case.on_gpu for r in records)
    assert record_table.table(records).row_count >= 4
    assert record_table.notes(records)
    assert compare.compare(records)
    assert "<html" in page.build(records)


def test_the_page_is_what_the_types_say() -> None:
    """`python -m joulia.records.document > docs/record.md`"""
    if not DOCS.is_dir():
        pytest.skip("docs/record.md: only a checkout has it")
    assert (DOCS / "record.md").read_text() == document.document()


@pytest.mark.parametrize("kind", [Record, *document._parts()])
def test_every_attribute_says_what_it_is(kind: type) -> None:
    told = document.texts(kind)
    assert [f.name for f in dataclasses.fields(kind) if not told.get(f.name)] == []
