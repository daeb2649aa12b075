"""Results files: torn lines, foreign files, full disks, two runs at once, kill -9."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulia.case import Settings
from joulia.errors import JouliaError
from joulia.records import store
from joulia.records.record import Record
from joulia.simulation.solve import make_case
from joulia.system.machine import Machine


def record(name: str, status: str = "valid") -> Record:
    return Record(
        id=name,
        started_at="2026-01-01T00:00:00+00:00",
        duration_s=1.0,
        status=status,
        reasons=(),
        case=make_case("heat"),
        settings=Settings(),
        machine=Machine("m", "h", "x86_64", "made up", 4, 1 << 34, 1 << 20, "Linux"),
        software={},
        commit=None,
    )


def test_a_record_survives_the_way_through_a_file(tmp_path):
    path = tmp_path / "r.jsonl"
    assert store.ResultsFile(path).append(record("a"))
    (loaded,) = store.load(path)
    assert loaded == record("a")


def test_each_line_of_a_large_file_is_read_once(tmp_path, monkeypatch):
    """Five thousand records, and a run that asks for each, while another run appends."""
    path = tmp_path / "r.jsonl"
    line = json.dumps(record("X").to_json())
    names = [f"n{i}" for i in range(5000)]
    path.write_text("".join(line.replace('"X"', f'"{name}"') + "\n" for name in names))
    parsed = []
    read = Record.from_json.__func__
    monkeypatch.setattr(
        Record, "from_json", classmethod(lambda cls, data: parsed.append(1) or read(cls, data))
    )
    file = store.ResultsFile(path)
    assert all(file.find(name).id == name for name in names)
    assert len(parsed) == 5000
    assert store.ResultsFile(path).append(record("from another run"))
    parsed.clear()
    assert file.find("from another run").id == "from another run"
    assert not file.append(record("n7"))
    assert file.append(record("mine"))
    assert len(parsed) == 1


def test_a_file_that_was_replaced_during_a_run_is_read_anew(tmp_path):
    path = tmp_path / "r.jsonl"
    file = store.ResultsFile(path)
    assert file.append(record("a"))
    assert file.append(record("b"))
    assert file.find("a").id == "a"
    path.unlink()
    assert file.find("a") is None
    assert file.append(record("c"))
    assert [file.find(name) is not None for name in "abc"] == [False, False, True]
    assert [r.id for r in store.load(path)] == ["c"]


def test_a_valid_record_is_not_doubled_and_a_failed_one_may_be_followed(tmp_path):
    path = tmp_path / "r.jsonl"
    assert store.ResultsFile(path).append(record("a", "failed"))
    assert store.ResultsFile(path).append(record("a"))
    assert not store.ResultsFile(path).append(record("a"))
    assert store.ResultsFile(path).append(record("a"), again=True)
    assert [r.status for r in store.load(path)] == ["failed", "valid", "valid"]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400))
def test_a_line_torn_anywhere_costs_that_line_alone(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("torn") / "r.jsonl"
    store.ResultsFile(path).append(record("a"))
    whole = path.read_bytes()
    store.ResultsFile(path).append(record("b"))
    torn = path.read_bytes()[: len(whole) + cut]
    path.write_bytes(torn)
    with pytest.warns(store.TornLine):
        assert [r.id for r in store.load(path)] == ["a"]
    with pytest.warns(store.TornLine):
        file = store.ResultsFile(path)
    assert file.append(record("c"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [r.id for r in store.load(path)] == ["a", "c"]


def test_a_first_line_that_is_torn_is_an_empty_file_and_not_a_foreign_one(tmp_path):
    path = tmp_path / "r.jsonl"
    store.ResultsFile(path).append(record("a"))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.warns(store.TornLine):
        assert store.load(path) == []


def test_a_last_line_without_its_newline_is_kept(tmp_path):
    path = tmp_path / "r.jsonl"
    store.ResultsFile(path).append(record("a"))
    path.write_bytes(path.read_bytes()[:-1])
    store.ResultsFile(path).append(record("b"))
    assert [r.id for r in store.load(path)] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    ["hello\n", "hello", '{"schema": "other/1"}\n', "[1, 2]\n", '{"a": 1}\n{"b": 2}', "\0\1"],
)
def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(JouliaError, match=r"notes\.txt, line 1"):
        store.ResultsFile(path)
    assert path.read_text() == text


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(JouliaError, match="cannot read"):
        store.load(tmp_path / "none.jsonl")


def test_a_full_disk_takes_the_write_back_and_saves_the_record_elsewhere(tmp_path):
    """A file-size limit stands in for the disk: the write ends in the middle of a line."""
    path = tmp_path / "r.jsonl"
    store.ResultsFile(path).append(record("a"))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(JouliaError, match="the record at hand is in") as caught:
            store.ResultsFile(path).append(record("b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert '"id": "b"' in str(caught.value) or "joulia-rescued-" in str(caught.value)


def run_command(output: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "joulia", "run", "heat", "-b", "numpy", "--size", "tiny",
        "--param", "cfl=0.1,0.15,0.2,0.25,0.3,0.35", "--window", "0.02", "--repeats", "2",
        "--no-ceiling", "--output", str(output), *more,
    ]  # fmt: skip


def test_two_runs_into_one_file_lose_and_double_nothing(tmp_path):
    output = tmp_path / "r.jsonl"
    runs = [
        subprocess.Popen(run_command(output), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for run in runs:
        _, errors = run.communicate(timeout=300)
        assert run.returncode == 0, errors
    records = store.load(output)
    assert len(records) == 6
    assert len({r.id for r in records}) == 6
    assert all(r.status == "valid" for r in records)


def workers_of(marker: str) -> list[int]:
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_text(errors="replace"):
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


@pytest.mark.parametrize("ranks", ["1", "2"])
def test_kill_9_loses_no_valid_record_leaves_no_orphan_and_the_next_run_resumes(tmp_path, ranks):
    output = tmp_path / "r.jsonl"
    marker = f"JOULIA_TEST_MARK={tmp_path}"
    name, _, value = marker.partition("=")
    run = subprocess.Popen(
        run_command(output, "--ranks", ranks, "--window", "0.3"),
        env=os.environ | {name: value},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not output.exists() or not output.stat().st_size):
        time.sleep(0.05)
    time.sleep(0.7)  # well into the second case
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 15
    while workers_of(marker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert workers_of(marker) == []
    done = [r.id for r in store.load(output) if r.status == "valid"]
    assert 1 <= len(done) < 6
    again = subprocess.run(
        run_command(output, "--ranks", ranks, "--window", "0.3"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("(resumed)") == len(done)
    assert len({r.id for r in store.load(output)}) == 6
    assert len(output.read_text().splitlines()) == 6
    for line in output.read_text().splitlines():
        assert json.loads(line)["status"] == "valid"


def test_an_interrupt_keeps_what_was_measured_and_says_so(tmp_path):
    output = tmp_path / "r.jsonl"
    run = subprocess.Popen(
        run_command(output, "--window", "0.3"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not output.exists() or not output.stat().st_size):
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted; what was measured is kept" in errors
    assert "Traceback" not in errors
    assert store.load(output)
