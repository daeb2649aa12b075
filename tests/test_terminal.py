"""Tables on terminals of 60 to 200 columns: a row a line, figures whole, what is missing named."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from joulia.analysis import (
    compare,
    portability,
    prediction,
    record_table,
    scaling,
    tables,
    terminal,
)
from joulia.analysis.record_table import label
from joulia.analysis.terminal import Column, Grid
from joulia.cli import metering, progress
from joulia.cli.metering import MeteredDomain
from joulia.gate import show as gate
from joulia.gate.compare import Verdict
from joulia.records.record import Record
from joulia.runner.cases import Planned
from joulia.runner.session import Outcome
from joulia.setup import doctor

from .results import record, write

WIDTHS = (60, 80, 100, 120, 140, 200)
ESTIMATE = (1.0e-3, 2.22e-3, 3.57e-3)
SWEEP = [
    record("numpy", 6.93e-4, energy=0.0421, fraction=0.24, kernel="equation_of_state"),
    record("occa:openmp", 2.45e-2, energy=1.53, fraction=1.07, kernel="shallow_water", threads=2),
    record("numba", 9.99e-6, energy=0.11, dtype="float32", size="medium", ranks=2, fraction=0.9),
    record("julia", [1e-3, 1.1e-3, 1.2e-3], energy=0.4, kernel="tracer", size="medium"),
    record("numba:cuda", None, status="failed", reason="the GPU stopped answering"),
    record("occa:serial", None, status="invalid", reason="first step is off by 1e-3"),
]
"""A sweep on a machine with a meter: kernels, precisions, ranks and threads differ."""
PLAIN = [
    record(backend, time, estimate=ESTIMATE, kernel=kernel, fraction=0.5)
    for kernel in ("heat", "equation_of_state")
    for backend, time in (("numpy", 6.93e-4), ("occa:openmp", 2.4e-5), ("numba", 9.9e-3))
]
"""A run on a virtual machine: no joules, one precision."""
SCALED = [record("occa:openmp", 1e-3 / n, energy=0.5, ranks=n) for n in (1, 2, 4, 8)]
DOMAINS = [
    MeteredDomain("rapl", "package-0", "package", "counter", True, 123.0, 45.6, 0.02, False),
    MeteredDomain(
        "nvml", "GPU-8f3c1a52-6e1b-4d8e-9a51-0c2b1f4d7e66", "gpu", "counter", True, 9.1e3, 251.0,
        0.05, False,
    ),
    MeteredDomain("hwmon", "ps1-input", "node", "sampled", False, None, None, 0.5, True),
]  # fmt: skip
VERDICTS = [
    Verdict(
        r.case, metric, verdict, 0.03, unit=unit, source=source, base=2.3e-3, head=2.9e-3,
        change=0.26, interval=(0.21, 0.31), pairs=40,
    )
    for r, verdict in zip(SWEEP[:3], ("same", "regression", "inconclusive"), strict=True)
    for metric, unit, source in (("time", "s/step", None), ("energy", "J/step", "counter"))
]  # fmt: skip


def problem(records: Sequence[Record]) -> Grid:
    (only,) = compare.comparisons(records)
    return tables.grid(only)


def of_machines() -> Grid:
    hosts = ("alpha", "node0123.cluster.example.org", "gamma")
    records = [
        record(backend, time, energy=0.5, fraction=0.4, host=host)
        for host in hosts
        for backend, time in (("numpy", 1e-2), ("occa:openmp", 1e-3))
    ]
    portable = portability.portability(compare.comparisons(records), records)
    return tables.portability_grid(portable)


GRIDS: dict[str, Callable[[], Grid]] = {
    "run, a sweep": lambda: record_table.table(SWEEP),
    "run, no meter": lambda: record_table.table(PLAIN),
    "run, one case": lambda: record_table.table(SWEEP[:1]),
    "compare": lambda: problem(
        [
            record("numpy", 8e-3, energy=0.4, fraction=0.1, cold=True),
            record("occa:openmp", 1e-3, energy=0.1, threads=16, fraction=0.8, startup=2.0),
            record("numba", 1.001e-3, energy=0.1, threads=16, fraction=0.8, startup=3.0),
        ]
    ),
    "compare, no meter": lambda: problem(PLAIN[:3]),
    "portability": of_machines,
    "scale": lambda: scaling.table(scaling.points(SCALED, weak=False)),
    "prediction": lambda: prediction.prediction_table(
        [
            prediction.Prediction(2**k, (2048,) * 3, 1.2e-3, 3.4e-6 * k, 1e-6, 1.0 / (k + 1))
            for k in range(12)
        ]
    ),
    "meter": lambda: metering.table(DOMAINS),
    "gate": lambda: Grid(gate.COLUMNS, [gate.row(v) for v in VERDICTS]),
}
FIGURES = {
    "time/step": r"[\d.]+ [pnµm]?s( ±[\d.]+ %)?",
    "95 % interval": r"[+-][\d.]+ % [+-][\d.]+ %|too few repeats|\d+% to \d+%",
    "updates/s": r"[\d.]+ [kMGT]",
    "bytes/s": r"[\d.]+ [kMGT]?B/s",
    "of bound": r"\d+%( !| cache)?",
    "J/step": r"none|[\d.]+ [nµmk]?J ±[\d.]+ ?%( !)?",
    "≈ J/step": r"≈ [\d.]+ [nµmk]?J \([\d.]+ [nµmk]?J to [\d.]+ [nµmk]?J\)",
    "power": r"[\d.]+ [mk]?W ±[\d.]+ %",
    "change": r"[+-][\d.]+%",
    "interval": r"[+-][\d.]+% to [+-][\d.]+%",
    "efficiency": r"\d+%|application|architectural",
    "compute": r"[\d.]+ [nµm]?s",
    "exchange": r"[\d.]+ ?([nµm]?s|%)",
    "J": r"too short|[\d.]+ [mk]?J",
    "W": r"[\d.]+ [mk]?W",
}
"""Figures with their units, as they are to be read in the columns of these names."""


def drawn(grid: Grid, width: int) -> list[str]:
    out = Console(width=width, file=io.StringIO(), highlight=False)
    terminal.draw(out, grid)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def held_against(line: str, cells: Sequence[str], columns: Sequence[Column]) -> None:
    """A line is these cells and nothing else: figures whole, names whole or with an ellipsis."""
    rest = line
    for cell, column in zip(cells, columns, strict=True):
        if not cell:
            continue
        rest = rest.lstrip()
        if rest.startswith(cell):
            rest = rest.removeprefix(cell)
        else:
            kept, mark, rest = rest.partition("…")
            assert mark, f"{column.title}: {cell!r} is not in {line!r}"
            assert column.least is not None, f"{column.title} is no name, and was cut: {line!r}"
            assert cell.startswith(kept)
            assert len(kept) + 1 >= column.least
        assert not rest or rest.startswith(" "), f"{column.title}: more than {cell!r} in {line!r}"
    assert not rest.strip()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", GRIDS)
def test_a_row_is_a_line_and_its_figures_are_whole(name: str, width: int) -> None:
    grid = GRIDS[name]()
    lines = drawn(grid, width)
    assert max(map(len, lines)) <= width
    fitted = terminal.fit(grid, width)
    columns = [grid.columns[i] for i in fitted.shown]
    note = " ".join(line for line in lines if line).rpartition("Left out at ")[2]
    headings = zip(columns, fitted.widths, strict=True)
    body = max(len(terminal.folded(column.title, size)) for column, size in headings)
    for line, row in zip(lines[body:], grid.rows, strict=False):
        held_against(line, [str(row[i]) for i in fitted.shown], columns)
    for i in fitted.shown:
        wanted = FIGURES.get(grid.columns[i].title)
        assert not wanted or all(re.fullmatch(wanted, c) for c in grid.cells(i) if c)
    empty = {i for i in range(len(grid.columns)) if not any(grid.cells(i))}
    missing = set(range(len(grid.columns))) - set(fitted.shown) - empty
    assert len(lines) == body + len(grid.rows) or missing
    assert all(grid.columns[i].title in " ".join(note.split()) for i in missing)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["run, a sweep", "run, no meter", "scale", "gate"])
def test_the_verdict_comes_first_and_always(name: str, width: int) -> None:
    grid = GRIDS[name]()
    verdicts = [str(row[0]) for row in grid.rows]
    starts = [line for line in drawn(grid, width) if line.startswith(tuple(verdicts))]
    assert len(starts) == len(grid.rows)
    assert "verdict" in "".join(drawn(grid, width)[:2])


def test_at_80_columns_a_sweep_shows_its_cases_time_and_joules() -> None:
    """As this table looked before: no verdict, "693" for 693 µs, "24." for 24.5 GB/s."""
    text = "\n".join(drawn(record_table.table(PLAIN), 80))
    assert "693 µs" in text
    assert text.count("valid ") == len(PLAIN)
    note = " ".join(text.split()).rpartition("Left out")[2]
    assert note.startswith(" at 80 columns: ")
    assert "dtype float64" in note, "what every row says is said once"
    assert "`joulia export`" in note
    needed = int(re.findall(r"All need (\d+) columns", note)[0])
    assert "Left out" not in " ".join(drawn(record_table.table(PLAIN), needed))
    assert "Left out" in " ".join(drawn(record_table.table(PLAIN), needed - 1))
    metered = "\n".join(drawn(record_table.table([r for r in SWEEP if r.case.ranks == 1]), 100))
    assert "42.1 mJ ±" in metered
    assert "1.53 J ±" in metered


def test_columns_go_in_the_order_that_the_documentation_states() -> None:
    page = Path(__file__).parents[1] / "docs" / "reading-a-result.md"
    if not page.is_file():
        pytest.skip("needs the checkout, not the installed wheel")
    text = page.read_text()
    comparison = [Column(c.title, c.drop) for c in tables.COLUMNS]
    lists = (
        record_table.COLUMNS, comparison, scaling.COLUMNS, prediction.PREDICTED,
        prediction.LEVELS, gate.COLUMNS, metering.COLUMNS,
    )  # fmt: skip
    for columns in lists:
        order = sorted((c for c in columns if c.drop), key=lambda c: c.drop)
        assert f"| {', '.join(c.title for c in order)} |" in text
        assert len({c.drop for c in order}) == len(order)


def test_narrower_than_what_must_stay_nothing_is_cut() -> None:
    lines = drawn(record_table.table(SWEEP), 30)
    assert any("693 µs" in line for line in lines)
    assert sum(line.startswith(("valid", "failed", "invalid")) for line in lines) == len(SWEEP)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_doctors_list_goes_on_under_itself(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a node of 160 threads, with a driver that is missing and a long path."""
    machine = {"hostname": "node0123.cluster.example.org", "cpu": "POWER9", "arch": "ppc64le"}
    here = {"state": "ok", "detail": "numba 0.68.1, llvmlite 0.50.0, [unproven]"}
    driver = {"state": "missing", "detail": "no NVIDIA driver", "remedy": "pip install 'x[cuda]'"}
    examined = {
        "machine": machine | {"memory_bytes": 6 << 38, "last_level_cache_bytes": 120 << 20},
        "affinity": list(range(160)),
        "topology": "160 hardware threads on 40 cores",
        "cache": "/gpfs/alpine/scratch/" + "a-user-with-a-long-name/" * 6,
        "mpi": here,
        "gpus": driver,
        "backends": {"occa:openmp": here, "example_with_a_long_name:cuda": driver},
        "meters": {"rapl": here, "nvml": driver},
        "plugins": [{"name": "joulia_example", "reason": "ModuleNotFoundError: no module"}],
    }
    monkeypatch.setattr(doctor, "examine", lambda: examined)
    printed = []
    for columns in (str(width), ""):
        monkeypatch.setenv("COLUMNS", columns)
        doctor.report(as_json=False)
        printed.append(capsys.readouterr().out)
    lines = printed[0].splitlines()
    assert max(map(len, lines)) <= width
    assert {line[:3] for line in lines} == {"ok ", "-- ", "   "}
    assert len(printed[1].splitlines()) == 10, "a line each where there is no width"
    assert sorted("".join(printed[0].split())) == sorted("".join(printed[1].split()))
    assert "1536.0 GiB" in printed[1]


