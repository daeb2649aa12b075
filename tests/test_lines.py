"""Lines of code: of what ran, in the record, in tables, and what tuning costs in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from joulia import registry
from joulia.analysis import tables
from joulia.analysis.compare import comparisons
from joulia.analysis.tuning import tunings
from joulia.case import Settings
from joulia.records import lines
from joulia.records.record import Record
from joulia.runner.cases import Planned
from joulia.runner.ceilings import Ceilings
from joulia.runner.session import record_of
from joulia.simulation.solve import make_case

from .results import record, write
from .test_conditions_read import PLAIN

SOURCES = {
    # As kernels/heat/heat_numba_plain.py: a docstring, a comment, and a text that is code.
    "heat.py": (6, '"""Heat.\n\nIn plain Python."""\n\nimport math  # pi\n\n\ndef f(x):\n'
                '    """Twice x."""\n    # as in the paper\n    s = """a\n    b"""\n'
                "    return (\n        x)\n"),
    # As kernels/heat/heat_plain.jl: docstrings are texts that stand alone; `end` is code.
    "heat.jl": (6, '"du/dt"\nmodule heat\n\n"""\n    f(x)\n\nTwice `x`.\n"""\nfunction f(x)\n'
                '    #= no\n    code =#\n    "a" * x # text\n    return 2x\nend\nend\n'),
    # As kernels/heat/heat_plain.okl: attributes of OKL, directives, brackets alone.
    "heat.okl": (5, "// heat\n/* in\n   two lines */\n#define real double\n@kernel void f() {\n"
                 "  for (int i = 0; i < 9; ++i; @outer) {\n\n  }  // i\n}\n"),
    "heat.cpp": (4, "#pragma omp parallel for\nfor (;;)\n{\n}\n// end\n"),
    # Fortran 2008: what begins with !$ is a comment that OpenMP's compiler obeys.
    "heat.f90": (5, "! heat\nsubroutine f(x)\n  !$omp parallel do\n  x = 1 ! set\n"
                 "\n  !$omp end parallel do\nend subroutine\n"),
}  # fmt: skip


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """As another process sees it: nothing is known but what lies in the cache."""
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "__init__.py").touch()

    def forget() -> None:
        for function in (lines._counts, lines.counted, lines.of_source):
            function.cache_clear()

    forget()
    return forget


def test_a_source_is_counted_once_and_again_when_it_changed(
    tmp_path: Path, fresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`joulia list` took two seconds longer for counting what had not changed."""
    path = tmp_path / "heat.f90"
    path.write_text("x = 1\n")
    counted: list[str] = []
    count = lines._count
    monkeypatch.setattr(lines, "_count", lambda *of: counted.append(of[0]) or count(*of))
    for text, total in (("x = 1\n", 1), ("x = 1\n", 1), ("x = 1\ny = 2\n", 2)):
        path.write_text(text)
        fresh()
        measured = lines.of_source(path)
        assert measured is not None
        assert measured.own == total
    assert counted == ["x = 1\n", "x = 1\ny = 2\n"]
    fresh()


@pytest.mark.parametrize("kept", ["", "[]", '{"a": "many"}', "\0"])
def test_what_is_kept_wrongly_is_counted_again(
    tmp_path: Path, fresh: Callable[[], None], kept: str
) -> None:
    """A disk that was full, a file of another program."""
    path = tmp_path / "heat.f90"
    path.write_text("x = 1\n")
    assert lines.of_source(path) is not None
    lines._counts().path.write_text(kept)
    fresh()
    measured = lines.of_source(path)
    assert measured is not None
    assert measured.own == 1
    fresh()


@pytest.mark.parametrize("name", SOURCES)
def test_comments_docstrings_and_blanks_are_no_code(tmp_path: Path, name: str) -> None:
    count, text = SOURCES[name]
    path = tmp_path / name
    path.write_text(text)
    assert lines.counted(path) == count


