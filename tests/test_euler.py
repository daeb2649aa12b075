"""euler: order, conservation, free stream, symmetry, robustness, backends."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulia import solve
from joulia.errors import JouliaError, Unstable
from joulia.grid import Layout, extent, links, tile_of
from joulia.kernels import euler
from joulia.kernels.euler import COMPONENTS, lgl
from joulia.simulation.solve import make_case

from .conftest import BACKENDS, require
from .programs_run import PATIENCE_S, environment, program

PROGRAM = Path(__file__).parent / "programs" / "elements.py"


def start(
    tmp_path: Path, backend: str, jobs: list[dict[str, Any]]
) -> tuple[subprocess.Popen[str], Path]:
    """Begin to solve `jobs` in a process of their own."""
    name = f"{backend.replace(':', '-')}-{jobs[0]['name']}"
    out, file = tmp_path / f"{name}.npz", tmp_path / f"{name}.json"
    file.write_text(json.dumps(jobs))
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), backend, str(file), str(out)],
        env=environment(make_case("euler", backend), tmp_path, {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, out


def finish(process: subprocess.Popen[str], out: Path) -> dict[str, np.ndarray]:
    try:
        output, _ = process.communicate(timeout=2 * PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, output
    with np.load(out) as data:
        return dict(data)


def job(name: str, shape: tuple[int, int, int], steps: int, **params: Any) -> dict[str, Any]:
    dtype = params.pop("dtype", "float64")
    return {"name": name, "shape": shape, "steps": steps, "dtype": dtype, "params": params}


# ---- planes, order, conservation ----------------------------------------------------------------


@pytest.mark.parametrize("form", ["weak", "split"])
def test_the_vortex_is_the_same_in_every_plane(form):
    """Turned back, the fields agree to rounding: nothing depends on the axis."""
    xy, *turned = (
        solve("euler", steps=6, shape=shape, params={"form": form, "plane": plane, "cfl": 0.9})
        for plane, shape in (("xy", (1, 5, 6)), ("yz", (5, 6, 1)), ("zx", (6, 1, 5)))
    )
    for turns, other in enumerate(turned, start=1):
        assert euler.time_step(other.case) == pytest.approx(euler.time_step(xy.case), rel=1e-14)
        for name in COMPONENTS:
            # rho_u of the xy vortex is rho_v in the plane yz, and rho_w in the plane zx.
            momentum = COMPONENTS[1:4]
            there = momentum[(momentum.index(name) + turns) % 3] if name in momentum else name
            # From [z][y][k][j][i][x] to (x, y, z) of elements and of nodes, then turned.
            field = other.fields[there].transpose(5, 1, 0, 4, 3, 2)
            axes = [turns % 3, (turns + 1) % 3, (turns + 2) % 3]
            back = field.transpose(*axes, *(3 + a for a in axes))
            expected = xy.fields[name].transpose(5, 1, 0, 4, 3, 2)
            scale = np.abs(xy.fields["E" if name == "E" else "rho"]).max()
            assert np.abs(back - expected).max() <= 1e-13 * scale
        for name, there in (("rho", "rho"), ("E", "E")):
            assert other.error(there, "L2") == pytest.approx(xy.error(name, "L2"), rel=1e-10)


@pytest.mark.parametrize("form", ["weak", "split"])
@pytest.mark.parametrize("p", [1, 2, 3, 4, 5])
def test_the_entropy_wave_converges_with_order_p_plus_1(form, p):
    sizes = (4, 8) if p < 3 else (3, 6)
    errors = []
    for n in sizes:
        # A step so short that the error of time is far below that of space.
        params = {"state": "wave", "p": p, "form": form, "t_end": 0.02, "cfl": 0.5}
        case = make_case("euler", shape=(n, n, n), params=params)
        steps = round(0.02 / euler.time_step(case))
        errors.append(
            solve("euler", steps=steps, shape=(n, n, n), params=params).error("rho", "L2")
        )
    order = math.log2(errors[0] / errors[1])
    assert p + 0.6 <= order <= p + 1.7, errors


# ---- what must not change --------------------------------------------------------------------


@pytest.mark.parametrize("form", ["weak", "split"])
@pytest.mark.parametrize("state", ["vortex", "wave", "taylor_green"])
def test_totals_are_conserved_and_states_move(form, state):
    solution = solve(
        "euler", steps=40, shape=(3, 2, 4), params={"form": form, "state": state, "p": 4}
    )
    totals = solution.totals()
    size = {name: float(np.mean(np.abs(solution.start[name]))) for name in COMPONENTS}
    volume = totals["rho"][0] / size["rho"]
    largest = max(size[name] for name in COMPONENTS[1:4])
    for name, (before, after) in totals.items():
        scale = largest if name in COMPONENTS[1:4] else size[name]
        assert abs(after - before) <= 1e-13 * scale * volume, name
    assert np.abs(solution.fields["rho"] - solution.start["rho"]).max() > 1e-6


@pytest.mark.parametrize("form", ["weak", "split"])
@pytest.mark.parametrize("p", [1, 3, 7])
def test_a_free_stream_stays_what_it_is(form, p):
    stream = euler.conserved(*(np.float64(x) for x in (1.1, 0.7, -0.4, 0.3, 0.9)))

    def initial(case, tile):
        shape = euler.layout(case).shape(tile.padded)
        q = np.ones(shape) * np.array(list(stream.values())).reshape(5, 1, 1, 1, 1)
        return {"q": q, "k": np.zeros_like(q)}

    params = {"form": form, "p": p, "state": "wave"}
    solution = solve("euler", steps=10, shape=(2, 3, 2), params=params, initial=initial)
    for name, value in stream.items():
        assert np.abs(solution.fields[name] - value).max() <= 2e-13, name


def test_the_split_form_survives_where_the_weak_one_does_not():
    """An under-resolved Taylor-Green vortex, whose kinetic energy can only fall.

    The weak form's aliasing feeds it until pressure turns negative near t = 5; the split form only
    loses energy at the faces, and its total entropy, -rho log(p / rho^gamma), does not rise.
    """
    params = {"state": "taylor_green", "p": 3, "cfl": 0.9}
    shape, steps = (3, 3, 3), 400
    with pytest.raises(Unstable, match=r"(rho|p) is -\S+ in element \(\d, \d, \d\) .* step \d+"):
        solve("euler", "numba", steps=steps, shape=shape, params=params | {"form": "weak"})
    weights = euler.quadrature(3)
    energies, entropies = [], []
    for part in (0, 100, 200, 300, steps):
        fields = solve(
            "euler", "numba", steps=part, shape=shape, params=params | {"form": "split"}
        ).fields
        rho = fields["rho"]
        kinetic = sum(fields[m] ** 2 for m in COMPONENTS[1:4]) / (2.0 * rho)
        energies.append(float(np.sum(weights * kinetic)))
        entropy = -rho * np.log(euler.pressure(fields) / rho**1.4)
        entropies.append(float(np.sum(weights * entropy)))
    assert all(later < earlier for earlier, later in pairwise(energies)), energies
    assert all(later < earlier for earlier, later in pairwise(entropies)), entropies
    assert energies[-1] > 0.2 * energies[0]


# ---- states that no gas can have -------------------------------------------------------------


def broken(case, tile):
    """The entropy wave, with a negative pressure in element (1, 2, 0)."""
    start = euler.initial(case, tile)
    z, y, x = (i - a + tile.halo for i, a in zip((1, 2, 0), tile.start, strict=True))
    start["q"][z, y, 4, 0, 0, 0, x] = 0.1
    return start


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_negative_pressure_stops_the_case_and_is_named(backend):
    with pytest.raises(Unstable, match=r"^p is -\S+ in element \(1, 2, 0\) .* after 0 steps$"):
        solve("euler", backend, steps=3, shape=(2, 3, 2), params={"state": "wave"}, initial=broken)


def test_a_run_that_turns_unphysical_is_invalid_and_says_where(measured):
    (record,) = measured("euler", "-b", "numpy", "--size", "tiny", "--param", "dt=3.0")
    assert record["status"] == "invalid"
    assert record["time"] is None
    assert any("in element (" in reason and "step" in reason for reason in record["reasons"])


# ---- backends and ranks ----------------------------------------------------------------------

LONG = [
    job("weak", (3, 2, 5), 100, form="weak", state="wave"),
    job("split", (3, 2, 5), 100, form="split", state="taylor_green"),
    job("single", (3, 2, 5), 100, form="weak", state="wave", dtype="float32"),
]


def difference(got: np.ndarray, expected: np.ndarray) -> float:
    """Over the largest magnitude of each component; of the momentum's three together."""
    worst = 0.0
    for part in (slice(0, 1), slice(1, 4), slice(4, 5)):
        scale = np.abs(expected[part]).max()
        worst = max(worst, float(np.abs(got[part] - expected[part]).max() / scale))
    return worst


