"""One conformance suite for every kernel on every backend, and heat's exact decay."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

from joulia import registry, solve
from joulia.case import DTYPES
from joulia.grid import slices, tile_of
from joulia.kernels.heat import decay
from joulia.simulation.solve import make_case

from .conftest import BACKENDS, VARIANTS, require, require_source
from .programs_run import Boxed, measured_together
from .promises import COMPILED

KERNELS = list(registry.kernels())
CACHE = 32 << 20
"""Bytes of a last-level cache of today's processors, as a few of their cores share it."""


@functools.cache
def conformance(backend: str, kernels: tuple[str, ...]) -> dict[Boxed, dict[str, Any]]:
    """Those of these kernels that a backend has, in every precision: one process measures them."""
    where = registry.backend(backend)[0]
    here = [kernel for kernel in kernels if registry.source(kernel, *where) is not None]
    cases: list[Boxed] = [(kernel, dtype, "tiny", ()) for kernel in here for dtype in DTYPES]
    return measured_together(backend, cases, {})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("backend", BACKENDS + VARIANTS)
def test_every_kernel_is_valid_on_every_backend(kernel, backend, dtype, request):
    require(backend)
    require_source(kernel, backend)
    asked = (item for item in request.session.items if "dtype" in getattr(item, "fixturenames", ()))
    mine = [i.callspec.params for i in asked if i.originalname == request.node.originalname]
    chosen = tuple(dict.fromkeys(p["kernel"] for p in mine if p["backend"] == backend))
    result = conformance(backend, chosen)[kernel, dtype, "tiny", ()]
    assert result["status"] == "valid", result["reasons"]
    assert result["verify"]["passed"]
    assert result["verify"]["error"] <= result["verify"]["tolerance"]
    assert result["startup"]["cache"] in ("cold", "warm", "none")
    assert all(value > 0 for value in result["rates"].values() if value is not None)


@pytest.mark.parametrize("kernel", KERNELS)
def test_sizes_at_tiny_are_not_square_and_medium_exceeds_the_caches(kernel):
    described = registry.kernel(kernel).kernel
    sizes = described.sizes
    assert len(set(sizes["tiny"])) == len(sizes["tiny"])
    assert list(sizes) == ["tiny", "small", "medium", "large"]
    case = make_case(kernel, size="medium")
    tile = tile_of(
        case.shape, (1,) * described.dims, 0, described.halo.width, described.wraps(case)
    )
    cells = math.prod(described.cells(case).shape(tile.padded))
    assert len(described.fields) * cells * 8 >= 3 * CACHE


@pytest.mark.parametrize("shape", [(12, 10, 8), (5, 9, 7)])
@pytest.mark.parametrize("waves", [(1, 2, 1), (2, 1, 3), (0, 0, 1)])
def test_heat_decays_exactly_as_the_discrete_scheme_says(shape, waves):
    """(1 - dt kappa sum (2 sin(k dx / 2) / dx)^2)^n, to 1e-13 of the decayed amplitude."""
    k, l, m = waves  # noqa: E741
    params = {"k": k, "l": l, "m": m, "background": 0.0, "cfl": 0.1}
    steps = 5
    solution = solve("heat", steps=steps, shape=shape, params=params)
    case = make_case("heat", shape=shape, params=params)
    amplitude = abs(decay(case)) ** steps * np.max(np.abs(solution.start["u"]))
    assert solution.error("u") <= 1e-13 * amplitude
    dx = [2 * math.pi / n for n in shape[::-1]]
    dt = 0.1 / sum(1 / d**2 for d in dx)
    rate = sum((2 * math.sin(w * d / 2) / d) ** 2 for w, d in zip(waves, dx, strict=True))
    assert decay(case) == pytest.approx(1 - dt * rate, rel=1e-14)


@pytest.mark.parametrize("backend", ["numpy", "numba", "jax"])
def test_a_box_is_computed_and_nothing_beside_it(backend):
    require(backend)
    entry = registry.kernel("heat")
    case = make_case("heat", backend)
    bridge = registry.bridge(case.bridge)
    bridge.start(case)
    ops = bridge.load(entry.kernel, entry.source(bridge.SUFFIX), case)
    rng = np.random.default_rng(3)
    u, out = rng.random((14, 12, 10)), np.full((14, 12, 10), -7.0)
    box = (3, 6, 2, 9, 4, 5)
    native = ops.array(out)
    ops.diffuse(box, ops.array(u), native, 0.1, 0.2, 0.05)
    ops.synchronize()
    got = ops.host(native)
    inside = np.zeros(got.shape, bool)
    inside[slices(box)] = True
    assert (got[~inside] == -7.0).all()
    z, y, x = 4, 5, 4
    expected = u[z, y, x] + sum(
        c * (low - 2 * u[z, y, x] + high)
        for c, low, high in [
            (0.1, u[z, y, x - 1], u[z, y, x + 1]),
            (0.2, u[z, y - 1, x], u[z, y + 1, x]),
            (0.05, u[z - 1, y, x], u[z + 1, y, x]),
        ]
    )
    assert got[z, y, x] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("backend", COMPILED)
def test_a_cold_start_compiles_and_a_warm_one_does_not(backend, measured):
    require(backend)
    case = ("heat", "-b", backend, "--size", "tiny", "--threads", "1")
    *_, warm = [measured(*case, "--no-resume")[-1] for _ in range(2)]
    cold = measured(*case, "--cold")[-1]
    if backend in ("numba:cuda", "julia:cuda"):  # neither keeps a GPU's machine code on disk
        assert warm["startup"]["cache"] == cold["startup"]["cache"] == "cold"
        return
    assert warm["startup"]["cache"] == "warm", warm["startup"]
    assert cold["startup"]["cache"] == "cold", cold["startup"]
    if (
        backend != "jax"
    ):  # which takes longer to import, and to load from its cache, than to compile
        start = [sum(s["startup"][part] for part in ("import_s", "load_s")) for s in (cold, warm)]
        assert start[0] > start[1]
