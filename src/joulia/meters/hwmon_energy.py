"""Energy counters of Linux' hwmon (`energyN_input`): Intel GPUs, amd_energy, rails.

`xe` tells a GPU's `card` and, inside it, `pkg`; `i915` the whole device, and each tile as a device
of its own (`i915_gt0`). One level is counted. `amd_energy` has `EsocketN`, and `EcoreNNN` for every
core, which nobody counts and which therefore are not read. Other drivers (ina228, ltc2947, ...)
count a rail of unknown nesting: shown, never added up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Base, Clock, Domain, Missing, domain_id, read_each
from joulia.meters._counter import Accumulator
from joulia.meters._files import nothing, number, state
from joulia.meters._rapl_gain import MODELLED_REL
from joulia.meters.hwmon import attribute, folders, numbered

PERIOD_S = 0.1
"""Drivers pass a register on, and tell no rate. The real one is watched before a measurement."""
SYSTEMATIC_REL = 0.05
"""Their makers state no bound; the order of magnitude found for NVML is assumed. The sockets that
amd_energy tells are RAPL's, and a model's (`_rapl_gain`)."""
ELSEWHERE = ("ibmpowernv", "amdgpu")
"""Drivers that another meter reads."""
FILES = "energy*_input"
INTEL = re.compile(r"xe|i915(_gt\d+)?")
BEHIND_J = 2**32 * 2.0**-14
"""Intel's registers have 32 bits, of 61 uJ in the drivers' own example, and their drivers see a
wrap when they are read (Linux, hwm_energy() in drivers/gpu/drm/i915/i915_hwmon.c: "1000 watts:
4.36 minutes", and xe_hwmon_energy_get()). amd_energy's has a thread that reads."""
CARD, PACKAGE = "energy1", "energy2"
"""Of xe (Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon); some GPUs have one of the two."""


@dataclass(frozen=True)
class Counter:
    """An energy file, what it is called and covers, and the GPU that it is of (PCI bus id)."""

    file: Path
    name: str
    kind: str
    bus_id: str | None = None


class HwmonEnergy(Base):
    """Counters of a node, or of one GPU, in microjoules."""

    def __init__(self, name: str, counters: list[Counter], clock: Clock) -> None:
        self.id = name
        self.counters = counters
        # The kernel extends registers to 64 bits, or does not say where they wrap.
        self.sums = {
            c.name: Accumulator(
                c.name, None, clock, MOST_WATTS["gpu" if c.bus_id else c.kind],
                BEHIND_J if c.bus_id else None,
            )
            for c in counters
        }  # fmt: skip
        self.poll_s = min((s.poll_s for s in self.sums.values() if s.poll_s), default=None)
        self.domains = {
            counter.name: Domain(
                counter.kind,
                PERIOD_S,
                1e-6,
                MODELLED_REL if counter.kind == "package" else SYSTEMATIC_REL,
            )
            for counter in counters
        }

    def read(self) -> dict[str, float]:
        return read_each(
            {counter.name: partial(self._joules, counter) for counter in self.counters}
        )

    def _joules(self, counter: Counter) -> float:
        return self.sums[counter.name].read(lambda: number(counter.file) * 1e-6)


def open(root: Path, clock: Clock) -> list[HwmonEnergy]:
    """The node's counters as one meter, and each Intel GPU as one of its own."""
    counters = [counter for folder in folders(root) for counter in counters_of(folder)]
    readable: list[Counter] = []
    lost: list[Counter] = []
    for counter in counters:
        (readable if state(counter.file) == "found" else lost).append(counter)
    if not counters:
        raise nothing(root, "no energy counter (hwmon)", "Intel's GPUs and some boards have one")
    if not readable:
        # amd_energy's are for root and its group: CVE-2020-12912.
        names = ", ".join(counter.name for counter in lost)
        raise Missing(
            "unreadable", f"energy counters ({names})", "an administrator can give read access"
        )
    meters = []
    for bus_id in sorted({counter.bus_id or "" for counter in readable}):
        own = [counter for counter in readable if (counter.bus_id or "") == bus_id]
        meters.append(gpu(root, bus_id, own, clock) if bus_id else node(root, own, clock))
    meters[0].not_covered += tuple(f"{counter.name} (unreadable)" for counter in lost)
    return meters


def node(root: Path, counters: list[Counter], clock: Clock) -> HwmonEnergy:
    meter = HwmonEnergy(domain_id(root, "hwmon_energy"), counters, clock)
    meter.not_covered = ("power supply loss", "DRAM", "network card", "disks and fans")
    return meter


def gpu(root: Path, bus_id: str, counters: list[Counter], clock: Clock) -> HwmonEnergy:
    """One level of a GPU: the card where it counts, else its package; the rest is parts."""
    whole = sorted((c for c in counters if c.kind == "gpu"), key=_stands_still)
    kept = [
        counter if counter in whole[:1] else replace(counter, kind="part") for counter in counters
    ]
    meter = HwmonEnergy(domain_id(root, f"intel-gpu/{bus_id}"), kept, clock)
    meter.device, meter.bus_id = f"INTEL-{bus_id}", bus_id
    return meter


def _stands_still(counter: Counter) -> bool:
    """Whether a counter is still at 0; a GPU has drawn something since its driver came up."""
    try:
        return number(counter.file) == 0
    except Unavailable:
        return True


def counters_of(folder: Path) -> list[Counter]:
    """The energy counters of one hwmon device that tell more than one core."""
    driver = attribute(folder, "name") or folder.name
    if driver.startswith(ELSEWHERE):
        return []
    files = [*folder.glob(FILES)] or [*(folder / "device").glob(FILES)]
    counters = []
    for file in sorted(files, key=lambda file: numbered(file.name)):
        stem = file.name.partition("_")[0]
        label = attribute(folder, f"{stem}_label")
        if INTEL.fullmatch(driver):
            counters.append(intel(folder, file, driver, label))
        elif driver != "amd_energy":
            counters.append(Counter(file, f"{driver} {label or stem} ({folder.name})", "part"))
        elif label and label.startswith("Esocket"):
            counters.append(Counter(file, label, "package"))
    return counters


def intel(folder: Path, file: Path, driver: str, label: str | None) -> Counter:
    """A counter of an Intel GPU, whose PCI bus id is the name of its device."""
    bus_id = (folder / "device").resolve().name
    stem = file.name.partition("_")[0]
    if driver != "xe":
        return Counter(file, driver, "gpu" if driver == "i915" else "part", bus_id)
    return Counter(file, label or {CARD: "card", PACKAGE: "pkg"}.get(stem, stem), "gpu", bus_id)