def counted(kernel: str, backend: str) -> lines.SourceLines:
    source = registry.source(kernel, *registry.backend(backend)[0])
    assert source is not None
    result = lines.of_source(source.path)
    assert result is not None
    return result


def test_what_kernels_share_is_counted_by_the_kernel() -> None:
    """_occa_math.h and the Julia package serve every kernel, euler's are its alone; lanes serve
    euler and emulator, rows euler, tracer and boussinesq."""
    every = len(registry.kernels())
    bridges = lines.SHARED["joulia.bridges"]
    math_h = bridges / "_occa_math.h"
    assert counted("heat", "occa/plain").helpers == {}
    heat = counted("heat", "occa:serial").helpers
    assert heat["_occa_math.h"] == lines.counted(math_h) / every
    folder = registry.kernel("heat").folder
    assert heat["heat.h"] == lines.counted(folder / "heat.h"), "two sources, one kernel: all of it"
    euler = counted("euler", "numba")
    folder = registry.kernel("euler").folder
    own = {name: lines.counted(folder / name) for name in ("viscous_arrays.py", "viscous_numba.py")}
    lanes, rows = (lines.counted(bridges / name) for name in ("_numba_lanes.py", "_numba_rows.py"))
    shared = {"_numba_lanes.py": lanes / 2, "_numba_rows.py": rows / 6}
    assert euler.helpers == own | shared, "not its states"
    assert euler.total == euler.own + sum(euler.helpers.values())


def test_julia_s_parts_are_found_by_the_names_that_a_source_uses() -> None:
    assert set(counted("heat", "julia").helpers) == {"JouliaKernels.jl", "arithmetic.jl"}
    assert set(counted("heat", "julia/ka").helpers) == {"boxes.jl"}
    assert counted("heat", "julia/plain").helpers == {}
    assert counted("euler", "julia/plain").helpers["pointwise.jl"] > 20
    assert {"lanes.jl", "nodes.jl", "cells.jl"} <= set(counted("euler", "julia").helpers)


def test_a_source_that_calls_another_has_its_lines_too() -> None:
    """CuPy's shallow water calls NumPy's."""
    cupy, numpy = counted("shallow_water", "cupy:cuda"), counted("shallow_water", "numpy")
    assert cupy.helpers["shallow_water_numpy.py"] == numpy.own > cupy.own


def test_a_plug_in_s_source_that_cannot_be_read_has_no_lines(tmp_path: Path) -> None:
    broken = tmp_path / "wave_numba.py"
    broken.write_text("def f(:\n")
    unknown = tmp_path / "wave.mojo"
    unknown.write_text("fn f(): pass\n")
    assert lines.of_source(broken) is None
    assert lines.of_source(unknown) is None


# ---- records -----------------------------------------------------------------------------------


def test_a_record_holds_the_lines_of_what_ran() -> None:
    planned = Planned(make_case("heat", "numba/plain"), "made up")
    kept = record_of(planned, Settings(), Ceilings(), starts_again=True)
    assert kept.source_lines == counted("heat", "numba/plain")
    assert kept.source_lines.file == "heat_numba_plain.py"
    assert kept.source_lines.counted_by.startswith("pygments ")
    data = kept.to_json()
    assert Record.from_json(data) == kept
    del data["source_lines"]  # as earlier joulias wrote it
    assert Record.from_json(data).source_lines is None


# ---- tables ------------------------------------------------------------------------------------


def test_the_lists_of_lines_fit_a_narrow_terminal(joulia) -> None:
    printed = joulia("list", env={"COLUMNS": "80"}).stdout.splitlines()
    start = next(i for i, line in enumerate(printed) if line.startswith("source "))
    rows: dict[str, list[str]] = {}
    for line in printed[start : printed.index("", start)]:
        first, *others = line.split()
        rows.setdefault(first, []).extend(others)
    assert rows["source"] == list(registry.kernels())
    assert rows["occa"] == [f"{counted(k, 'occa:serial').total:.0f}" for k in registry.kernels()]
    assert "occa:openmp" not in rows, "it reads the same sources"
    assert max(map(len, printed)) <= 80


