"""RAPL through powercap and perf events, on fake trees and a virtual clock."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from real_machines import PerfEvents, Register
from virtual import Curve, VirtualClock

from joulia.errors import Unavailable
from joulia.meters import Missing, _files, _perf, rapl


@pytest.fixture
def open_tree() -> Iterator[Path]:
    """A folder that an unprivileged user can look into (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class AsNobody:
    """Permissions mean nothing to root: be nobody meanwhile."""

    def __enter__(self) -> None:
        self.was = os.geteuid()
        if self.was == 0:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if self.was == 0:
            os.seteuid(0)


def kinds(meter: rapl.Rapl) -> dict[str, str]:
    return {name: domain.kind for name, domain in meter.domains.items()}


def test_two_sockets_with_their_memory(tmp_path: Path) -> None:
    (meter,) = rapl.open(trees.intel(tmp_path, packages=2), VirtualClock())
    assert kinds(meter) == {
        "package-0": "package",
        "package-0-core": "part",
        "package-0-dram": "dram",
        "package-1": "package",
        "package-1-core": "part",
        "package-1-dram": "dram",
    }
    assert meter.id == f"{trees.BOOT}/rapl"
    assert meter.source == "counter"


def test_reads_joules_since_the_first_read(tmp_path: Path) -> None:
    (meter,) = rapl.open(trees.intel(tmp_path), VirtualClock())
    assert meter.read()["package-0"] == 0.0
    trees.set_uj(tmp_path, "intel-rapl:0", 3_500_000)
    assert meter.read()["package-0"] == pytest.approx(2.5)


def test_two_dies_are_two_packages(tmp_path: Path) -> None:
    """By name (Linux, intel_rapl_common.c: "package-%d-die-%d"); what they tell decides later."""
    trees.node(tmp_path)
    trees.zone(tmp_path, "intel-rapl:0", "package-0-die-0")
    trees.zone(tmp_path, "intel-rapl:1", "package-0-die-1")
    (meter,) = rapl.open(tmp_path, VirtualClock())
    assert kinds(meter) == {"package-0-die-0": "package", "package-0-die-1": "package"}


def test_psys_is_the_platform(tmp_path: Path) -> None:
    """At the top, beside the package (powercap, issues 3 and 4)."""
    trees.intel(tmp_path)
    trees.zone(tmp_path, "intel-rapl:1", "psys")
    (meter,) = rapl.open(tmp_path, VirtualClock())
    assert kinds(meter)["psys"] == "platform"


def test_a_package_through_msr_and_mmio_is_one(tmp_path: Path) -> None:
    """A Core Ultra 7 265H: MSR 3.93 W, MMIO 3.78 W, one package (CodeCarbon, pull request 950)."""
    trees.intel(tmp_path)
    trees.zone(tmp_path, "intel-rapl-mmio:0", "package-0", uj=77)
    (meter,) = rapl.open(tmp_path, VirtualClock())
    assert sorted(meter.domains) == ["package-0", "package-0-core", "package-0-dram"]
    meter.read()
    trees.set_uj(tmp_path, "intel-rapl:0", 3_500_000)
    trees.set_uj(tmp_path, "intel-rapl-mmio:0", 99_000_000)
    assert meter.read()["package-0"] == pytest.approx(2.5), "the MSR's counter is what is read"


def test_amd_has_no_memory_counter_and_says_so(tmp_path: Path) -> None:
    (meter,) = rapl.open(trees.intel(tmp_path, dram=False), VirtualClock())
    assert "DRAM (this processor counts none)" in meter.not_covered
    (with_dram,) = rapl.open(trees.intel(tmp_path / "b"), VirtualClock())
    assert not any("DRAM" in text for text in with_dram.not_covered)


def test_zone_numbers_beyond_nine(tmp_path: Path) -> None:
    trees.intel(tmp_path, packages=12)
    (meter,) = rapl.open(tmp_path, VirtualClock())
    packages = [name for name, kind in kinds(meter).items() if kind == "package"]
    assert packages == [f"package-{i}" for i in range(12)]
    meter.read()
    trees.set_uj(tmp_path, "intel-rapl:a:1", 6_000_000)
    read = meter.read()
    assert read["package-10-dram"] == pytest.approx(5.0)
    assert read["package-1-dram"] == 0.0


def test_a_wrap_just_before_the_end_of_a_window(tmp_path: Path) -> None:
    """A peer reported 264 kJ for 2 kJ."""
    clock = VirtualClock()
    (meter,) = rapl.open(trees.intel(tmp_path), clock)
    trees.set_uj(tmp_path, "intel-rapl:0", 262_143_328_850 - 1_900_000_000)
    before = meter.read()["package-0"]
    clock.sleep(10.0)
    trees.set_uj(tmp_path, "intel-rapl:0", 100_000_000)
    assert meter.read()["package-0"] - before == pytest.approx(2000.0)
    assert meter.wraps == 1


def test_each_zone_wraps_at_its_own_range(tmp_path: Path) -> None:
    clock = VirtualClock()
    (meter,) = rapl.open(trees.intel(tmp_path), clock)
    trees.set_uj(tmp_path, "intel-rapl:0", 262_143_000_000)
    trees.set_uj(tmp_path, "intel-rapl:0:1", 65_712_000_000)
    before = meter.read()
    clock.sleep(1.0)
    trees.set_uj(tmp_path, "intel-rapl:0", 671_150)
    trees.set_uj(tmp_path, "intel-rapl:0:1", 387)
    after = meter.read()
    assert after["package-0"] - before["package-0"] == pytest.approx(1.0)
    assert after["package-0-dram"] - before["package-0-dram"] == pytest.approx(1.0)


def test_several_wraps_between_polls_add_up(tmp_path: Path) -> None:
    """Hours at 280 W through a counter that wraps after 4 minutes, polled as often as it asks."""
    clock = VirtualClock()
    trees.node(tmp_path)
    trees.zone(tmp_path, "intel-rapl:0", "package-0", uj=0, range_uj=65_712_999_613)
    (meter,) = rapl.open(tmp_path, clock)
    assert meter.poll_s is not None
    assert meter.poll_s < 65_713 / 280 / 2
    start = meter.read()["package-0"]
    for _ in range(200):
        clock.sleep(meter.poll_s)
        trees.set_uj(tmp_path, "intel-rapl:0", round(280e6 * clock.now) % 65_712_999_613)
        last = meter.read()["package-0"]
    assert last - start == pytest.approx(280.0 * clock.now, rel=1e-9)
    assert meter.wraps == int(280e6 * clock.now) // 65_712_999_613 > 5


def test_the_thread_that_polls_and_the_window_read_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the slower of the two adds up an older value: a step back, and the window void."""
    (meter,) = rapl.open(trees.intel(tmp_path), VirtualClock())
    number, others = rapl.number, []

    def slow(path: Path) -> int:
        raw = number(path)
        if not others and threading.current_thread() is threading.main_thread():
            trees.set_uj(tmp_path, "intel-rapl:0", 3_000_000)
            others.append(threading.Thread(target=meter.read))
            others[0].start()
            others[0].join(0.05)  # it must wait for this one
        return raw

    meter.read()
    monkeypatch.setattr(rapl, "number", slow)
    assert meter.read()["package-0"] == 0.0
    others[0].join()
    assert meter.read()["package-0"] == pytest.approx(2.0)


def test_a_missed_poll_is_an_error_and_not_a_guess(tmp_path: Path) -> None:
    clock = VirtualClock()
    (meter,) = rapl.open(trees.intel(tmp_path), clock)
    meter.read()
    clock.sleep(3600.0)
    with pytest.raises(Unavailable, match="a wrap may have been missed"):
        meter.read()
    meter.read()


@pytest.mark.parametrize("range_uj", [None, 0])
def test_a_missing_range_voids_only_when_the_counter_goes_back(
    tmp_path: Path, range_uj: int | None
) -> None:
    """On some systems max_energy_range_uj is 0 (powercap, issue 3)."""
    trees.node(tmp_path)
    trees.zone(tmp_path, "intel-rapl:0", "package-0", range_uj=range_uj)
    (meter,) = rapl.open(tmp_path, VirtualClock())
    meter.read()
    trees.set_uj(tmp_path, "intel-rapl:0", 2_000_000)
    assert meter.read()["package-0"] == pytest.approx(1.0)
    trees.set_uj(tmp_path, "intel-rapl:0", 10)
    with pytest.raises(Unavailable, match="went back"):
        meter.read()


@pytest.mark.parametrize("content", ["", "abc"])
def test_a_read_that_fails_is_never_0(tmp_path: Path, content: str) -> None:
    (meter,) = rapl.open(trees.intel(tmp_path), VirtualClock())
    meter.read()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text(content)
    with pytest.raises(Unavailable, match="instead of a number"):
        meter.read()


def test_a_file_that_vanishes_is_an_error(tmp_path: Path) -> None:
    (meter,) = rapl.open(trees.intel(tmp_path), VirtualClock())
    meter.read()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    with pytest.raises(Unavailable, match="No such file"):
        meter.read()


def test_unreadable_files_and_the_administrators_remedy(open_tree: Path) -> None:
    trees.intel(open_tree)
    for path in open_tree.rglob("energy_uj"):
        path.chmod(0o400)
    modes = [path.stat().st_mode for path in open_tree.rglob("energy_uj")]
    with AsNobody(), pytest.raises(Missing, match="unreadable") as caught:
        rapl.open(open_tree, VirtualClock())
    assert caught.value.state == "unreadable"
    assert "perf_event_paranoid" in caught.value.remedy
    assert "tmpfiles" in caught.value.remedy
    assert modes == [path.stat().st_mode for path in open_tree.rglob("energy_uj")]


def test_one_unreadable_package_of_two_is_no_total(open_tree: Path) -> None:
    trees.intel(open_tree, packages=2)
    (open_tree / "sys/class/powercap/intel-rapl:1/energy_uj").chmod(0)
    with AsNobody(), pytest.raises(Missing, match="unreadable"):
        rapl.open(open_tree, VirtualClock())


def test_a_package_that_alone_is_readable_counts_and_what_is_closed_is_named(
    open_tree: Path,
) -> None:
    """`mode class/powercap/intel-rapl:0/energy_uj = 0444` (CodeCarbon, issue 244; by chmod in
    MangoHud, issue 1382): core and dram below it stay root's."""
    trees.intel(open_tree)
    for key in ("intel-rapl:0:0", "intel-rapl:0:1"):
        (open_tree / "sys/class/powercap" / key / "energy_uj").chmod(0)
    with AsNobody():
        (meter,) = rapl.open(open_tree, VirtualClock())
    assert kinds(meter) == {"package-0": "package"}
    assert meter.not_covered[0] == "package-0-dram (unreadable)"
    assert not any("counts none" in text or "core" in text for text in meter.not_covered)


def test_absent_on_a_virtual_machine(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="virtual machine") as caught:
        rapl.open(trees.virtual_machine(tmp_path), VirtualClock())
    assert caught.value.state == "absent"


def test_absent_on_a_bare_machine(tmp_path: Path) -> None:
    with pytest.raises(Missing) as caught:
        rapl.open(trees.node(tmp_path), VirtualClock())
    assert caught.value.state == "absent"
    assert "modprobe" in caught.value.remedy


def test_masked_by_a_container_with_dangling_links(tmp_path: Path) -> None:
    """Docker puts an empty file system over /sys/devices/virtual/powercap (its MaskedPaths)."""
    trees.node(tmp_path)
    folder = tmp_path / "sys/class/powercap"
    folder.mkdir(parents=True)
    (folder / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl/intel-rapl:0")
    with pytest.raises(Missing, match="container") as caught:
        rapl.open(tmp_path, VirtualClock())
    assert caught.value.state == "masked"


def test_masked_by_a_container_with_an_empty_folder(tmp_path: Path) -> None:
    trees.put(trees.node(tmp_path), {".dockerenv": ""})
    (tmp_path / "sys/class/powercap").mkdir(parents=True)
    with pytest.raises(Missing) as caught:
        rapl.open(tmp_path, VirtualClock())
    assert caught.value.state == "masked"


def test_a_device_over_a_file_is_masked(tmp_path: Path) -> None:
    (tmp_path / "energy_uj").symlink_to("/dev/null")
    assert _files.state(tmp_path / "energy_uj") == "masked"


def fenced(kind: int, config: int, cpu: int) -> int:
    raise PermissionError(13, "Permission denied")


def of_cores(clock: VirtualClock) -> PerfEvents:
    return PerfEvents(clock, lambda cpu, config: Register(Curve(10.0 * config + cpu), 2.0**-32))


def test_perf_events_come_first_where_allowed(tmp_path: Path) -> None:
    clock = VirtualClock()
    trees.perf(trees.intel(tmp_path, packages=2))
    perf = of_cores(clock)
    (meter,) = rapl.open(tmp_path, clock, perf)
    assert sorted(meter.domains) == ["dram-0", "dram-1", "package-0", "package-1"]
    assert perf.opened == [(23, 2, 0), (23, 2, 18), (23, 3, 0), (23, 3, 18)]
    before = meter.read()["package-1"]
    clock.sleep(2.0)
    assert meter.read()["package-1"] - before == pytest.approx(2.0 * 38.0, rel=1e-3)
    assert meter.poll_s is None
    perf.close()


def test_psys_is_opened_once(tmp_path: Path) -> None:
    clock = VirtualClock()
    trees.perf(tmp_path, events=("energy-pkg", "energy-ram", "energy-psys"))
    perf = of_cores(clock)
    (meter,) = rapl.open(tmp_path, clock, perf)
    assert kinds(meter)["psys"] == "platform"
    assert len(meter.domains) == 5
    perf.close()


def test_powercap_where_perf_is_not_allowed(tmp_path: Path) -> None:
    trees.perf(trees.intel(tmp_path))
    (meter,) = rapl.open(tmp_path, VirtualClock(), fenced)
    assert "package-0-core" in meter.domains


def test_the_real_system_call_counts() -> None:
    """A software event (the core's clock, in ns) through the same call."""
    try:
        descriptor = _perf.open_event(1, 0, 0)
    except OSError as error:
        pytest.skip(f"perf events are not allowed here: {error}")
    event = _perf.Event("clock", "part", 1e-9, descriptor)
    first = event.joules()
    assert sum(range(100_000)) > 0
    assert event.joules() > first
    event.close()
    with pytest.raises(Unavailable):
        event.joules()


def test_lists_of_cores() -> None:
    assert _perf.cpu_list("0,18") == [0, 18]
    assert _perf.cpu_list("0-3,8") == [0, 1, 2, 3, 8]
