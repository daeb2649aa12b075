"""hwmon: Grace, ACPI power meters of ordinary servers, rails, and the energy counters beside them.

Trees imitate the drivers' sources in Linux and listings of real machines, named at each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trees
import trees_hwmon
from virtual import LocalSampler, VirtualClock

from joulia.energy.accounting import Seen, User, account
from joulia.energy.monitor import EnergyMonitor
from joulia.meters import Base, Missing, SomeFailed, hwmon, hwmon_energy, rapl
from joulia.parallel.comm import OneRank


def opened(root: Path, clock: VirtualClock | None = None) -> Base:
    (meter,) = hwmon.open(root, clock or VirtualClock(), LocalSampler)
    return meter


def kinds(meter: Base) -> dict[str, str]:
    return {name: domain.kind for name, domain in meter.domains.items()}


@pytest.mark.parametrize("device", [True, False])
def test_grace_hopper_domains_are_nested(tmp_path: Path, device: bool) -> None:
    """In `hwmonN/device/`, or in `hwmonN/` where the driver registers with information."""
    meter = opened(trees.grace(tmp_path, device=device))
    assert kinds(meter) == {
        "Module Power Socket 0": "module",
        "Grace Power Socket 0": "package",
        "CPU Power Socket 0": "part",
        "SysIO Power Socket 0": "part",
    }
    assert meter.domains["Grace Power Socket 0"].period_s == 0.05
    assert meter.source == "sampled"


def test_grace_is_integrated(tmp_path: Path) -> None:
    clock = VirtualClock()
    meter = opened(trees.grace(tmp_path, hopper=False), clock)
    meter.start(())
    before = meter.read()
    clock.sleep(3.0)
    assert meter.read()["Grace Power Socket 0"] - before["Grace Power Socket 0"] == pytest.approx(
        540
    )


@pytest.mark.parametrize("interval_ms", [1_000, 10_000, 300_000])
def test_an_acpi_power_meter_measures_the_node_as_slowly_as_it_says(
    tmp_path: Path, interval_ms: int
) -> None:
    """Intel's Node Manager has the name and 1 s; HP's DL360p tells 300 s; others are between."""
    name = {"power1_oem_info": "Meter measures total domain"}
    meter = opened(
        trees_hwmon.acpi_meter(tmp_path, {**name, "power1_average_interval": interval_ms})
    )
    assert kinds(meter) == {"power_meter power1": "node"}
    domain = meter.domains["power_meter power1"]
    assert domain.period_s == interval_ms * 1e-3
    assert domain.systematic_rel == pytest.approx(0.045)


@pytest.mark.parametrize(
    ("stated", "error"),
    [
        ("97.500%", 0.025),
        ("95.5%", 0.04995),  # 95005 thousandths: the driver's format drops the zeros between
        ("0.0%", hwmon.SYSTEMATIC_REL),
        ("1.0%", hwmon.SYSTEMATIC_REL),
        ("100.0%", hwmon.SYSTEMATIC_REL),
        ("", hwmon.SYSTEMATIC_REL),
    ],
)
def test_a_stated_accuracy_is_the_gain_error(tmp_path: Path, stated: str, error: float) -> None:
    """show_accuracy() in acpi_power_meter.c: `%u.%u%%` of thousandths of a per cent."""
    meter = opened(trees_hwmon.acpi_meter(tmp_path, {"power1_accuracy": stated}))
    assert meter.domains["power_meter power1"].systematic_rel == pytest.approx(error)


@pytest.mark.parametrize(
    ("microwatts", "reason"),
    [
        # HP ProLiant DL360p Gen8: "power1: 0.00 W (interval = 300.00 s)".
        (0, "tells 0 W"),
        # "4.29 MW (interval = 4294967.29 s)", lm-sensors issues 130 and 460.
        (4_294_967_295_000, "4.29 MW"),
    ],
)
def test_a_node_meter_that_knows_nothing_is_named(
    tmp_path: Path, microwatts: int, reason: str
) -> None:
    trees_hwmon.acpi_meter(tmp_path, {}, microwatts=microwatts)
    with pytest.raises(Missing, match=reason) as error:
        opened(tmp_path)
    assert "firmware" in error.value.remedy


def test_a_dead_sensor_does_not_silence_the_living(tmp_path: Path) -> None:
    trees_hwmon.acpi_meter(tmp_path, {}, microwatts=0, number=9)
    assert "Grace Power Socket 0" in opened(trees.grace(tmp_path)).domains


def test_a_reading_of_4_megawatts_is_no_sample(tmp_path: Path) -> None:
    clock = VirtualClock()
    meter = opened(trees_hwmon.acpi_meter(tmp_path, {}, microwatts=250_000_000), clock)
    meter.start(())
    before = meter.read()
    clock.sleep(2.0)
    (file,) = tmp_path.rglob("power1_average")
    file.write_text("4294967295000\n")
    clock.sleep(1.5)
    file.write_text("250000000\n")
    clock.sleep(2.0)
    counted = meter.read()["power_meter power1"] - before["power_meter power1"]
    assert counted == pytest.approx(250 * 5.5)


def test_a_meter_of_a_battery_is_not_the_node(tmp_path: Path) -> None:
    meter = opened(trees_hwmon.acpi_meter(tmp_path, {"power1_is_battery": 1}))
    assert list(kinds(meter).values()) == ["part"]


def test_what_an_acpi_meter_measures_may_be_told_by_links(tmp_path: Path) -> None:
    """Documentation/hwmon/acpi_power_meter.rst: `measures/` links to what the meter measures."""
    trees_hwmon.acpi_meter(tmp_path, {"power1_oem_info": "Vendor meter"})
    assert kinds(opened(tmp_path)) == {"Vendor meter": "part"}
    measures = tmp_path / "sys/class/hwmon/hwmon1/device/measures"
    measures.mkdir()
    (measures / "LNXSYBUS:00").symlink_to("../..")
    assert kinds(opened(tmp_path)) == {"power_meter power1": "node"}


def test_two_that_claim_the_node_are_not_added(tmp_path: Path) -> None:
    for number in (1, 2):
        trees_hwmon.acpi_meter(tmp_path, {}, number=number)
    assert list(kinds(opened(tmp_path)).values()) == ["part", "part"]


def test_rails_of_unknown_nesting_are_parts(tmp_path: Path) -> None:
    """Documentation/hwmon/ina3221.rst has labels of rails; amdgpu is amdsmi's."""
    trees.put(
        trees.node(tmp_path),
        {
            "sys/class/hwmon/hwmon1/name": "ina3221",
            "sys/class/hwmon/hwmon1/power1_input": 9,
            "sys/class/hwmon/hwmon1/power1_label": "VDD_IN",
            "sys/class/hwmon/hwmon2/name": "amdgpu",
            "sys/class/hwmon/hwmon2/power1_average": 9,
        },
    )
    assert kinds(opened(tmp_path)) == {"VDD_IN": "part"}