def test_the_single_job_is_the_weak_one_in_another_precision() -> None:
    weak, _, single = LONG
    assert single == weak | {"name": "single", "dtype": "float32"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> dict[str, np.ndarray]:
    """In float64; the job in single precision is the weak one's problem."""
    answers = finish(*start(tmp_path_factory.mktemp("reference"), "numpy", LONG[:2]))
    return answers | {"single": answers["weak"]}


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "numpy"])
def test_backends_agree_after_100_steps(backend, reference, tmp_path):
    """Rows of 5 elements fill no whole number of vectors."""
    require(backend)
    answers = finish(*start(tmp_path, backend, LONG))
    assert difference(answers["weak"], reference["weak"]) <= 1e-11
    assert difference(answers["split"], reference["split"]) <= 1e-11
    assert difference(answers["single"], reference["single"]) <= 1e-5


COMPILED = """
from joulia.simulation.solve import Solution, make_case
from joulia.bridges import julia

julia.start(make_case("euler", "julia"))
from juliacall import Main
print(Main.seval('''
    using InteractiveUtils
    let euler = JouliaKernels.euler, L = euler.Lanes{4,Float64}, P = Ptr{Float64}
        types = (Val{1}, P, Int, Int, Int, P, P, P, Float64, Float64, euler.Stage{%s,%s,4}, Type{L})
        sprint(io -> code_llvm(io, euler.direction!, types; debuginfo = :none))
    end
'''))
"""


