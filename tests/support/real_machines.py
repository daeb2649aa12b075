"""Trees and stand-ins of real machines, each after the listing or kernel source that it names.

Their counters move on a virtual clock, in the units and at the ranges of the machine, and are read
one after the other as files are: each read takes `READ_S`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trees
from virtual import Curve, VirtualClock

from joulia.meters import rapl

READ_S = 20e-6
"""Reading energy_uj asks a core of the package for its register."""
INTEL_J, AMD_J = 2.0**-14, 2.0**-16
"""One count of a register: 61 uJ on Intel's servers and clients, 15.3 uJ on AMD's."""
RANGES_UJ = {INTEL_J: 262_143_328_850, AMD_J: 65_532_610_987}
"""max_energy_range_uj as these machines list it."""


@dataclass
class Register:
    """One energy register of 32 bits: what the kernel reads from it, in microjoules."""

    curve: Curve
    unit_j: float = INTEL_J
    start_j: float = 1000.0
    dead: bool = False

    def counts(self, t: float) -> int:
        return 0 if self.dead else int((self.start_j + self.curve.joules(t)) / self.unit_j)

    def joules(self, t: float) -> float:
        return self.counts(t) * self.unit_j

    def uj(self, t: float) -> int:
        return int((self.counts(t) % 2**32) * self.unit_j * 1e6)

    def reset(self, t: float) -> None:
        self.start_j = -self.curve.joules(t)

    def step_back(self, joules: float) -> None:
        self.start_j -= joules


@dataclass
class Powercap:
    """Zones of /sys/class/powercap by key, each a view of a register that is updated every ms."""

    root: Path
    clock: VirtualClock
    zones: Mapping[str, tuple[str, Register]]
    files: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trees.node(self.root)
        for key, (name, register) in self.zones.items():
            trees.zone(self.root, key, name, range_uj=RANGES_UJ[register.unit_j])
            path = self.root / "sys/class/powercap" / key / "energy_uj"
            self.files[key] = os.open(path, os.O_WRONLY)
        self.update()
        self.clock.every(0.001, self.update)

    def update(self) -> None:
        for key, (_, register) in self.zones.items():
            os.pwrite(self.files[key], f"{register.uj(self.clock.now):>20d}\n".encode(), 0)


class PerfEvents:
    """perf_event_open: a descriptor of which each read gives a count since it was opened.

    `register` gives that of a core and a config; counts are in units of 2^-32 J, as rapl_pmu's.
    """

    COPIES = 256

    def __init__(self, clock: VirtualClock, register: Callable[[int, int], Register]) -> None:
        self.clock = clock
        self.register = register
        self.open: dict[int, tuple[Register, float]] = {}
        self.opened: list[tuple[int, int, int]] = []
        clock.every(0.001, self.update)

    def __call__(self, kind: int, config: int, cpu: int) -> int:
        self.opened.append((kind, config, cpu))
        self.clock.sleep(READ_S)
        register = self.register(cpu, config)
        descriptor = os.memfd_create("event")
        self.open[descriptor] = register, register.joules(self.clock.now)
        self.update()
        return descriptor

    def update(self) -> None:
        for descriptor, (register, before) in self.open.items():
            count = round((register.joules(self.clock.now) - before) * 2**32)
            os.pwrite(descriptor, struct.pack("=Q", count) * self.COPIES, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)

    def close(self) -> None:
        for descriptor in self.open:
            os.close(descriptor)


def takes_time(monkeypatch: pytest.MonkeyPatch, clock: VirtualClock) -> None:
    """Each read of a zone takes a while, in which its register may be updated."""
    number = rapl.number

    def slow(path: Path) -> int:
        clock.sleep(READ_S)
        return number(path)

    monkeypatch.setattr(rapl, "number", slow)


def socket(watts: float, phase: float = 0.0) -> Curve:
    """A socket's power: never quite the same in two updates, nor on two sockets."""
    return Curve(watts, 0.05 * watts, 0.37, phase)


def threadripper_1950x() -> dict[str, tuple[str, Register]]:
    """Two dies, each with a zone of its own, and one register (CodeCarbon, issue 1274).

    `package-0-die-0: 68 W | package-0-die-1: 68 W`, at the plug 125 W.
    """
    register = Register(socket(68.0), AMD_J)
    core = Register(socket(12.0), AMD_J)
    return {
        "intel-rapl:0": ("package-0-die-0", register),
        "intel-rapl:0:0": ("core", core),
        "intel-rapl:1": ("package-0-die-1", register),
        "intel-rapl:1:0": ("core", core),
    }


