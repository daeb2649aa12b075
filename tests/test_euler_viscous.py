"""euler with viscosity: exact decays, orders, budgets, what is conserved, cuts, today's bits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulia import registry, solve
from joulia.errors import JouliaError, Unavailable
from joulia.grid import slices
from joulia.kernels import euler
from joulia.kernels.euler import COMPONENTS, lgl, viscous
from joulia.kernels.euler.states import GAMMA
from joulia.parallel.comm import OneRank
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

from .conftest import BACKENDS, require
from .test_euler import difference, finish, job, start

# ---- the equations, linear: waves whose decay is known ---------------------------------------

PRESSURE, LENGTH = 2.0, 1.0


def linear(wave: int, mu: float, kappa: float) -> tuple[np.ndarray, np.ndarray]:
    """Growth rates and modes (rho, v_x, v_y, p) of gas at rest of density 1, along x.

    Of Navier and Stokes' equations with pressure PRESSURE, as textbooks linearise them.
    """
    k = 2.0 * math.pi * wave / LENGTH
    temperature = np.array([-PRESSURE, 0.0, 0.0, 1.0])  # of T = p / rho
    matrix = np.zeros((4, 4), complex)
    matrix[0, 1] = -1j * k
    matrix[1] = [0.0, -4.0 / 3.0 * mu * k * k, 0.0, -1j * k]
    matrix[2, 2] = -mu * k * k
    matrix[3, 1] = -1j * k * GAMMA * PRESSURE
    matrix[3] -= (GAMMA - 1.0) * kappa * k * k * temperature
    return np.linalg.eig(matrix)


def mode_error(kind: str, p: int, n: int, mu: float = 0.02, until: float = 0.05) -> float:
    """The error of a weak wave of one kind after `until`, over its amplitude then, along x.

    Stress along it and heat damp `sound`, conduction `heat`, stress across it `shear`.
    """
    params = {"state": "wave", "p": p, "viscosity": mu, "Pr": 0.5, "dt": until / 20}
    kappa = GAMMA / (GAMMA - 1.0) * mu / 0.5
    rates, modes = linear(1, mu, kappa)
    # Sound travels; the shear wave moves across only; the heat wave is left.
    index = {
        "sound": int(np.argmax(rates.imag)),
        "shear": int(np.argmax(np.abs(modes[2]))),
        "heat": int(np.argmin(np.abs(rates.imag) + 1e3 * (np.abs(modes[2]) > 0.5))),
    }[kind]
    rate, mode = rates[index], modes[:, index] * 1e-6

    def at(case: Any, tile: Any, time: float) -> np.ndarray:
        h = tile.halo
        low, high = tuple(a - h for a in tile.start), tuple(b + h for b in tile.stop)
        x, _, _ = euler.points(case, low, high, p)
        swing = [(m * np.exp(rate * time + 2j * math.pi * x / LENGTH)).real for m in mode]
        rho, along, across, pressure = swing
        shape = euler.layout(case).shape(tile.padded)
        shape = shape[:2] + shape[3:]
        state = (1.0 + rho, along, across, np.zeros_like(rho), PRESSURE + pressure)
        return euler.pack(euler.conserved(*(np.broadcast_to(part, shape) for part in state)))

    def initial(case: Any, tile: Any) -> dict[str, np.ndarray]:
        q = at(case, tile, 0.0)
        return {"q": q, "k": np.zeros_like(q)}

    got = solve("euler", steps=20, shape=(1, 1, n), params=params, initial=initial)
    want = at(got.case, got.tile, until)[slices(got.tile.interior)]
    error = np.stack([got.fields[name] for name in COMPONENTS], axis=2) - want
    wave = want - np.array([1.0, 0.0, 0.0, 0.0, PRESSURE / (GAMMA - 1.0)]).reshape(5, 1, 1, 1, 1)
    return float(np.linalg.norm(error) / np.linalg.norm(wave))


@pytest.mark.parametrize("kind", ["sound", "shear", "heat"])
def test_weak_waves_decay_as_the_linear_equations_say(kind):
    """Sound needs the trace of the stress, heat the conductivity, shear the viscosity."""
    assert mode_error(kind, p=4, n=6) <= 2e-4


def test_the_order_in_space_is_near_p_plus_1():
    """Of the carried, damped shear wave; half an order less in the odd degree, as of BR1."""
    for p, least in ((2, 2.6), (3, 3.3)):
        errors = []
        for n in (2, 4):
            params = {"state": "shear", "p": p, "viscosity": 0.005}
            solution = solve("euler", until=0.02, shape=(n, n, n), params=params)
            errors.append(solution.error("rho_u", "L2"))
        assert least <= math.log2(errors[0] / errors[1]) <= p + 1.7, errors


# ---- budgets ---------------------------------------------------------------------------------


def vortex(steps: int, **params: Any) -> Any:
    given = {"state": "taylor_green", "p": 4, "form": "split", "Re": 10.0, "dt": 0.002}
    return solve("euler", steps=steps, shape=(2, 3, 2), params=given | params)


def test_kinetic_energy_falls_by_the_dissipation():
    """Of the Taylor-Green vortex at the start: its mean enstrophy is 3/8, so -dKE/dt = 3/4 / Re.

    What compresses, and what the scheme dissipates, is below a hundredth at Mach 0.1.
    """
    before, after = vortex(1), vortex(6)
    energies = [euler.kinetic_energy(s.case, s.tile, s.fields) for s in (before, after)]
    rate = (energies[0] - energies[1]) / (5 * 0.002)
    time = 3.5 * 0.002
    assert rate == pytest.approx(0.75 / 10.0 * math.exp(-6.0 / 10.0 * time), rel=0.01)


def test_mass_momentum_and_energy_are_conserved():
    totals = vortex(10).totals()
    size = {"rho": totals["rho"][0], "E": totals["E"][0]}
    for name, (begin, end) in totals.items():
        assert abs(end - begin) <= 1e-13 * size.get(name, size["rho"]), name


def test_a_free_stream_stays_what_it_is_with_viscosity():
    stream = euler.conserved(*(np.float64(x) for x in (1.1, 0.7, -0.4, 0.3, 0.9)))

    def initial(case: Any, tile: Any) -> dict[str, np.ndarray]:
        q = np.ones(euler.layout(case).shape(tile.padded))
        q *= np.array(list(stream.values())).reshape(5, 1, 1, 1, 1)
        return {"q": q, "k": np.zeros_like(q)}

    params = {"p": 3, "state": "wave", "viscosity": 0.05}
    solution = solve("euler", steps=5, shape=(2, 3, 2), params=params, initial=initial)
    for name, value in stream.items():
        assert np.abs(solution.fields[name] - value).max() <= 2e-13, name


def test_the_first_steps_of_the_vortex_at_reynolds_1600():
    """What they lose more than without viscosity: 3/4 t / Re of the incompressible vortex."""
    thick, thin = (vortex(6, Re=reynolds, dt=0.004) for reynolds in (1600.0, 0.0))
    energies = [euler.kinetic_energy(s.case, s.tile, s.fields) for s in (thin, thick)]
    assert energies[0] - energies[1] == pytest.approx(0.75 / 1600.0 * 0.024, rel=0.02)


def test_the_vortex_at_reynolds_1600_is_approached_with_p_and_with_elements():
    """Its kinetic energy at t = 1 is 0.1245308 on 6^3 elements of p = 5, 8^3 of 5, and 4^3 of 7."""
    require("c++")

    def error(n: int, p: int) -> float:
        params = {"state": "taylor_green", "Re": 1600.0, "form": "split", "p": p}
        got = solve("euler", "c++", until=1.0, shape=(n, n, n), params=params)
        return abs(euler.kinetic_energy(got.case, got.tile, got.fields) - 0.1245308)

    coarse = error(3, 3)
    assert error(3, 2) > 10.0 * coarse > 50.0 * error(3, 4)
    assert coarse > 3.0 * error(4, 3)
    assert error(4, 4) < 5e-6


# ---- every backend, every cut ----------------------------------------------------------------

JOBS = [
    job("weak", (2, 3, 5), 3, p=2, state="taylor_green", viscosity=0.05),
    job("split", (2, 3, 5), 3, p=3, state="taylor_green", viscosity=0.05, form="split"),
    job("single", (2, 3, 5), 3, p=2, state="taylor_green", viscosity=0.05, dtype="float32"),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    answers = finish(*start(tmp_path_factory.mktemp("reference"), "numpy", JOBS[:2]))
    return answers | {"single": answers["weak"]}


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "numpy"])
def test_backends_agree_with_viscosity(backend, reference, tmp_path):
    require(backend)
    answers = finish(*start(tmp_path, backend, JOBS))
    for name, tolerance in (("weak", 1e-13), ("split", 1e-13), ("single", 1e-5)):
        assert difference(answers[name], reference[name]) <= tolerance, name


# ---- without viscosity nothing changed -------------------------------------------------------

DIGESTS = {
    "weak": ("ffa84f7ad9b4ba40", "418f8214213c5294", "511bcf0914df64ea", "5748e431b1272941",
             "b85cff8ed1b8f140"),
    "split": ("b99669964974c3d0", "5d2a309681a2af1c", "d94631d55b2d2114", "76ba72aea60f3ba2",
              "4473fad1667b9b69"),
    "single": ("3b203dd79b8c2675", "db48d4bec6b5ff95", "50319208524f4431", "4cd92d06257e6c30",
               "2ce3a513e0865542"),
}  # fmt: skip
"""Of two steps in NumPy from a dyadic state, by the code of before there was viscosity."""
FUSED = {
    "weak": "b7f15cdc43dc7126",
    "split": "dc37609649e2efdd",
    "single": "727b4dc172d2674f",
}
"""Of rho in Numba and in Julia, where a b + c is one instruction."""


DYADIC = [
    job(name, (2, 2, 5), 2, form=form, dtype=dtype, p=2, dt=2.0**-7, state="wave")
    | {"dyadic": True}
    for name, form, dtype in (
        ("weak", "weak", "float64"), ("split", "split", "float64"), ("single", "weak", "float32"),
    )
]  # fmt: skip


def test_without_viscosity_every_bit_is_as_before(tmp_path):
    answers = finish(*start(tmp_path, "numpy", DYADIC))
    assert {name: tuple(answers[f"{name}:digest"]) for name in DIGESTS} == DIGESTS


@pytest.mark.parametrize("backend", ["numba", "julia"])
def test_without_viscosity_every_bit_is_as_before_by_lanes(backend, tmp_path):
    require(backend)
    if not {"fma", "asimd"} & set(cpu_flags()):
        pytest.skip("the digests are those of a processor that multiplies and adds at once")
    answers = finish(*start(tmp_path, backend, DYADIC))
    assert {name: answers[f"{name}:digest"][0] for name in FUSED} == FUSED


def test_without_viscosity_nothing_is_added():
    """No field, no function, no exchange, and no constant that a source would be compiled with."""
    kernel = registry.kernel("euler").kernel
    plain, thick = (
        make_case("euler", params={"viscosity": mu, "state": "wave"}) for mu in (0.0, 0.01)
    )
    assert kernel.of(plain) is kernel
    assert kernel.bytes_held(thick) == 2.0 * kernel.bytes_held(plain)
    assert euler.constants(thick).keys() - euler.constants(plain).keys() == {"slope"}
    assert euler.work(thick).bytes / euler.work(plain).bytes == pytest.approx(70 / 27.5)


# ---- what must not go unnoticed --------------------------------------------------------------


def test_fluxes_travel_in_an_exchange_of_their_own():
    """Without it halos hold what is no number, and so does the answer."""
    case = make_case("euler", shape=(2, 2, 3), params={"state": "wave", "viscosity": 0.01, "p": 1})
    run = set_up(case, OneRank())
    seen: list[int] = []

    def forgetful(*arrays: Any) -> Any:
        seen.append(len(arrays))
        if len(arrays) == 3:
            return iter([run.tile.interior])
        return run.exchange(*arrays)

    fields = run.kernel.step(run.ops, run.fields, forgetful, case)  # type: ignore[arg-type]
    assert seen == [1, 3] * euler.STAGES
    assert not np.isfinite(run.results(fields)["rho_u"]).all()


def untraced(f: list[list[Any]]) -> list[list[Any]]:
    """The diagonal of the stress without -2/3 of the divergence: 4/3 becomes 2 along sound."""
    return [[1.5 * part if m == d else part for m, part in enumerate(along)]
            for d, along in enumerate(f)]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("shear", lambda f: [[-part for part in along] for along in f]),
        ("heat", lambda f: [[*along[:3], 0.0 * along[3]] for along in f]),
        ("sound", untraced),
    ],
)
def test_wrong_fluxes_show(kind, wrong, monkeypatch):
    """A wrong sign, no heat, a stress without its trace: each decays otherwise."""
    from joulia.kernels.euler import viscous_arrays

    right = viscous_arrays.fluxes
    monkeypatch.setattr(viscous_arrays, "fluxes", lambda *a: wrong(right(*a)))
    assert not mode_error(kind, p=4, n=6) <= 1e-3


def cpu_flags() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text().split() if info.exists() else []


# ---- what is not allowed ---------------------------------------------------------------------


def test_a_time_step_that_viscosity_does_not_allow_is_refused():
    params = {"state": "wave", "viscosity": 0.1, "dt": 0.01}
    with pytest.raises(JouliaError, match=r"viscosity of 0.1 is unstable .* Allowed: up to \S+"):
        make_case("euler", shape=(4, 4, 4), params=params)
    case = make_case("euler", shape=(4, 4, 4), params=params | {"dt": 0.0})
    assert euler.time_step(case) < 0.5 * euler.longest(case)


def test_the_limit_of_the_time_step_is_where_waves_begin_to_grow():
    """Of the derivative's fastest wave, squared, by the scheme in time itself."""
    limit = viscous.damped(euler.RK_A, euler.RK_B)
    assert 4.0 < limit < 5.0
    for factor, grows in ((0.98, False), (1.02, True)):
        q, k = 1.0, 0.0
        for _ in range(400):
            for a, b in zip(euler.RK_A, euler.RK_B, strict=True):
                k = a * k - factor * limit * q
                q = q + b * k
        assert (abs(q) > 1.0) == grows


