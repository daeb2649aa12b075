"""GPUs as real machines have them: what their counters cover, lost parts, impossible readings."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import real_machines
import trees
from fake_nvml import FakeGpu, FakeNvml, NVMLError
from real_machines import AmdSmi, Die, Powercap, Register, socket
from virtual import Curve, LocalSampler, VirtualClock
from windows import Steady, energy, gpus, measured, window, written_energy

from joulia import meters
from joulia.meters import Base, Lost, Missing, _nvml_state, amdsmi, hwmon, nvml, occ, rapl

EIGHT = [FakeGpu(f"GPU-{i:02d}aaaaaa-0000", f"00000000:{i + 16:02x}:00.0") for i in range(8)]


def grace_hopper(clock: VirtualClock, root: Path) -> list[Base]:
    """A GH200 at 600 W, of which Grace 180 W: the counter is the module's (Zeus, PR 172)."""
    module = FakeGpu(
        "GPU-9b1d5e00-0000", name="NVIDIA GH200 480GB", curve=Curve(420.0), module=Curve(600.0),
        period_s=0.1,
    )  # fmt: skip
    return [*gpus(clock, module), *hwmon.open(trees.grace(root), clock, LocalSampler)]


@pytest.mark.parametrize("used", ["GPU-9b1d5e00-0000", None])
def test_a_superchips_processor_is_not_added_to_its_module(
    tmp_path: Path, used: str | None
) -> None:
    """600 W and not 780 W, for a rank on the GPU and for a command that uses everything."""
    clock = VirtualClock(2.0)
    meters = grace_hopper(clock, tmp_path)
    monitor = energy(clock, meters, device=used, everything=used is None)
    window(monitor, clock, 6.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(600.0, rel=0.03)
    assert data["scope"] == "module"
    assert data["crosscheck_rel"] == pytest.approx(0.0, abs=0.03)


def test_a_superchips_processor_alone_is_grace(tmp_path: Path) -> None:
    """A case without a GPU: 180 W of the socket, and the module's GPU is named as not used."""
    clock = VirtualClock(2.0)
    monitor = energy(clock, grace_hopper(clock, tmp_path))
    window(monitor, clock, 6.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(180.0, rel=0.03)
    assert "GPU-9b1d5e00-0000: not used by this case" in data["not_covered"]


def test_a_superchip_by_its_name_where_no_scope_is_told() -> None:
    """An older driver: no power by scope, the same counter."""
    clock = VirtualClock()
    old = FakeGpu("GPU-1", name="NVIDIA GH200 480GB", instant=False)
    (meter,) = gpus(clock, old)
    assert [domain.kind for domain in meter.domains.values()] == ["module"]
    assert meter.check() == {}


def test_two_gpus_of_a_module_are_counted_with_it_once() -> None:
    """GB200: two GPUs and a processor, a limit of its own (NVIDIA k8s-test-infra, issue 676)."""
    clock = VirtualClock(2.0)
    tray = [
        FakeGpu(f"GPU-{i}b200000", f"0000000{i}:01:00.0", "NVIDIA GB200", Curve(900.0),
                module=Curve(2100.0 + 50.0 * (i // 2)), period_s=0.1)
        for i in range(4)
    ]  # fmt: skip
    monitor = energy(clock, gpus(clock, *tray), everything=True)
    window(monitor, clock, 6.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(2100.0 + 2150.0, rel=0.03)
    assert data["meters"] == ["GPU-0b200000", "GPU-2b200000"]
    second = energy(clock, gpus(clock, *tray), device="GPU-3b200000")
    window(second, clock, 6.0)
    data = measured(second)
    assert data["watts"] == pytest.approx(2150.0, rel=0.03)
    assert any("hold those of GPU-2b200000" in flag for flag in data["flags"])


def amd(clock: VirtualClock, *dies: Die, **more: Any) -> Any:
    meters = amdsmi.open(Path("/"), clock, AmdSmi(clock, dies))
    lost = {meter.id: meter.error for meter in meters if isinstance(meter, Lost)}
    opened = [meter for meter in meters if not isinstance(meter, Lost)]
    monitor = energy(clock, opened, missing=lost, **more)
    window(monitor, clock, 2.0)
    return monitor


def test_both_dies_of_an_mi250x_are_its_card() -> None:
    """89 W, on either rank or both: the second die tells 0 (Zeus, PR 203; aldebaran_ppt.c)."""
    clock = VirtualClock(2.0)
    first, second, *_ = dies = real_machines.frontier()
    for used in (first, second):
        data = measured(amd(clock, *dies, device=f"AMD-{used.uuid}"))
        assert data["watts"] == pytest.approx(89.0, rel=1e-3)
        (flag,) = [flag for flag in data["flags"] if "hold those of" in flag]
        other = second if used is first else first
        assert other.uuid in flag, "a rank on one die is not charged for its neighbour unmarked"
    assert sum(data["domains"].values()) == pytest.approx(2.0 * 358.0, rel=1e-3)


def test_a_case_on_both_dies_is_not_marked() -> None:
    from joulia.energy.accounting import User, account

    clock = VirtualClock(2.0)
    first, second, *_ = dies = real_machines.frontier()
    monitor = amd(clock, *dies)
    users = [User(monitor.users[0].node, f"AMD-{die.uuid}") for die in (first, second)]
    whole = account(monitor.seen, users)
    assert [domain.device for domain in whole.counted] == [f"AMD-{first.uuid}"]
    assert whole.notes == ()
    assert whole.users == {f"AMD-{first.uuid}": (0, 1)}


def test_a_node_of_four_mi250x_is_358_watts() -> None:
    data = measured(amd(VirtualClock(2.0), *real_machines.frontier(), everything=True))
    assert data["watts"] == pytest.approx(89.0 + 93.0 + 88.0 + 88.0, rel=1e-3)
    assert not data["flags"]


def test_a_second_die_that_is_seen_alone_has_no_meter() -> None:
    """`N/A (Secondary die)` (rocm_smi_lib, issue 160), in a job that is given one GCD."""
    second = real_machines.frontier()[1]
    with pytest.raises(Missing, match="whose energy the first die tells"):
        amdsmi.open(Path("/"), VirtualClock(2.0), AmdSmi(VirtualClock(2.0), [second]))


def test_a_first_die_that_is_seen_alone_is_marked() -> None:
    first = real_machines.frontier()[0]
    data = measured(amd(VirtualClock(2.0), first, device=f"AMD-{first.uuid}"))
    assert any("the other die of" in flag for flag in data["flags"])


@pytest.mark.parametrize(
    ("partitions", "watts"),
    [(real_machines.mi300x_cpx(), 131.0 + 136.0), (real_machines.mi300x_dpx(), 142.0 + 141.0),
     (real_machines.mi300x_dpx(2**64 - 1), 142.0 + 141.0)],
    ids=["CPX: all tell the card's", "DPX: the first tells", "DPX: the second tells no number"],
)  # fmt: skip
def test_a_partitioned_card_counts_once(partitions: list[Die], watts: float) -> None:
    """Two MI300X, not eight times the joules of each, nor one lost for every other partition."""
    data = measured(amd(VirtualClock(2.0), *partitions, everything=True))
    assert data["watts"] == pytest.approx(watts, rel=1e-3)
    assert data["scope"] == "gpu"
    assert not data["flags"]
    assert not data["not_covered"] or not any("AMD-" in text for text in data["not_covered"])


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("cards", [real_machines.mi300x_cpx, real_machines.mi300x_dpx])
def test_a_rank_on_a_partition_is_told_that_its_joules_are_the_cards(
    cards: Any, number: int
) -> None:
    """On any partition by its address: the card's watts, marked, and not a share of them."""
    partitions = cards()
    data = measured(amd(VirtualClock(2.0), *partitions, device=partitions[number].bdf))
    assert data["watts"] == pytest.approx(partitions[0].watts, rel=1e-3)
    (flag,) = data["flags"]
    assert f"the joules of AMD-{partitions[0].uuid} hold those of" in flag
    assert "which this case does not use" in flag


def test_ranks_on_all_partitions_of_a_card_share_its_joules_unmarked() -> None:
    from joulia.energy.accounting import User, account

    partitions = real_machines.mi300x_cpx()
    monitor = amd(VirtualClock(2.0), *partitions)
    users = [User(monitor.users[0].node, die.bdf) for die in partitions[8:]]
    whole = account(monitor.seen, users)
    assert [domain.device for domain in whole.counted] == [f"AMD-{partitions[8].uuid}"]
    assert whole.notes == ()
    assert whole.users == {f"AMD-{partitions[8].uuid}": tuple(range(8))}


def test_a_partition_that_is_seen_alone() -> None:
    """In a job that is given one: where it tells nothing it has no meter, else it is marked."""
    second = real_machines.mi300x_dpx()[1]
    with pytest.raises(Missing, match="whose energy its first partition tells"):
        amdsmi.open(Path("/"), VirtualClock(2.0), AmdSmi(VirtualClock(2.0), [second]))
    third = real_machines.mi300x_cpx()[3]
    data = measured(amd(VirtualClock(2.0), third, device=third.bdf))
    assert any("the other partitions of" in flag for flag in data["flags"])


def test_an_mi300a_is_a_module_whatever_its_partitions_and_holds_its_processor(
    tmp_path: Path,
) -> None:
    """220 W of the socket, and not 3 x 220 W, nor RAPL's package beside them."""
    clock = VirtualClock(2.0)
    register = Register(socket(90.0), real_machines.AMD_J)
    Powercap(tmp_path, clock, {"intel-rapl:0": ("package-0", register)})
    packages = rapl.open(tmp_path, clock)
    gpus_of = amdsmi.open(Path("/"), clock, AmdSmi(clock, real_machines.mi300a_tpx()))
    monitor = energy(clock, [*gpus_of, *packages], device="0001:01:00.0")
    window(monitor, clock, 2.0)
    data = measured(monitor)
    assert data["scope"] == "module"
    assert data["watts"] == pytest.approx(220.0, rel=1e-3)
    (flag,) = data["flags"]
    assert "partition 1" in flag


def test_an_mi210_has_one_die() -> None:
    """Its `current_socket_power` is N/A, its counter is its own (Zeus, PR 203)."""
    one = Die("74ff0000-0000-1000-8000-000000000001", "0000:c1:00.0", 60.0, "AMD INSTINCT MI210")
    data = measured(amd(VirtualClock(2.0), one, device="0000:c1:00.0"))
    assert data["watts"] == pytest.approx(60.0, rel=1e-3)
    assert not data["flags"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [({"lost": True}, "GPU is lost"), ({"counter": False, "power": False}, "Not Supported")],
)
def test_one_gpu_of_eight_that_tells_nothing_leaves_seven(
    fault: dict[str, bool], reason: str
) -> None:
    """`NVMLError_GpuIsLost` (nvgpu, issue 6); "does not run when one GPU has ERR!" (dcgm-exporter,
    issue 46)."""
    clock = VirtualClock(2.0)
    cards = [
        FakeGpu(gpu.uuid, gpu.bus_id, **fault if i == 3 else {}) for i, gpu in enumerate(EIGHT)
    ]
    opened = gpus(clock, *cards)
    lost = {meter.id: meter.error for meter in opened if isinstance(meter, Lost)}
    assert len(opened) - len(lost) == 7
    monitor = energy(
        clock, [m for m in opened if not isinstance(m, Lost)], missing=lost, everything=True
    )
    window(monitor, clock, 4.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(7 * 250.0, rel=0.01)
    assert any(reason in text for text in data["not_covered"]), "the loss is named"


@pytest.mark.parametrize("used", [None, EIGHT[3].uuid])
def test_a_counter_that_is_frozen_leaves_seven_or_is_no_figure(used: str | None) -> None:
    """A driver that tells one number for ever; the fault is made up, the GPUs are those above."""
    clock = VirtualClock(2.0)
    frozen = Curve(0.0)
    cards = [
        FakeGpu(gpu.uuid, gpu.bus_id, **{"curve": frozen} if i == 3 else {})
        for i, gpu in enumerate(EIGHT)
    ]
    monitor = energy(clock, gpus(clock, *cards), device=used, everything=used is None)
    monitor.infer_periods()
    window(monitor, clock, 4.0)
    if used:
        assert "stood still" in str(written_energy(monitor, 1)[1])
        return
    data = measured(monitor)
    assert data["watts"] == pytest.approx(7 * 250.0, rel=0.01)
    assert f"{EIGHT[3].uuid}:gpu: its counter stands still" in data["not_covered"]


def test_a_case_on_the_lost_gpu_says_so() -> None:
    clock = VirtualClock(2.0)
    opened = gpus(clock, EIGHT[0], FakeGpu("GPU-gone", "00000000:02:00.0", lost=True))
    lost = {meter.id: meter.error for meter in opened if isinstance(meter, Lost)}
    monitor = energy(clock, opened[:1], missing=lost, device="GPU-gone")
    window(monitor, clock, 2.0)
    why = "the GPU of NVML's index 1: NVML: NVMLError: GPU is lost"
    assert written_energy(monitor, 1) == (None, f"no meter for the GPU named GPU-gone ({why})")


def test_all_gpus_lost_is_a_reason_with_its_remedy() -> None:
    cards = [FakeGpu("a", lost=True), FakeGpu("b", lost=True)]
    with pytest.raises(Missing, match="index 1: NVML: NVMLError: GPU is lost; nvidia-smi"):
        gpus(VirtualClock(), *cards)


def test_megawatts_are_no_power() -> None:
    """`nvmlDeviceGetPowerUsage` of a driver's stub: success, and 3.7 MW (MangoHud, PR 2144)."""
    clock = VirtualClock(2.0)
    gpu = FakeGpu("GPU-1", name="Tesla P100", counter=False, curve=Curve(180.0), mad=(4.0, 4.5))
    monitor = energy(clock, gpus(clock, gpu), device="GPU-1")
    clock.sleep(0.2)
    window(monitor, clock, 5.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(180.0, rel=0.02), "a gap of half a second is bridged"


def test_megawatts_for_longer_are_no_measurement() -> None:
    clock = VirtualClock(2.0)
    gpu = FakeGpu("GPU-1", name="Tesla P100", counter=False, curve=Curve(180.0), mad=(4.0, 8.0))
    monitor = energy(clock, gpus(clock, gpu), device="GPU-1")
    clock.sleep(0.2)
    for _ in range(3):
        window(monitor, clock, 5.0)
    data = measured(monitor)
    assert data["watts"] == pytest.approx(180.0, rel=0.02)
    assert data["repeats"] == 1
    assert "3.7e+06 W, which nothing like it draws" in data["void_windows"][0]
    assert "missing for too long" in data["void_windows"][1]


def test_a_window_that_nothing_could_draw_is_void() -> None:
    """A meter of a plug-in that holds no difference against anything."""
    clock = VirtualClock()
    meter = Steady(clock)
    monitor = energy(clock, [meter])
    window(monitor, clock, 2.0)
    before = monitor.read()
    clock.sleep(2.0)
    meter.joules += 98_000.0
    monitor.window(before, monitor.read())
    data = measured(monitor)
    assert data["watts"] == pytest.approx(100.0, rel=1e-3)
    assert "9.82e+04 J in 2 s, more than 1000 W can be" in data["void_windows"][0]


OLD = ("nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUUID")
"""Of nvidia-ml-py3 7.352, which overwrites the module of nvidia-ml-py (nvitop, issue 44)."""


@pytest.mark.parametrize("broken", ["old", "raises", "import"])
def test_a_pynvml_of_another_distribution_ends_only_nvml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    module = ModuleType("pynvml")
    library = FakeNvml(VirtualClock(), EIGHT[:1])
    for name in () if broken == "raises" else OLD:
        setattr(module, name, getattr(library, name))
    module.NVMLError = NVMLError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", None if broken == "import" else module)
    trees.intel(tmp_path)
    opened, missing = meters.open_all(tmp_path, VirtualClock())
    assert [meter.id for meter in opened] == [f"{trees.BOOT}/rapl"]
    error = missing["nvml"]
    assert "nvidia-ml-py" in error.remedy
    assert "pynvml" in error.reason or broken == "import"
    assert _nvml_state.state_reader("GPU-1") is None, "conditions go without it too"


class Bytes(FakeNvml):
    """nvidia-ml-py 10.418.84: names of devices are bytes, which ctypes' c_char_p asks for, a field
    is a number without a scope, and MIG is not known. Names are bytes up to 11.495.46, and in
    pynvml 11.0.0, a package that hides the module of joulia's own dependency."""

    @property
    def nvmlDeviceGetMigMode(self) -> Any:  # type: ignore[override]
        raise AttributeError("module 'pynvml' has no attribute 'nvmlDeviceGetMigMode'")

    def nvmlDeviceGetHandleByUUID(self, uuid: Any) -> FakeGpu:
        return super().nvmlDeviceGetHandleByUUID(self._checked(uuid))

    def nvmlDeviceGetHandleByPciBusId(self, bus_id: Any) -> FakeGpu:
        return super().nvmlDeviceGetHandleByPciBusId(self._checked(bus_id))

    def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: Any) -> list[Any]:
        raise TypeError("an integer is required (got type tuple)")

    @staticmethod
    def _checked(name: Any) -> str:
        if not isinstance(name, bytes):
            raise TypeError("bytes or integer address expected instead of str instance")
        return name.decode()


def test_an_older_binding_counts_and_shows_the_gpu() -> None:
    clock = VirtualClock(2.0)
    a100 = FakeGpu("GPU-1", "00000000:17:00.0", "NVIDIA A100-SXM4-40GB", Curve(300.0), 0.1)
    library = Bytes(clock, [a100])
    (meter,) = nvml.open(Path("/"), clock, library, LocalSampler)
    monitor = energy(clock, [meter], device="GPU-1")
    window(monitor, clock, 6.0)
    assert measured(monitor)["watts"] == pytest.approx(300.0, rel=0.03)
    for name in ("GPU-1", "00000000:17:00.0"):
        read = _nvml_state.state_reader(name, library)
        assert read is not None
        assert read().clock_hz == 1.38e9
    assert nvml.power_reader("GPU-1", ["gpu"], library)() == {"gpu": pytest.approx(300.0)}
    monkey = FakeNvml(clock, [a100])
    monkey.nvmlDeviceGetHandleByUUID = None  # type: ignore[assignment,method-assign]
    assert _nvml_state.state_reader("GPU-1", monkey) is None, "conditions go without it"


class Wild(Steady):
    """A meter whose library fails as nobody foresaw."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.id = "wild"
        self.domains = {"rail": self.domains["package-0"].__class__("part", 0.001)}

    def read(self) -> dict[str, float]:
        raise KeyError("energy")

    def start(self, busy: object) -> None:
        raise OSError(5, "Input/output error")

    def close(self) -> None:
        raise RuntimeError("not open")


class Untold(Wild):
    """It does not know what it measures."""

    @property
    def device(self) -> str:  # type: ignore[override]
        raise KeyError("devices")


def test_an_unknown_error_ends_one_meter_and_not_the_run() -> None:
    clock = VirtualClock()
    monitor = energy(clock, [Wild(clock), Steady(clock)], everything=False)
    monitor.infer_periods()
    monitor.idle()
    window(monitor, clock, 2.0)
    monitor.close()
    data = measured(monitor)
    assert data["watts"] == pytest.approx(100.0, rel=1e-3)
    assert data["read_errors"] > 0
    assert "wild: KeyError: 'energy'" in monitor.read_errors


def test_an_unknown_error_at_the_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(root: Path, clock: object) -> list[Base]:
        raise ZeroDivisionError("float division by zero")  # Zeus, PR 203, on odd dies

    monkeypatch.setattr(amdsmi, "open", bad)
    monkeypatch.setattr(hwmon, "open", lambda root, clock: None)
    monkeypatch.setattr(occ, "open", lambda root, clock: [Untold(VirtualClock())])
    trees.intel(tmp_path)
    opened, missing = meters.open_all(tmp_path, VirtualClock())
    assert opened
    assert missing["amdsmi"].reason == "amdsmi: ZeroDivisionError: float division by zero"
    assert missing["hwmon"].reason.startswith("hwmon: TypeError")
    assert missing["occ"].reason == "occ: KeyError: 'devices'"
    assert not any(isinstance(meter, Untold) for meter in opened)


def test_packages_count_beside_seven_of_eight(tmp_path: Path) -> None:
    """What is lost on one side changes nothing on the other."""
    clock = VirtualClock(3.0)
    Powercap(tmp_path, clock, {"intel-rapl:0": ("package-0", Register(socket(100.0)))})
    cards = gpus(clock, *EIGHT[:2])
    monitor = energy(clock, [*rapl.open(tmp_path, clock), *cards], device=EIGHT[0].uuid)
    EIGHT[1].fails = (0.0, 1e9)
    window(monitor, clock, 2.0)
    EIGHT[1].fails = (float("inf"), float("inf"))
    data = measured(monitor)
    assert data["watts"] == pytest.approx(350.0, rel=0.03)
    assert f"{EIGHT[1].uuid}:gpu" not in data["domains"]
