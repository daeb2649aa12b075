"""Steps are counted right also where others take the core meanwhile, or the record tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from virtual import VirtualClock

from joulia.analysis import record_table
from joulia.case import Settings
from joulia.energy.monitor import EnergyMonitor
from joulia.measure import method
from joulia.measure.calibrate import calibrate
from joulia.parallel.comm import OneRank
from joulia.simulation import run
from joulia.simulation.solve import make_case

from .results import record

STEP_S = 3e-4
WINDOW_S = 0.01
COUNT = 34
"""Steps of STEP_S that fill a window of WINDOW_S."""


class Core:
    """A core on a virtual clock: a step takes STEP_S, and what others take of each of the runs
    (of so many steps at once, from the first on) comes on top."""

    def __init__(self, taken_s: Callable[[int, int], float]) -> None:
        self.clock, self.runs, self.taken_s = VirtualClock(), 0, taken_s

    def steps(self, count: int) -> None:
        self.runs += count > 0
        self.clock.sleep(count * STEP_S + self.taken_s(self.runs, count))

    def seconds(self, count: int, comm: Any) -> float:
        began = self.clock()
        self.steps(count)
        return self.clock() - began


@pytest.mark.parametrize("preempted", [(), (1,), (2,), (3,), (4,), (1, 4)])
def test_whoever_takes_the_core_for_a_while_does_not_shorten_windows(
    preempted: Sequence[int],
) -> None:
    core = Core(lambda run, count: 0.6 if run in preempted else 0.0)
    assert calibrate(core, WINDOW_S, 0.002, OneRank()) == (COUNT, 7)  # type: ignore[arg-type]


def test_where_others_have_the_core_all_the_time_a_window_is_three_times_as_long() -> None:
    """With a tenth of a core, where what runs for longer than a slice waits."""
    core = Core(lambda run, count: 9 * STEP_S * count if count > 1 else 0.0)
    steps, lead = calibrate(core, WINDOW_S, 0.002, OneRank())  # type: ignore[arg-type]
    assert (steps, lead) == (10, 7)  # 30 ms at the pace of ten times as slow


def test_a_step_that_is_longer_than_a_window_is_timed_twice_and_no_more() -> None:
    core = Core(lambda run, count: 0.6)
    assert calibrate(core, WINDOW_S, 0.0, OneRank()) == (1, 0)  # type: ignore[arg-type]
    assert core.runs == 2


def measured(core: Core, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A case on such a core; its numbers are computed, its times are the core's."""
    steps = run.Run.steps

    def timed(self: run.Run, count: int) -> None:
        steps(self, count)
        core.steps(count)

    monkeypatch.setattr(run.Run, "steps", timed)
    monkeypatch.setattr(run, "clock", core.clock)
    monkeypatch.setattr(method, "clock", core.clock)
    settings = Settings(window_s=WINDOW_S, repeats=3, joules=False)
    part = method.measure(make_case("heat", "numpy", size="tiny"), settings, OneRank())
    assert part.status == "valid", part.reasons
    return part


def told(part: Any) -> list[str]:
    settings = Settings(window_s=WINDOW_S)
    made = dataclasses.replace(record(), time=part.time, settings=settings)
    return [line for line in record_table.notes([made]) if "shorter than asked for" in line]


@pytest.mark.parametrize("preempted", [(2, 3, 4), (2, 3, 5, 6)])
def test_windows_of_one_step_are_measured_anew(
    preempted: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both times of one step were those of another program, and the first window's, or both times
    again; nothing of those windows is kept, also no joules."""
    joules: list[int] = []

    def result(energy: EnergyMonitor, *_: Any) -> tuple[None, str]:
        joules.append(len(energy.windows))
        return None, "no meter"

    monkeypatch.setattr(EnergyMonitor, "window", lambda self, *given: self.windows.append(given))
    monkeypatch.setattr(method, "energy_result", result)
    part = measured(Core(lambda run, count: 0.6 if run in preempted else 0.0), monkeypatch)
    assert (part.time.steps_per_sample, len(part.time.samples)) == (COUNT, 3)
    assert part.time.samples == pytest.approx([STEP_S] * 3)
    assert part.parallel.exchange_s + part.parallel.compute_s == pytest.approx(STEP_S)
    assert len(part.conditions.others) == 3
    assert joules == [3]
    assert told(part) == []


def test_a_record_tells_that_its_windows_are_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every single step is preempted but in windows, that is all that can be done."""
    windows = (4, 7, 10, 11, 12)
    core = Core(lambda run, count: 0.0 if run in windows or count > 1 else 0.6)
    part = measured(core, monkeypatch)
    assert (part.time.steps_per_sample, len(part.time.samples)) == (1, 3)
    assert told(part) == [
        "1 case was measured in windows up to 33 times shorter than asked for "
        "(heat numpy 64x64x64 float64 1r x 1t)"
    ]
