"""AMD GPUs through amdsmi: `amdsmi_get_energy_count`, a 64-bit count times its resolution."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing

PERIOD_S = 0.001
SYSTEMATIC_REL = 0.05
"""AMD states no bound; the order of magnitude found for NVML is assumed."""
MICRO = 1e-6
REMEDY = "ROCm brings the amdsmi Python package"


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

    def __init__(self, library: Any, handle: Any) -> None:
        self.library = library
        self.handle = handle
        self.id = self.device = f"AMD-{library.amdsmi_get_gpu_device_uuid(handle)}"
        self.bus_id = str(library.amdsmi_get_gpu_device_bdf(handle))
        count = self._count()
        quantum_j = float(count["counter_resolution"]) * MICRO
        self.domains = {"gpu": Domain("gpu", PERIOD_S, quantum_j, SYSTEMATIC_REL)}

    def _count(self) -> dict[str, Any]:
        try:
            count: dict[str, Any] = self.library.amdsmi_get_energy_count(self.handle)
        except self.library.AmdSmiException as error:
            raise Unavailable(f"amdsmi: {error}") from None
        return count

    def read(self) -> dict[str, float]:
        count = self._count()
        # Releases before 6.1 call the accumulator "power".
        raw = count.get("energy_accumulator", count.get("power"))
        if raw is None:
            raise Unavailable("amdsmi tells no energy accumulator")
        return {"gpu": float(raw) * float(count["counter_resolution"]) * MICRO}


def open(root: Path, clock: Clock, library: Any = None) -> list[AmdGpu]:
    """Every AMD GPU, each a meter of its own."""
    library = library or load()
    try:
        gpus = [AmdGpu(library, handle) for handle in library.amdsmi_get_processor_handles()]
    except (library.AmdSmiException, Unavailable) as error:
        raise Missing(
            "unreadable", f"amdsmi: {error}", "join the groups video and render"
        ) from None
    if not gpus:
        raise Missing("absent", "no AMD GPU", REMEDY)
    return gpus
