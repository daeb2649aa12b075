"""The frontier: true errors, costs to the end time, and the Pareto front in words."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from joulia import registry
from joulia.analysis import frontier, frontier_table
from joulia.case import Settings
from joulia.errors import JouliaError
from joulia.parallel.comm import OneRank
from joulia.records.parts import EndTimeError
from joulia.report import page
from joulia.simulation import end_time
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case, solve

from .conftest import require
from .results import made_estimate, record

END = 0.25


def made(backend, time, error, *, steps=10, energy=None, dtype="float64", size="small", until=END):
    """A record that holds a solution."""
    bare = record(backend, time, energy=energy, dtype=dtype, size=size)
    return replace(
        bare,
        settings=Settings(until=until),
        solution=EndTimeError(until, steps, "u", "", error),
    )


def front_of(records, cost=frontier.time_of):
    (points,) = frontier.points(records).values()
    return frontier.front(points, cost)


@pytest.mark.parametrize("n", [8, 13])
@pytest.mark.parametrize("until", [0.25, 0.1])
def test_whole_steps_end_at_the_end_time_within_the_stable_limit(n, until):
    case, steps = end_time.ends_at(make_case("heat", shape=(n, n + 1, n)), until)
    inverse = sum((m / (2 * math.pi)) ** 2 for m in case.shape)
    assert steps * case.param("cfl") / inverse == pytest.approx(until, rel=1e-14)
    assert case.param("cfl") <= 0.4
    assert end_time.ends_at(case, until) == (case, steps)


def test_the_error_is_that_of_the_differential_equation_and_falls_with_order_two():
    truth = registry.kernel("heat").kernel.frontier.truth
    end = 8 * 0.4 / (3 * (24 / (2 * math.pi)) ** 2)  # 8 steps on 24^3, 32 on 48^3
    errors = []
    for n in (24, 48):
        case, steps = end_time.ends_at(make_case("heat", shape=(n, n, n)), end)
        solution = solve("heat", shape=case.shape, steps=steps, params=dict(case.params))
        errors.append(np.abs(solution.fields["u"] - truth(case, end, solution.tile)["u"]).max())
        # The scheme's own answer is met to rounding, so the error is the discretisation's.
        assert solution.error("u") < 1e-13
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.05)


def test_a_largest_error_is_answered_with_the_cheapest_choice():
    records = [
        made("numpy", 1.0, 1e-4, energy=9.0, size="tiny"),
        made("numpy", 0.2, 1e-2, energy=8.0, size="small"),
        made("numba", 0.5, 2e-3, energy=4.0, size="medium"),
    ]
    (points,) = frontier.points(records).values()
    time, energy = frontier.cheapest(points, 1e-2)
    assert time.startswith("Least time at a relative error of at most 0.01: ")
    assert "on numpy, 2.00 s, error 0.01." in time
    assert "on numba, 40.0 J, error 0.002." in energy
    (refused,) = frontier.cheapest(points, 1e-5)
    assert "Nothing measured has a relative error of at most 1e-05. The least is 0.0001" in refused


GRIDS = [
    name
    for name, e in registry.kernels().items()
    if e.kernel.frontier and len(e.kernel.frontier.shapes) > 1
]
SHORT_STEPS = {"column": {"dt": 0.004}}
"""Of what is of first order in time, so that the grid's error is the larger one."""


@pytest.mark.parametrize("name", GRIDS)
def test_every_kernel_with_a_frontier_is_more_accurate_on_a_finer_grid(name):
    chosen = registry.kernel(name).kernel.frontier
    # NumPy is slow at the higher orders: a twentieth of the time shows the order as well.
    end = {"euler": 0.05, "tracer": 0.05}.get(name, 0.5) * chosen.until
    errors = []
    for shape in chosen.shapes[1:3]:
        params = dict(chosen.params) | SHORT_STEPS.get(name, {})
        case = make_case(name, shape=shape, params=params)
        case, steps = end_time.ends_at(case, end)
        assert end_time.ends_at(case, end) == (case, steps)
        run = set_up(case, OneRank())
        errors.append(end_time.error_at(run, end, OneRank()).error)
    assert 0.0 < errors[1] < 0.6 * errors[0]


