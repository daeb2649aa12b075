"""The bounds that kernels are held against: which cases measure them, and what a run found."""

from __future__ import annotations

import math
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

    A triad for each place and footprint, and multiply-adds for each place and precision at which
    an arithmetic-heavy kernel runs; each on the first backend that can run it there.
    """
    held = [p.case for p in planned if not p.skip and registry.ranked(p.case.kernel)]
    measured = [p.case for p in planned if not p.skip]
    memory = {(c.place, level) for c in held if (level := footprint(c))}
    memory -= {(c.place, footprint(c)) for c in measured if bound(c) == "bytes"}
    compute = {(c.place, c.dtype) for c in held if is_heavy(c)}
    compute -= {(c.place, c.dtype) for c in measured if bound(c) == "flops"}
    ceilings = [ceiling("bytes", place, "float64", level) for place, level in sorted(memory)]
    ceilings += [ceiling("flops", *wanted) for wanted in sorted(compute)]
    return [candidate for candidate in ceilings if candidate is not None]


def ceiling(wanted: str, place: Place, dtype: str, held: int = 0) -> Planned | None:
    """A case that measures a bound of a place, on the best device that can run it there.

    Its fields take `held` bytes where that is not 0: as a size of the kernel where that measures
    the same, else as a shape of its own.
    """
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
        if held and footprint(case) != held:
            element = kernel.bytes_held(case) / case.shape[0]
            case = replace(case, size=None, shape=(math.ceil(held / element),))
        if reason(case, device) is None:
            return Planned(case)
    return None


def is_heavy(case: Case) -> bool:
    """Whether arithmetic may bound a case: below a flop a byte, memory does on every machine."""
    work = registry.kernel(case.kernel).kernel.work(case)
    return work.flops > work.bytes


def bound(case: Case) -> str | None:
    """Which bound of the machine a case measures; a bandwidth where a footprint has one."""
    quantity = registry.kernel(case.kernel).kernel.bound(case)
    return None if quantity == "bytes" and footprint(case) is None else quantity


def footprint(case: Case) -> int | None:
    """The bytes of the triad that a case's bytes are held to: those of its own fields.

    All that exceeds four times the last-level cache is served by memory and shares one triad.
    Below, the cache serves a part that grows as the fields shrink: the fields' bytes, rounded down
    to a power of two or one and a half times one, for the triad is then as fast or faster. None
    below `CALLS`: no cache, but what calls cost would bound the triad. This depends on the case
    and the machine alone, never on what was measured.
    """
    if exceeds_caches(case):
        return 4 * cache_bytes(case)
    held = int(registry.kernel(case.kernel).kernel.bytes_held(case))
    if held < CALLS:
        return None
    power = 1 << (held.bit_length() - 1)
    return power + power // 2 if held >= power + power // 2 else power


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


CALLS = 8 << 20
"""Bytes that take a core 100 us and more: a call costs some."""


class Ceilings:
    """What the cases of this run that measure bounds had at best.

    Bytes per second of a triad by place and footprint; flops per second of multiply-adds by place
    and precision.
    """

    def __init__(self) -> None:
        self.bytes_per_s: dict[tuple[Place, int], float] = {}
        self.flops_per_s: dict[tuple[Place, str], float] = {}

    def learn(self, record: Record) -> None:
        """Take a bound from a case's fastest window: its median would bound only half of them."""
        if record.status != "valid" or not record.rates or not record.time:
            return
        case, rates = record.case, record.rates
        faster = record.time.median / min(record.time.samples)
        level = footprint(case)
        if bound(case) == "bytes" and level:
            best = self.bytes_per_s.get((case.place, level), 0.0)
            self.bytes_per_s[case.place, level] = max(best, faster * rates.bytes_per_s)
        if bound(case) == "flops":
            best = self.flops_per_s.get((case.place, case.dtype), 0.0)
            self.flops_per_s[case.place, case.dtype] = max(best, faster * rates.flops_per_s)

    def triad(self, case: Case) -> tuple[int | None, float | None]:
        """The footprint and bytes a second of the triad that a case's bytes are held to.

        The one of its own footprint where that was measured; a triad over more bytes that was
        faster shows that other programs held this one back, and stands in for it.
        """
        level = footprint(case)
        if level is None or (case.place, level) not in self.bytes_per_s:
            return None, None
        rate, held = max(
            (rate, -held)
            for (place, held), rate in self.bytes_per_s.items()
            if place == case.place and held >= level
        )
        return -held, rate

    def held_against(self, case: Case, rates: Rates) -> Rates:
        """Rates with their ceilings and the fraction of the bound; None where none was measured.

        The bound on the time is the larger of bytes / triad, where the case has a footprint, and
        flops / multiply-add rate, where it is heavy.
        """
        level, bandwidth = self.triad(case)
        peak = self.flops_per_s.get((case.place, case.dtype)) if is_heavy(case) else None
        fraction = None
        if registry.ranked(case.kernel) and (bandwidth or peak):
            of_triad = rates.bytes_per_s / bandwidth if bandwidth else 0.0
            of_compute = rates.flops_per_s / peak if peak else 0.0
            fraction = max(of_triad, of_compute)
        return replace(
            rates,
            ceiling_bytes_per_s=bandwidth,
            ceiling_footprint_bytes=level,
            ceiling_flops_per_s=peak,
            fraction_of_bound=fraction,
        )
