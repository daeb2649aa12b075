"""shallow_water: the published errors, order, conservation, ranks, parameters out of range."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from joulia import solve
from joulia.errors import JouliaError
from joulia.kernels import shallow_water

from .conftest import require

GOLDEN = {32: "2.2009e-04", 64: "5.4914e-05", 128: "1.3722e-05"}


def jet(n: int, backend: str = "numpy"):
    """f = g = H = 1, L = 2 pi, u = 0.1 sin y, h = 1 + 0.1 cos y, until T = 2 at CFL 0.4."""
    return solve("shallow_water", backend, until=2.0, shape=(n, n), params={"start": "jet"})


def errors() -> dict[int, float]:
    by_size = {}
    for n, golden in GOLDEN.items():
        solution = jet(n)
        assert solution.steps == math.ceil(2.0 / (0.4 * 2.0 * math.pi / n))
        by_size[n] = solution.error("h", "L2")
        assert f"{by_size[n]:.4e}" == golden
        before, after = solution.totals()["mass"]
        assert abs(after - before) <= 1e-14 * before
    return by_size


def test_the_steady_jet_has_the_published_errors_and_second_order():
    by_size = errors()
    for n in (32, 64):
        assert math.log2(by_size[n] / by_size[2 * n]) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("backend", ["numba", "occa:serial"])
def test_compiled_backends_reach_the_published_error(backend):
    require(backend)
    assert f"{jet(64, backend).error('h', 'L2'):.4e}" == GOLDEN[64]


def test_the_jet_along_y_has_the_same_error_as_along_x():
    """The equations know no axis: (x, y, u, v) -> (y, -x, v, -u) maps them to themselves."""
    n = 32
    dx = 2.0 * math.pi / n

    def turned(case, tile):
        x = (np.arange(-1, n + 1) + 0.5) * dx
        wide = np.ones((n + 2, 1))
        return {
            "u": np.zeros((n + 2, n + 2)),
            "v": wide * -0.1 * np.sin(x),
            "h": wide * (1.0 + 0.1 * np.cos(x)),
        }

    solution = solve(
        "shallow_water", until=2.0, shape=(n, n), params={"start": "jet"}, initial=turned
    )
    x = (np.arange(n) + 0.5) * dx
    error = np.sqrt(np.mean((solution.fields["h"] - 1.0 - 0.1 * np.cos(x)) ** 2))
    assert f"{error:.4e}" == GOLDEN[32]


def test_energy_drifts_with_the_third_power_of_the_time_step():
    """Waves, not a steady state; the scheme itself keeps energy, only RK3 takes some."""

    def drift(dt: float) -> float:
        solution = solve(
            "shallow_water", steps=round(4.0 / dt), shape=(16, 24),
            params={"speed": 0.3, "H": 1.0, "dt": dt},
        )  # fmt: skip
        before, after = solution.totals()["energy"]
        return (before - after) / before

    long, short = drift(0.1), drift(0.05)
    assert long > 0.0
    assert math.log2(long / short) == pytest.approx(3.0, abs=0.2)


def test_a_drop_becomes_a_ring_that_travels_as_waves_do():
    """With sqrt(g H) = 1; the crest is a width ahead. The same along both axes, and both ways."""
    solution = solve("shallow_water", until=2.0, shape=(64, 64), params={"start": "drop", "f": 0.0})
    h = solution.fields["h"]
    crest = (int(h[32, 32:].argmax()) + 0.5) * 2.0 * math.pi / 64
    assert 2.0 < crest < 2.0 + 2.0 * math.pi * shallow_water.DROP_WIDTH
    assert np.array_equal(h, h.T)
    assert np.array_equal(h, h[::-1])
    before, after = solution.totals()["energy"]
    allowed = shallow_water.total_tolerance(solution.case, solution.steps, "energy")
    assert 0.01 * allowed < (before - after) / before < allowed


def test_a_hundred_steps_agree_with_the_reference():
    reference = solve("shallow_water", steps=100, size="tiny").fields
    for dtype, allowed in (("float64", 1e-12), ("float32", 1e-5)):
        got = solve("shallow_water", "numba", steps=100, size="tiny", dtype=dtype).fields
        for name, field in reference.items():
            assert np.max(np.abs(got[name] - field)) <= allowed * np.max(np.abs(field))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"cfl": 0.5}, "Allowed: a number from 1e-12 to 0.4"),
        ({"dt": 1.0}, "CFL"),
        ({"H": 0.1}, "depth would be negative"),
        ({"H": -1.0}, "H=-1"),
    ],
)
def test_parameters_out_of_range_are_refused(params, words):
    with pytest.raises(JouliaError, match=words):
        solve("shallow_water", steps=1, size="tiny", params=params)


def test_bad_input_is_one_line_and_exit_code_2(joulia):
    done = joulia("run", "shallow_water", "-b", "numpy", "--size", "tiny", "-p", "H=0.1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_an_unstable_run_is_invalid_and_names_its_step_and_field(tmp_path, monkeypatch):
    """A current far faster than gravity waves breaks the CFL condition that dt was chosen by."""
    from joulia.case import Settings
    from joulia.errors import Unstable
    from joulia.measure.method import measure
    from joulia.parallel.comm import OneRank
    from joulia.simulation.solve import make_case

    params = {"speed": 50.0, "f": 1e-3, "H": 1.0}
    case = make_case("shallow_water", "numba", size="tiny", params=params)
    message = r"field [uvh] is not finite after step (\d+)"
    with pytest.raises(Unstable, match=message) as caught, np.errstate(all="ignore"):
        measure(case, Settings(window_s=0.02, repeats=2), OneRank())
    step = int(str(caught.value).split()[-1])
    with np.errstate(all="ignore"):
        last_good = solve("shallow_water", "numba", steps=step - 1, size="tiny", params=params)
        first_bad = solve("shallow_water", "numba", steps=step, size="tiny", params=params)
    assert all(np.isfinite(f).all() for f in last_good.fields.values())
    assert not all(np.isfinite(f).all() for f in first_bad.fields.values())


def test_an_unstable_run_shows_no_time(joulia, tmp_path):
    path = tmp_path / "r.jsonl"
    done = joulia(
        "run", "shallow_water", "-b", "numba", "--size", "tiny", "-p", "speed=50", "-p", "f=0.001",
        "--window", "0.3", "--repeats", "2", "--no-ceiling", "-o", path,
    )  # fmt: skip
    assert done.returncode == 1
    record = json.loads(path.read_text().splitlines()[-1])
    assert record["status"] == "invalid"
    assert "is not finite after step" in record["reasons"][0]
    assert record["time"] is None
