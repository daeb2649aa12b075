"""RAPL as real machines have it: the right watts, each after the listing that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import real_machines
import trees
from real_machines import AMD_J, PerfEvents, Powercap, Register, socket
from virtual import VirtualClock
from windows import energy, measured, window, written_energy

from joulia.energy.monitor import EnergyMonitor
from joulia.meters import Missing, rapl

Zones = Mapping[str, tuple[str, Register]]


def machine(
    root: Path, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> tuple[VirtualClock, EnergyMonitor]:
    """A monitor of a tree of these zones, as far as it is before a case's first window."""
    clock = VirtualClock(3.0)
    Powercap(root, clock, zones)
    real_machines.takes_time(monkeypatch, clock)
    monitor = energy(clock, list(rapl.open(root, clock)))
    monitor.infer_periods()
    monitor.idle()
    return clock, monitor


def watts(root: Path, zones: Zones, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    clock, monitor = machine(root, zones, monkeypatch)
    window(monitor, clock, 1.0)
    return measured(monitor)


def truth(*registers: Register) -> float:
    return sum(register.curve.mean_w for register in registers)


def test_two_dies_of_a_threadripper_are_one_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """68 W and not 136 W (CodeCarbon, issue 1274)."""
    data = watts(tmp_path, real_machines.threadripper_1950x(), monkeypatch)
    assert data["watts"] == pytest.approx(68.0, rel=0.03)
    assert data["counted"] == [f"{trees.BOOT}/rapl:package-0-die-0"]
    assert (
        f"{trees.BOOT}/rapl:package-0-die-1: it is the counter of package-0-die-0 under another \
name"
        in data["not_covered"]
    )
    assert f"{trees.BOOT}/rapl:package-0-die-1" in data["domains"], "shown, and not added"


@pytest.mark.parametrize("sockets", [(200.0,), (200.0, 190.0)])
def test_eight_ccds_of_an_epyc_are_one_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sockets: tuple[float, ...]
) -> None:
    """200 W and not 1600 W, on Linux 6.9 to 6.11; and two sockets stay two. Zones go on to `:f`."""
    zones = real_machines.epyc_zen4(sockets)
    data = watts(tmp_path, zones, monkeypatch)
    assert data["watts"] == pytest.approx(sum(sockets), rel=0.03)
    assert data["counted"] == [
        f"{trees.BOOT}/rapl:package-{package}-die-0" for package in range(len(sockets))
    ]


def test_dies_that_count_apart_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cascade Lake-AP has names of the same form, and a register a die."""
    zones = real_machines.cascade_lake_ap()
    data = watts(tmp_path, zones, monkeypatch)
    assert len(data["counted"]) == 8
    assert data["watts"] == pytest.approx(truth(*(r for _, r in zones.values())), rel=0.03)


def test_packages_are_told_by_their_names_and_not_by_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = real_machines.four_sockets()
    data = watts(tmp_path, zones, monkeypatch)
    assert data["watts"] == pytest.approx(truth(*(r for _, r in zones.values())), rel=0.03)
    package = data["domains"][f"{trees.BOOT}/rapl:package-3"]
    assert package == pytest.approx(80.0 * data["window_s"], rel=0.06)
    assert f"{trees.BOOT}/rapl:package-3-dram" in data["counted"]


def test_two_sockets_that_draw_the_same_stay_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = {
        "intel-rapl:0": ("package-0", Register(socket(100.0, 0.0))),
        "intel-rapl:1": ("package-1", Register(socket(100.0, 0.01), start_j=1000.0001)),
    }
    assert watts(tmp_path, zones, monkeypatch)["watts"] == pytest.approx(200.0, rel=0.03)


def test_perf_events_of_each_ccd_are_one_counter(tmp_path: Path) -> None:
    """One event a CCD (Linux, "perf/x86/rapl: Fix the energy-pkg event for AMD CPUs", 2024).

    Each begins at 0 when it is opened, so that only what it adds tells it apart.
    """
    clock = VirtualClock(3.0)
    trees.perf(tmp_path, cores=[(8 * ccd, 0, ccd) for ccd in range(8)], events=("energy-pkg",))
    register = Register(socket(200.0), AMD_J)
    events = PerfEvents(clock, lambda cpu, config: register)
    monitor = energy(clock, list(rapl.open(tmp_path, clock, events)))
    assert len(monitor.seen) == len(events.opened) == 8
    monitor.infer_periods()
    window(monitor, clock, 1.0)
    events.close()
    data = measured(monitor)
    assert data["watts"] == pytest.approx(200.0, rel=0.03)
    assert data["counted"] == [f"{trees.BOOT}/rapl:package-0"]


def test_a_psys_of_0_does_not_silence_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An i7-6600U, "the register returns 0 on my side" (windows-rapl-driver, issue 7)."""
    zones = real_machines.laptop(15.0, Register(socket(0.0), dead=True))
    data = watts(tmp_path, zones, monkeypatch)
    assert data["watts"] == pytest.approx(15.9, rel=0.03)
    assert data["scope"] == "dram + package"
    assert any("psys: its counter stands still" in text for text in data["not_covered"])


def test_a_psys_below_its_package_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """energy(psys) >= energy(core+uncore+dram) "should be expected" (powercap, issue 3)."""
    zones = real_machines.laptop(15.0, Register(socket(6.0)))
    data = watts(tmp_path, zones, monkeypatch)
    assert data["watts"] == pytest.approx(15.9, rel=0.03)
    assert any("less than the packages inside it" in text for text in data["not_covered"])


