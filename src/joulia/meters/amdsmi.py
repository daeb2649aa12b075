"""AMD GPUs through amdsmi: `amdsmi_get_energy_count`, a 64-bit count times its resolution.

A card may be several GPUs to its users, and has one count of joules whichever of them tells it:

- An MI250 or MI250X has two dies (GCDs). The energy of both is in the count of the first; the
  second tells 0 (Linux, drivers/gpu/drm/amd/pm/swsmu/smu13/aldebaran_ppt.c: "valid power data is
  available only from primary die"; Zeus, pull request 203).
- An MI300 or later may be partitioned (DPX, TPX, QPX, CPX; the memory's NPS1 to NPS4 does not
  matter). Up to ROCm 6.3 every partition reads the card's gpu_metrics and tells the card's joules
  as its own (legacy-rocm-build, issue 4750: eight times 136.0 W), under one UUID, which is made of
  the card's serial number (amdsmi, src/amd_smi/amd_smi.cc). From ROCm 7 on only the first tells
  them, and the others are N/A (amdsmi, issue 132). The number of a partition is the function of
  its PCI address, or all have one address (rocm_smi_lib, changes of 6.1.1).

So a card is one meter, which says which other GPUs it covers. What one die or one partition uses
of it nobody tells. The count of an MI300A is its socket's: processor, GPU and memory (Linux,
smu_v13_0_6_pmfw.h: SocketEnergyAcc beside CcdEnergyAcc, XcdEnergyAcc, HbmEnergyAcc).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Base, Clock, Domain, Lost, Missing, asked
from joulia.meters._counter import Accumulator
from joulia.meters._gpu import bus_key

OF_DEVICES = True
PERIOD_S = 0.001
SYSTEMATIC_REL = 0.05
"""AMD states no bound; the order of magnitude found for NVML is assumed."""
MICRO = 1e-6
NO_COUNT = 2**64 - 1
"""What amdsmi fills in where the driver tells nothing."""
REMEDY = "ROCm brings the amdsmi Python package"
ACCESS = "join the groups video and render"
WHOLE = "let the job see the whole card"
SECOND = "the second die of a card, whose energy the first die tells, which is not seen here"
PARTITION = "a partition of a card, whose energy its first partition tells, which is not seen here"
TWO_DIES = re.compile(r"\bMI250", re.IGNORECASE)
"""Cards of two dies by their market names. An MI210 has one."""
WITH_PROCESSOR = re.compile(r"\bMI300A\b", re.IGNORECASE)
PARTITIONED = ("DPX", "TPX", "QPX", "CPX")


def load() -> Any:
    """amdsmi, started. Raises Missing where there is no ROCm."""
    try:
        library = importlib.import_module("amdsmi")
    except Exception:  # its import loads a shared library, and fails in many ways
        raise Missing("absent", "no amdsmi library", REMEDY) from None
    try:
        library.amdsmi_init()
    except library.AmdSmiException as error:
        raise Missing("absent", f"amdsmi does not start: {error}", REMEDY) from None
    return library


@dataclass(frozen=True)
class Logical:
    """A GPU as its users see it: a card, a die of one, or a partition of one."""

    handle: Any
    id: str
    bus_id: str
    name: str
    """The market name; empty where the release does not tell it."""
    mode: str
    """How its card is partitioned, as SPX or CPX; empty where that is not told."""

    @property
    def is_partition(self) -> bool:
        """Whether it is a part of its card for certain."""
        key = bus_key(self.bus_id)
        return self.mode in PARTITIONED or (key is not None and key[-1] > 0)


class AmdGpu(Base):
    """A card's energy counter, read from one of the GPUs that it shows."""

    def __init__(self, library: Any, logical: Logical, clock: Clock) -> None:
        self.library = library
        self.handle = logical.handle
        self.id = self.device = logical.id
        self.bus_id: str = logical.bus_id
        self.name = logical.name
        self.kind = "module" if WITH_PROCESSOR.search(logical.name) else "gpu"
        self.joules()
        quantum_j = float(self._count()["counter_resolution"]) * MICRO
        self.domains = {self.kind: Domain(self.kind, PERIOD_S, quantum_j, SYSTEMATIC_REL)}
        self.sum = Accumulator(f"{self.id}: the counter", None, clock, MOST_WATTS[self.kind])

    def _count(self) -> dict[str, Any]:
        try:
            count: dict[str, Any] = self.library.amdsmi_get_energy_count(self.handle)
        except self.library.AmdSmiException as error:
            raise Unavailable(f"amdsmi: {error}") from None
        return count

    def joules(self) -> float:
        """The counter as it is."""
        count = self._count()
        # Releases before 6.1 call the accumulator "power".
        raw = count.get("energy_accumulator", count.get("power"))
        if not isinstance(raw, int | float) or raw >= NO_COUNT:
            raise Unavailable("amdsmi tells no energy accumulator")
        return float(raw) * float(count["counter_resolution"]) * MICRO

    def read(self) -> dict[str, float]:
        return {self.kind: self.sum.update(self.joules())}


