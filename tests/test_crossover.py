"""Over size: where one backend overtakes another and more ranks pay, against known power laws."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from joulia import registry
from joulia.analysis import crossover
from joulia.analysis.compare import comparisons
from joulia.errors import JouliaError

from .results import record, write
from .test_conditions_read import PLAIN

CELLS = {size: math.prod(s) for size, s in registry.kernel("heat").kernel.sizes.items()}
SIZES = ("tiny", "small", "medium")
TINY, SMALL, MEDIUM = (CELLS[size] for size in SIZES)


def sweep(backend, cost, joules=None, sizes=SIZES, **more):
    """Records of heat over sizes: seconds of a step by the number of cells, and joules."""
    return [
        record(backend, cost(CELLS[size]), size=size,
               energy=joules(CELLS[size]) if joules else None, **more)
        for size in sizes
    ]  # fmt: skip


def law(factor, power):
    return lambda cells: factor * cells**power


MEET = math.sqrt(SMALL * MEDIUM)
"""Cells at which the two laws below cross: both would be a microsecond and a half apart else."""
LINEAR = law(1e-9, 1.0)
GENTLE = law(1e-9 * MEET**0.4, 0.6)
"""A runtime whose call costs much and whose cells cost little, as OpenMP's beside one thread's."""
TWO = [*sweep("numba", LINEAR, joules=law(1e-7, 1.0)),
       *sweep("julia", GENTLE, joules=law(1e-7 * TINY**0.5 * 8**0.5, 0.5))]  # fmt: skip


def pairs(records, **more):
    return crossover.pairs(comparisons(records), **more)


def test_two_power_laws_cross_where_they_do() -> None:
    time, energy = pairs(TWO)
    (crossing,) = time.crossings
    assert crossing.cells.value == pytest.approx(MEET, rel=1e-9)
    shapes = registry.kernel("heat").kernel.sizes
    assert crossing.between == (shapes["small"], shapes["medium"])
    assert (crossing.below, crossing.above) == ("numba", "julia")
    (in_joules,) = energy.crossings
    assert in_joules.cells.value == pytest.approx(8 * TINY, rel=1e-9), "joules cross elsewhere"
    assert (energy.metric, in_joules.between[1]) == ("energy", shapes["small"])


def test_the_interval_is_the_ratios_over_the_difference_in_slope() -> None:
    """An error of x of a ratio that goes as cells**0.4 is one of x / 0.4 of the cells."""
    (crossing,) = pairs(TWO)[0].crossings
    (problem,) = [p for p in comparisons(TWO, "numba") if p.shape == (64, 64, 64)]
    (ratio,) = [e.time_difference.ratio for e in problem.entries if e.time_difference]
    cells = crossing.cells
    assert math.log(cells.high / cells.value) == pytest.approx(
        math.log(ratio.high / ratio.value) / 0.4, rel=0.05
    )
    assert cells.low < MEET < cells.high


def test_nothing_is_said_beyond_the_measured_sizes() -> None:
    """The same laws, measured below their crossing only."""
    below = [r for r in TWO if r.case.size != "medium"]
    (pair,) = [p for p in pairs(below) if p.metric == "time"]
    assert (pair.crossings, pair.ahead, pair.behind) == ((), "numba", "julia")
    assert (pair.clear, len(pair.shapes)) == (2, 2)


def test_sizes_that_cannot_be_told_apart_widen_what_is_between() -> None:
    """At small they are within 2 %: the crossing lies between tiny and medium."""
    close = law(1e-9 * SMALL**0.4 * 1.01, 0.6)
    (pair,) = pairs([*sweep("numba", LINEAR), *sweep("julia", close)])
    (crossing,) = pair.crossings
    assert pair.clear == 2
    assert [math.prod(shape) for shape in crossing.between] == [TINY, MEDIUM]
    assert SMALL < crossing.cells.value < SMALL * 1.05


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (sweep("julia", LINEAR), "no clear difference"),
        ([replace(r, conditions=replace(PLAIN, governor="powersave")) for r in TWO[3:]],
         "conditions differ: governor powersave | performance"),
        ([record("julia", [1e-3 * CELLS[s]], size=s) for s in SIZES], "too few repeats"),
    ],
    ids=["alike", "conditions", "once"],
)  # fmt: skip
def test_without_a_clear_difference_there_is_a_reason(other, reason) -> None:
    quick = [replace(r, conditions=PLAIN) for r in TWO[:3]]
    if reason == "too few repeats":
        quick = [record("numba", [1e-3], size=s) for s in SIZES]
    pair = next(p for p in pairs([*quick, *other]) if p.metric == "time")
    assert (pair.crossings, pair.ahead, pair.clear, pair.reason) == ((), None, 0, reason)


def test_from_which_size_ranks_pay() -> None:
    """Two ranks exchange halos: 40 microseconds a step and half of the time for the cells."""
    found = pairs(
        [*sweep("numba", LINEAR), *sweep("numba", lambda n: 4e-5 + LINEAR(n) / 2, ranks=2),
         *sweep("numba", lambda n: LINEAR(n) / 3, threads=2)]
    )  # fmt: skip
    threads, pair = found
    assert (pair.question, pair.labels) == ("ranks", ("numba", "numba 2 x 1"))
    assert (threads.question, threads.ahead) == ("threads", "numba 1 x 2")
    (crossing,) = pair.crossings
    assert (crossing.below, crossing.above) == ("numba", "numba 2 x 1")
    assert TINY < crossing.cells.value < SMALL, "at 80 000 cells by the formula"


def test_a_backend_of_one_thread_stands_beside_others_on_all_cores() -> None:
    """NumPy beside Numba on two threads, and not Numba on one beside Julia on two."""
    several = [*sweep("numpy", law(4e-8, 1.0)), *sweep("numba", LINEAR, threads=2)]
    several += [*sweep("julia", LINEAR), *sweep("julia", LINEAR, threads=2)]
    found = {p.labels: p.question for p in pairs(several)}
    assert found == {
        ("numba 1 x 2", "numpy"): "backend",
        ("julia", "numpy"): "backend",
        ("julia 1 x 2", "numpy"): "backend",
        ("julia 1 x 2", "numba 1 x 2"): "backend",
        ("julia", "julia 1 x 2"): "threads",
    }


def test_joules_of_two_kinds_of_meter_do_not_cross() -> None:
    sampled = [replace(r, energy=replace(r.energy, source="sampled")) for r in TWO[3:]]
    assert {p.metric for p in pairs([*TWO[:3], *sampled])} == {"time"}


def test_a_baseline_chooses_the_pairs_of_backends() -> None:
    three = [*TWO, *sweep("occa:openmp", law(2e-9, 1.0))]
    assert len([p for p in pairs(three) if p.metric == "time"]) == 3
    named = [set(p.labels) for p in pairs(three, baseline="occa") if p.metric == "time"]
    assert named == [{"julia", "occa:openmp"}, {"numba", "occa:openmp"}]


def test_one_size_is_refused_in_one_line() -> None:
    with pytest.raises(JouliaError, match=r"nothing to compare over size: .*--size tiny,small"):
        pairs([record("numba", 1e-3), record("julia", 2e-3)])


# ---- the command -------------------------------------------------------------------------------


def test_the_command_in_every_form(joulia, tmp_path) -> None:
    unmetered = [*sweep("numpy", law(4e-8, 1.0)), *sweep("numpy", law(2.2e-8, 1.0), ranks=2)]
    file = str(write(tmp_path / "r.jsonl", [*TWO, *unmetered]))
    over = ("compare", file, "--over", "size")
    shown = joulia(*over, env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    assert "heat float64 time numba julia 2.10 M [2.08 M, 2.12 M]" in text
    assert "numba needs less at every size than numpy" in text
    assert "numpy 2 x 1 needs less at every size than numpy" in text
    assert text.count("No joules of 6 of 12 cases: no meter on this machine") == 1
    table = joulia(*over, "--markdown").stdout
    assert "| heat float64 | time | numba | julia | 2.10 M [" in table
    assert "64x64x64 and 256x256x256 |" in table
    rows = list(csv.DictReader(io.StringIO(joulia(*over, "--csv").stdout)))
    data = json.loads(joulia(*over, "--json").stdout)
    assert [r["outcome"] for r in rows] == [c["outcome"] for c in data["crossovers"]]
    (crossed,) = [r for r in rows if r["outcome"] == "crosses" and r["metric"] == "time"]
    assert float(crossed["cells_low"]) < MEET < float(crossed["cells_high"])
    assert (crossed["from_shape"], crossed["to_shape"]) == ("64x64x64", "256x256x256")
    assert {r["question"] for r in rows} == {"backend", "ranks"}
    assert {r["outcome"] for r in rows} == {"crosses", "ahead"}


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ("sizes", "unknown --over 'sizes'; did you mean 'size'? Allowed: size"),
        ("size", "nothing to compare over size: "),
    ],
)
def test_what_there_is_nothing_over_is_one_line(joulia, tmp_path, over, says) -> None:
    file = str(write(tmp_path / "r.jsonl", [record("numba", 1e-3), record("julia", 2e-3)]))
    done = joulia("compare", file, "--over", over)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
