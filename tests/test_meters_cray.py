"""Cray EX: /sys/cray/pm_counters, on a tree with the names and lines of LUMI and Frontier."""

from __future__ import annotations

from pathlib import Path

import pytest
import trees
import trees_cray
from virtual import VirtualClock
from windows import energy, measured, window

from joulia.energy.accounting import User, account
from joulia.errors import Unavailable
from joulia.meters import Missing, pm_counters


@pytest.mark.parametrize("times", [True, False])
def test_a_node_with_its_accelerators(tmp_path: Path, times: bool) -> None:
    clock = VirtualClock()
    trees_cray.CrayEx(tmp_path, times=times).run(clock)
    (meter,) = pm_counters.open(tmp_path, clock)
    assert {name: domain.kind for name, domain in meter.domains.items()} == {
        "energy": "node",
        "cpu_energy": "package",
        "memory_energy": "dram",
        **{f"accel{i}_energy": "part" for i in range(4)},
    }
    assert meter.domains["energy"].period_s == 0.1
    before = meter.read()
    clock.sleep(4.0)
    after = meter.read()
    for name, (_, watts) in trees_cray.LUMI_G.items():
        assert after[name] - before[name] == pytest.approx(4.0 * watts, rel=0.05)


def test_one_level_is_counted(tmp_path: Path) -> None:
    """2000 W, not the 3821 W that all counters of the node would add up to."""
    clock = VirtualClock()
    trees_cray.CrayEx(tmp_path).run(clock)
    monitor = energy(clock, list(pm_counters.open(tmp_path, clock)))
    assert [domain.domain for domain in monitor.account.counted] == ["energy"]
    window(monitor, clock, 5.0)
    assert measured(monitor)["watts"] == pytest.approx(2000.0, rel=0.05)


def test_without_the_nodes_counter_processors_and_memory_count(tmp_path: Path) -> None:
    cray = trees_cray.CrayEx(tmp_path)
    (cray.folder / "energy").unlink()
    monitor = energy(VirtualClock(), list(pm_counters.open(tmp_path, VirtualClock())))
    total = account(monitor.seen, [User(monitor.users[0].node)])
    assert [domain.domain for domain in total.counted] == ["cpu_energy", "memory_energy"]
    assert "accelerators" in total.not_covered


def test_counters_that_are_not_scanned_any_more_are_an_error(tmp_path: Path) -> None:
    clock = VirtualClock()
    trees_cray.CrayEx(tmp_path)
    (meter,) = pm_counters.open(tmp_path, clock)
    meter.read()
    clock.sleep(5.0)
    with pytest.raises(Unavailable, match="freshness stood at 5212345 for 5 s"):
        meter.read()


def test_a_dead_accelerator_leaves_the_node(tmp_path: Path) -> None:
    """On LUMI's tree; that one of its files is empty for once is made up."""
    clock = VirtualClock()
    cray = trees_cray.CrayEx(tmp_path)
    cray.run(clock)
    monitor = energy(clock, list(pm_counters.open(tmp_path, clock)))
    window(monitor, clock, 5.0)
    cray.dead = "accel3_energy"
    before = monitor.read()
    clock.sleep(5.0)
    monitor.window(before, monitor.read())
    data = measured(monitor)
    assert data["watts"] == pytest.approx(2000.0, rel=0.01)
    assert data["repeats"] == 2
    assert data["read_errors"] == 1
    assert "holds '' instead of joules" in monitor.read_errors[0]


def test_a_node_counter_that_stands_still_leaves_its_parts(tmp_path: Path) -> None:
    """On LUMI's tree; that the node's counter is dead is made up, as psys is on laptops."""
    clock = VirtualClock()
    cray = trees_cray.CrayEx(tmp_path)
    cray.watts = {"energy": 0}
    cray.run(clock)
    monitor = energy(clock, list(pm_counters.open(tmp_path, clock)))
    assert [domain.domain for domain in monitor.account.counted] == ["energy"]
    monitor.infer_periods()
    window(monitor, clock, 5.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(250.0 + 71.0, rel=0.02)
    (line,) = [text for text in data["not_covered"] if "pm_counters:energy: " in text]
    assert "stands still; what the node has beside the parts that count" in line


def test_four_processors_in_one_figure_may_draw_more_than_one(tmp_path: Path) -> None:
    """Alps' nodes of four GH200 have cpu0_energy to cpu3_energy and their sum (CSCS' documentation,
    "pm_counters for a GH200 node"): 1.2 kW of four Grace are no fault, and 12 kW are."""
    clock = VirtualClock()
    cray = trees_cray.CrayEx(tmp_path)
    cray.watts = {"cpu_energy": 1_200}
    (cray.folder / "energy").unlink()
    cray.run(clock)
    monitor = energy(clock, list(pm_counters.open(tmp_path, clock)))
    window(monitor, clock, 5.0)
    assert measured(monitor)["watts"] == pytest.approx(1_200.0 + 71.0, rel=0.02)
    before = monitor.read()
    clock.sleep(5.0)
    cray.watts = {"cpu_energy": 12_000}
    cray.update(clock.now)
    monitor.window(before, monitor.read())
    assert "more than 4000 W can be" in monitor.voids[0]


def test_a_blade_that_restarts_voids_the_window(tmp_path: Path) -> None:
    cray = trees_cray.CrayEx(tmp_path)
    clock = VirtualClock()
    (meter,) = pm_counters.open(tmp_path, clock)
    meter.read()
    clock.sleep(1.0)
    trees.put(cray.folder, {"energy": cray.line(12, "J"), "freshness": 3, "startup": 18})
    with pytest.raises(Unavailable, match="went back"):
        meter.read()


def test_watts_are_no_joules(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="instead of joules"):
        pm_counters.joules(tmp_path / "energy", "598732067 W")


def test_other_machines_have_none(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="no Cray pm_counters"):
        pm_counters.open(trees.node(tmp_path), VirtualClock())
