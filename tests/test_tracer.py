"""tracer: the published errors along each axis, a slotted cylinder, walls, offsets, ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulia import solve
from joulia.errors import JouliaError

from .conftest import require

SINE = {32: "1.764e-04", 64: "5.547e-06", 128: "1.731e-07", 256: "5.41e-09"}
GAUSSIAN = {64: "1.878e-03", 128: "1.158e-04", 256: "1.029e-05"}
BACKENDS = ["numpy", "numba", "occa:serial"]
UNIFORM = {"flow": "uniform", "kappa": 0.0, "background": 0.0}


def line(axis: str, n: int) -> tuple[int, ...]:
    """A line of n cells along an axis, as thin as the halo allows."""
    return tuple(n if name == axis else 3 for name in "zyx")


def moving(axis: str) -> dict[str, float]:
    """Unit velocity along an axis."""
    return {name: float(along == axis) for name, along in zip("uvw", "xyz", strict=True)}


def sine_error(n: int, axis: str, backend: str) -> float:
    """L1 after one period, with dt ~ dx^(5/3) and a CFL number of 0.5 at 32 cells."""
    steps = math.floor(64.0 * (n / 32) ** (5 / 3) + 1e-9)
    params = UNIFORM | moving(axis) | {"start": "sine", "axis": axis, "dt": 1.0 / steps}
    return solve("tracer", backend, steps=steps, shape=line(axis, n), params=params).error(
        "c", "L1"
    )


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_sine_has_the_published_errors_and_fifth_order(axis):
    require("numba")
    errors = {n: sine_error(n, axis, "numba") for n in SINE if n < 256 or axis == "x"}
    for n, error in errors.items():
        digits = len(SINE[n].split("e")[0]) - 2
        assert f"{error:.{digits}e}" == SINE[n]
    assert math.log2(errors[64] / errors[128]) == pytest.approx(5.0, abs=0.02)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_reaches_the_published_error(backend):
    require(backend)
    assert f"{sine_error(32, 'x', backend):.3e}" == SINE[32]


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_gaussian_has_the_published_errors_both_ways(axis, direction):
    require("numba")
    for n, golden in GAUSSIAN.items():
        velocity = {name: direction * u for name, u in moving(axis).items()}
        params = UNIFORM | velocity | {"start": "gaussian", "axis": axis, "cfl": 0.4}
        solution = solve("tracer", "numba", until=1.0, shape=line(axis, n), params=params)
        assert f"{solution.error('c', 'L1'):.3e}" == golden
        before, after = solution.totals()["tracer"]
        assert abs(after - before) <= 1e-13 * before


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_diffusion_damps_a_sine_at_second_order(axis):
    errors = []
    for n in (16, 32):
        params = {"flow": "uniform", "u": 0.0, "start": "sine", "axis": axis, "kappa": 0.01}
        solution = solve("tracer", until=0.5, shape=line(axis, n), params=params)
        errors.append(solution.error("c", "L1"))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.1)


def test_a_slotted_cylinder_after_one_turn():
    """Zalesak's test: the error shrinks although there is a jump.

    The slot is a twentieth of the domain, two or three cells here and so narrower than a stencil:
    WENO has no smooth one to choose, and overshoots. How far is a figure of this scheme, as seen at
    64 cells (no published one was found): it falls with no power of the cell's size until
    the slot is resolved.
    """
    require("numba")
    errors = []
    for n in (32, 64):
        solution = solve(
            "tracer", "numba", until=1.0, shape=(3, n, n),
            params={"start": "cylinder", "flow": "rotation", "kappa": 0.0, "background": 0.0},
        )  # fmt: skip
        errors.append(solution.error("c", "L1"))
        c = solution.fields["c"]
        assert -0.1 < c.min() < c.max() < 1.1
        before, after = solution.totals()["tracer"]
        assert abs(after - before) <= 1e-13 * before
    assert c.min() > -1e-3
    assert c.max() == pytest.approx(1.068, abs=0.005)
    assert errors[1] < 0.75 * errors[0]
    assert errors[1] < 0.02


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_tracer_leaves_through_walls(backend):
    """A column that is carried, and spread, against the upper wall; w vanishes at both walls."""
    require(backend)
    nz = 9

    def column(case, tile):
        z = np.arange(tile.start[0] - 3, tile.stop[0] + 3)
        shape = tile.padded
        profile = np.where((z >= 0) & (z < nz), 1.0 + z**2 % 5, np.nan)
        rising = np.where((z > 0) & (z < nz), np.sin(np.pi * z / nz), 0.0)
        tall = [np.broadcast_to(f[:, None, None], shape).copy() for f in (profile, rising)]
        still = np.zeros(shape)
        return {"c": tall[0], "u": still, "v": still, "w": tall[1]}

    solution = solve(
        "tracer", backend, steps=40, shape=(nz, 4, 5), initial=column,
        params={"z": "walls", "flow": "shear", "dt": 0.02, "kappa": 1e-3},
    )  # fmt: skip
    assert np.isfinite(solution.fields["c"]).all()
    before, after = solution.totals()["tracer"]
    assert after == pytest.approx(before, rel=1e-13)
    # It rose: not merely nothing moved.
    z = np.arange(nz)[:, None, None]
    assert (solution.fields["c"] * z).sum() > 1.05 * (solution.start["c"] * z).sum()


@pytest.mark.parametrize("z", ["periodic", "walls"])
def test_a_uniform_tracer_stays_uniform(z):
    """The shear flow is free of divergence, on the grid too; a wall changes nothing to that."""

    def uniform(case, tile):
        return {"c": np.full(tile.padded, 7.0)}

    solution = solve("tracer", steps=20, size="tiny", params={"z": z}, initial=uniform)
    assert np.max(np.abs(solution.fields["c"] - 7.0)) <= 1e-14 * 7.0 * 20


def test_single_precision_keeps_a_wave_on_a_large_offset():
    """1000 + sin: formed from the values themselves, the smoothness indicators would be noise."""
    require("numba")
    params = UNIFORM | {"start": "sine", "background": 1000.0, "cfl": 0.5}
    single = solve("tracer", "numba", until=0.25, shape=(3, 3, 64), dtype="float32", params=params)
    double = solve("tracer", "numba", until=0.25, shape=(3, 3, 64), params=params)
    steps = double.steps
    rounding = 1000.0 * float(np.finfo("float32").eps) * math.sqrt(3 * steps)
    assert single.error("c") <= double.error("c") + 2.0 * rounding


@pytest.mark.parametrize("z", ["periodic", "walls"])
def test_a_hundred_steps_agree_with_the_reference(z):
    require("numba")
    reference = solve("tracer", steps=100, size="tiny", params={"z": z}).fields["c"]
    for dtype, allowed in (("float64", 1e-11), ("float32", 1e-5)):
        got = solve("tracer", "numba", steps=100, size="tiny", dtype=dtype, params={"z": z}).fields[
            "c"
        ]
        assert np.max(np.abs(got - reference)) <= allowed * np.max(np.abs(reference))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"params": {"cfl": 1.5}}, "Allowed: a number from 1e-12 to 1"),
        ({"params": {"dt": 1.0}}, "CFL number"),
        ({"params": {"kappa": -1.0}}, "kappa=-1"),
        ({"params": {"z": "walls", "flow": "uniform", "w": 1.0}}, "does not vanish at the walls"),
        ({"shape": (2, 8, 8)}, "at least 3 cells"),
    ],
)
def test_input_out_of_range_is_refused(arguments, words):
    with pytest.raises(JouliaError, match=words):
        solve("tracer", steps=1, **arguments)


def test_bad_input_is_one_line_and_exit_code_2(joulia):
    done = joulia("run", "tracer", "-b", "numpy", "--shape", "2x8x8")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