@pytest.mark.parametrize("split", ["false", "true"])
@pytest.mark.parametrize("nodes", [4, 6])
def test_julia_calls_nothing_in_its_inner_loops(nodes, split):
    """A function that is not inlined there hands its vectors over through memory."""
    require("julia")
    code = program({}, "-c", COMPILED % (nodes, split))
    assert "fmul nsz <4 x double>" in code
    assert "@llvm.fmuladd.v4f64" in code
    assert " contract " not in code
    assert not re.findall(r'call .*@"?j_.*', code)


@pytest.mark.parametrize("p", ["1", "5"])
@pytest.mark.parametrize("form", ["weak", "split"])
def test_other_degrees_are_valid(form, p, measured):
    (record,) = measured(
        "euler", "-b", "numba", "--size", "tiny", "--threads", "1",
        "--param", f"form={form}", "--param", f"p={p}", "--param", "state=wave",
    )  # fmt: skip
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    nodes = math.prod(record["case"]["shape"]) * (int(p) + 1) ** 3
    seconds = record["rates"]["ns_per_update"] * 1e-9
    assert seconds * nodes * 5 == pytest.approx(record["time"]["median"], rel=1e-12)


def test_faces_travel_not_elements():
    """One layer of nodes crosses a side: the own face leaves, the neighbour's arrives."""
    layout = Layout(("a", "b"), nodes=4)
    tile = tile_of((6, 5, 8), (2, 1, 1), 0, 1, (True,) * 3)
    assert layout.shape(tile.padded) == (5, 7, 2, 4, 4, 4, 10)
    for link in links(tile, (2, 1, 1), 0, corners=False):
        cut = layout.faces(link)
        axis = next(a for a, t in enumerate(link.towards) if t)
        upper = link.towards[axis] > 0
        for box, node in ((cut.send, 3 if upper else 0), (cut.receive, 0 if upper else 3)):
            nodes = extent(box)[3:6]
            assert nodes == tuple(1 if a == axis else 4 for a in range(3))
            assert box[2 * (3 + axis)] == node
        cells = extent(link.send)
        assert math.prod(extent(cut.send)) == math.prod(cells) * 2 * 16