@pytest.mark.parametrize("width", [60, 80, 140, 240])
def test_the_matrix_of_kernels_and_backends(joulia, width: int) -> None:
    lines = joulia("list", env={"COLUMNS": str(width)}).stdout.splitlines()
    assert max(map(len, lines)) <= width
    whole = joulia("list", env={"COLUMNS": ""}).stdout
    backends = whole.splitlines()[0].split()[1:-3]
    text = " ".join(" ".join(lines).split())
    assert all(f"{name} " in text for name in [*backends, "equation_of_state", "shallow_water"])
    assert sum(" yes " in line for line in lines) >= 6
    assert ("Left out" in text) == (width < 200)


def test_a_line_of_progress_leaves_out_defaults_and_what_would_break_it() -> None:
    swept = replace(SWEEP[1], case=SWEEP[1].case.with_params(cfl=0.125))
    outcomes = [Outcome(SWEEP[2], True), Outcome(swept, False)]
    planned = [Planned(outcome.record.case) for outcome in outcomes]
    planned += [Planned(SWEEP[0].case), *[Planned(SWEEP[0].case, "not here")] * 2]
    long = progress.line(outcomes, planned, 200).plain
    assert re.fullmatch(
        r"\[2/5\] valid shallow_water occa:openmp 256x256 float64 1r x 2t cfl=0.125, "
        r"ends about \d\d:\d\d:\d\d", long,
    ), long  # fmt: skip
    assert progress.line(outcomes, planned, 80).plain == long.partition(", ends")[0]
    nothing_left = [*planned[:2], *planned[3:]]
    assert "ends" not in progress.line(outcomes, nothing_left, 200).plain, "skips take no time"
    first = progress.line(outcomes[:1], planned, 80).plain
    assert first == f"[1/5] valid {label(SWEEP[2].case)} (resumed)"
    assert "=" not in first


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bar_is_a_line_with_its_figures_whole(width: int) -> None:
    out = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    bar = progress.bar(out)
    bar.add_task(label(SWEEP[1].case) + " cfl=0.125 [x]", total=36, completed=12)
    with out.capture() as captured:
        out.print(bar.get_renderable())
    (line,) = captured.get().splitlines()
    assert len(line) <= width
    assert line.startswith("shallow_water")
    assert re.search(r"12/36 0:00:0\d left about (-:--:--|\d:\d\d:\d\d)$", line.rstrip()), line


