"""NVIDIA GPUs through NVML: the energy counter, and sampled power as cross-check or fallback.

`nvmlDeviceGetTotalEnergyConsumption` (mJ since the driver was loaded) is there from Volta on; older
GPUs are sampled. Devices are told by UUID and PCI bus id, never by index: CUDA_VISIBLE_DEVICES,
CUDA_DEVICE_ORDER and MIG all renumber. A MIG instance has no energy of its own. On Grace Hopper
joulia asks for the scope of the GPU; the module, which includes the processor, is shown as a domain
of its own and counts only where neither the GPU nor the processor is measured.

The gain error against an external meter is about 5 % (Yang, Adamek, Armour, SC24,
arXiv 2312.02741), and A100 and H100 look at a fraction of each update period only, which is why
windows start at phases spread over one.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing
from joulia.meters._files import in_container
from joulia.meters._gpu import SHARED, bus_key
from joulia.meters._sampled import ProcessSampler, Reader, Sampled, Sampler, Sampling

SYSTEMATIC_REL = 0.05
POWER_INSTANT = 186
SCOPE_GPU, SCOPE_MODULE = 0, 1
CLOCK_SM, TEMPERATURE_GPU = 1, 0
AVERAGED_S = 1.0
"""nvmlDeviceGetPowerUsage averages over this long on Ampere (but GA100) and newer."""
SAMPLE_S = 0.05
REMEDY = "install NVIDIA's driver; in a container start it with its GPUs (--gpus all)"


@dataclass(frozen=True)
class Gpu:
    """A GPU by the names that do not change."""

    uuid: str
    bus_id: str
    name: str
    mig: bool = False


def update_period_s(name: str) -> float:
    """How often the energy counter is updated: 20 ms on Volta, 100 ms from Ampere on."""
    return 0.02 if is_volta(name) else 0.1


def shortest_window_s(name: str) -> float:
    """The shortest window for joules of the counter: 1 s on Volta, 5 s from Ampere on."""
    return 1.0 if is_volta(name) else 5.0


def looks_rel(name: str) -> float:
    """The share of each update period that the sensor is read in: 25 of 100 ms on A100 to H200."""
    return 0.25 if re.search(r"\b(?:A100|A800|A30|H100|H800|H200|GH200)\b", name) else 1.0


def is_volta(name: str) -> bool:
    return re.search(r"\bV100|\bTITAN V\b|\bQuadro GV", name) is not None


def load() -> Any:
    """NVML, started. Raises Missing where there is no driver."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        raise Missing("absent", "no NVML binding", "pip install nvidia-ml-py") from None
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        if "ermission" in str(error):
            raise Missing(
                "unreadable", f"NVML: {error}", "ask for read access to /dev/nvidia*"
            ) from None
        if in_container(Path("/")) and Path("/proc/driver/nvidia").is_dir():
            raise Missing("masked", "the container hides the NVIDIA GPUs", REMEDY) from None
        raise Missing("absent", "no NVIDIA driver", REMEDY) from None
    return library


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def describe(library: Any, handle: Any) -> Gpu:
    try:
        mig = library.nvmlDeviceGetMigMode(handle)[0] == 1
    except library.NVMLError:
        mig = False  # not a GPU that can be divided
    return Gpu(
        _text(library.nvmlDeviceGetUUID(handle)),
        _text(library.nvmlDeviceGetPciInfo(handle).busId),
        _text(library.nvmlDeviceGetName(handle)),
        mig,
    )


def field_watts(library: Any, handle: Any, field: int, scope: int) -> float | None:
    """A power field in watts; None where the GPU has none."""
    try:
        value = library.nvmlDeviceGetFieldValues(handle, [(field, scope)])[0]
    except library.NVMLError as error:
        raise Unavailable(f"NVML: {error}") from None
    if value.nvmlReturn != 0:
        return None
    return float(value.value.uiVal) * 1e-3


def utilisation(library: Any, handle: Any) -> float | None:
    """The share of the last instants in which a kernel was running; None where it is not told."""
    try:
        return float(library.nvmlDeviceGetUtilizationRates(handle).gpu) * 1e-2
    except library.NVMLError:
        return None


THROTTLES = {
    0x002: "application clocks",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "temperature (software)",
    0x040: "temperature (hardware)",
    0x080: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability voltage",
}
"""What holds a GPU's clocks down, by the bits of nvmlClocksThrottleReasons without idle (0x1)."""


@dataclass(frozen=True)
class State:
    """What a GPU tells of itself now: Hz, degrees Celsius, W; None where it does not tell."""

    uuid: str
    clock_hz: float | None
    temperature_c: float | None
    power_limit_w: float | None
    throttles: tuple[str, ...] | None


def state_reader(device: str, library: Any = None) -> Callable[[], State] | None:
    """Reads the state of the GPU with this UUID or PCI bus id; None where NVML does not show it."""
    try:
        library = library or load()
        find = (
            library.nvmlDeviceGetHandleByUUID
            if bus_key(device) is None
            else library.nvmlDeviceGetHandleByPciBusId
        )
        handle = find(device)
        uuid = _text(library.nvmlDeviceGetUUID(handle))
    except Unavailable:
        return None
    except library.NVMLError:
        return None

    def number(name: str, unit: float, *arguments: int) -> float | None:
        try:
            return unit * float(getattr(library, name)(handle, *arguments))
        except library.NVMLError:
            return None  # a failed read is never 0

    def read() -> State:
        bits = number("nvmlDeviceGetCurrentClocksThrottleReasons", 1.0)
        return State(
            uuid,
            number("nvmlDeviceGetClockInfo", 1e6, CLOCK_SM),
            number("nvmlDeviceGetTemperature", 1.0, TEMPERATURE_GPU),
            number("nvmlDeviceGetEnforcedPowerLimit", 1e-3),
            None
            if bits is None
            else tuple(reason for bit, reason in THROTTLES.items() if int(bits) & bit),
        )

    return read


