"""Cray EX: /sys/cray/pm_counters, on a tree with the names and lines of LUMI and Frontier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trees
import trees_cray
from virtual import VirtualClock

from joulia.energy.accounting import User, account
from joulia.energy.monitor import EnergyMonitor
from joulia.errors import Unavailable
from joulia.meters import Missing, pm_counters
from joulia.parallel.comm import OneRank


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
    opened: Any = (pm_counters.open(tmp_path, clock), {})
    energy = EnergyMonitor(OneRank(), clock=clock, sleep=clock.sleep, opened=opened)
    assert [domain.domain for domain in energy.account.counted] == ["energy"]
    before = energy.read()
    clock.sleep(5.0)
    window = energy.between(before, energy.read())
    assert not isinstance(window, str)
    assert window.total(energy.account.counted) == pytest.approx(5.0 * 2000.0, rel=0.05)


def test_without_the_nodes_counter_processors_and_memory_count(tmp_path: Path) -> None:
    cray = trees_cray.CrayEx(tmp_path)
    (cray.folder / "energy").unlink()
    (meter,) = pm_counters.open(tmp_path, VirtualClock())
    energy = EnergyMonitor(OneRank(), opened=([meter], {}))
    total = account(energy.seen, [User(energy.users[0].node)])
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