# ---- numerics --------------------------------------------------------------------------------


@pytest.mark.parametrize("p", range(1, 9))
def test_nodes_weights_and_derivatives_are_exact_where_they_must_be(p):
    x, w = lgl.rule(p)
    d = lgl.derivative(p)
    for degree in range(2 * p):
        exact = 0.0 if degree % 2 else 2.0 / (degree + 1)
        assert w @ x**degree == pytest.approx(exact, abs=1e-14)
    for degree in range(p + 1):
        slope = degree * x ** max(0, degree - 1)
        assert d @ x**degree == pytest.approx(slope, abs=1e-12)
        fine = lgl.interpolation(p, 2 * p) @ x**degree
        assert fine == pytest.approx(lgl.rule(2 * p)[0] ** degree, abs=1e-13)
    # Summation by parts: w_i D_il + w_l D_li is the difference across the element.
    ends = np.zeros((p + 1, p + 1))
    ends[0, 0], ends[-1, -1] = -1.0, 1.0
    assert w[:, None] * d + (w[:, None] * d).T == pytest.approx(ends, abs=1e-13)


def test_the_l2_norm_sees_between_the_nodes():
    """A constant offset has its own size as the error; so has a mode that is zero at the nodes."""
    case = make_case("euler", shape=(2, 1, 2), params={"state": "wave"})
    tile = tile_of(case.shape, (1, 1, 1), 0, 1, (True,) * 3)
    exact = {name: field + 0.25 for name, field in euler.exact(case, 0, tile).items()}
    coarse = euler.l2_error(case, 0, tile, exact)
    assert coarse["rho_u"] == pytest.approx(0.25, rel=0.1)
    none = euler.l2_error(case, 0, tile, euler.exact(case, 0, tile))
    assert none["rho"] > 1e-6  # what degree 3 cannot represent on these elements
    with pytest.raises(JouliaError, match="no exact answer"):
        solve("euler", steps=1, params={"state": "taylor_green"}).error("rho", "L2")
    assert solve("euler", until=0.5, params={"state": "wave"}).error("rho", "L2") < 0.02


def test_work_is_that_of_the_specification():
    """220 B and 242 to 294 flop a node and stage at p = 3, weak; 80 B of it for u and k twice."""
    case = make_case("euler", shape=(1, 1, 1), params={"p": 3})
    work, updates = euler.work(case), euler.updates(case)
    assert updates == 5 * 64
    assert work.bytes / updates == pytest.approx(220)
    assert 242 <= work.flops / updates <= 294


def test_whole_steps_end_at_the_end_time():
    case = make_case("euler", params={"t_end": 1.0, "state": "wave"})
    dt = euler.time_step(case)
    free = euler.time_step(make_case("euler", params={"state": "wave"}))
    assert dt <= free
    assert round(1.0 / dt) * dt == pytest.approx(1.0, rel=1e-14)
    assert 1.0 / dt < 1.0 / free + 1.0
