"""Bounds that bound: of the full multiply-add rate, and of the level that serves the fields."""

from __future__ import annotations

import numpy as np
import pytest

from joulia import registry
from joulia.case import Case
from joulia.grid import Tile
from joulia.kernels.stream import initial
from joulia.records.parts import Rates
from joulia.runner import ceilings, plan
from joulia.runner.ceilings import Ceilings, footprint
from joulia.runner.plan import Request

from .results import record

MIB = 1 << 20


def caches(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(ceilings, "last_level_cache_bytes", lambda: size)


def medium(kernel: str, dtype: str = "float64") -> Case:
    return record("numpy", 1e-3, kernel=kernel, size="medium", dtype=dtype).case


def tile(start: int, count: int) -> Tile:
    return Tile((4099,), (start,), (start + count,), 0, (True,))


def rates(bytes_per_s: float, flops_per_s: float) -> Rates:
    return Rates(1.0, 1.0, bytes_per_s, flops_per_s)


# A laptop, the 32 MiB of a Zen 3, a POWER9 of 120 MiB, an EPYC with 3D V-Cache.
@pytest.mark.parametrize("cache", [8 * MIB, 32 * MIB, 120 * MIB, 768 * MIB])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_medium_case_has_a_triad_of_its_level_on_every_machine(
    monkeypatch: pytest.MonkeyPatch, cache: int, dtype: str
) -> None:
    caches(monkeypatch, cache)
    names = [name for name, entry in registry.kernels().items() if entry.kernel.ranked]
    request = Request(names, ["numpy"], sizes=("medium",), dtypes=(dtype,))
    planned = [p.case for p in plan.plan([request])]
    triads = [c for c in planned if ceilings.bound(c) == "bytes"]
    measured = {(c.place, footprint(c)) for c in triads}
    assert {(c.place, footprint(c)) for c in planned if registry.ranked(c.kernel)} <= measured
    assert len(measured) == len(triads), "each once"


def test_the_triad_is_no_larger_than_the_fields_and_no_smaller_than_two_thirds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caches(monkeypatch, 32 * MIB)
    euler = medium("euler")
    held = registry.kernel("euler").kernel.bytes_held(euler)
    assert not ceilings.exceeds_caches(euler), "106 MB are under four times 32 MiB"
    assert footprint(euler) == 96 * MIB
    assert 2 / 3 < 96 * MIB / held <= 1
    assert footprint(medium("heat")) == footprint(medium("tracer")) == 128 * MIB, "memory"
    assert footprint(record("numpy", 1e-3, size="tiny").case) is None, "calls bound it"


@pytest.mark.parametrize("bandwidth", [10e9, 1000e9])
def test_a_fraction_does_not_vanish_when_the_triad_happens_to_be_fast(
    monkeypatch: pytest.MonkeyPatch, bandwidth: float
) -> None:
    caches(monkeypatch, 32 * MIB)
    euler, learned = medium("euler"), Ceilings()
    learned.bytes_per_s[euler.place, 96 * MIB] = bandwidth
    learned.flops_per_s[euler.place, "float64"] = 50e9
    held = learned.held_against(euler, rates(5e9, 5.5e9))
    assert held.fraction_of_bound == pytest.approx(max(5e9 / bandwidth, 0.11))
    assert held.ceiling_footprint_bytes == 96 * MIB


def test_the_bound_is_the_fastest_window_of_a_disturbed_triad(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another program takes the core in most windows: their median, 2 GB/s, is no bound."""
    caches(monkeypatch, 32 * MIB)
    windows = [0.4, 0.41, 0.08, 0.39, 0.42, 0.081, 0.4]
    learned = Ceilings()
    learned.learn(record("numpy", windows, kernel="stream", size="medium"))
    held = learned.held_against(medium("heat"), rates(8e9, 4e9))
    assert held.ceiling_bytes_per_s == pytest.approx(24 * 2**25 / 0.08)
    assert held.fraction_of_bound is not None
    assert held.fraction_of_bound < 1.0


def test_a_triad_over_more_bytes_that_was_faster_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen: 52 GB/s over 8 MB beside 120 GB/s over 13 MB, which a cache serves no better."""
    caches(monkeypatch, 32 * MIB)
    euler, learned = medium("euler"), Ceilings()
    for held, rate in ((64 * MIB, 200e9), (96 * MIB, 52e9), (128 * MIB, 120e9)):
        learned.bytes_per_s[euler.place, held] = rate
    held_to = learned.held_against(euler, rates(6e9, 1e9))
    assert held_to.ceiling_bytes_per_s == 120e9
    assert held_to.ceiling_footprint_bytes == 128 * MIB
    assert held_to.fraction_of_bound == pytest.approx(0.05)


def test_the_triad_of_another_level_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    caches(monkeypatch, 32 * MIB)
    triad = record("numpy", 1e-2, kernel="stream", size="medium")
    learned = Ceilings()
    learned.learn(triad)
    euler = medium("euler")
    assert learned.held_against(euler, rates(5e9, 1e9)).fraction_of_bound is None
    assert learned.held_against(medium("heat"), rates(5e9, 1e9)).fraction_of_bound


def test_the_compute_bound_is_the_full_rate_of_multiply_adds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """equation_of_state showed 159 % of half the rate; multiply-adds themselves are at 100 %."""
    caches(monkeypatch, 32 * MIB)
    case, learned = medium("equation_of_state"), Ceilings()
    learned.flops_per_s[case.place, case.dtype] = 50e9
    assert learned.held_against(case, rates(1e9, 50e9)).fraction_of_bound == 1.0
    assert learned.held_against(case, rates(1e9, 40e9)).fraction_of_bound == 0.8


def test_data_are_the_same_numbers_in_every_tile_and_random_ones_use_all_bits() -> None:
    plain = record("numpy", 1e-3, kernel="stream", size="tiny").case
    for data in ("smooth", "random", "zeros"):
        case = plain.with_params(data=data)
        whole = initial(case, tile(0, 4099))
        part = initial(case, tile(1000, 500))
        for name in ("b", "c"):
            assert np.array_equal(part[name], whole[name][1000:1500])
    random = initial(plain.with_params(data="random"), tile(0, 4099))
    assert abs(random["b"].mean()) < 0.05
    assert abs(np.corrcoef(random["b"], random["c"])[0, 1]) < 0.05
    low = random["b"].view(np.uint64) & np.uint64(0xFF)
    assert len(np.unique(low)) > 200
    assert not initial(plain.with_params(data="zeros"), tile(0, 9))["b"].any()
