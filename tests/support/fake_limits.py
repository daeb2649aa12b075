"""NVML's limits of a stand-in GPU, kept in a file as a driver keeps them: all processes see one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fake_nvml import FakeGpu, FakeNvml, NVMLError

LIMITS_MW = (100_000, 250_000)
"""Least and most of a V100 for PCIe, as `nvidia-smi -q -d POWER` lists them."""
CLOCKS_MHZ = tuple(range(1380, 134, -15))
FILE = "run/fake-limits.json"


class LimitedNvml(FakeNvml):
    """With the functions of pynvml that read and set limits; `permits` as a driver permits root."""

    def __init__(
        self, clock: Callable[[], float], gpus: Sequence[FakeGpu], root: Path, permits: bool = True
    ) -> None:
        super().__init__(clock, gpus)
        self.file = root / FILE
        self.permits = permits

    def kept(self, gpu: FakeGpu) -> dict[str, int]:
        known = json.loads(self.file.read_text()) if self.file.is_file() else {}
        kept: dict[str, int] = known.get(gpu.uuid, {"power": LIMITS_MW[1], "clock": 0})
        return kept

    def keep(self, gpu: FakeGpu, **changed: int) -> None:
        if not self.permits:
            raise NVMLError("Insufficient Permissions")
        known = json.loads(self.file.read_text()) if self.file.is_file() else {}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(known | {gpu.uuid: self.kept(gpu) | changed}))

    def nvmlDeviceGetPowerManagementLimitConstraints(self, gpu: FakeGpu) -> list[int]:
        return list(LIMITS_MW)

    def nvmlDeviceGetPowerManagementLimit(self, gpu: FakeGpu) -> int:
        return self.kept(gpu)["power"]

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:
        return self.kept(gpu)["power"]

    def nvmlDeviceSetPowerManagementLimit(self, gpu: FakeGpu, milliwatts: int) -> None:
        if not LIMITS_MW[0] <= milliwatts <= LIMITS_MW[1]:
            raise NVMLError("Invalid Argument")
        self.keep(gpu, power=milliwatts)

    def nvmlDeviceGetSupportedMemoryClocks(self, gpu: FakeGpu) -> list[int]:
        return [877]

    def nvmlDeviceGetSupportedGraphicsClocks(self, gpu: FakeGpu, memory: int) -> list[int]:
        assert memory == 877
        return list(CLOCKS_MHZ)

    def nvmlDeviceSetGpuLockedClocks(self, gpu: FakeGpu, least: int, most: int) -> None:
        assert least == most
        self.keep(gpu, clock=most)

    def nvmlDeviceResetGpuLockedClocks(self, gpu: FakeGpu) -> None:
        self.keep(gpu, clock=0)

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:
        return self.kept(gpu)["clock"] or super().nvmlDeviceGetClockInfo(gpu, kind)


def seen(library: LimitedNvml) -> Any:
    """The limits of its first GPU: (milliwatts, megahertz or 0)."""
    kept = library.kept(library.gpus[0])
    return kept["power"], kept["clock"]