GPU = "0000:03:00.0"


def test_an_xe_card_holds_its_package(tmp_path: Path) -> None:
    """sysfs-driver-intel-xe-hwmon: energy1 is the card, energy2 its package."""
    labels = {"energy1_label": "card", "energy2_label": "pkg"}
    counts = {"energy1_input": 9_000_000, "energy2_input": 7_000_000}
    trees_hwmon.intel_gpu(tmp_path, GPU, 2, {"name": "xe", **labels, **counts})
    (meter,) = hwmon_energy.open(tmp_path, VirtualClock())
    assert (meter.source, meter.bus_id) == ("counter", GPU)
    assert kinds(meter) == {"card": "gpu", "pkg": "part"}
    before = meter.read()
    trees.put(tmp_path / "sys/class/hwmon/hwmon2", {"energy1_input": 12_000_000})
    assert meter.read()["card"] - before["card"] == pytest.approx(3.0)


def test_a_card_counter_at_zero_leaves_the_package(tmp_path: Path) -> None:
    """Without labels, as xe was before Linux 6.8, and with one counter that the board lacks."""
    counts = {"energy1_input": 0, "energy2_input": 7_000_000}
    trees_hwmon.intel_gpu(tmp_path, GPU, 2, {"name": "xe", **counts})
    (meter,) = hwmon_energy.open(tmp_path, VirtualClock())
    assert kinds(meter) == {"card": "part", "pkg": "gpu"}


def test_tiles_lie_inside_an_i915_device(tmp_path: Path) -> None:
    """sysfs-driver-intel-i915-hwmon: `i915` is the entire device, `i915_gtN` a tile of it."""
    for number, name in enumerate(("i915", "i915_gt0", "i915_gt1"), 4):
        trees_hwmon.intel_gpu(tmp_path, GPU, number, {"name": name, "energy1_input": number})
    trees_hwmon.intel_gpu(tmp_path, "0000:4d:00.0", 7, {"name": "i915", "energy1_input": 5})
    first, second = hwmon_energy.open(tmp_path, VirtualClock())
    assert kinds(first) == {"i915": "gpu", "i915_gt0": "part", "i915_gt1": "part"}
    assert second.bus_id == "0000:4d:00.0"
    total = account(
        [
            Seen("n", meter.id, name, domain.kind, device=meter.device, bus_id=meter.bus_id)
            for meter in (first, second)
            for name, domain in meter.domains.items()
        ],
        [User("n")],
        everything=True,
    )
    assert [seen.domain for seen in total.counted] == ["i915", "i915"]


class Wrapping:
    """xe's card counter as its driver keeps it (xe_hwmon_energy_get() in xe_hwmon.c, hwm_energy()
    in i915_hwmon.c): a register of 32 bits, of 2^-14 J, whose wraps are seen when it is read."""

    def __init__(self, root: Path, watts: float) -> None:
        self.watts, self.before, self.sum = watts, 0, 0
        self.file = root / "sys/class/hwmon/hwmon2/energy1_input"
        trees_hwmon.intel_gpu(root, GPU, 2, {"name": "xe", "energy1_input": 0})

    def read(self, meter: hwmon_energy.HwmonEnergy, clock: VirtualClock) -> float:
        register = int(self.watts * clock.now * 2**14) % 2**32
        self.sum += (register - self.before) % 2**32
        self.before = register
        self.file.write_text(f"{self.sum * 1_000_000 >> 14}\n")
        return meter.read()["card"]


