"""poisson: the golden figures of its page, what must be refused, and mistakes that must be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulia.errors import JouliaError
from joulia.kernels import _multigrid as mg
from joulia.kernels import poisson
from joulia.kernels.poisson import problems
from joulia.parallel.comm import OneRank
from joulia.parallel.dots import dots
from joulia.parallel.levels import shares
from joulia.simulation import verify
from joulia.simulation.run import Run, set_up
from joulia.simulation.solve import make_case

from .conftest import require

TINY, LOW, CUBE, OBLONG = (12, 10, 8), (16, 12, 8), (16, 16, 16), (32, 48, 64)

GOLDEN = [
    (TINY, "periodic", "171.5596", (12, 16), (9, 10), "1.48839e-01", "8.75627e-01"),
    (TINY, "walls", "156.4557", (14, 18), (9, 11), "1.49681e-01", "8.77158e-01"),
    (LOW, "periodic", "171.8136", (10, 12), (7, 9), "1.17586e-01", "6.84858e-01"),
    (LOW, "walls", "156.7297", (11, 14), (8, 10), "1.19769e-01", "7.00262e-01"),
    (CUBE, "periodic", "171.6974", (10, 13), (8, 9), "4.87821e-02", "3.58586e-01"),
    (CUBE, "walls", "156.6023", (10, 13), (8, 10), "4.71807e-02", "3.35075e-01"),
    ((32,) * 3, "periodic", "171.6877", (11, 13), (8, 10), "1.17956e-02", "8.85602e-02"),
    ((32,) * 3, "walls", "156.5917", (10, 13), (8, 10), "1.13823e-02", "8.13951e-02"),
    (OBLONG, "periodic", "171.6877", (12, 14), (9, 11), "5.95271e-03", "4.41838e-02"),
    (OBLONG, "walls", "156.5917", (12, 14), (9, 11), "4.71201e-03", "3.34321e-02"),
    ((64,) * 3, "periodic", "171.6877", (11, 14), (9, 10), "2.92604e-03", "2.23849e-02"),
    ((64,) * 3, "walls", "156.5917", (11, 14), (9, 10), "2.82203e-03", "2.05214e-02"),
]
"""Shape, z, rms b, cycles and iterations to 1e-8 and 1e-10, L2 and Linf against phi: also what an
FFT or DCT gives of the same discrete problem."""

RATIOS = {
    ("mg", TINY, "periodic"): (2.15702e-1, 1.59183e-2, 9.01057e-3, 6.61371e-4, 4.54233e-4),
    ("mg", TINY, "walls"): (1.69514e-1, 1.20826e-2, 8.85203e-3, 5.07037e-4, 6.56548e-4),
    ("mg", CUBE, "periodic"): (2.12780e-1, 2.41663e-2, 4.05221e-3, 6.08774e-4, 9.57388e-5),
    ("mg", CUBE, "walls"): (1.94270e-1, 2.06464e-2, 3.24935e-3, 4.59701e-4, 6.86504e-5),
    ("cg", TINY, "periodic"): (2.14521e-1, 1.49613e-2, 3.84257e-3, 2.78725e-4, 3.45580e-5),
    ("cg", TINY, "walls"): (1.68923e-1, 1.10132e-2, 5.41643e-3, 4.46475e-4, 6.12046e-5),
    ("cg", CUBE, "periodic"): (2.14456e-1, 1.95564e-2, 1.13827e-3, 5.70701e-5, 3.57149e-6),
    ("cg", CUBE, "walls"): (1.94619e-1, 1.83845e-2, 9.35328e-4, 5.19827e-5, 4.49706e-6),
    ("mg", OBLONG, "periodic"): (1.04352, 3.50619e-2, 2.66016e-2, 1.03734e-3, 7.52955e-4),
    ("mg", OBLONG, "walls"): (1.14614, 3.12168e-2, 3.01689e-2, 1.08667e-3, 8.53838e-4),
    ("cg", OBLONG, "periodic"): (1.04659, 3.88285e-2, 7.47280e-3, 3.94193e-4, 3.91464e-5),
    ("cg", OBLONG, "walls"): (1.14419, 3.66539e-2, 7.47206e-3, 4.94346e-4, 3.23090e-5),
}
"""|b - A x| / |b| after 1 to 5 steps: also what assembled sparse matrices give."""


def started(shape: tuple[int, ...], backend: str = "numpy", **params: object) -> Run:
    return set_up(make_case("poisson", backend, shape=shape, params=params), OneRank())


def residual(run: Run) -> np.ndarray:
    """b - A x on the cells of the grid."""
    padded = verify.with_halos(run.kernel, run.ops, run.fields, run.exchange)
    x = padded["x"]
    if problems.walled(run.case):
        x[0], x[-1] = x[1], x[-2]
    return padded["b"][1:-1, 1:-1, 1:-1] - problems.applied(run.case, x)


@pytest.mark.parametrize("method", ["mg", "cg"])
@pytest.mark.parametrize(("shape", "z", "rms", "mg_steps", "cg_steps", "l2", "linf"), GOLDEN)
def test_iteration_counts_and_errors_are_those_of_the_page(
    shape, z, rms, mg_steps, cg_steps, l2, linf, method
):
    """The larger grids in C++, which is quicker: their figures say that it is right as well."""
    backend = "c++" if max(shape) > 16 else "numpy"
    require(backend)
    run = started(shape, backend, start="smooth", z=z, method=method)
    size = np.linalg.norm(run.results(run.fields)["b"])
    assert f"{size / np.sqrt(np.prod(shape)):.4f}" == rms
    wanted = mg_steps if method == "mg" else cg_steps
    ratios = []
    for _ in range(wanted[1]):
        run.step()
        run.ops.synchronize()
        ratios.append(float(np.linalg.norm(residual(run)) / size))
    counts = tuple(next(n for n, r in enumerate(ratios, 1) if r <= tol) for tol in (1e-8, 1e-10))
    assert counts == wanted
    x = run.results(run.fields)["x"]
    error = x - x.mean() - problems.solution(run.case, run.tile.start, run.tile.stop)
    assert f"{np.sqrt(np.mean(error**2)):.5e}" == l2
    assert f"{np.abs(error).max():.5e}" == linf
    if known := RATIOS.get((method, shape, z)):
        assert ratios[:5] == pytest.approx(known, rel=1e-5)


def test_an_odd_coarsest_grid_converges_as_on_the_page():
    """24x20x28 ends at 3x5x7: cycles and iterations to 1e-8 with walls."""
    for method, count in (("mg", 14), ("cg", 10)):
        run = started((24, 20, 28), start="smooth", z="walls", method=method)
        size = np.linalg.norm(run.results(run.fields)["b"])
        ratios = []
        for _ in range(count):
            run.step()
            ratios.append(np.linalg.norm(residual(run)) / size)
        assert ratios[-1] <= 1e-8 < ratios[-2]


def test_a_thin_box_converges_as_a_cube():
    """Semi-coarsening: cells 30 times as long as they are high."""
    assert problems_of(started((16, 24, 40), z="walls", lz=0.02), 12) == []


@pytest.mark.parametrize("z", ["periodic", "walls"])
def test_a_discrete_solution_is_approached_by_half_a_cycle(z):
    """0.1 x 0.5^(n - 1) of the rms after n cycles, down to 1e-13."""
    run = started(LOW, z=z)
    exact = problems.solution(run.case, run.tile.start, run.tile.stop)
    for cycle in range(1, 31):
        run.step()
        x = run.results(run.fields)["x"]
        error = np.sqrt(np.mean((x - x.mean() - exact) ** 2) / np.mean(exact**2))
        assert error <= max(0.1 * 0.5 ** (cycle - 1), 1e-13)


@pytest.mark.parametrize(("z", "value"), [("periodic", 463.6869331331), ("walls", 260.0401801514)])
def test_a_mode_is_an_eigenvector(z, value):
    """Plain conjugate gradients would be done in one iteration: r . r / r . A r = 1 / value."""
    run = started(TINY, start="mode", z=z)
    assert problems.eigenvalue(run.case) == pytest.approx(value, rel=1e-12)
    b = run.results(run.fields)["b"]
    mode = problems.solution(run.case, run.tile.start, run.tile.stop)
    assert np.linalg.norm(b - value * mode) <= 1e-12 * np.linalg.norm(b)


def test_levels_are_those_of_the_page():
    lengths = (1.0, 1.0, 1.0)
    stages = mg.hierarchy(TINY, lengths, True)
    assert mg.coarser(stages) == ((6, 5, 8), (6, 5, 4), (3, 5, 4), (3, 5, 2), (3, 5, 1))
    assert len(stages[-1].solve) == 4
    assert len(mg.hierarchy(TINY, lengths, False)[-1].solve) == 6
    deep = mg.hierarchy((32, 48, 64), lengths, True)
    assert [s.shape for s in deep[1:4]] == [(32, 48, 32), (32, 24, 32), (16, 24, 16)]
    assert (len(deep), deep[-1].shape, len(deep[-1].solve)) == (11, (1, 3, 1), 2)


def test_a_level_is_cut_while_a_cells_finer_ones_lie_on_one_rank():
    """Then every rank has all of it: at 8 cells a unit, the third one of cubes."""
    case = make_case("poisson", shape=(64, 64, 64))
    assert poisson.align(case) == (8, 8, 8)
    every = shares(poisson.KERNEL, case, (1, 1, 3))
    assert [s.whole for s in every] == [False, False, True, True, True, True]
    assert [t.shape[2] for t in every[2].tiles] == [3, 3, 2]
    assert [s.gathered for s in every] == [False, False, True, False, False, False]


@pytest.mark.parametrize(
    ("shape", "params", "words"),
    [
        ((9, 15, 7), {}, "cannot halve any axis of 9x15x7"),
        ((16, 24, 40), {"lx": 0.02}, "needs 145 sweeps there. Allowed: up to 50"),
        ((31, 32, 32), {}, "odd extent has the finest spacing"),
    ],
)
def test_what_would_not_converge_is_refused_in_a_line(shape, params, words):
    with pytest.raises(JouliaError, match="Allowed") as refused:
        make_case("poisson", shape=shape, params=params)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_conjugate_gradients_are_not_offered_in_single_precision():
    with pytest.raises(JouliaError, match="not offered in float32"):
        make_case("poisson", dtype="float32", params={"method": "cg"})


def problems_of(run: Run, steps: int) -> list[str]:
    """What a measured run of that many steps would be invalid for, without the NumPy reference."""
    for _ in range(steps):
        run.step()
    comm, final = OneRank(), run.results(run.fields)
    checks = verify.exact_check(run.case, comm, run.tile, final, steps) | verify.vanishing_checks(
        run.kernel, run.case, comm, run.ops, run.fields, run.exchange, steps
    )
    return verify.failures(None, checks)


def test_a_wrong_weight_of_the_restriction_is_an_invalid_run(monkeypatch):
    """With half the residual on every level a solve is slow: the residual and the step are told."""
    assert problems_of(started(CUBE), 20) == []
    right = mg.hierarchy(CUBE, (1.0, 1.0, 1.0), True)
    wrong = tuple(replace(s, residual=tuple(0.5 * r for r in s.residual)) for s in right)
    monkeypatch.setattr(poisson, "stages", lambda case: wrong)
    failures = problems_of(started(CUBE), 20)
    assert any("no residual after 20 steps" in failure for failure in failures)


def test_a_repeat_that_continues_from_an_old_direction_shows():
    """Where x alone is reset, r and p of the repeat before give another solution."""
    run = started(TINY, method="cg")
    run.steps(2)
    first = run.results(run.fields)["x"].copy()
    run.reset()
    run.steps(2)
    assert np.array_equal(run.results(run.fields)["x"], first)
    for name in poisson.KERNEL.carried(run.case)[2:]:
        del run.start[name]
    run.reset()
    run.steps(2)
    assert not np.allclose(run.results(run.fields)["x"], first)


def test_dot_products_do_not_depend_on_the_order_of_cells():
    rng = np.random.default_rng(5)
    x = rng.standard_normal(4001) * 10.0 ** rng.integers(-12, 12, 4001)
    y = rng.standard_normal(4001)
    (straight,) = dots(OneRank(), [(x, y)], 4001)
    order = rng.permutation(4001)
    assert dots(OneRank(), [(x[order], y[order])], 4001) == [straight]
    assert straight == pytest.approx(float(np.dot(x, y)), rel=1e-12)
    assert dots(OneRank(), [(np.zeros(3), np.ones(3))], 3) == [0.0]
