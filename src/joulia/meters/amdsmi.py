"""AMD GPUs through amdsmi: `amdsmi_get_energy_count`, a 64-bit count times its resolution.

An MI250 or MI250X is one card of two dies (GCDs), each a GPU to its users. The energy of both is in
the count of the first; the second tells 0 (Linux, drivers/gpu/drm/amd/pm/swsmu/smu13/
aldebaran_ppt.c: "valid power data is available only from primary die"; Zeus, pull request 203). So
the first die's meter says that it covers the second.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
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
REMEDY = "ROCm brings the amdsmi Python package"
ACCESS = "join the groups video and render"
SECOND = "the second die of a card, whose energy the first die tells, which is not seen here"
TWO_DIES = re.compile(r"\bMI250", re.IGNORECASE)
"""Cards of two dies by their market names. An MI210 has one."""


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


class AmdGpu(Base):
    """One GPU's energy counter."""

    def __init__(self, library: Any, handle: Any, clock: Clock) -> None:
        self.library = library
        self.handle = handle
        self.id = self.device = f"AMD-{library.amdsmi_get_gpu_device_uuid(handle)}"
        self.bus_id = str(library.amdsmi_get_gpu_device_bdf(handle))
        quantum_j = float(self._count()["counter_resolution"]) * MICRO
        self.domains = {"gpu": Domain("gpu", PERIOD_S, quantum_j, SYSTEMATIC_REL)}
        self.sum = Accumulator(f"{self.id}: the counter", None, clock, MOST_WATTS["gpu"])

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
        if not isinstance(raw, int | float):
            raise Unavailable("amdsmi tells no energy accumulator")
        return float(raw) * float(count["counter_resolution"]) * MICRO

    def read(self) -> dict[str, float]:
        return {"gpu": self.sum.update(self.joules())}


def open(root: Path, clock: Clock, library: Any = None) -> list[Base]:
    """Every AMD GPU, each a meter of its own; one that is lost leaves the others."""
    library = library or load()
    try:
        handles = list(library.amdsmi_get_processor_handles())
    except library.AmdSmiException as error:
        raise Missing("unreadable", f"amdsmi: {error}", ACCESS) from None
    if not handles:
        raise Missing("absent", "no AMD GPU", REMEDY)
    gpus = [_gpu(library, index, handle, clock) for index, handle in enumerate(handles)]
    meters = [gpu for gpu in gpus if isinstance(gpu, Lost)] + _cards(
        [gpu for gpu in gpus if isinstance(gpu, AmdGpu)]
    )
    if all(isinstance(meter, Lost) for meter in meters):
        errors = dict.fromkeys(meter.error.reason for meter in meters if isinstance(meter, Lost))
        raise Missing("unreadable", "; ".join(errors), ACCESS)
    return meters


def _gpu(library: Any, index: int, handle: Any, clock: Clock) -> AmdGpu | Lost:
    name = f"the GPU of amdsmi's index {index}"
    try:
        return asked("amdsmi", lambda: AmdGpu(library, handle, clock))
    except Unavailable as error:
        return Lost(name, f"{name}: {error.reason}", ACCESS)


def _cards(gpus: Sequence[AmdGpu]) -> list[Base]:
    """Cards of two dies as one meter each: that of the die which tells the energy of both.

    By bus the second die follows the first. Where a job sees one of the two only, the first says
    that it covers more than is seen, and the second has no meter.
    """
    meters: list[Base] = []
    alone: AmdGpu | None = None
    for gpu in sorted(gpus, key=lambda gpu: bus_key(gpu.bus_id or "") or (0, 0, 0, 0)):
        if not _two_dies(gpu):
            meters.append(gpu)
        elif _counts(gpu):
            gpu.covers = ((f"the other die of {gpu.id}", None),)
            meters.append(gpu)
            alone = gpu
        elif alone is not None:
            alone.covers = ((gpu.id, gpu.bus_id),)
            alone = None
        else:
            meters.append(Lost(gpu.id, f"{gpu.id}: {SECOND}", "let the job see the whole card"))
    return meters


def _two_dies(gpu: AmdGpu) -> bool:
    try:
        name = gpu.library.amdsmi_get_gpu_asic_info(gpu.handle).get("market_name", "")
    except (gpu.library.AmdSmiException, AttributeError):  # older releases have no such call
        return False
    return TWO_DIES.search(str(name)) is not None


def _counts(gpu: AmdGpu) -> bool:
    try:
        return gpu.joules() > 0.0
    except Unavailable:
        return False
