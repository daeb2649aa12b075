"""The bounds that kernels are held against: which cases measure them, and what a run found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from joulia import registry
from joulia.case import Case, Place
from joulia.records.parts import Rates
from joulia.records.record import Record
from joulia.runner.cases import Planned, reason
from joulia.system import cuda
from joulia.system.machine import last_level_cache_bytes


def missing_ceilings(planned: Sequence[Planned]) -> list[Planned]:
    """The ceilings that planned kernels are held to and no planned case measures.

    A triad for each place, and multiply-adds for each place and precision at which an
    arithmetic-heavy kernel runs; each on the first backend that can run it there.
    """
    held = [p.case for p in planned if not p.skip and registry.ranked(p.case.kernel)]
    measured = [p.case for p in planned if not p.skip]
    memory = {(c.place, "float64") for c in held}
    memory -= {(c.place, "float64") for c in measured if bound(c) == "bytes"}
    compute = {(c.place, c.dtype) for c in held if is_heavy(c)}
    compute -= {(c.place, c.dtype) for c in measured if bound(c) == "flops"}
    ceilings = [ceiling("bytes", *wanted) for wanted in sorted(memory)]
    ceilings += [ceiling("flops", *wanted) for wanted in sorted(compute)]
    return [candidate for candidate in ceilings if candidate is not None]


def ceiling(wanted: str, place: Place, dtype: str) -> Planned | None:
    """A case that measures a bound of a place, on the best device that can run it there."""
    kind, count = place
    kernel, how = next(
        (entry.kernel, ceiling)
        for entry in registry.kernels().values()
        for ceiling in entry.kernel.ceilings
        if ceiling.bound == wanted
    )
    devices = [
        (device, bridge_name)
        for bridge_name, bridge in registry.bridges().items()
        for device in bridge.devices()
        if device.ceiling and device.gpu == (kind == "gpu")
    ]
    for device, bridge_name in sorted(devices, key=lambda pair: -pair[0].ceiling):
        threads = count if device.threads else 1
        case = registry.case(
            kernel.name,
            (bridge_name, device.name),
            kernel.sizes[how.size],
            size=how.size,
            dtype=dtype,
            ranks=count // threads,
            threads=threads,
            params=how.params,
        )
        if reason(case, device) is None:
            return Planned(case)
    return None


def is_heavy(case: Case) -> bool:
    """Whether arithmetic may bound a case: below a flop a byte, memory does on every machine."""
    work = registry.kernel(case.kernel).kernel.work(case)
    return work.flops > work.bytes


def bound(case: Case) -> str | None:
    """Which bound of the machine a case measures; memory's only beyond four times the caches."""
    quantity = registry.kernel(case.kernel).kernel.bound(case)
    return None if quantity == "bytes" and not exceeds_caches(case) else quantity


def exceeds_caches(case: Case) -> bool:
    """Whether a case's fields are large enough that memory, not a cache, serves them."""
    held = registry.kernel(case.kernel).kernel.bytes_held(case)
    return held >= 4 * cache_bytes(case)


def cache_bytes(case: Case) -> int:
    """The last level of cache behind a case's memory."""
    if not case.on_gpu:
        return last_level_cache_bytes()
    gpus = cuda.survey().gpus if cuda.missing() is None else ()
    return sum(gpu.l2_bytes for gpu in gpus[: case.ranks])


class Ceilings:
    """What the cases of this run that measure bounds had at best.

    Bytes per second of a triad by place; flops per second of multiply-adds by place and precision.
    """

    def __init__(self) -> None:
        self.bytes_per_s: dict[Place, float] = {}
        self.flops_per_s: dict[tuple[Place, str], float] = {}

    def learn(self, record: Record) -> None:
        if record.status != "valid" or not record.rates:
            return
        case, rates = record.case, record.rates
        if bound(case) == "bytes":
            best = self.bytes_per_s.get(case.place, 0.0)
            self.bytes_per_s[case.place] = max(best, rates.bytes_per_s)
        if bound(case) == "flops":
            best = self.flops_per_s.get((case.place, case.dtype), 0.0)
            self.flops_per_s[case.place, case.dtype] = max(best, rates.flops_per_s)

    def held_against(self, case: Case, rates: Rates) -> Rates:
        """Rates with their ceilings and the fraction of the bound; None where they do not apply.

        The bound on the time is the larger of bytes / triad and flops / half of the multiply-add
        rate. A case that fits into the caches is not bound by memory: it gets a fraction only where
        arithmetic bounds it anyway.
        """
        bandwidth = self.bytes_per_s.get(case.place)
        peak = self.flops_per_s.get((case.place, case.dtype))
        fraction = None
        if registry.ranked(case.kernel):
            of_triad = rates.bytes_per_s / bandwidth if bandwidth else 0.0
            of_compute = rates.flops_per_s / (0.5 * peak) if peak else 0.0
            larger = max(of_triad, of_compute)
            if larger and (exceeds_caches(case) or of_compute > of_triad):
                fraction = larger
        return replace(
            rates,
            ceiling_bytes_per_s=bandwidth,
            ceiling_flops_per_s=peak,
            fraction_of_bound=fraction,
        )