def test_costs_are_those_of_all_steps():
    (point,) = front_of([made("numpy", 1e-3, 0.1, steps=50, energy=0.2)])
    assert point.time.value == pytest.approx(0.05)
    assert point.energy.value == pytest.approx(10.0)
    assert point.time.low < 0.05 < point.time.high


def test_nothing_on_the_front_is_beaten_and_everything_else_is():
    rng = np.random.default_rng(5)
    names = ["numpy", "numba", "julia", "occa:serial", "occa:openmp"]
    records = [
        made(name, float(rng.uniform(1e-3, 1e-1)), float(rng.uniform(1e-6, 1e-1)), dtype=d, size=s)
        for name in names
        for d in ("float64", "float32")
        for s in ("tiny", "small")
    ]
    (points,) = frontier.points(records).values()
    best = frontier.front(points, frontier.time_of)
    assert 1 <= len(best) < len(points)
    for p in points:
        beaten = any(q.time.value < p.time.value and q.error <= p.error for q in best)
        assert beaten == (p not in best)
    assert [p.error for p in best] == sorted(p.error for p in best)
    assert [p.time.value for p in best] == sorted((p.time.value for p in best), reverse=True)


def test_backends_that_differ_in_rounding_only_are_equally_accurate():
    best = front_of([made("numpy", 1e-2, 0.100000), made("numba", 1e-3, 0.100001)])
    assert [p.record.case.backend for p in best] == ["numba"]


def test_the_front_in_words():
    records = [
        made("numpy", 8.1e-3, 0.001, energy=0.81),
        made("numba", 1e-3, 0.002, energy=0.1, dtype="float32"),
        made("julia", 9e-3, 0.003, energy=0.9),
    ]
    (points,) = frontier.points(records).values()
    assert frontier.sentences(points, frontier.energy_of, "energy") == [
        "Most accurate: relative error 0.001 for 8.10 J: 64^3, fp64 on numpy.",
        "At 2.00 times the error, 8.10 times fewer joules: 64^3, fp32 on numba.",
    ]
    assert frontier.sentences(points[:0], frontier.energy_of, "energy") == []


def emulated(time, error, *, energy=None, estimate=None, **params):
    """A solution of the emulator, whose choices have names."""
    case = make_case("emulator", "numba", size="small", dtype="float32", params=params)
    bare = made("numba", time, error, steps=1, energy=energy)
    modelled = estimate and made_estimate(0.5 * estimate, estimate, 2.0 * estimate)
    return replace(bare, case=case, energy_estimate=modelled)


def test_choices_that_have_names_are_told_by_them():
    dense = emulated(4e-3, 0.024, energy=0.8)
    ticket = emulated(1e-3, 0.031, energy=0.13, density=0.2)
    (points,) = frontier.points([dense, ticket]).values()
    assert frontier.sentences(points, frontier.energy_of, "energy") == [
        "Most accurate: relative error 0.024 for 800 mJ: 2 x 128, dense, fp32 on numba.",
        "At 1.29 times the error, 6.15 times fewer joules: 2 x 128, ticket 0.2, fp32 on numba.",
    ]


def test_where_no_joules_were_measured_estimates_are_told_as_such():
    records = [emulated(4e-3, 0.024, estimate=0.02), emulated(1e-3, 0.031, density=0.2)]
    (points,) = frontier.points(records).values()
    first, second = frontier.sentences(points, frontier.time_of, "time")
    assert "0.024 for 4.00 ms (≈ 20.0 mJ, estimated): 2 x 128, dense" in first
    assert "estimated" not in second
    assert frontier.sentences(points, frontier.energy_of, "energy") == []
    (answer,) = frontier.cheapest(points, 0.03)
    assert answer.endswith("dense, fp32 on numba, 4.00 ms (≈ 20.0 mJ, estimated), error 0.024.")