def epyc_zen4(watts: Sequence[float]) -> dict[str, tuple[str, Register]]:
    """Eight CCDs a socket, a zone each: `ls /sys/class/powercap` in Linux 26096aed255f, "Before".

    "On an AMD 2 socket 8 CCD Zen4 server": intel-rapl:0 to intel-rapl:f, each with a `:0`, core.
    """
    zones: dict[str, tuple[str, Register]] = {}
    for package, power in enumerate(watts):
        register = Register(socket(power, float(package)), AMD_J, 500.0 * (package + 1))
        for die in range(8):
            key = f"intel-rapl:{8 * package + die:x}"
            zones[key] = (f"package-{package}-die-{die}", register)
            zones[f"{key}:0"] = ("core", Register(socket(3.0, die), AMD_J))
    return zones


def cascade_lake_ap() -> dict[str, tuple[str, Register]]:
    """Two dies a package that count apart (Linux 26096aed255f: "CLX-AP platform has per-DIE")."""
    zones: dict[str, tuple[str, Register]] = {}
    for number, watts in enumerate((150.0, 150.0, 148.0, 151.0)):
        name = f"package-{number // 2}-die-{number % 2}"
        zones[f"intel-rapl:{number}"] = (name, Register(socket(watts, 1.1 * number)))
        zones[f"intel-rapl:{number}:0"] = ("dram", Register(socket(14.0 + number, number)))
    return zones


def laptop(package_w: float, psys: Register) -> dict[str, tuple[str, Register]]:
    """An i7-8550U's zones (powercap, issue 3): core, uncore and dram below, psys beside."""
    return {
        "intel-rapl:0": ("package-0", Register(socket(package_w))),
        "intel-rapl:0:0": ("core", Register(socket(0.3 * package_w))),
        "intel-rapl:0:1": ("uncore", Register(socket(0.1 * package_w))),
        "intel-rapl:0:2": ("dram", Register(socket(0.9))),
        "intel-rapl:1": ("psys", psys),
    }


def four_sockets() -> dict[str, tuple[str, Register]]:
    """Zones in the order in which the kernel found the sockets: intel-rapl:0 is package-3.

    As a server of four Xeons lists them ("smp01": package-3 to package-0, each with dram).
    """
    zones: dict[str, tuple[str, Register]] = {}
    for number in range(4):
        power = 80.0 + 10.0 * number
        zones[f"intel-rapl:{number}"] = (f"package-{3 - number}", Register(socket(power, number)))
        zones[f"intel-rapl:{number}:0"] = ("dram", Register(socket(20.0 + number, number)))
    return zones


OPENPOWER_W = {
    "Chip 0": 157.0,
    "Chip 0 Vdd": 113.0,
    "Chip 0 Vdn": 12.0,
    "Chip 8": 99.0,
    "Chip 8 Vdd": 62.0,
    "Chip 8 Vdn": 12.0,
    "System": 426.0,
    "APSS 1": 127.0,
    "APSS 2": 71.0,
    "APSS 5": 31.0,
    "APSS 6": 29.0,
    "APSS 15": 426.0,
}
"""A POWER9 server without GPUs: watts as `sensors` lists them ("Hwmon sensors in P9")."""


def openpower9(root: Path, clock: VirtualClock) -> Path:
    """Its hwmon folder, driver ibmpowernv, whose counters move every 40 ms."""
    folder = trees.node(root) / "sys/class/hwmon/hwmon0"
    trees.put(folder, {"name": "ibmpowernv"})
    files: dict[str, int] = {}
    for number, label in enumerate(OPENPOWER_W, 1):
        for kind in ("power", "energy"):
            name = f"{kind}{number}_input"
            trees.put(folder, {name: 0, f"{kind}{number}_label": f"{label} "})
            files[name] = os.open(folder / name, os.O_WRONLY)

    def update() -> None:
        for number, watts in enumerate(OPENPOWER_W.values(), 1):
            values = {"power": watts, "energy": watts * (clock.now + 5e4)}
            for kind, value in values.items():
                line = f"{round(value * 1e6):>24d}\n".encode()
                os.pwrite(files[f"{kind}{number}_input"], line, 0)

    update()
    clock.every(0.04, update)
    return folder


class AmdSmiException(Exception):
    pass


@dataclass
class Die:
    """A GPU as amdsmi shows it; `watts` None for a second die, whose count stays 0."""

    uuid: str
    bdf: str
    watts: float | None
    market_name: str = "AMD INSTINCT MI250X"
    lost: bool = False
    mode: str | None = None
    """How its card is partitioned; None where amdsmi does not tell."""
    untold: int | str | None = None
    """What stands in place of its count, where the card's is told by another partition only."""


