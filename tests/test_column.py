"""column: the golden figures, LAPACK as a second code, sums of columns, precision, mutations."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_banded

from joulia import registry, solve
from joulia.kernels.column import coefficients
from joulia.parallel.comm import OneRank
from joulia.records.parts import Check
from joulia.simulation import verify
from joulia.simulation.fields import owned
from joulia.simulation.reference import reference_step
from joulia.simulation.run import set_up
from joulia.simulation.solve import Solution, make_case

from .conftest import require

BACKENDS = ["numpy", "numba", "occa:serial", "julia"]
PLUME = {"start": "stratified", "flux": 0.125, "kb": 0.0, "kc": 100.0}
DECAYS = {8: 0.035809707130, 37: 0.025771678345, 64: 0.025488434193}
INVERSIONS = {
    ((8, 10, 12), 1): ("-0.31165523", "0.3555509868", "0.3345533056"),
    ((8, 10, 12), 2): ("-0.31139308", "0.3550618482", "0.3353940339"),
    ((8, 10, 12), 10): ("-0.30930426", "0.3547113204", "0.3354388700"),
    ((64, 6, 5), 1): ("-0.34337816", "0.3577019369", "0.3349705938"),
    ((64, 6, 5), 10): ("-0.33980368", "0.3555253559", "0.3369112524"),
}
"""The least temperature (the greatest is 1 minus it), the means of T^2 and of z T."""
TOPS = {32: "0.49980408", 64: "0.49979818", 128: "0.49979507"}
ERRORS = {10: "7.24377e-03", 20: "3.67134e-03", 40: "1.84973e-03"}


def temperature(solution: Solution) -> Any:
    return solution.fields["temperature"]


def heights(levels: int) -> Any:
    return ((np.arange(levels) + 0.5) / levels)[:, None, None]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mode_decays_by_the_factor_of_the_scheme(backend):
    require(backend)
    params = {"start": "mode", "kb": 0.05, "kc": 0.05, "background": 0.0}
    for levels, golden in DECAYS.items():
        solution = solve("column", backend, steps=10, shape=(levels, 2, 9), params=params)
        expected = golden * solution.start["temperature"]
        assert np.max(np.abs(temperature(solution) - expected)) <= 1e-12
        assert solution.error("temperature") <= 1e-13 * golden


@pytest.mark.parametrize("backend", BACKENDS)
def test_inversions_have_the_golden_figures(backend):
    require(backend)
    for (shape, steps), golden in INVERSIONS.items():
        t = temperature(solve("column", backend, steps=steps, shape=shape))
        least, squares, potential = t.min(), np.mean(t**2), np.mean(heights(shape[0]) * t)
        assert (f"{least:.8f}", f"{squares:.10f}", f"{potential:.10f}") == golden
        assert f"{1.0 - t.max():.8f}" == golden[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cooled_layer_is_as_deep_as_its_heat_says(backend):
    """sqrt(2 flux t) = 1/2 deep at t = 1, so that its top has 1/2 less than at the start."""
    require(backend)
    for levels, golden in TOPS.items():
        params = PLUME | {"dt": 1.0 / levels}
        t = temperature(solve("column", backend, until=1.0, shape=(levels, 1, 2), params=params))
        assert f"{t[-1, 0, 0]:.8f}" == golden
        assert abs(np.mean(t) - 3 / 8) <= 1e-14
        below = t[: levels // 2 - 1, 0, 0]
        assert np.array_equal(below, heights(levels)[: below.size, 0, 0])


def test_the_order_in_time_is_one():
    z = heights(256)
    for steps, golden in ERRORS.items():
        params = {"start": "mode", "m": 1, "kb": 0.05, "kc": 0.05, "background": 0.0}
        solution = solve(
            "column", until=1.0, shape=(256, 1, 1), params=params | {"dt": 1.0 / steps}
        )
        exact = math.exp(-0.05 * math.pi**2) * np.cos(math.pi * z)
        assert f"{np.max(np.abs(temperature(solution) - exact)):.5e}" == golden


def by_lapack(solution: Solution) -> Any:
    """The same steps, column by column, with LAPACK's solver for banded matrices."""
    stable, unstable, cooling = coefficients(solution.case)
    t = solution.start["temperature"].copy()
    levels = len(t)
    for _ in range(solution.steps):
        for at in np.ndindex(t.shape[1:]):
            column = t[(slice(None), *at)]
            face = np.where(column[1:] < column[:-1], unstable, stable)
            bands = np.zeros((3, levels))
            bands[0, 1:] = bands[2, :-1] = -face
            bands[1] = 1.0
            bands[1, :-1] += face
            bands[1, 1:] += face
            right = column.copy()
            right[-1] -= cooling
            t[(slice(None), *at)] = solve_banded((1, 1), bands, right)
    return t


@pytest.mark.parametrize(
    ("shape", "steps", "params", "allowed"),
    [
        ((8, 3, 4), 100, {}, 4e-14),
        ((37, 3, 4), 40, {}, 4e-14),
        ((64, 1, 1), 64, PLUME | {"dt": 1 / 64}, 5e-12),
    ],
)
def test_lapack_gets_the_same(shape, steps, params, allowed):
    solution = solve("column", steps=steps, shape=shape, params=params)
    want = by_lapack(solution)
    assert np.max(np.abs(temperature(solution) - want)) <= allowed * np.max(np.abs(want))


