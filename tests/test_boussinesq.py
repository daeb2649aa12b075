"""boussinesq: exact discrete vortices and waves, published orders, energy, the billow, walls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from joulia import solve
from joulia.errors import JouliaError
from joulia.grid import tile_of
from joulia.kernels import boussinesq
from joulia.kernels.boussinesq import states
from joulia.parallel.comm import OneRank
from joulia.simulation import verify
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

from .conftest import require, require_source
from .support.spectral import solve_exactly

PI = math.pi
STILL = {"f": 0.0, "N2": 0.0}
"""Nothing turns, nothing is stratified."""
CUBE: dict[str, float] = {"lx": 2.0 * PI, "ly": 2.0 * PI, "lz": 2.0 * PI}


def kinetic(fields: Any) -> float:
    """Mean kinetic energy."""
    return float(sum(np.mean(np.square(fields[name])) for name in "uvw")) / 2.0


def enstrophy(solution: Any) -> float:
    """Mean |curl|^2 / 2, each component on its edges, 0 on walls."""
    dz, dy, dx = states.spacing(solution.case)
    u, v, w = (solution.fields[name] for name in "uvw")

    def difference(field: Any, axis: int) -> Any:
        return field - np.roll(field, 1, axis)

    x = difference(w, 1) / dy - difference(v, 0) / dz
    y = difference(u, 0) / dz - difference(w, 2) / dx
    z = difference(v, 2) / dx - difference(u, 1) / dy
    if solution.case.param("z") == "walls":
        x[0] = y[0] = 0.0
    return float(sum(np.mean(np.square(part)) for part in (x, y, z))) / 2.0


def vortex(n: int, plane: str) -> dict[str, Any]:
    """Shape and parameters of n^2 cells in a plane and 4 beyond, until t = 1 in 2 n steps."""
    i, j, k = states.PLANES[plane]
    cells, h = {i: n, j: n, k: 4}, 2.0 * PI / n
    params = {
        "start": "vortex", "plane": plane, "z": "periodic", "nu": 0.1, "kappa": 0.0,
        "dt": 0.5 / n, f"l{i}": 2.0 * PI, f"l{j}": 2.0 * PI, f"l{k}": 4.0 * h,
    }  # fmt: skip
    return {"shape": tuple(cells[key] for key in "zyx"), "params": STILL | params}


@pytest.mark.parametrize("plane", states.PLANES)
def test_a_vortex_decays_exactly_as_the_discrete_scheme_says(plane, monkeypatch):
    """R^n with 32 steps: 0.820826952617; pressure balances what advection does."""
    solve_exactly(monkeypatch)
    case = vortex(16, plane)
    solution = solve("boussinesq", steps=32, **case)
    assert max(solution.error(name) for name in "uvw") <= 1e-13
    i = states.VELOCITY[plane[0]]
    factor = solution.fields[i].max() / solution.start[i].max()
    assert f"{factor:.12f}" == "0.820826952617"


@pytest.mark.parametrize(
    ("plane", "advection", "golden"),
    [
        ("xy", "centred", "1.65957e-02"),
        ("yz", "centred", "1.65957e-02"),
        ("zx", "centred", "1.65957e-02"),
        ("yz", "weno5", "1.34526e-03"),
    ],
)
def test_a_carried_vortex_has_the_published_error(plane, advection, golden, monkeypatch):
    solve_exactly(monkeypatch)
    case = vortex(16, plane)
    params = case["params"] | {"drift": 1.0, "advection": advection}
    solution = solve("boussinesq", steps=32, shape=case["shape"], params=params)
    whole = tile_of(case["shape"], (1, 1, 1), 0, 3, (True,) * 3)
    exact = states.vortex(states.owned(solution.case, whole), 1.0)
    square = sum(np.mean(np.square(solution.fields[name] - exact[name])) for name in "uvw")
    assert f"{math.sqrt(square):.5e}" == golden


@pytest.mark.parametrize(
    ("z", "nu", "factor", "error"),
    [
        ("periodic", 0.0, 0.9814350145 - 0.1914131023j, "4.14715e-01"),
        ("periodic", 0.002, 0.0106814397 - 0.0020819229j, "4.31918e-03"),
        ("walls", 0.0, 0.5144619797 - 0.8573744305j, "4.47549e-01"),
    ],
)
def test_a_wave_moves_exactly_as_the_discrete_scheme_says(z, nu, factor, error, monkeypatch):
    """100 steps of 0.1 on 16x12x8: with f = 1/2 and N2 = 1, and how far that is from the wave."""
    solve_exactly(monkeypatch)
    params = {"start": "wave", "advection": "none", "N2": 1.0, "f": 0.5, "dt": 0.1, "z": z}
    params |= {"nu": nu, "kappa": nu}
    solution = solve("boussinesq", steps=100, shape=(16, 12, 8), params=params)
    assert max(solution.error(name) for name in "uvwb") <= 5e-14
    mode = states.wave_mode(solution.case)
    q = (-1j * mode.omega - nu * (mode.kx**2 + mode.ky**2 + mode.kz**2)) * 0.1
    assert abs(boussinesq.runge_kutta(q) ** 100 - factor) <= 1e-10
    # To the wave of the differential equations.
    m = 3.0 if z == "walls" else 4.0
    k2 = PI**2 * (8.0 + m**2)
    omega = math.sqrt((8.0 + 0.25 * m**2) / (8.0 + m**2))
    growth = np.exp((-1j * omega - nu * k2) * 10.0)
    whole = tile_of((16, 12, 8), (1, 1, 1), 0, 3, (z == "periodic", True, True))
    exact = states.wave(states.owned(solution.case, whole), growth)["w"]
    assert f"{math.sqrt(np.mean(np.square(solution.fields['w'] - exact))):.5e}" == error


def test_viscosity_and_walls_damp_each_mode_as_the_scheme_says(monkeypatch):
    """And w stays 0: pressure balances b."""
    solve_exactly(monkeypatch)
    params = STILL | {"start": "modes", "nu": 0.01, "kappa": 0.02, "dt": 0.02}
    solution = solve("boussinesq", steps=50, shape=(12, 10, 8), params=params)
    golden = {"u": "0.9065277651", "v": "0.6798746442", "b": "0.1850613820"}
    for name, count in (("u", 1), ("v", 2), ("b", 3)):
        k2 = (24.0 * math.sin(count * PI / 24.0)) ** 2
        q = -(0.02 if name == "b" else 0.01) * k2 * 0.02
        factor = boussinesq.runge_kutta(q) ** 50
        assert f"{factor.real:.10f}" == golden[name]
        assert np.max(np.abs(solution.fields[name] - factor * solution.start[name])) <= 1e-13
    assert np.max(np.abs(solution.fields["w"])) <= 1e-15


@pytest.mark.parametrize(
    ("z", "start", "until", "golden"),
    [
        ("periodic", "tg3", 2.0, (-6.95831e-6, -8.75300e-7)),
        ("walls", "shears", 1.0, (-8.43090e-5, -1.06880e-5)),
    ],
)
def test_energy_drifts_with_the_third_power_of_the_time_step(z, start, until, golden, monkeypatch):
    solve_exactly(monkeypatch)
    drifts = []
    for steps in (16, 32):
        params = CUBE | STILL | {"start": start, "z": z, "nu": 0.0, "kappa": 0.0}
        params |= {"dt": until / steps, "lz": PI if z == "walls" else 2.0 * PI}
        solution = solve("boussinesq", steps=steps, shape=(16, 16, 16), params=params)
        drifts.append(kinetic(solution.fields) / kinetic(solution.start) - 1.0)
    assert drifts == pytest.approx(golden, rel=2e-6)
    assert math.log2(drifts[0] / drifts[1]) == pytest.approx(3.0, abs=0.03)


# ---- the solver that is measured -------------------------------------------------------------


def billow(advection: str, cycles: int) -> dict[str, Any]:
    params = STILL | {"bend": 0.0, "ly": 0.125, "dt": 1.0 / 64, "cycles": cycles}
    return {"shape": (32, 4, 32), "params": params | {"advection": advection}}


@pytest.mark.parametrize(
    ("cycles", "golden"), [(2, "0.1094163758"), (3, "0.1094164370"), (4, "0.1094164409")]
)
def test_a_billow_keeps_its_energy_digit_by_digit_with_fixed_cycles(cycles, golden):
    require("c++")
    require_source("poisson", "c++")
    solution = solve("boussinesq", "c++", steps=128, **billow("centred", cycles))
    assert f"{kinetic(solution.fields):.10f}" == golden


@pytest.mark.parametrize(
    ("advection", "golden"),
    [
        ("centred", ("0.10941644", "2.7310124", "0.00662909", "0.02361306", "0.00867872")),
        ("weno5", ("0.10899330", "2.5892759", "0.00769578", "0.02339417", "0.00846245")),
    ],
)
def test_a_billow_at_t_2(advection, golden):
    """Energy, enstrophy, mean w^2 / 2, mean b z, mean b^2; the solver runs to rounding."""
    require("c++")
    require_source("poisson", "c++")
    solution = solve("boussinesq", "c++", steps=128, **billow(advection, 12))
    z = (np.arange(32)[:, None, None] + 0.5) / 32
    w, b = solution.fields["w"], solution.fields["b"]
    seen = (
        f"{kinetic(solution.fields):.8f}", f"{enstrophy(solution):.7f}",
        f"{np.mean(w**2) / 2.0:.8f}", f"{np.mean(b * z):.8f}", f"{np.mean(b**2):.8f}",
    )  # fmt: skip
    assert seen == golden


def test_taylor_and_greens_vortices_between_walls_are_those_of_the_whole_box():
    """16x32x32 on half the box has the digits of 32^3: KE(1) = 0.117516818."""
    require("c++")
    require_source("poisson", "c++")
    params = CUBE | STILL | {"start": "tg3", "lz": PI, "nu": 0.01, "dt": 0.05, "cycles": 12}
    solution = solve("boussinesq", "c++", steps=20, shape=(16, 32, 32), params=params)
    assert f"{kinetic(solution.fields):.9f}" == "0.117516818"


def test_the_totals_of_buoyancy_and_momentum_stay():
    params = CUBE | STILL | {"start": "shears", "z": "periodic", "nu": 0.01}
    totals = solve("boussinesq", steps=4, size="tiny", params=params).totals()
    for name in "uvb":
        before, after = totals[name]
        assert abs(after - before) <= 1e-13 * 16 * 12 * 8


# ---- what is wrong is seen -------------------------------------------------------------------


def passes() -> bool:
    """Whether two steps pass the check of their divergence."""
    run = set_up(make_case("boussinesq", size="tiny"), OneRank())
    run.steps(2)
    checks = verify.vanishing_checks(
        run.kernel, run.case, OneRank(), run.ops, run.fields, run.exchange, 2
    )
    (check,) = checks.values()
    return check.passed


@pytest.mark.parametrize("mutant", ["none", "sign", "halo"])
def test_a_wrong_projection_leaves_a_divergence(mutant, monkeypatch):
    """Of the other sign, or from a u* whose halo nobody filled."""
    right = boussinesq.make_solenoidal

    class Without:
        """An exchange whose `thin` does not fill the halos of three fields at once."""

        def __init__(self, exchange: Any) -> None:
            self.tile, self.levels, self.thin, self.exchange = (
                exchange.tile, exchange.levels, self, exchange.thin,
            )  # fmt: skip

        def __call__(self, *arrays: Any) -> Any:
            return self.exchange(*(() if len(arrays) == 3 else arrays))

    def wrong(ops: Any, fields: Any, exchange: Any, case: Any, flow: Any, gain: Any) -> None:
        if mutant == "sign":
            divergence = ops.divergence
            monkeypatch.setattr(
                ops, "divergence", lambda *a: divergence(*a[:5], *(-s for s in a[5:]))
            )
            right(ops, fields, exchange, case, flow, gain)
            monkeypatch.setattr(ops, "divergence", divergence)
        else:
            exchange = Without(exchange) if mutant == "halo" else exchange
            right(ops, fields, exchange, case, flow, gain)

    monkeypatch.setattr(boussinesq, "make_solenoidal", wrong)
    assert passes() == (mutant == "none")


@pytest.mark.parametrize("kept", [True, False])
def test_a_repeat_begins_with_the_first_guess_of_the_pressure(kept, monkeypatch):
    """Left as it was, the second run of the same steps differs in its last digits."""
    run = set_up(make_case("boussinesq", size="tiny"), OneRank())
    if not kept:
        del run.start["p"]
    run.steps(1)
    first = {name: host.copy() for name, host in run.results(run.fields).items()}
    run.reset()
    run.steps(1)
    again = run.results(run.fields)
    assert all(np.array_equal(first[name], again[name]) for name in first) == kept


@pytest.mark.parametrize(
    ("shape", "params", "words"),
    [
        ((9, 15, 7), {}, "boussinesq cannot halve any axis of 9x15x7"),
        ((16, 24, 40), {"lx": 0.02}, "boussinesq on 16x24x40 .* needs 145 sweeps"),
        ((31, 32, 32), {}, "odd extent has the finest spacing"),
    ],
)
def test_a_grid_on_which_the_pressure_does_not_converge_is_refused_in_a_line(shape, params, words):
    """As poisson refuses it: the first of these ended in a traceback."""
    with pytest.raises(JouliaError, match=words) as error:
        make_case("boussinesq", shape=shape, params=params)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"dt": 1.0}, "CFL number"),
        (
            {"dt": 3.0, "advection": "none", "nu": 0.0, "kappa": 0.0, "N2": 1.0},
            r"dt max\(N, \|f\|\)",
        ),
        ({"start": "vortex", "plane": "zx"}, "w does not vanish at the walls"),
        ({"start": "billow", "z": "periodic"}, "lies between walls"),
        ({"cycles": 0}, "Allowed: an integer from 1"),
        ({"advection": "upwind"}, "Allowed: centred, weno5, none"),
    ],
)
def test_input_out_of_range_is_refused_in_a_line(params, words):
    with pytest.raises(JouliaError, match=words) as error:
        solve("boussinesq", steps=1, size="tiny", params=params)
    assert "\n" not in str(error.value)
