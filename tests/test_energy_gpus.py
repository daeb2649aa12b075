"""Joules of GPUs: windows that are long enough, and what an idle device draws."""

from __future__ import annotations

import pytest
from fake_nvml import FakeGpu
from virtual import Curve, VirtualClock
from windows import UUID, energy, gpus, measured, window

HOPPER, VOLTA = "NVIDIA H100 80GB HBM3", "Tesla V100-SXM2-32GB"


@pytest.mark.parametrize(("name", "least"), [(HOPPER, 5.0), (VOLTA, 1.0)])
def test_windows_are_as_long_as_the_generation_needs(name: str, least: float) -> None:
    clock = VirtualClock()
    monitor = energy(clock, gpus(clock, FakeGpu(UUID, name=name)), device=UUID)
    assert least < monitor.window_s(0.2, 60.0) <= 1.5 * least
    assert monitor.window_s(9.0, 60.0) == 9.0, "a longer one was asked for"
    assert monitor.window_s(0.2, 0.5 * least) == 0.2, "the time-out does not allow it"


@pytest.mark.parametrize(("name", "period_s", "least"), [(HOPPER, 0.1, 5.0), (VOLTA, 0.02, 1.0)])
def test_a_shorter_window_is_marked(name: str, period_s: float, least: float) -> None:
    clock = VirtualClock()
    gpu = FakeGpu(UUID, name=name, period_s=period_s)
    monitor = energy(clock, gpus(clock, gpu), device=UUID, tolerance=0.5)
    window(monitor, clock, 1.1 * least)
    assert not [flag for flag in measured(monitor)["flags"] if "a window of" in flag]
    window(monitor, clock, 0.9 * least)
    data = measured(monitor)
    assert data["window_s"] == pytest.approx(0.9 * least)
    assert [flag for flag in data["flags"] if f"this GPU's counter takes {least:g} s" in flag]


def test_a_windows_length_is_no_matter_of_gpus_that_do_not_count() -> None:
    clock = VirtualClock()
    monitor = energy(clock, gpus(clock, FakeGpu(UUID, name=HOPPER)))
    assert monitor.window_s(0.2, 60.0) == 0.2


def idling(busy: Curve | None, waiting: float) -> dict[str, object]:
    """A GPU of 60 W at rest and 260 W from 10 s to 70 s, in one window of 50 s and 100 steps."""
    clock = VirtualClock()
    gpu = FakeGpu(UUID, curve=Curve(60.0, extra_w=200.0, on_s=10.0, off_s=70.0), busy=busy)
    monitor = energy(clock, gpus(clock, gpu), device=UUID)
    monitor.idle()
    clock.sleep(15.0 - clock())
    window(monitor, clock, 50.0, waiting)
    clock.sleep(10.0)
    monitor.idle()
    data = measured(monitor, steps=100)
    assert data["median"] == pytest.approx(260.0 * 50.0 / 100.0, rel=1e-2)
    device_use: dict[str, object] = data["devices"][UUID]
    return device_use


def test_the_idle_share_of_a_gpu_by_its_utilisation() -> None:
    device_use = idling(busy=Curve(0.0, extra_w=0.7, on_s=10.0, off_s=70.0), waiting=0.1)
    assert device_use["told_by"] == "utilisation"
    assert device_use["utilisation"] == pytest.approx(0.7, abs=0.01)
    assert device_use["idle_share"] == pytest.approx(0.3, abs=0.01)
    assert device_use["waiting"] == pytest.approx(0.1)
    # An idle window is as long as the tolerance of 2 % needs, against the counter's updates.
    assert device_use["idle_w"] == pytest.approx(60.0, rel=0.03)
    assert device_use["idle"] == pytest.approx(0.3 * 60.0 * 50.0 / 100.0, rel=0.05)


def test_where_no_utilisation_is_told_the_ranks_waiting_stands_for_it() -> None:
    device_use = idling(busy=None, waiting=0.25)
    assert device_use["told_by"] == "waiting"
    assert device_use["utilisation"] is None
    assert device_use["idle"] == pytest.approx(0.25 * 60.0 * 50.0 / 100.0, rel=0.03)


def test_a_gpu_that_never_waits_has_no_idle_share() -> None:
    device_use = idling(busy=Curve(1.0), waiting=0.0)
    assert device_use["idle_share"] == pytest.approx(0.0, abs=1e-9)
    assert device_use["idle"] == pytest.approx(0.0, abs=1e-9)
