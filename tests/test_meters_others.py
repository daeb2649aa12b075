"""amdsmi, battery, the sampler's process, and all of them together."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
import trees
from real_machines import AmdSmi, Die
from virtual import LocalSampler, VirtualClock

from joulia import meters, registry
from joulia.errors import JouliaError, Unavailable
from joulia.meters import Domain, Missing, SomeFailed, amdsmi, battery, fake
from joulia.meters._sampled import Integral, Page, ProcessSampler, Reader, Sampled, Told
from joulia.system.clock import raw_clock


@pytest.mark.parametrize("key", ["energy_accumulator", "power"])
def test_amd_counts_times_resolution(key: str) -> None:
    """`amdsmi_get_energy_count` of releases since 6.1, and before."""
    clock = VirtualClock()
    die = Die("74ff0000-0000-1000-8000-000000000001", "0000:c1:00.0", 15.3, "AMD INSTINCT MI210")
    (meter,) = amdsmi.open(Path("/"), clock, AmdSmi(clock, [die], key))
    before = meter.read()["gpu"]
    clock.sleep(2.0)
    assert meter.read()["gpu"] - before == pytest.approx(30.6, abs=1e-3)
    assert meter.bus_id == "0000:c1:00.0"
    die.lost = True
    with pytest.raises(Unavailable, match="device lost"):
        meter.read()


def test_amdsmi_is_absent_here(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="amdsmi"):
        amdsmi.open(tmp_path, VirtualClock())


@pytest.mark.parametrize("power", [True, False])
def test_a_battery_that_drains(tmp_path: Path, power: bool) -> None:
    clock = VirtualClock()
    (meter,) = battery.open(trees.battery(tmp_path, power=power), clock, LocalSampler)
    meter.start(())
    before = meter.read()["BAT0"]
    clock.sleep(60.0)
    assert meter.read()["BAT0"] - before == pytest.approx(750.0)
    assert meter.domains["BAT0"].kind == "battery"


def test_a_battery_on_mains_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="does not drain"):
        battery.open(trees.battery(tmp_path, "Charging"), VirtualClock(), LocalSampler)


def test_a_machine_that_goes_on_mains_is_an_error(tmp_path: Path) -> None:
    """However shortly: what it drew meanwhile did not come from the battery."""
    clock = VirtualClock()
    (meter,) = battery.open(trees.battery(tmp_path), clock, LocalSampler)
    meter.start(())
    clock.sleep(3.5)
    meter.read()
    trees.battery(tmp_path, "Charging")
    clock.sleep(1.0)
    with pytest.raises(Unavailable, match="mains"):
        meter.read()
    trees.battery(tmp_path)
    clock.sleep(2.0)
    trees.battery(tmp_path, "Charging")
    clock.sleep(1.0)
    trees.battery(tmp_path)
    clock.sleep(2.0)
    with pytest.raises(Unavailable, match="missing for too long"):
        meter.read()
    before = meter.read()["BAT0"]
    clock.sleep(10.0)
    assert meter.read()["BAT0"] - before == pytest.approx(125.0)


def test_of_two_batteries_one_drains_and_the_other_waits(tmp_path: Path) -> None:
    """BAT0 `Discharging` at 27.758 W, BAT1 `Unknown` (xmobar, issue 315, a ThinkPad)."""
    clock = VirtualClock()
    trees.battery(tmp_path, watts=27.758)
    trees.battery(tmp_path, "Unknown", name="BAT1", watts=0.0)
    (meter,) = battery.open(tmp_path, clock, LocalSampler)
    meter.start(())
    before = meter.read()["BAT0+BAT1"]
    clock.sleep(30.0)
    trees.battery(tmp_path, "Unknown", watts=0.0)
    trees.battery(tmp_path, name="BAT1", watts=27.758)
    clock.sleep(30.0)
    assert meter.read()["BAT0+BAT1"] - before == pytest.approx(60.0 * 27.758)


def test_the_integral_is_trapezoidal_and_a_gap_is_an_error() -> None:
    integral = Integral(2.0)
    with pytest.raises(Unavailable, match="no sample"):
        integral.until(0.0)
    for t in range(11):
        integral.add(float(t), {"a": 10.0 * t})
    assert integral.until(10.0) == {"a": pytest.approx(500.0)}
    assert integral.until(10.5) == {"a": pytest.approx(550.0)}
    with pytest.raises(Unavailable, match="no sample of a for"):
        integral.until(13.0)


def test_joules_never_decrease_when_a_sample_corrects_the_last_power(tmp_path: Path) -> None:
    clock = VirtualClock()
    watts = {"a": 100.0}
    reader = Reader(lambda: dict(watts), "", [])
    meter = Sampled("x", {"a": Domain("part", 1.0)}, LocalSampler(reader, 1.0, clock))
    meter.start(())
    clock.sleep(1.9)
    high = meter.read()["a"]
    watts["a"] = 1.0
    clock.sleep(0.1)
    assert meter.read()["a"] >= high


@pytest.fixture
def power_file(tmp_path: Path) -> Path:
    return trees.put(tmp_path, {"power1_input": 50_000_000}) / "power1_input"


def sampler(path: Path, period_s: float = 0.01) -> ProcessSampler:
    names = {"rail": str(path)}
    reader = Reader(dict, "joulia.meters.occ:power_reader", [names])
    return ProcessSampler(reader, period_s, raw_clock)


def test_the_samplers_process_integrates_away_from_the_work(power_file: Path) -> None:
    rail_sampler = sampler(power_file)
    cores = os.sched_getaffinity(0)
    busy = {min(cores)}
    rail_sampler.start(busy)
    assert rail_sampler.process is not None
    placed = os.sched_getaffinity(rail_sampler.process.pid)
    if len(cores) > 1:
        assert placed.isdisjoint(busy)
    began, first = raw_clock(), rail_sampler.joules()["rail"]
    time.sleep(0.5)
    ended, last = raw_clock(), rail_sampler.joules()["rail"]
    assert last - first == pytest.approx(50.0 * (ended - began), rel=0.02)
    assert 0.0 < rail_sampler.cost_s() < 5.0
    assert rail_sampler.period_s() >= 0.009
    pid = rail_sampler.process.pid
    rail_sampler.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_failed_read_is_a_gap_and_not_the_samplers_end(power_file: Path) -> None:
    """`powerN_input` that says ENODATA now and then (Linux, drivers/hwmon/ibmpowernv.c)."""
    rail_sampler = sampler(power_file)
    rail_sampler.start(())
    rail_sampler.joules()
    assert rail_sampler.page is not None
    power_file.rename(power_file.with_name("gone"))
    seen: dict[str, str] = {}
    deadline = time.monotonic() + 10.0
    while not seen and time.monotonic() < deadline:
        report = rail_sampler.page.load()
        seen = report.integral.errors if report else {}
    assert "cannot read" in seen["rail"]
    power_file.with_name("gone").rename(power_file)
    before, first = raw_clock(), rail_sampler.joules()["rail"]
    time.sleep(0.3)
    after, last = raw_clock(), rail_sampler.joules()["rail"]
    assert last - first == pytest.approx(50.0 * (after - before), rel=0.05)
    rail_sampler.close()


def test_a_sampler_of_hundreds_of_rails_that_fail_tells_them_all() -> None:
    """ina3221 has three a chip (Linux, Documentation/hwmon/ina3221.rst), and boards many chips."""
    integral = Integral(2.0)
    names = [f"VDD_{number} (hwmon{number})" for number in range(300)]
    for at in (1234.567890123, 1235.678901234):
        integral.add(at, dict.fromkeys(names, 12.345678901))
    for name in names:
        integral.fail(name, Unavailable(f"cannot read /sys/class/hwmon/{name}: No data available"))
    with tempfile.TemporaryFile() as file:
        page = Page.create(file)
        page.store(Told(0.5, integral))
        report = page.load()
        page.close()
    assert report is not None
    assert report.integral == integral


def test_a_sampler_that_never_reads_does_not_start(tmp_path: Path) -> None:
    rail_sampler = sampler(tmp_path / "absent")
    with pytest.raises(Unavailable, match="did not start: cannot read"):
        rail_sampler.start(())


def test_a_dead_sensor_leaves_the_others() -> None:
    """Each has its own gaps, and a gap that is too long voids what it is in, once."""
    clock = VirtualClock()
    dead = False

    def read() -> dict[str, float]:
        if dead:
            raise SomeFailed({"a": 10.0}, {"b": Unavailable("cannot read b: No data available")})
        return {"a": 10.0, "b": 20.0}

    domains = {name: Domain("part", 0.1) for name in "ab"}
    meter = Sampled("x", domains, LocalSampler(Reader(read, "", []), 0.1, clock))
    meter.start(())
    clock.sleep(1.0)
    assert meter.read() == {"a": pytest.approx(10.0), "b": pytest.approx(20.0)}
    dead = True
    clock.sleep(1.0)
    assert meter.read()["b"] == pytest.approx(40.0), "a gap that may be bridged"
    clock.sleep(2.0)
    with pytest.raises(SomeFailed, match=r"no sample of b for 3\.\d s: cannot read b") as caught:
        meter.read()
    assert caught.value.values == {"a": pytest.approx(40.0)}
    dead = False
    clock.sleep(1.0)
    with pytest.raises(SomeFailed, match="samples of b were missing for too long"):
        meter.read()
    assert meter.read().keys() == {"a", "b"}


def test_a_killed_sampler_is_an_error(power_file: Path) -> None:
    rail_sampler = sampler(power_file)
    rail_sampler.start(())
    assert rail_sampler.process is not None
    rail_sampler.process.kill()
    rail_sampler.process.wait()
    with pytest.raises(Unavailable, match="the sampler ended"):
        rail_sampler.joules()
    rail_sampler.close()


def test_the_sampler_ends_with_its_parent(power_file: Path) -> None:
    rail_sampler = sampler(power_file)
    rail_sampler.start(())
    assert rail_sampler.process is not None
    assert rail_sampler.process.stdin is not None
    rail_sampler.process.stdin.close()
    assert rail_sampler.process.wait(5.0) == 0
    rail_sampler.close()


def test_every_meter_is_found_by_place() -> None:
    known = {
        "amdsmi", "battery", "fake", "hwmon", "hwmon_energy", "ipmi", "nvml", "occ", "pm_counters",
        "rapl", "redfish", "slurm",
    }  # fmt: skip
    assert known <= registry.meters().keys()
    assert not any(name.startswith("_") for name in registry.meters())


def test_an_empty_virtual_machine_names_what_it_lacks(tmp_path: Path) -> None:
    opened, missing = meters.open_all(trees.virtual_machine(tmp_path), VirtualClock())
    assert all(meter.id.startswith("GPU-") for meter in opened)
    assert {"battery", "hwmon", "hwmon_energy", "occ", "pm_counters", "rapl"} <= missing.keys()
    assert "fake" not in missing
    for error in missing.values():
        assert error.reason


def test_an_unknown_meter_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(JouliaError, match="unknown meter 'rappl'; did you mean 'rapl'"):
        meters.open_all(tmp_path, VirtualClock(), only=["rappl"])


def test_the_fake_meter(tmp_path: Path) -> None:
    clock = VirtualClock(7.0)
    assert fake.open(tmp_path, clock) == []
    spec = '{"id": "n", "watts": {"package-0": 50.0}, "fails_after": 2, "period_s": 0.5}'
    trees.put(tmp_path, {fake.FILE: spec})
    (meter,) = fake.open(tmp_path, clock)
    before = meter.read()["package-0"]
    clock.sleep(1.25)
    assert meter.read()["package-0"] - before == pytest.approx(50.0)
    with pytest.raises(Unavailable, match="died"):
        meter.read()