def open(root: Path, clock: Clock, library: Any = None) -> list[Base]:
    """Every AMD card, each a meter of its own; one that is lost leaves the others."""
    library = library or load()
    try:
        handles = list(library.amdsmi_get_processor_handles())
    except library.AmdSmiException as error:
        raise Missing("unreadable", f"amdsmi: {error}", ACCESS) from None
    if not handles:
        raise Missing("absent", "no AMD GPU", REMEDY)
    found = [_logical(library, index, handle) for index, handle in enumerate(handles)]
    lost: list[Base] = [gpu for gpu in found if isinstance(gpu, Lost)]
    cards = [
        _card(library, parts, clock)
        for parts in _by_card([gpu for gpu in found if isinstance(gpu, Logical)])
    ]
    lost += [card for card in cards if isinstance(card, Lost)]
    meters = lost + _pairs([card for card in cards if isinstance(card, AmdGpu)])
    if all(isinstance(meter, Lost) for meter in meters):
        errors = dict.fromkeys(meter.error.reason for meter in meters if isinstance(meter, Lost))
        raise Missing("unreadable", "; ".join(errors), ACCESS)
    return meters


def _logical(library: Any, index: int, handle: Any) -> Logical | Lost:
    name = f"the GPU of amdsmi's index {index}"
    try:
        return asked("amdsmi", lambda: _described(library, handle))
    except Unavailable as error:
        return Lost(name, f"{name}: {error.reason}", ACCESS)


def _described(library: Any, handle: Any) -> Logical:
    """What a GPU tells of itself. Raises Unavailable where it tells no name."""
    try:
        uuid = library.amdsmi_get_gpu_device_uuid(handle)
        bus_id = str(library.amdsmi_get_gpu_device_bdf(handle))
    except library.AmdSmiException as error:
        raise Unavailable(f"amdsmi: {error}") from None
    try:
        name = str(library.amdsmi_get_gpu_asic_info(handle).get("market_name", ""))
    except (library.AmdSmiException, AttributeError):  # older releases have no such call
        name = ""
    try:
        mode = str(library.amdsmi_get_gpu_compute_partition(handle)).upper()
    except (library.AmdSmiException, AttributeError):  # nor what is not partitioned
        mode = ""
    return Logical(handle, f"AMD-{uuid}", bus_id, name, mode)


def _by_card(gpus: Sequence[Logical]) -> list[list[Logical]]:
    """GPUs by the card that they are parts of: those in one PCI slot."""
    cards: dict[object, list[Logical]] = {}
    for gpu in gpus:
        key = bus_key(gpu.bus_id)
        cards.setdefault(key[:3] if key else gpu.bus_id, []).append(gpu)
    return list(cards.values())


def _card(library: Any, parts: Sequence[Logical], clock: Clock) -> AmdGpu | Lost:
    """A card as the first of its parts that tells joules; it covers the others."""
    reasons = []
    for part in parts:
        try:
            meter = asked("amdsmi", partial(AmdGpu, library, part, clock))
        except Unavailable as error:
            reasons.append(error.reason)
            continue
        meter.covers = _others(part, parts)
        return meter
    first = parts[0]
    if first.is_partition and len(parts) == 1:
        return Lost(first.id, f"{first.id}: {PARTITION}", WHOLE)
    return Lost(first.id, f"{first.id}: {reasons[0]}", ACCESS)


def _others(teller: Logical, parts: Sequence[Logical]) -> tuple[tuple[str, str | None], ...]:
    """The other partitions of a card, by names and addresses that tell them apart from its own."""
    if len(parts) == 1 and teller.is_partition:
        return ((f"the other partitions of {teller.id}", None),)
    return tuple(
        (
            part.id if part.id != teller.id else f"{teller.id} partition {number}",
            part.bus_id if part.bus_id != teller.bus_id else None,
        )
        for number, part in enumerate(parts)
        if part is not teller
    )


def _pairs(cards: Sequence[AmdGpu]) -> list[Base]:
    """Cards of two dies as one meter each: that of the die which tells the energy of both.

    By bus the second die follows the first. Where a job sees one of the two only, the first says
    that it covers more than is seen, and the second has no meter.
    """
    meters: list[Base] = []
    alone: AmdGpu | None = None
    for gpu in sorted(cards, key=lambda gpu: bus_key(gpu.bus_id) or (0, 0, 0, 0)):
        if not TWO_DIES.search(gpu.name):
            meters.append(gpu)
        elif _counts(gpu):
            gpu.covers = ((f"the other die of {gpu.id}", None),)
            meters.append(gpu)
            alone = gpu
        elif alone is not None:
            alone.covers = ((gpu.id, gpu.bus_id),)
            alone = None
        else:
            meters.append(Lost(gpu.id, f"{gpu.id}: {SECOND}", WHOLE))
    return meters


def _counts(gpu: AmdGpu) -> bool:
    try:
        return gpu.joules() > 0.0
    except Unavailable:
        return False