class AmdSmi:
    """amdsmi over cards of dies. Each MI250X: "powers=[89000, 0, 93000, 0, ...]" (Zeus, PR 203)."""

    AmdSmiException = AmdSmiException

    def __init__(
        self, clock: Callable[[], float], dies: Sequence[Die], key: str = "energy_accumulator"
    ) -> None:
        self.clock = clock
        self.dies = list(dies)
        self.key = key

    def amdsmi_get_processor_handles(self) -> list[Die]:
        return self.dies

    def amdsmi_get_gpu_device_uuid(self, die: Die) -> str:
        return die.uuid

    def amdsmi_get_gpu_device_bdf(self, die: Die) -> str:
        return die.bdf

    def amdsmi_get_gpu_asic_info(self, die: Die) -> dict[str, Any]:
        return {"market_name": die.market_name}

    def amdsmi_get_gpu_compute_partition(self, die: Die) -> str:
        if die.mode is None:
            raise AmdSmiException("AMDSMI_STATUS_NOT_SUPPORTED")
        return die.mode

    def amdsmi_get_energy_count(self, die: Die) -> dict[str, Any]:
        if die.lost:
            raise AmdSmiException("device lost")
        if die.untold is not None:
            return {self.key: die.untold, "counter_resolution": 15.3, "timestamp": 1}
        joules = (die.watts or 0.0) * (self.clock() + 1000.0)
        return {self.key: int(joules / 15.3e-6), "counter_resolution": 15.3, "timestamp": 1}


FRONTIER = ("c1", "c6", "c9", "ce", "d1", "d6", "d9", "de")
"""PCI buses of the eight GCDs of a Frontier node, as its users' guide lists them."""


def frontier(watts: Sequence[float] = (89.0, 93.0, 88.0, 88.0)) -> list[Die]:
    return [
        Die(
            f"{number:02x}ff74bc-0000-1000-8000-00000000000{number}",
            f"0000:{bus}:00.0",
            watts[number // 2] if number % 2 == 0 else None,
        )
        for number, bus in enumerate(FRONTIER)
    ]


def mi300x_cpx(watts: Sequence[float] = (131.0, 136.0)) -> list[Die]:
    """MI300X in CPX and NPS1: each of a card's eight partitions tells the card's power as its own.

    "16 18 0x74a1, 57602 46.0°C 136.0W NPS1, CPX, 0" to "CPX, 7" (ROCm/legacy-rocm-build, issue
    4750, ROCm 6.3). One UUID a card, of its serial number, and partitions by the function of the
    address ("bits [2:0] = Function (partition id maybe in bits [2:0])": ROCm/amdsmi, CHANGELOG.md).
    """
    return [
        Die(f"{card}bff74a1-0000-1000-8000-0000000000{card:02}", f"0000:{bus}:00.{number}",
            watts[card], "AMD Instinct MI300X", mode="CPX")
        for card, bus in enumerate(("05", "26")[: len(watts)])
        for number in range(8)
    ]  # fmt: skip


def mi300x_dpx(untold: int | str = "N/A") -> list[Die]:
    """MI300X in DPX: the second partition's power is N/A (ROCm/amdsmi, issue 132, ROCm 7.0.2).

    "0000:05:00.0 AMD Instinct MI300X ... 142/750 W ... DPX/NPS1", "0000:05:00.1 ... N/A ... N/A",
    "0000:26:00.0 ... 141/750 W". Each has a UUID of its own here, and does not tell its mode.
    """
    cards = (("05", 142.0), ("26", 141.0))
    return [
        Die(f"{bus}{number}f74a1-0000-1000-8000-00000000000{number}", f"0000:{bus}:00.{number}",
            watts, "AMD Instinct MI300X", mode="N/A" if number else "DPX",
            untold=untold if number else None)
        for bus, watts in cards
        for number in range(2)
    ]  # fmt: skip


def mi300a_tpx(watts: float = 220.0) -> list[Die]:
    """One MI300A of four in TPX: "0001:01:00.0" three times, partitions 0 to 2 (rocm_smi_lib,
    CHANGELOG.md, ROCm 6.1.1)."""
    return [
        Die("19ff74a0-0000-1000-8000-000000000001", "0001:01:00.0", watts, "AMD Instinct MI300A",
            mode="TPX")
        for _ in range(3)
    ]  # fmt: skip