def test_the_table_says_what_beats_a_choice():
    dense = emulated(4e-3, 0.024, estimate=0.02)
    ticket = emulated(1e-3, 0.031, density=0.2)
    solver = emulated(9e-3, 0.0405, method="solver")
    (points,) = frontier.points([solver, ticket, dense]).values()
    rows = frontier_table.table(points).rows
    assert rows == [
        ["0.024", "4.00 ms", "", "≈ 20.0 mJ", "2 x 128, dense, fp32 on numba", ""],
        ["0.031", "1.00 ms", "", "", "2 x 128, ticket 0.2, fp32 on numba", ""],
        ["0.041", "9.00 ms", "", "", "solver, 32 levels, 128 steps, fp32 on numba"]
        + ["2 x 128, ticket 0.2, fp32 on numba (9.00 times quicker)"],
    ]
    slow = replace(emulated(2e-3, 0.031, energy=0.1), case=solver.case)
    quick = replace(emulated(1e-3, 0.031, energy=0.3), case=ticket.case)
    (points,) = frontier.points([slow, quick]).values()
    beaten = [row[-1] for row in frontier_table.table(points).rows]
    assert beaten == ["", ""], "the slow one takes fewer joules"


def test_joules_that_were_not_measured_are_not_on_the_energy_front():
    records = [made("numpy", 1e-3, 0.1), made("numba", 2e-3, 0.1, energy=1.0)]
    (points,) = frontier.points(records).values()
    assert [p.record.case.backend for p in frontier.front(points, frontier.energy_of)] == ["numba"]


def test_solutions_stand_in_their_own_section_and_in_no_comparison():
    html = page.build(
        [made("numpy", 8e-3, 0.001), made("numba", 1e-3, 0.002), record("numpy", 1.0)]
    )
    assert 'data-plot="work-precision"' in html
    assert 'data-plot="energy-precision"' not in html
    assert "At 2.00 times the error, 8.00 times less time" in html
    assert "Only numpy was measured" in html
    assert "joulia frontier heat -b numpy -b numba" in html


def test_the_command_sweeps_measures_and_draws(joulia, tmp_path):
    require("numba")
    path = tmp_path / "f.jsonl"
    arguments = (
        "frontier", "heat", "-b", "numpy", "-b", "numba", "--shape", "8x8x8,16x16x16",
        "--dtype", "float64", "--threads", "1", "--window", "0.01", "--repeats", "2", "-o", path,
    )  # fmt: skip
    done = joulia(*arguments)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in path.read_text().splitlines()]
    errors = {(r["case"]["bridge"], r["case"]["shape"][0]): r["solution"]["error"] for r in records}
    assert errors["numpy", 8] == pytest.approx(errors["numba", 8], rel=1e-9)
    assert errors["numpy", 16] < errors["numpy", 8]
    assert "Accuracy against cost: heat until t = 0.25" in done.stdout
    assert "Most accurate: relative error" in done.stdout
    assert 'data-plot="work-precision"' in (tmp_path / "f.html").read_text()
    assert joulia(*arguments).stderr.count("(resumed)") == 4


def test_several_ranks_find_the_same_error(joulia, tmp_path):
    """The error is summed over ranks: measured through the worker, with `until` in the settings."""
    from joulia.runner import launch

    errors = []
    for ranks in (1, 2):
        case, _ = end_time.ends_at(make_case("heat", shape=(8, 9, 10), ranks=ranks), END)
        part = launch.measured(case, Settings(0.001, 1, until=END))
        assert part.status == "valid", part
        errors.append(part.solution.error)
    assert errors[0] == pytest.approx(errors[1], rel=1e-12)
    assert errors[0] > 1e-4


def test_what_has_no_exact_solution_is_refused(joulia):
    done = joulia("frontier", "stream")
    assert done.returncode == 2
    assert "stream has no exact solution with a time step. Allowed: " in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(JouliaError, match="an end time of -1"):
        end_time.ends_at(make_case("heat"), -1)
