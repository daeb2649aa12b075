"""NVIDIA GPUs through NVML: the energy counter, and sampled power as cross-check or fallback.

`nvmlDeviceGetTotalEnergyConsumption` (mJ since the driver was loaded) is there from Volta on; older
GPUs are sampled. Devices are told by UUID and PCI bus id, never by index: CUDA_VISIBLE_DEVICES,
CUDA_DEVICE_ORDER and MIG all renumber. A MIG instance has no energy of its own. On Grace Hopper
and Grace Blackwell the counter is that of the whole module, GPU, processor and memory (Zeus, pull
request 172): it is a domain of that kind, and Grace's own sensors are not added to it. Power is
told by scope: where there is no counter, the GPU's and the module's are domains of their own.

The gain error against an external meter is about 5 % (Yang, Adamek, Armour, SC24,
arXiv 2312.02741), and A100 and H100 look at a fraction of each update period only, which is why
windows start at phases spread over one.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from joulia.errors import Unavailable
from joulia.meters import (
    MOST_WATTS,
    Base,
    Clock,
    Domain,
    Lost,
    Missing,
    asked,
    one_of,
    read_each,
)
from joulia.meters._counter import Accumulator
from joulia.meters._files import in_container
from joulia.meters._gpu import SHARED, bus_key
from joulia.meters._sampled import ProcessSampler, Reader, Sampled, Sampler, Sampling

OF_DEVICES = True
SYSTEMATIC_REL = 0.05
POWER_INSTANT = 186
SCOPE_GPU, SCOPE_MODULE = 0, 1
AVERAGED_S = 1.0
"""nvmlDeviceGetPowerUsage averages over this long on Ampere (but GA100) and newer."""
SAMPLE_S = 0.05
REMEDY = "install NVIDIA's driver; in a container start it with its GPUs (--gpus all)"
WELL = "nvidia-smi tells whether the GPU is well"
REINSTALL = "pip uninstall pynvml nvidia-ml-py3, then pip install --force-reinstall nvidia-ml-py"
"""Three distributions bring a module of this name, one over the other."""
NEEDED = (
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetFieldValues",
    "nvmlDeviceGetTotalEnergyConsumption",
)


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


def is_module(name: str) -> bool:
    """Whether GPU and processor are one module: GH200, GB200, GB300 and their like.

    One of another name would show: its counter and its power by the GPU's scope disagree.
    """
    return re.search(r"\bG[HBR]\d00\b", name) is not None


def load() -> Any:
    """NVML, started. Raises Missing where there is no driver."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        raise Missing("absent", "no NVML binding", "pip install nvidia-ml-py") from None
    except Exception as error:  # a binding of another distribution, or a broken one
        raise Missing("broken", f"pynvml: {type(error).__name__}: {error}", REINSTALL) from None
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
    except AttributeError as error:
        raise Missing("broken", f"pynvml: {error}", REINSTALL) from None
    if absent := [name for name in NEEDED if not hasattr(library, name)]:
        raise Missing("broken", f"this pynvml has no {absent[0]}", REINSTALL)
    return library


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def describe(library: Any, handle: Any) -> Gpu:
    try:
        mig = library.nvmlDeviceGetMigMode(handle)[0] == 1
    except (library.NVMLError, AttributeError):
        mig = False  # not a GPU that can be divided, or a binding that is older than those
    return Gpu(
        _text(library.nvmlDeviceGetUUID(handle)),
        _text(library.nvmlDeviceGetPciInfo(handle).busId),
        _text(library.nvmlDeviceGetName(handle)),
        mig,
    )


def handle_of(library: Any, device: str) -> Any:
    """The handle of the GPU with this UUID or PCI bus id, which older bindings take as bytes."""
    by_uuid = bus_key(device) is None
    find = library.nvmlDeviceGetHandleByUUID if by_uuid else library.nvmlDeviceGetHandleByPciBusId
    try:
        return find(device)
    except TypeError:
        return find(device.encode())


def field_watts(library: Any, handle: Any, field: int, scope: int) -> float | None:
    """A power field in watts; None where the GPU has none."""
    try:
        value = library.nvmlDeviceGetFieldValues(handle, [(field, scope)])[0]
    except library.NVMLError as error:
        raise Unavailable(f"NVML: {error}") from None
    except TypeError:
        return None  # a binding that knows no scopes, such as nvidia-ml-py 10
    if value.nvmlReturn != 0:
        return None
    return float(value.value.uiVal) * 1e-3


