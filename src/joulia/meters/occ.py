"""POWER9's on-chip controller (OCC) through the ibmpowernv driver, as in the IBM AC922.

Labels are those of skiboot's hw/occ-sensor.c. `System` is the whole node, DC, behind the power
supply. `Chip n` is a socket, `Chip n Vdd` and `Chip n Vdn` lie inside it; `Chip n Memory` and
`Chip n GPU` lie beside it, as do `Fan`, `IO` and `Storage`, of which nobody says where they end.
`APSS n` are the channels that the others are made of, and are left out. Old kernels (RHEL 7) tell
power only: it is sampled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Base, Clock, Domain, Missing, domain_id, read_each
from joulia.meters._counter import Accumulator
from joulia.meters._files import nothing, number, state
from joulia.meters._sampled import ProcessSampler, Reader, Sampled, Sampler, Sampling
from joulia.system.files import text

HWMON = "sys/class/hwmon"
PERIOD_S = 0.04
WRAP_J = 2**64 / 2000 * 1e-6
"""The driver multiplies a 64-bit count: 9.22 GJ."""
SYSTEMATIC_REL = 0.05
"""IBM states no bound for these sensors; the order of magnitude found for NVML is assumed."""
KINDS = (
    (r"System", "node"),
    (r"Chip \d+", "package"),
    (r"Chip \d+ Memory", "dram"),
    (r"Chip \d+ GPU", "gpus"),
    (r"Chip \d+ Vd[dn]", "part"),
    (r"(Chip \d+ )?(Fan|IO|Storage)", "part"),
)
REMEDY = "POWER9 on bare metal (PowerNV) has it: modprobe ibmpowernv"


def kind_of(label: str) -> str | None:
    """What a label covers; None for labels that repeat others."""
    return next((kind for pattern, kind in KINDS if re.fullmatch(pattern, label)), None)


class Occ(Base):
    """The OCC's energy counters, and the sampled power of the same sensors as a cross-check."""

    def __init__(
        self,
        name: str,
        files: dict[str, Path],
        lost: Mapping[str, str],
        clock: Clock,
        sampler: Sampler | None,
    ) -> None:
        self.id = name
        self.files = files
        self.sums = {label: Accumulator(label, WRAP_J, clock, most_w(label)) for label in files}
        self.domains = {label: domain(label) for label in files}
        self.not_covered = uncovered(files, lost)
        self.sampler = sampler

    @property
    def wraps(self) -> int:
        return sum(s.wraps for s in self.sums.values())

    def read(self) -> dict[str, float]:
        return read_each({label: partial(self._joules, label) for label in self.files})

    def _joules(self, label: str) -> float:
        return self.sums[label].update(number(self.files[label]) * 1e-6)

    def start(self, busy: Collection[int]) -> None:
        if self.sampler is not None:
            try:
                self.sampler.start(busy)
            except Unavailable:
                self.sampler = None  # the counter does without its cross-check

    def check(self) -> dict[str, float]:
        return self.sampler.joules() if self.sampler else {}

    def cost_s(self) -> float:
        return self.sampler.cost_s() if self.sampler else 0.0

    def close(self) -> None:
        if self.sampler is not None:
            self.sampler.close()


def domain(label: str) -> Domain:
    return Domain(kind_of(label) or "part", PERIOD_S, 1e-6, SYSTEMATIC_REL)


def most_w(label: str) -> float:
    return MOST_WATTS[kind_of(label) or "part"]


def uncovered(labels: Iterable[str], lost: Mapping[str, str]) -> tuple[str, ...]:
    """What the labels leave out; the `lost` ones with the reason, where the node is not told."""
    kinds = {kind_of(label) for label in labels}
    if "node" in kinds:
        return ("power supply loss",)
    missing = tuple(f"{label} ({how})" for label, how in lost.items() if kind_of(label) != "part")
    memory = () if "dram" in kinds else ("memory (no sensor)",)
    return (*missing, *memory, "power supply loss", "network card", "fans")


def sensors(folder: Path, quantity: str) -> tuple[dict[str, Path], dict[str, str]]:
    """The readable files of a quantity (`energy`, `power`) by label, and why others are not."""
    files: dict[str, Path] = {}
    lost: dict[str, str] = {}
    for file in sorted(folder.glob(f"{quantity}*_input"), key=_number):
        label = text(file.with_name(file.name.replace("_input", "_label")))
        if label is None or kind_of(label) is None or label in files:
            continue
        enabled = text(file.with_name(file.name.replace("_input", "_enable")))
        if enabled == "0":
            lost[label] = "switched off"
        elif (how := state(file)) != "found":
            lost[label] = how
        else:
            files[label] = file
    return files, lost


def _number(file: Path) -> int:
    return int(re.sub(r"\D", "", file.name) or "0")


def power_reader(files: dict[str, str]) -> Callable[[], dict[str, float]]:
    """Watts by label from files in microwatts."""
    readers = {label: partial(_watts, Path(file)) for label, file in files.items()}
    return partial(read_each, readers)


def _watts(path: Path) -> float:
    return number(path) * 1e-6


def files_reader(files: Mapping[str, str], most_w: Mapping[str, float]) -> Reader:
    """How to read power by label from files in microwatts; `most_w` bounds each."""

    def narrow(labels: Collection[str]) -> Reader:
        return files_reader({k: file for k, file in files.items() if k in labels}, most_w)

    names = dict(files)
    return Reader(power_reader(names), f"{__name__}:power_reader", [names], most_w, narrow)


def powers(files: dict[str, Path], clock: Clock, sampling: Sampling) -> Sampler:
    names = {label: str(path) for label, path in files.items()}
    return sampling(files_reader(names, {k: most_w(k) for k in names}), PERIOD_S, clock)


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """The node's OCC sensors as one meter."""
    folder = next(
        (p for p in sorted((root / HWMON).glob("hwmon*")) if text(p / "name") == "ibmpowernv"), None
    )
    if folder is None:
        raise nothing(root, "no POWER9 sensors (ibmpowernv)", REMEDY)
    name = domain_id(root, "ibmpowernv")
    energy, no_energy = sensors(folder, "energy")
    power, no_power = sensors(folder, "power")
    if totals(energy):
        same = {label: file for label, file in power.items() if kind_of(label) == "node"}
        sampler = powers(same, clock, sampling) if same else None
        return [Occ(name, energy, no_energy, clock, sampler)]
    if totals(power):
        # Each file costs the sampler time: the node alone where it is told, else its sum.
        node = {label: file for label, file in power.items() if kind_of(label) == "node"}
        power = node or {k: file for k, file in power.items() if kind_of(k) != "part"}
        meter = Sampled(
            name, {label: domain(label) for label in power}, powers(power, clock, sampling)
        )
        meter.not_covered = uncovered(power, no_power)
        return [meter]
    raise _lost(no_energy | no_power)


def totals(labels: Iterable[str]) -> bool:
    """Whether the labels make up a node or its sockets."""
    return any(kind_of(label) in ("node", "package") for label in labels)


def _lost(lost: dict[str, str]) -> Missing:
    if "switched off" in lost.values():
        return Missing(
            "unreadable",
            "the POWER9 sensors are switched off",
            "an administrator writes 1 into the energyN_enable and powerN_enable files",
        )
    if "unreadable" in lost.values():
        return Missing("unreadable", "the POWER9 sensors", "an administrator can give read access")
    return Missing("absent", "the ibmpowernv driver tells no power", "update the firmware")