def test_a_gpu_is_read_before_its_register_wraps_unseen(tmp_path: Path) -> None:
    """An hour at 900 W: 262 kJ would be lost every five minutes that nobody reads."""
    clock = VirtualClock()
    driver = Wrapping(tmp_path, 900.0)
    (meter,) = hwmon_energy.open(tmp_path, clock)
    assert meter.poll_s is not None
    assert meter.poll_s < 262_144 / 900 / 2
    first = driver.read(meter, clock)
    while clock.now < 3600.0:
        clock.sleep(meter.poll_s)
        last = driver.read(meter, clock)
    assert last - first == pytest.approx(900.0 * clock.now, rel=1e-6)
    clock.sleep(400.0)
    with pytest.raises(SomeFailed, match="was not read for 400 s: a wrap may have been missed"):
        driver.read(meter, clock)
    assert opens_without_polling(tmp_path / "amd")


def opens_without_polling(root: Path) -> bool:
    """amd_energy's registers are read by a thread of the driver's (amd_energy.rst)."""
    (meter,) = hwmon_energy.open(amd_energy(root), VirtualClock())
    return meter.poll_s is None


def amd_energy(root: Path) -> Path:
    """Documentation/hwmon/amd_energy.rst: a core each, then the sockets, no DRAM."""
    labels = [*(f"Ecore{core:03d}" for core in range(4)), "Esocket0", "Esocket1"]
    files: dict[str, object] = {"name": "amd_energy"}
    for number, label in enumerate(labels, 1):
        files |= {f"energy{number}_label": label, f"energy{number}_input": 1_000_000 * number}
    trees.put(root / "sys/class/hwmon/hwmon1", files)
    return trees.node(root)


def test_amd_energy_counts_sockets(tmp_path: Path) -> None:
    (meter,) = hwmon_energy.open(amd_energy(tmp_path), VirtualClock())
    assert kinds(meter) == {"Esocket0": "package", "Esocket1": "package"}
    assert set(meter.read()) == {"Esocket0", "Esocket1"}


def test_amd_energy_closed_to_users_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since CVE-2020-12912 the files are 0440; root, which tests may run as, reads them anyhow."""
    amd_energy(tmp_path)
    monkeypatch.setattr(hwmon_energy, "state", lambda file: "unreadable")
    with pytest.raises(Missing, match="unreadable: energy counters"):
        hwmon_energy.open(tmp_path, VirtualClock())


def test_rails_count_but_are_not_added(tmp_path: Path) -> None:
    """Documentation/hwmon/ina238.rst (ina228) and ltc2947.rst, which may count backwards."""
    ina, ltc = (tmp_path / f"sys/class/hwmon/hwmon{n}" for n in (1, 2))
    trees.put(trees.node(tmp_path), {})
    trees.put(ina, {"name": "ina228", "energy1_input": 5_000_000})
    trees.put(ltc, {"name": "ltc2947", "energy1_input": 9_000_000, "energy2_input": 2})
    (meter,) = hwmon_energy.open(tmp_path, VirtualClock())
    assert set(kinds(meter).values()) == {"part"}
    meter.read()
    trees.put(ltc, {"energy1_input": 8_000_000})
    with pytest.raises(SomeFailed, match="went back") as failed:
        meter.read()
    assert set(failed.value.errors) == {"ltc2947 energy1 (hwmon2)"}
    assert "ina228 energy1 (hwmon1)" in failed.value.values


def test_a_machine_without_energy_counters(tmp_path: Path) -> None:
    trees.put(trees.node(tmp_path), {"sys/class/hwmon/hwmon0/name": "k10temp"})
    with pytest.raises(Missing, match="no energy counter"):
        hwmon_energy.open(tmp_path, VirtualClock())


@pytest.mark.parametrize(
    ("interval_ms", "window_s", "scope"),
    [(1_000, 0.5, "dram + package"), (1_000, 5.0, "node"), (300_000, 5.0, "dram + package")],
)
def test_a_run_stretches_windows_tenfold_for_the_node(
    tmp_path: Path, interval_ms: int, window_s: float, scope: str
) -> None:
    """An ordinary server: RAPL, and an ACPI power meter with a mean over 1 s or 300 s."""
    clock = VirtualClock()
    trees_hwmon.acpi_meter(trees.intel(tmp_path), {"power1_average_interval": interval_ms})
    opened: Any = ([*rapl.open(tmp_path, clock), *hwmon.open(tmp_path, clock, LocalSampler)], {})
    energy = EnergyMonitor(
        OneRank(), window_s=window_s, clock=clock, sleep=clock.sleep, opened=opened
    )
    assert energy.account.scope == scope
    assert ("too slow" in " ".join(energy.account.not_covered)) == (scope != "node")
    # A sampler that counts nothing is not even started.
    assert any(meter.source == "sampled" for meter in energy.meters) == (scope == "node")
