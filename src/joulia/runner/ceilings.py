"""The bounds that kernels are held against: which cases measure them, and what a run found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulia import registry
from joulia.case import Case, Place
from joulia.records.record import Record
from joulia.runner.cases import Planned, find, reason
from joulia.system import cuda
from joulia.system.machine import last_level_cache_bytes


def missing_ceilings(planned: Sequence[Planned]) -> list[Planned]:
    """The ceilings that planned kernels are held to and no planned case measures.

    A triad for each place, and multiply-adds for each place and precision at which an
    arithmetic-heavy kernel runs; each on the first backend that can run it there.
    """
    held = [p.case for p in planned if not p.skip and p.case.kernel != "stream"]
    measured = [p.case for p in planned if not p.skip]
    triads = {(c.place, "float64") for c in held}
    triads -= {(c.place, "float64") for c in measured if is_ceiling(c)}
    adds = {(c.place, c.dtype) for c in held if is_heavy(c)}
    adds -= {(c.place, c.dtype) for c in measured if is_flop_ceiling(c)}
    found = [ceiling("triad", "medium", *wanted) for wanted in sorted(triads)]
    found += [ceiling("fma", "small", *wanted) for wanted in sorted(adds)]
    return [one for one in found if one is not None]


CEILING_BACKENDS = {
    "core": ("occa:openmp", "numba", "julia", "numpy"),
    "gpu": ("occa:cuda", "numba:cuda", "julia:cuda"),
}
"""What measures a place's ceilings, the best first."""


def ceiling(op: str, size: str, place: Place, dtype: str) -> Planned | None:
    """A case of `stream` on a place, on the first backend that can run it."""
    kernel = registry.kernel("stream").kernel
    kind, count = place
    for name in CEILING_BACKENDS[kind]:
        if name not in registry.backends():
            continue
        bridge, device_name = registry.backend(name)[0]
        device = find(bridge, device_name)
        threads = count if device.threads else 1
        case = Case(
            "stream",
            bridge,
            device_name,
            size,
            kernel.sizes[size],
            dtype,
            count // threads,
            threads,
            kernel.resolve({"op": op}),
        )
        if reason(case, device) is None:
            return Planned(case)
    return None


def is_heavy(case: Case) -> bool:
    """Whether arithmetic may bound a case: below a flop a byte, memory does on every machine."""
    work = registry.kernel(case.kernel).kernel.work(case)
    return work.flops > work.bytes


def is_flop_ceiling(case: Case) -> bool:
    """Whether a case measures the rate of multiply-adds."""
    return case.kernel == "stream" and bool(case.param("op") == "fma")


def is_ceiling(case: Case) -> bool:
    """Whether a case measures the memory's bandwidth: a triad over four times the caches."""
    if case.kernel != "stream" or case.param("op") != "triad":
        return False
    return exceeds_caches(case)


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
    """What this run's `stream` cases measured at best.

    Bytes per second of a triad by place; flops per second of multiply-adds by place and precision.
    """

    def __init__(self) -> None:
        self.bytes_per_s: dict[Place, float] = {}
        self.flops_per_s: dict[tuple[Place, str], float] = {}

    def learn(self, record: Record) -> None:
        if record.status != "valid" or not record.rates:
            return
        case, rates = record.case, record.rates
        if is_ceiling(case):
            best = self.bytes_per_s.get(case.place, 0.0)
            self.bytes_per_s[case.place] = max(best, rates["bytes_per_s"])
        if is_flop_ceiling(case):
            best = self.flops_per_s.get((case.place, case.dtype), 0.0)
            self.flops_per_s[case.place, case.dtype] = max(best, rates["flops_per_s"])

    def fraction(self, record: Record) -> dict[str, Any]:
        """The record's ceilings and the fraction of the bound; None where they do not apply.

        The bound on the time is the larger of bytes / triad and flops / half of the multiply-add
        rate. A case that fits into the caches is not bound by memory: it gets a fraction only where
        arithmetic bounds it anyway.
        """
        case, rates = record.case, record.rates
        kernel = registry.kernel(case.kernel).kernel
        bandwidth = self.bytes_per_s.get(case.place)
        peak = self.flops_per_s.get((case.place, case.dtype))
        fraction = None
        if rates and kernel.ranked:
            of_triad = rates["bytes_per_s"] / bandwidth if bandwidth else 0.0
            of_compute = rates["flops_per_s"] / (0.5 * peak) if peak else 0.0
            larger = max(of_triad, of_compute)
            if larger and (exceeds_caches(case) or of_compute > of_triad):
                fraction = larger
        return {
            "ceiling_bytes_per_s": bandwidth,
            "ceiling_flops_per_s": peak,
            "fraction_of_bound": fraction,
        }