def test_a_psys_that_covers_its_package_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Core Ultra 7 265H: psys 9.61 W, package 3.78 W (CodeCarbon, pull request 950)."""
    zones = real_machines.laptop(3.78, Register(socket(9.61)))
    data = watts(tmp_path, zones, monkeypatch)
    assert data["watts"] == pytest.approx(9.61, rel=0.03)
    assert data["scope"] == "platform"


def test_a_reset_counter_is_no_wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """150 W and not 49 kW: after suspend a counter begins at 0 (MangoHud, pull request 507)."""
    register = Register(socket(150.0), start_j=20_000.0)
    clock, monitor = machine(tmp_path, {"intel-rapl:0": ("package-0", register)}, monkeypatch)
    window(monitor, clock, 2.0)
    before = monitor.read()
    clock.sleep(1.0)
    register.reset(clock.now)
    clock.sleep(1.0)
    monitor.window(before, monitor.read())
    window(monitor, clock, 2.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(150.0, rel=0.03)
    assert (data["repeats"], data["wraps"]) == (2, 0)
    assert "which is no wrap" in data["void_windows"][0]


def test_a_counter_that_steps_back_a_little_is_no_wrap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8.4 W and not 64852 W: a Ryzen 7 7840HS, each second (powerstat, issue 16)."""
    register = Register(socket(8.43), AMD_J)
    clock, monitor = machine(tmp_path, {"intel-rapl:0": ("package-0", register)}, monkeypatch)
    for second in range(4):
        before = monitor.read()
        clock.sleep(1.0)
        if second == 1:
            register.step_back(680.0)
            clock.sleep(0.001)
        monitor.window(before, monitor.read())
    data = measured(monitor)
    assert data["watts"] == pytest.approx(8.43, rel=0.05)
    assert data["repeats"] == 3
    assert "no wrap: that would be 6.486e+04 J in 1 s" in data["void_windows"][0]


def test_a_counter_that_jumps_ahead_is_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0xA'0000'0000'0000 and the like, once (zenmonitor, issue 17): bounded as steps back are."""
    register = Register(socket(95.0), AMD_J)
    clock, monitor = machine(tmp_path, {"intel-rapl:0": ("package-0", register)}, monkeypatch)
    window(monitor, clock, 1.0)
    before = monitor.read()
    clock.sleep(1.0)
    register.step_back(-30_000.0)
    clock.sleep(0.001)
    monitor.window(before, monitor.read())
    window(monitor, clock, 1.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(95.0, rel=0.03)
    assert "more than 1000 W can be" in data["void_windows"][0]


def test_a_wrap_is_still_a_wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EnergiBridge, issue 17: -250769 J in all, since a wrap was not counted."""
    register = Register(socket(120.0), start_j=2**32 * 2.0**-14 - 400.0)
    clock, monitor = machine(tmp_path, {"intel-rapl:0": ("package-0", register)}, monkeypatch)
    window(monitor, clock, 6.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(120.0, rel=0.01)
    assert data["wraps"] == 1


def test_a_core_that_fails_leaves_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attributes of a zone that say "Input/output error" (intel/powertelemetry, issue 3)."""
    zones = real_machines.laptop(15.0, Register(socket(20.0)))
    clock, monitor = machine(tmp_path, zones, monkeypatch)
    (tmp_path / "sys/class/powercap/intel-rapl:0:1/energy_uj").unlink()
    window(monitor, clock, 1.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(20.0, rel=0.03)
    assert data["read_errors"] == 2
    assert "uncore" not in "".join(data["domains"])


@pytest.mark.parametrize(
    ("key", "name"), [("intel-rapl:g", "package-16"), ("intel-rapl:1", "tile-0")]
)
def test_a_zone_that_is_not_known_is_never_left_out(tmp_path: Path, key: str, name: str) -> None:
    """%x numbers them (Linux, drivers/powercap/powercap_sys.c); intel_rapl_common.c names them."""
    trees.zone(trees.intel(tmp_path), key, name)
    with pytest.raises(Missing, match=f"{key}.*not known what it covers") as caught:
        rapl.open(tmp_path, VirtualClock())
    assert "report" in caught.value.remedy


def test_a_platform_of_two_boards_is_both(tmp_path: Path) -> None:
    """psys and psys-1: two master packages (Linux, "psys-%d" in intel_rapl_common.c)."""
    trees.intel(tmp_path, packages=2)
    trees.zone(tmp_path, "intel-rapl:2", "psys")
    trees.zone(tmp_path, "intel-rapl:3", "psys-1")
    monitor = energy(VirtualClock(), list(rapl.open(tmp_path, VirtualClock())))
    assert [domain.domain for domain in monitor.account.counted] == ["psys", "psys-1"]


def test_a_reset_in_the_only_window_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = Register(socket(150.0), start_j=20_000.0)
    clock, monitor = machine(tmp_path, {"intel-rapl:0": ("package-0", register)}, monkeypatch)
    before = monitor.read()
    register.reset(clock.now)
    clock.sleep(1.0)
    monitor.window(before, monitor.read())
    data, reason = written_energy(monitor, 1)
    assert data is None
    assert "went back from" in str(reason)