@pytest.mark.parametrize(("dtype", "allowed"), [("float64", 1e-14), ("float32", 1e-6)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_each_column_keeps_its_heat(backend, dtype, allowed):
    require(backend)
    solution = solve("column", backend, steps=10, shape=(37, 4, 9), dtype=dtype)
    before, after = (
        np.sum(f["temperature"], axis=0, dtype="f8") for f in (solution.start, solution.fields)
    )
    sizes = np.sum(np.abs(solution.start["temperature"]), axis=0, dtype="f8")
    assert np.all(np.abs(after - before) <= allowed * sizes)


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_backends_agree_after_one_and_a_hundred_steps(backend):
    require(backend)
    given = {"shape": (64, 3, 21), "params": {"flux": 0.01}}
    for steps, double, single in ((1, 1e-13, 1e-6), (100, 1e-12, 1e-4)):
        want = temperature(solve("column", steps=steps, **given))
        for dtype, allowed in (("float64", double), ("float32", single)):
            got = temperature(solve("column", backend, steps=steps, dtype=dtype, **given))
            assert np.max(np.abs(got - want)) <= allowed * np.max(np.abs(want))


@pytest.mark.parametrize("levels", [1, 2, 1024])
def test_columns_of_any_length(levels):
    """The last fits 32 columns into a processor's buffers; the first has no inner face."""
    require("numba")
    want, got = (
        temperature(solve("column", backend, steps=3, shape=(levels, 2, 19)))
        for backend in ("numpy", "numba")
    )
    assert np.max(np.abs(got - want)) <= 1e-13 * np.max(np.abs(want))


def verdicts(change: Callable[[Any], Any], params: dict[str, Any]) -> list[str]:
    """What joulia's checks say of a step with a function that is not NumPy's own."""
    case = make_case("column", shape=(9, 4, 5), params=params)
    run = set_up(case, OneRank())
    before = {name: f.copy() for name, f in run.results(run.fields).items()}
    run.ops.functions = {"mix": change(run.ops.functions["mix"])}
    run.ops.__dict__.update(run.ops.functions)
    run.step()
    after = owned(run.ops, run.fields, run.tile, run.kernel.results)
    reference = verify.reference_check(
        run.kernel, case, OneRank(), after, reference_step(case, run.tile)
    )
    checks: dict[str, Check] = verify.drift_checks(case, OneRank(), run.tile, before, after, 1)
    return verify.failures(reference, checks)


def mutated(old: str, new: str) -> Callable[[Any], Any]:
    """The NumPy source with one text replaced by another."""
    entry = registry.kernel("column")
    path = Path(entry.folder) / "column_numpy.py"
    text = path.read_text()
    assert text.count(old) == 1
    module = ModuleType("column_mutant")
    exec(compile(text.replace(old, new), str(path), "exec"), vars(module))
    return lambda mix: module.mix


FLUX = {"flux": 0.125}


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("old[k] > old[k + 1]", "old[k] < old[k + 1]", False),  # stable faces convect
        ("np.subtract(s, cooling", "np.add(s, cooling", True),  # the flux heats
        ("np.subtract(s, cooling", "np.subtract(s, 0 * cooling", True),  # no flux
        ("            above[...] = 0.0", "            above[...] = stable", True),  # an open top
        ("if k == top:", "if k == 0:", False),  # the flux at the bottom
        ("below, above = above, below", "pass", True),  # nothing from the level below
        ("range(top - 1, -1, -1)", "range(top - 1, 0, -1)", True),  # a level is left out
        ("np.add(new[k], s, out", "np.subtract(new[k], s, out", True),  # the way down turned round
    ],
)
def test_a_mutated_source_is_found_out(old, new, lost):
    """Against the reference; where heat is lost or gained, by its total as well."""
    reasons = verdicts(mutated(old, new), FLUX)
    assert any("the NumPy reference" in reason for reason in reasons)
    assert any("the initial total of heat" in reason for reason in reasons) == lost


def test_the_source_itself_is_not():
    assert verdicts(lambda mix: mix, FLUX) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--ranks", "2", "--decompose", "2x1x1"), "Allowed: no cut along z"),
        (("--shape", "1025x2x2"), "Allowed: 1 to 1024 along z"),
        (("--param", "kb=-1"), "parameter kb=-1 is not allowed"),
    ],
)
def test_what_cannot_be_computed_is_one_line(options, words, joulia):
    size = () if "--shape" in options else ("--size", "tiny")
    done = joulia("run", "column", "-b", "numpy", *size, *options)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line


def test_a_cooled_column_is_valid(measured):
    """What leaves at the top is no loss of the scheme's."""
    (record,) = measured("column", "-b", "numpy", "--size", "tiny", "--param", "flux=0.125")
    assert record["status"] == "valid", record["reasons"]
    assert record["verify"]["invariants"]["the initial total of heat"]["passed"]