@pytest.mark.parametrize("p", [1, 3, 4])
def test_the_derivative_is_exact_on_polynomials(p):
    """With the neighbours' nodes at both ends, where the function is continuous."""
    x, w = lgl.rule(p)
    matrix = np.array([float(v) for v in viscous.slope(p).split(",")]).reshape(p + 1, p + 1)
    for degree in range(p + 1):
        got = matrix @ x**degree
        got[0] -= (-1.0) ** degree / w[0]
        got[-1] += 1.0 / w[0]
        assert got / 2.0 == pytest.approx(degree * x ** max(0, degree - 1), abs=1e-12)


def test_viscosity_and_a_reynolds_number_exclude_one_another():
    with pytest.raises(JouliaError, match="one of the parameters viscosity, Re"):
        make_case("euler", params={"viscosity": 0.1, "Re": 100.0})


def test_a_source_without_viscosity_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's own variant, made before there was viscosity."""
    from joulia.bridge import Source

    mine = tmp_path / "euler_numba_mine.py"
    mine.write_text('def specialize(**given):\n    return {"stage": None}\n')
    monkeypatch.setattr(registry, "source", lambda *where: Source(mine, "mine"))
    thick = make_case("euler", "numba", params={"Re": 100.0})
    with pytest.raises(Unavailable, match=r"mine.py has no function viscous.* \(Re\): leave them"):
        set_up(thick, OneRank())


def test_the_published_energy_is_the_frontiers_figure():
    frontier = registry.kernel("euler").kernel.frontier
    assert frontier is not None
    assert frontier.published is not None
    params = {"state": "taylor_green", "Re": 1600.0}
    case = make_case("euler", params=params)
    assert frontier.published(case, 5.0) == 0.118436
    assert frontier.published(case, 4.0) is None
    assert frontier.published(make_case("euler", params=params | {"Re": 100.0}), 5.0) is None
