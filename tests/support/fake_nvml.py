"""A fake NVML driven by power curves, with update period, averaging window, gain and faults.

Functions, units and the numbers of fields and scopes are those of NVIDIA's nvml.h (field 186,
NVML_FI_DEV_POWER_INSTANT; scopes 0 and 1, NVML_POWER_SCOPE_GPU and _MODULE), their Python names
those of nvidia-ml-py; what a sensor averages and how often is told in arXiv 2312.02741.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from virtual import Curve

CONSTANT = Curve(250.0)


class NVMLError(Exception):
    pass


@dataclass
class FakeGpu:
    uuid: str
    bus_id: str = "00000000:01:00.0"
    name: str = "Tesla V100-SXM2-32GB"
    curve: Curve = CONSTANT
    period_s: float = 0.02
    phase_s: float = 0.0
    average_s: float = 0.0
    gain: float = 1.0
    power_gain: float = 1.0
    counter: bool = True
    instant: bool = True
    mig: bool = False
    module: Curve | None = None
    fails: tuple[float, float] = (math.inf, math.inf)
    lost: bool = False
    """It has fallen off the bus: not even its handle can be had."""
    power: bool = True
    """Whether it tells its power at all."""
    mad: tuple[float, float] = (math.inf, math.inf)
    """Times between which power reads 3.7 MW, with a return code of success."""
    busy: Curve | None = None
    """The share of time in which a kernel runs, as the driver's utilisation; None: not told."""
    clock_mhz: int | None = 1380
    celsius: int | None = 41
    limit_mw: int | None = 300_000
    throttle: int | None = 0
    """Bits of nvmlClocksThrottleReasons; None in any of these: not supported."""

    def millijoules(self, t: float) -> int:
        """What the counter showed at its last update."""
        seen = math.floor((t - self.phase_s) / self.period_s) * self.period_s + self.phase_s
        # On Grace Hopper the counter is that of the whole module.
        curve = self.module or self.curve
        return math.floor(self.gain * curve.joules(max(seen, 0.0)) * 1e3) + 123_456

    def watts(self, curve: Curve, t: float) -> float:
        if self.mad[0] <= t < self.mad[1]:
            return 3.7e6
        if self.average_s and t > self.average_s:
            mean = (curve.joules(t) - curve.joules(t - self.average_s)) / self.average_s
            return self.power_gain * mean
        return self.power_gain * curve.watts(t)


class FakeNvml:
    """The functions of pynvml that joulia calls. `broken` makes nvmlInit fail with that text."""

    NVMLError = NVMLError

    def __init__(
        self, clock: Callable[[], float], gpus: Sequence[FakeGpu], broken: str | None = None
    ) -> None:
        self.clock = clock
        self.gpus = list(gpus)
        self.broken = broken

    def nvmlInit(self) -> None:
        if self.broken:
            raise NVMLError(self.broken)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        if self.gpus[index].lost:
            raise NVMLError("GPU is lost")
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:
        return next(gpu for gpu in self.gpus if gpu.uuid == uuid)

    def nvmlDeviceGetHandleByPciBusId(self, bus_id: str) -> FakeGpu:
        return next(gpu for gpu in self.gpus if gpu.bus_id == bus_id)

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetPciInfo(self, gpu: FakeGpu) -> Any:
        return SimpleNamespace(busId=gpu.bus_id)

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> bytes:
        return gpu.name.encode()  # as older bindings return it

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        if "V100" in gpu.name:
            raise NVMLError("Not Supported")
        return [int(gpu.mig), int(gpu.mig)]

    def _well(self, gpu: FakeGpu) -> None:
        if gpu.fails[0] <= self.clock() < gpu.fails[1]:
            raise NVMLError("GPU is lost")

    def _supported(self, gpu: FakeGpu, value: int | None) -> int:
        self._well(gpu)
        if value is None:
            raise NVMLError("Not Supported")
        return value

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:
        assert kind == 1  # NVML_CLOCK_SM
        return self._supported(gpu, gpu.clock_mhz)

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> int:
        assert sensor == 0  # NVML_TEMPERATURE_GPU
        return self._supported(gpu, gpu.celsius)

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:
        return self._supported(gpu, gpu.limit_mw)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, gpu: FakeGpu) -> int:
        return self._supported(gpu, gpu.throttle)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:
        self._well(gpu)
        if not gpu.counter:
            raise NVMLError("Not Supported")
        return gpu.millijoules(self.clock())

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        self._well(gpu)
        if not gpu.power:
            raise NVMLError("Not Supported")
        return round(gpu.watts(gpu.curve, self.clock()) * 1e3)

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> Any:
        if gpu.busy is None:
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=round(100.0 * gpu.busy.watts(self.clock())), memory=0)

    def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: list[tuple[int, int]]) -> list[Any]:
        self._well(gpu)
        ((number, scope),) = fields
        curve = gpu.curve if scope == 0 else gpu.module
        if number != 186 or curve is None or not gpu.instant or not gpu.power:
            return [SimpleNamespace(nvmlReturn=3, value=SimpleNamespace(uiVal=0))]
        watts = gpu.watts(curve, self.clock())
        return [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=round(watts * 1e3)))]
