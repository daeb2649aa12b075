"""Windows on the real clock: samplers, polls, and the order of what a window does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import trees
from fake_nvml import FakeGpu
from virtual import VirtualClock
from windows import UUID, Steady, energy, gpus, measured, window, written_energy

from joulia import meters
from joulia.bridges.numpy import NumpyOps
from joulia.case import Settings
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.update_periods import update_periods
from joulia.measure.method import measure
from joulia.parallel.comm import OneRank
from joulia.simulation.run import Run
from joulia.simulation.solve import make_case


def test_old_kernels_are_sampled_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RHEL 7 on an AC922: power only. And measuring costs less than 1 % of a window."""
    trees.Ac922(tmp_path, energy=False)
    trees.put(tmp_path, {"sys/class/hwmon/hwmon3/power1_input": 1_641_000_000})
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    monitor = EnergyMonitor(OneRank(), tolerance=0.2)
    try:
        for _ in range(3):
            before = monitor.read()
            time.sleep(0.6)
            monitor.window(before, monitor.read())
        data = measured(monitor)
    finally:
        monitor.close()
    assert data["source"] == "sampled"
    assert data["watts"] == pytest.approx(1641.0, rel=data["uncertainty_rel"])
    assert data["update_period_s"] >= 0.039
    assert 0.0 < min(window.cost_s / window.seconds for window in monitor.windows) < 0.01
    assert data["cost_rel"] == max(window.cost_s / window.seconds for window in monitor.windows)


def test_the_order_of_fences_barriers_and_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synchronise, barrier, read, barrier, work, synchronise, barrier, read."""
    events: list[str] = []

    class Ranks(OneRank):
        def barrier(self) -> None:
            events.append("barrier")

    read, step = EnergyMonitor.read, Run.step

    def logged_read(self: EnergyMonitor) -> Any:
        events.append("read")
        return read(self)

    def logged_step(self: Run) -> None:
        events.append("work")
        step(self)

    monkeypatch.setattr(EnergyMonitor, "read", logged_read)
    monkeypatch.setattr(Run, "step", logged_step)
    monkeypatch.setattr(NumpyOps, "synchronize", lambda self: events.append("synchronise"))
    case = make_case("heat", "numpy", size="tiny")
    part = measure(case, Settings(window_s=1e-6, repeats=2), Ranks())
    assert part.status == "valid"
    assert part.time.steps_per_sample == 1
    first = events.index("read")
    order = ["synchronise", "barrier", "read", "barrier", "work", "synchronise", "barrier", "read"]
    assert events[first - 2 : first + 6] == order
    assert events[first + 6 : first + 14] == order


def test_counters_are_polled_within_their_wraps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that holds several wraps of a counter of 2 kJ, which nobody reads but the poll."""
    trees.node(tmp_path)
    trees.zone(tmp_path, "intel-rapl:0", "package-0", uj=0, range_uj=2_000_000_000)
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    monkeypatch.setitem(meters.MOST_WATTS, "package", 3000.0)  # as small as its range, for speed
    monitor = EnergyMonitor(OneRank(), tolerance=0.9)
    try:
        before = monitor.read()
        for uj in (1_900_000_000, 1_800_000_000, 1_700_000_000):
            trees.set_uj(tmp_path, "intel-rapl:0", uj)
            time.sleep(0.7)
        monitor.window(before, monitor.read())
        data = measured(monitor)
    finally:
        monitor.close()
    assert data["wraps"] == 2
    assert data["median"] == pytest.approx(1900.0 + 1900.0 + 1900.0)


def test_a_poll_that_fails_inside_a_window_voids_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends can be read, but nobody knows what happened between them."""
    trees.node(tmp_path)
    trees.zone(tmp_path, "intel-rapl:0", "package-0", uj=0, range_uj=2_000_000_000)
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    monitor = EnergyMonitor(OneRank(), tolerance=0.9)
    file = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    try:
        before = monitor.read()
        file.write_text("broken\n")
        deadline = time.monotonic() + 10.0
        while not monitor.faults and time.monotonic() < deadline:
            time.sleep(0.05)
        trees.set_uj(tmp_path, "intel-rapl:0", 1_000_000)
        monitor.window(before, monitor.read())
    finally:
        monitor.close()
    data, reason = written_energy(monitor, 1)
    assert data is None
    assert reason is not None
    assert "holds 'broken' instead of a number" in reason


def test_a_sampler_that_is_killed_leaves_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.Ac922(tmp_path, energy=False)
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    monitor = EnergyMonitor(OneRank(), tolerance=0.5)
    try:
        before = monitor.read()
        time.sleep(0.3)
        monitor.window(before, monitor.read())
        before = monitor.read()
        process = monitor.meters[0].sampler.process  # type: ignore[attr-defined]
        process.kill()
        process.wait()
        monitor.window(before, monitor.read())
        data = measured(monitor)
    finally:
        monitor.close()
    assert data["repeats"] == 1
    assert "the sampler ended" in data["void_windows"][0]


def test_meters_of_unused_gpus_cost_no_time() -> None:
    clock = VirtualClock(1.0)
    monitor = energy(clock, gpus(clock, FakeGpu(UUID)))
    monitor.infer_periods()
    monitor.idle()
    monitor.spread_phases(1.0)
    assert clock.now == 1.0
    window(monitor, clock, 1.0)
    assert written_energy(monitor, 1) == (
        None,
        "the meters here measure GPUs, which this case does not use",
    )


def test_an_observer_that_is_stalled_sees_the_period_all_the_same() -> None:
    """Now and then a look comes late by five updates."""
    clock = VirtualClock()
    meter = Steady(clock, period_s=0.01)
    stalls = iter(range(1000))

    def late(seconds: float) -> None:
        clock.sleep(0.05 if next(stalls) % 60 == 59 else seconds)

    periods = update_periods(meter, ["package-0"], 0.01, clock, late)
    assert periods["package-0"] == pytest.approx(0.01, rel=0.1)
