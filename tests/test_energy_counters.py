"""Which counters are one: copies always, others never, on registers of all kinds and speeds."""

from __future__ import annotations

import math
import random

import pytest

from joulia.energy import counters
from joulia.energy.accounting import Seen
from joulia.energy.readings import Window
from joulia.meters import Domain

KINDS = ((0.001, 2.0**-14), (0.001, 2.0**-16), (0.001, 2.0**-32), (0.04, 1e-6), (0.1, 1e-3))
"""Seconds between updates and joules of a count: Intel's RAPL, AMD's, perf events; OCC; NVML."""


def readings(rng: random.Random, registers: int, views: int) -> list[dict[str, float]]:
    """Looks at `views` counters over each of so many registers, one after the other.

    A register is updated every `period_s`, give or take a tenth, each at times of its own.
    """
    period_s, unit_j = rng.choice(KINDS)
    read_s = 0.03 * period_s / (registers * views)
    watts = [rng.uniform(3.0, 400.0) for _ in range(registers)]
    if rng.random() < 0.3:
        watts = [watts[0]] * registers  # as alike as power can be
    updates = []
    for power in watts:
        at, joules, told = rng.uniform(0.0, period_s), 0.0, [(0.0, 0.0)]
        while at < 12 * period_s:
            joules += power * period_s * (1.0 + 0.02 * rng.gauss(0.0, 1.0))
            told.append((at, math.floor(joules / unit_j) * unit_j))
            at += period_s * rng.uniform(0.9, 1.1)
        updates.append(told)
    looks, t = [], 0.0
    while t < 11 * period_s:
        look = {}
        for number, told in enumerate(updates):
            for view in range(views):
                t += read_s * rng.uniform(0.5, 2.0)
                look[f"{number}-{view}"] = next(j for at, j in reversed(told) if at <= t)
        looks.append(look)
        t += period_s * rng.uniform(0.05, 0.3)
    return looks


@pytest.mark.parametrize(("registers", "views"), [(1, 2), (1, 8), (2, 1), (2, 8), (4, 1)])
def test_copies_are_found_and_nothing_else(registers: int, views: int) -> None:
    rng = random.Random(f"{registers} {views}")
    for _ in range(60):
        looks = readings(rng, registers, views)
        repeated = counters.repeats(looks, [list(looks[0])])
        assert repeated == {
            f"{number}-{view}": f"{number}-0"
            for number in range(registers)
            for view in range(1, views)
        }


def test_counters_that_stand_still_are_not_one() -> None:
    assert counters.repeats([{"a": 0.0, "b": 0.0}] * 50, [["a", "b"]]) == {}


def test_what_was_hardly_seen_to_move_is_not_judged() -> None:
    looks = [{"a": float(i // 20), "b": float(i // 20)} for i in range(60)]
    assert counters.repeats(looks, [["a", "b"]]) == {}


def test_groups_are_kept_apart() -> None:
    looks = [{"package-0": float(i), "psys": float(i)} for i in range(20)]
    assert counters.repeats(looks, [["package-0"], ["psys"]]) == {}


def test_a_window_is_bounded_by_kind() -> None:
    joules = {("m", "gpu"): 2.2e4, ("m", "module"): 2.2e4, ("p", "new"): 2.2e4}
    seen = [
        Seen("n", meter, name, kind, most_w=Domain(kind, 0.1).most_w)
        for meter, name, kind in (
            ("m", "gpu", "gpu"), ("m", "module", "module"), ("p", "new", "of a plug-in"),
        )
    ]  # fmt: skip
    window = Window(10.0, 0.0, joules, {})
    assert list(counters.impossible(window, seen)) == []
    window = Window(9.0, 0.0, joules, {})
    assert list(counters.impossible(window, seen)) == [("m", "gpu")]
    window = Window(0.05, 0.0, joules, {})
    assert set(counters.impossible(window, seen)) == set(joules)