def utilisation(library: Any, handle: Any) -> float | None:
    """The share of the last instants in which a kernel was running; None where it is not told."""
    try:
        return float(library.nvmlDeviceGetUtilizationRates(handle).gpu) * 1e-2
    except library.NVMLError:
        return None


ACTIVE = "active"
"""Beside the watts, a sampler integrates the share of time in which the GPU computed: seconds."""


def power_reader(
    uuid: str, names: Collection[str], library: Any = None
) -> Callable[[], dict[str, float]]:
    """Watts of a GPU (`gpu`), of its module (`module`), and beside them its share of activity.

    Instant power, else (of the GPU) power usage.
    """
    library = library or load()
    handle = handle_of(library, uuid)
    readers = {
        "gpu": partial(gpu_watts, library, handle),
        "module": partial(module_watts, library, handle),
        ACTIVE: partial(active, library, handle),
    }
    return partial(read_each, {name: readers[name] for name in names})


def gpu_watts(library: Any, handle: Any) -> float:
    watts = field_watts(library, handle, POWER_INSTANT, SCOPE_GPU)
    if watts is not None:
        return watts
    try:
        return float(library.nvmlDeviceGetPowerUsage(handle)) * 1e-3
    except library.NVMLError as error:
        raise Unavailable(f"NVML: {error}") from None


def module_watts(library: Any, handle: Any) -> float:
    watts = field_watts(library, handle, POWER_INSTANT, SCOPE_MODULE)
    if watts is None:
        raise Unavailable("NVML tells no power of the module")
    return watts


def active(library: Any, handle: Any) -> float:
    share = utilisation(library, handle)
    if share is None:
        raise Unavailable("NVML tells no utilisation")
    return share


def reader(gpu: Gpu, names: Collection[str], library: Any) -> Reader:
    """How to read these of a GPU's powers."""
    return Reader(
        lambda: power_reader(gpu.uuid, names, library)(),
        f"{__name__}:power_reader",
        [gpu.uuid, list(names)],
        {name: MOST_WATTS[name] for name in names if name != ACTIVE},
        lambda fewer: reader(gpu, [n for n in names if n in (*fewer, ACTIVE)], library),
    )


class Nvml(Base):
    """One GPU's energy counter, with sampled power beside it.

    `domain` is what the counter covers, `gpu` or `module`. Power of the same name checks it
    (`checks`), unless it is averaged over a second, which says nothing of a window of a second.
    """

    def __init__(
        self,
        library: Any,
        handle: Any,
        gpu: Gpu,
        domain: str,
        sampler: Sampler | None,
        checks: bool,
        clock: Clock,
    ) -> None:
        self.library = library
        self.handle = handle
        self.gpu = gpu
        self.id = self.device = gpu.uuid
        self.bus_id = gpu.bus_id
        self.domain = domain
        self.sampler = sampler
        self.checks = checks
        self.tells_activity = utilisation(library, handle) is not None
        self.unattributable = f"{gpu.uuid}: {SHARED}" if gpu.mig else None
        self.domains = {
            domain: Domain(
                domain,
                update_period_s(gpu.name),
                1e-3,
                SYSTEMATIC_REL,
                shortest_window_s(gpu.name),
                looks_rel=looks_rel(gpu.name),
            )
        }
        self.sum = Accumulator(f"NVML, {gpu.uuid}: the counter", None, clock, MOST_WATTS[domain])

    def joules(self) -> float:
        """The counter as it is."""
        try:
            return float(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle)) * 1e-3
        except self.library.NVMLError as error:
            raise Unavailable(f"NVML, {self.gpu.uuid}: {error}") from None

    def read(self) -> dict[str, float]:
        return {self.domain: self.sum.update(self.joules())}

    def start(self, busy: Collection[int]) -> None:
        if self.sampler is not None:
            try:
                self.sampler.start(busy)
            except Unavailable:
                self.sampler = None  # the counter does without its cross-check

    def check(self) -> dict[str, float]:
        if self.sampler is None or not self.checks:
            return {}
        return {self.domain: one_of(self.sampler.joules, self.domain)}

    def active_s(self) -> float | None:
        if self.sampler is None or not self.tells_activity:
            return None
        return one_of(self.sampler.joules, ACTIVE)

    def cost_s(self) -> float:
        return self.sampler.cost_s() if self.sampler else 0.0

    def close(self) -> None:
        if self.sampler is not None:
            self.sampler.close()


