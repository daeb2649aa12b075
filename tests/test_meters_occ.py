"""POWER9's sensors on fake trees of an AC922."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import real_machines
import trees
from virtual import LocalSampler, VirtualClock
from windows import energy, measured, window

from joulia.errors import Unavailable
from joulia.meters import Missing, occ


def test_a_new_kernel_has_counters(tmp_path: Path) -> None:
    clock = VirtualClock()
    machine = trees.Ac922(tmp_path)
    machine.run(clock)
    (meter,) = occ.open(tmp_path, clock, LocalSampler)
    assert meter.source == "counter"
    assert meter.domains["System"].kind == "node"
    assert meter.domains["Chip 8"].kind == "package"
    assert meter.domains["Chip 0 Vdd"].kind == "part"
    assert not any(name.startswith("APSS") for name in meter.domains)
    clock.sleep(1.0)
    before = meter.read()
    clock.sleep(2.0)
    after = meter.read()
    for label, watts in trees.AC922.items():
        assert after[label] - before[label] == pytest.approx(2.0 * watts, rel=0.03)


def test_the_old_kernel_is_sampled(tmp_path: Path) -> None:
    clock = VirtualClock()
    machine = trees.Ac922(tmp_path, energy=False, swing=0.1)
    machine.run(clock)
    (meter,) = occ.open(tmp_path, clock, LocalSampler)
    assert meter.source == "sampled"
    meter.start(())
    before = meter.read()["System"]
    clock.sleep(5.0)
    truth = machine.curves["System"].joules(clock.now)
    assert meter.read()["System"] - before == pytest.approx(truth, rel=0.02)


def test_the_sampled_power_of_the_node_checks_the_counter(tmp_path: Path) -> None:
    clock = VirtualClock()
    trees.Ac922(tmp_path).run(clock)
    (meter,) = occ.open(tmp_path, clock, LocalSampler)
    meter.start(())
    before = meter.check()
    clock.sleep(3.0)
    assert meter.check()["System"] - before["System"] == pytest.approx(3 * 1641.0, rel=1e-6)
    assert list(before) == ["System"]


def test_the_wrap_at_9_gigajoules(tmp_path: Path) -> None:
    clock = VirtualClock()
    machine = trees.Ac922(tmp_path)
    (meter,) = occ.open(tmp_path, clock, LocalSampler)
    top = 2**64 // 2000
    assert top * 1e-6 == pytest.approx(9.22e9, rel=1e-3)
    (machine.folder / "energy1_input").write_text(f"{top - 1_000_000_000}\n")
    before = meter.read()["System"]
    clock.sleep(2.0)
    (machine.folder / "energy1_input").write_text("2282000000\n")
    assert meter.read()["System"] - before == pytest.approx(3282.0, rel=1e-6)


def test_a_sensor_that_is_switched_off_is_named(tmp_path: Path) -> None:
    machine = trees.Ac922(tmp_path)
    for kind in ("energy", "power"):
        for i in range(1, 14):
            trees.put(machine.folder, {f"{kind}{i}_enable": 0})
    with pytest.raises(Missing, match="switched off") as caught:
        occ.open(tmp_path, VirtualClock(), LocalSampler)
    assert "_enable" in caught.value.remedy


def test_one_sensor_off_leaves_the_others(tmp_path: Path) -> None:
    machine = trees.Ac922(tmp_path)
    trees.put(machine.folder, {"energy2_enable": 0})
    (meter,) = occ.open(tmp_path, VirtualClock(), LocalSampler)
    assert "Chip 0" not in meter.domains
    assert "System" in meter.domains


def test_a_read_that_fails_is_an_error(tmp_path: Path) -> None:
    machine = trees.Ac922(tmp_path)
    (meter,) = occ.open(tmp_path, VirtualClock(), LocalSampler)
    meter.read()
    (machine.folder / "energy1_input").unlink()
    with pytest.raises(Unavailable, match="energy1_input"):
        meter.read()


def test_absent_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="ibmpowernv"):
        occ.open(trees.virtual_machine(tmp_path), VirtualClock(), LocalSampler)


def openpower(tmp_path: Path, *off: str) -> dict[str, Any]:
    """What a second of a POWER9 server without GPUs costs, with these sensors switched off."""
    clock = VirtualClock(10.0)
    folder = real_machines.openpower9(tmp_path, clock)
    for number, label in enumerate(real_machines.OPENPOWER_W, 1):
        for kind in ("power", "energy") if label in off else ():
            trees.put(folder, {f"{kind}{number}_enable": 0})
    monitor = energy(clock, list(occ.open(tmp_path, clock, LocalSampler)), tolerance=0.05)
    window(monitor, clock, 2.0)
    return measured(monitor)


def test_a_power9_as_sensors_lists_it(tmp_path: Path) -> None:
    """426 W: neither the rails in the chips nor the APSS channels are added to it."""
    data = openpower(tmp_path)
    assert data["watts"] == pytest.approx(426.0, rel=0.03)
    assert not any("APSS" in name for name in data["domains"])


def test_chips_where_the_node_is_switched_off(tmp_path: Path) -> None:
    """OPAL's OCC_SENSOR groups can be switched off (Linux, ibmpowernv.c: `powerN_enable`)."""
    data = openpower(tmp_path, "System")
    assert data["watts"] == pytest.approx(157.0 + 99.0, rel=0.03)
    assert "memory (no sensor)" in data["not_covered"]
    one = openpower(tmp_path / "one", "System", "Chip 8")
    assert one["watts"] == pytest.approx(157.0, rel=0.03)
    assert "Chip 8 (switched off)" in one["not_covered"], "the loss is named"