def test_the_readme_s_lines_of_code_are_those_of_the_sources() -> None:
    """To a tenth, or three lines: its table is of a run, and sources change."""
    text = (Path(__file__).parents[1] / "README.md").read_text()
    table = text[text.index("| lines |") :].partition("\n\n")[0].splitlines()
    heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    assert {row[0] for row in rows} == {k for k in registry.kernels() if registry.ranked(k)}
    for kernel, *numbers in rows:
        for backend, number in zip(heads[1:], numbers, strict=True):
            total = counted(kernel, backend).total
            assert abs(int(number) - total) <= max(3.0, 0.1 * total), (kernel, backend, total)


TUNED = [
    record("numpy", 8e-3, lines=36),
    record("numba/plain", 4.1e-3, lines=16, threads=2),
    record("numba/plain", 8.1e-3, lines=16),
    record("numba", 1e-3, lines=39.5, threads=2, energy=0.1),
]
"""Numba's sources of heat on two cores, the plain one on one core as well."""


def test_what_tuning_bought_is_told_on_the_same_cores() -> None:
    (problem,) = comparisons(TUNED)
    (tuning,) = tunings(problem)
    text = "numba 1 x 2 is 4.10 times as fast as numba/plain 1 x 2 (4."
    assert tuning.sentence.startswith(text)
    assert tuning.sentence.endswith(", for 2.5 times the lines (40 against 16)")
    assert tuning.sentence in tables.markdown([problem], [])
    assert "joules" not in tuning.sentence, "the plain one's were not measured"


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"time": 1.005e-3}, "numba is not clearly faster or slower than numba/plain, for 2.0 "),
        ({"time": 0.5e-3}, "numba is 0.500 times as fast as numba/plain (0.4"),
        ({"time": [4e-3]}, "4.00 times as fast as numba/plain (too few repeats), for"),
        ({"time": 2e-3, "energy": 0.3}, "), with 0.333 times the joules, for 2.0 times the lines"),
        ({"time": 2e-3, "lines": None}, "numba is 2.00 times as fast as numba/plain (1.99 to 2."),
    ],
)
def test_what_tuning_bought_in_words(plain, says) -> None:
    others = {"lines": 20.0} | plain
    tuned = record("numba", 1e-3, energy=0.1, lines=40)
    (problem,) = comparisons([record("numba/plain", **others), tuned])
    (tuning,) = tunings(problem)
    assert says in tuning.sentence
    assert ("lines" in tuning.sentence) == (others["lines"] is not None)


def test_under_other_conditions_nothing_is_said_of_tuning() -> None:
    saving, quick = (replace(PLAIN, governor=name) for name in ("powersave", "performance"))
    pair = replace(record("numba/plain", 4e-3), conditions=saving), record("numba", 1e-3)
    (problem,) = comparisons([pair[0], replace(pair[1], conditions=quick)])
    assert "cannot be compared with numba/plain" in tunings(problem)[0].sentence


def test_compare_has_a_column_of_lines(joulia, tmp_path) -> None:
    file = str(write(tmp_path / "r.jsonl", TUNED))
    shown = joulia("compare", file, env={"COLUMNS": "80"}).stdout
    assert "lines" in shown.splitlines()[1].split() + shown.splitlines()[2].split()
    (row,) = [
        row
        for row in csv.DictReader(io.StringIO(joulia("compare", "--csv", file).stdout))
        if row["backend"] == "numba"
    ]
    assert float(row["source_lines"]) == 39.5
    assert (row["source"], row["source_own_lines"]) == ("heat.made", "39")
    older = str(write(tmp_path / "o.jsonl", [replace(r, source_lines=None) for r in TUNED]))
    assert "lines" not in joulia("compare", "--markdown", older).stdout