def open(
    root: Path, clock: Clock, library: Any = None, sampling: Sampling = ProcessSampler
) -> list[Base]:
    """Every GPU that NVML shows, each a meter of its own; one that is lost leaves the others."""
    library = library or load()
    try:
        count = library.nvmlDeviceGetCount()
    except library.NVMLError as error:
        raise Missing("unreadable", f"NVML: {error}", WELL) from None
    meters = [_of_index(library, index, clock, sampling) for index in range(count)]
    if not meters:
        raise Missing("absent", "no NVIDIA GPU", REMEDY)
    if all(isinstance(meter, Lost) for meter in meters):
        errors = dict.fromkeys(meter.error.reason for meter in meters if isinstance(meter, Lost))
        raise Missing("unreadable", "; ".join(errors), WELL)
    return _modules(meters)


def _modules(meters: Sequence[Base]) -> list[Base]:
    """One meter for all GPUs of a module (two on GB200), where their counters are one.

    Counters that tell the same count of millijoules at the same moment are one.
    """
    kept: list[Base] = []
    for meter in meters:
        first = next((other for other in kept if _one_counter(other, meter)), None)
        if first is None:
            kept.append(meter)
        else:
            first.covers += ((meter.id, meter.bus_id),)
    return kept


def _one_counter(first: Base, second: Base) -> bool:
    if not isinstance(first, Nvml) or not isinstance(second, Nvml):
        return False
    if (first.domain, second.domain) != ("module", "module"):
        return False
    # An update may come between the two reads of a pair, and hardly between those of three.
    pairs = ((first.joules(), second.joules()) for _ in range(3))
    try:
        return any(one == other > 0.0 for one, other in pairs)
    except Unavailable:
        return False


def _of_index(library: Any, index: int, clock: Clock, sampling: Sampling) -> Base:
    """The meter of a GPU, or its loss. The index is a name only until the GPU has told its own."""
    names = [f"the GPU of NVML's index {index}"]

    def opened() -> Base:
        handle = library.nvmlDeviceGetHandleByIndex(index)
        gpu = describe(library, handle)
        names.append(gpu.uuid)
        return _meter(library, handle, gpu, clock, sampling)

    try:
        return asked("NVML", opened)
    except Unavailable as error:
        return Lost(names[-1], f"{names[-1]}: {error.reason}", WELL)


def _meter(library: Any, handle: Any, gpu: Gpu, clock: Clock, sampling: Sampling) -> Base:
    by_module = field_watts(library, handle, POWER_INSTANT, SCOPE_MODULE) is not None
    instant = is_volta(gpu.name) or (
        field_watts(library, handle, POWER_INSTANT, SCOPE_GPU) is not None
    )
    beside = [ACTIVE] if utilisation(library, handle) is not None else []
    try:
        library.nvmlDeviceGetTotalEnergyConsumption(handle)
    except library.NVMLError:  # before Volta: no counter
        names = ["gpu", "module"] if by_module else ["gpu"]
        return _sampled(library, handle, gpu, instant, [*names, *beside], clock, sampling)
    # Power averaged over a second checks nothing in a window of a second.
    domain, checks = ("module", by_module) if is_module(gpu.name) else ("gpu", instant)
    names = [domain, *beside] if checks else beside
    sampler = sampling(reader(gpu, names, library), SAMPLE_S, clock) if names else None
    return Nvml(library, handle, gpu, domain, sampler, checks, clock)


def _sampled(
    library: Any,
    handle: Any,
    gpu: Gpu,
    instant: bool,
    names: Sequence[str],
    clock: Clock,
    sampling: Sampling,
) -> Base:
    gpu_watts(library, handle)  # a GPU that tells neither energy nor power has no meter
    period_s = max(update_period_s(gpu.name), SAMPLE_S)
    average_s = 0.0 if instant else AVERAGED_S
    domains = {
        name: Domain(name, period_s, systematic_rel=SYSTEMATIC_REL, average_s=average_s)
        for name in names
        if name != ACTIVE
    }
    meter = Sampled(gpu.uuid, domains, sampling(reader(gpu, names, library), SAMPLE_S, clock))
    meter.device, meter.bus_id = gpu.uuid, gpu.bus_id
    meter.unattributable = f"{gpu.uuid}: {SHARED}" if gpu.mig else None
    return meter