ACTIVE = "active"
"""Beside the watts, a sampler integrates the share of time in which the GPU computed: seconds."""


def power_reader(uuid: str, module: bool, library: Any = None) -> Callable[[], dict[str, float]]:
    """Watts of a GPU, and of its module where `module` asks: instant power, else power usage.

    Beside them the GPU's utilisation, where the driver tells it.
    """
    library = library or load()
    handle = library.nvmlDeviceGetHandleByUUID(uuid)
    tells = utilisation(library, handle) is not None

    def read() -> dict[str, float]:
        watts = field_watts(library, handle, POWER_INSTANT, SCOPE_GPU)
        if watts is None:
            try:
                watts = library.nvmlDeviceGetPowerUsage(handle) * 1e-3
            except library.NVMLError as error:
                raise Unavailable(f"NVML: {error}") from None
        readings = {"gpu": watts}
        if tells:
            readings[ACTIVE] = utilisation(library, handle) or 0.0
        if module:
            whole = field_watts(library, handle, POWER_INSTANT, SCOPE_MODULE)
            if whole is None:
                raise Unavailable("NVML no longer tells the module's power")
            readings["module"] = whole
        return readings

    return read


class Nvml(Base):
    """One GPU's energy counter, with sampled power beside it."""

    def __init__(
        self, library: Any, handle: Any, gpu: Gpu, sampler: Sampler | None, checks: bool = True
    ) -> None:
        self.library = library
        self.handle = handle
        self.gpu = gpu
        self.id = self.device = gpu.uuid
        self.bus_id = gpu.bus_id
        self.sampler = sampler
        self.checks = checks
        self.unattributable = f"{gpu.uuid}: {SHARED}" if gpu.mig else None
        self.domains = {
            "gpu": Domain(
                "gpu",
                update_period_s(gpu.name),
                1e-3,
                SYSTEMATIC_REL,
                shortest_window_s(gpu.name),
                looks_rel=looks_rel(gpu.name),
            )
        }
        self.last = 0.0

    def read(self) -> dict[str, float]:
        try:
            joules = self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle) * 1e-3
        except self.library.NVMLError as error:
            raise Unavailable(f"NVML, {self.gpu.uuid}: {error}") from None
        if joules < self.last:
            before, self.last = self.last, joules
            raise Unavailable(
                f"NVML, {self.gpu.uuid}: the counter went back from {before:g} J to {joules:g} J"
            )
        self.last = joules
        return {"gpu": joules}

    def start(self, busy: Collection[int]) -> None:
        if self.sampler is not None:
            try:
                self.sampler.start(busy)
            except Unavailable:
                self.sampler = None  # the counter does without its cross-check

    def check(self) -> dict[str, float]:
        return {"gpu": self.sampler.joules()["gpu"]} if self.sampler and self.checks else {}

    def active_s(self) -> float | None:
        return self.sampler.joules().get(ACTIVE) if self.sampler else None

    def cost_s(self) -> float:
        return self.sampler.cost_s() if self.sampler else 0.0

    def close(self) -> None:
        if self.sampler is not None:
            self.sampler.close()


def open(
    root: Path, clock: Clock, library: Any = None, sampling: Sampling = ProcessSampler
) -> list[Base]:
    """Every GPU that NVML shows, each a meter of its own."""
    library = library or load()
    meters: list[Base] = []
    try:
        handles = [
            library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())
        ]
        meters += [_meter(library, handle, clock, sampling) for handle in handles]
    except library.NVMLError as error:
        raise Missing(
            "unreadable", f"NVML: {error}", "nvidia-smi tells whether the GPU is well"
        ) from None
    if not meters:
        raise Missing("absent", "no NVIDIA GPU", REMEDY)
    return meters


def _meter(library: Any, handle: Any, clock: Clock, sampling: Sampling) -> Base:
    gpu = describe(library, handle)
    module = field_watts(library, handle, POWER_INSTANT, SCOPE_MODULE) is not None
    reader = Reader(
        lambda: power_reader(gpu.uuid, module, library)(),
        f"{__name__}:power_reader",
        [gpu.uuid, module],
    )
    sampler = sampling(reader, SAMPLE_S, clock)
    instant = is_volta(gpu.name) or (
        field_watts(library, handle, POWER_INSTANT, SCOPE_GPU) is not None
    )
    try:
        library.nvmlDeviceGetTotalEnergyConsumption(handle)
        # Power averaged over a second checks nothing in a window of a second.
        return Nvml(library, handle, gpu, sampler, checks=instant)
    except library.NVMLError:
        pass  # before Volta: no counter
    told = {
        "period_s": max(update_period_s(gpu.name), SAMPLE_S),
        "systematic_rel": SYSTEMATIC_REL,
        "average_s": 0.0 if instant else AVERAGED_S,
    }
    domains = {"gpu": Domain("gpu", **told)}
    if module:
        domains["module"] = Domain("module", **told)
    meter = Sampled(gpu.uuid, domains, sampler)
    meter.device, meter.bus_id = gpu.uuid, gpu.bus_id
    meter.unattributable = f"{gpu.uuid}: {SHARED}" if gpu.mig else None
    return meter