def in_terminal(columns: int, *arguments: str) -> tuple[int, list[str]]:
    """Run joulia in a terminal of this width; its exit code, and the lines that stay there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"TERM": "xterm"}
    child = subprocess.Popen(
        [sys.executable, "-m", "joulia", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env=env,
    )  # fmt: skip
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(ours)
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text).decode()
    return child.wait(), [line.rpartition("\r")[2] for line in plain.split("\r\n")]


def test_a_run_in_a_terminal_of_80_columns(tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    code, lines = in_terminal(
        80, "run", "stream", "heat", "-b", "numpy", "--size", "tiny", "--threads", "1",
        "--window", "0.005", "--repeats", "6", "--no-ceiling", "-o", str(output),
    )  # fmt: skip
    assert code == 0, lines
    assert max(len(line) for line in lines if not line.startswith("Results: ")) <= 80
    heading = next(i for i, line in enumerate(lines) if line.startswith("verdict "))
    table = lines[heading + 1 : heading + 3]
    assert [line.split()[:2] for line in table] == [["valid", "stream"], ["valid", "heat"]]
    assert all(re.search(r" [\d.]+ [nµm]?s( |$)", line) for line in table)
    assert lines[heading + 3].startswith("Left out at 80 columns: updates/s, ")
    assert sum("] valid heat numpy 12x10x8 float64 " in line for line in lines) == 1
    assert not any("cfl=" in line for line in lines), "parameters at their defaults"


def test_a_pipe_gets_every_column_and_the_width_that_is_exported(joulia, tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", SWEEP)
    for given in ("", "0", "wide"):
        whole = joulia("show", path, env={"COLUMNS": given}).stdout
        assert "Left out" not in whole
        assert all(c.title in whole for c in record_table.COLUMNS if c.title != "≈ J/step")
    lines = joulia("show", path, env={"COLUMNS": "80"}).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("Left out at 80 columns") for line in lines)
    because = f"failed: {label(SWEEP[4].case)}: the GPU stopped answering"
    assert because in whole.splitlines()
