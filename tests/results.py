"""Made-up records for the tests of what reads records; the numbers are chosen, not measured."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.case import Case, Settings
from joulia.measure.method import rates
from joulia.records.identity import identity
from joulia.records.parts import (
    DeclaredWork,
    Energy,
    Estimate,
    Parallel,
    SourceLines,
    Startup,
    Timing,
    Verification,
    Waiting,
)
from joulia.records.record import Record
from joulia.records.stats import summary
from joulia.system.machine import Machine

NOISE = (1.0, 1.004, 0.997, 1.002, 0.999, 1.006, 0.995, 1.001, 0.998)


def noisy(value: float, noise: Sequence[float] = NOISE) -> list[float]:
    return [value * factor for factor in noise]


def record(
    backend: str = "numpy",
    time: float | Sequence[float] | None = 1e-3,
    *,
    energy: float | Sequence[float] | None = None,
    estimate: tuple[float, float, float] | None = None,
    source: str = "counter",
    kernel: str = "heat",
    size: str = "small",
    dtype: str = "float64",
    ranks: int = 1,
    threads: int = 1,
    host: str = "alpha",
    startup: float = 0.1,
    fraction: float | None = None,
    lines: float | None = None,
    status: str = "valid",
    reason: str = "made up",
    cold: bool = False,
    idle_w: list[float] | None = None,
    started_at: str = "2026-01-01T00:00:00+00:00",
) -> Record:
    """A record whose medians are `time` s/step and `energy` J/step."""
    described = registry.kernel(kernel).kernel
    place, _, variant = backend.partition("/")
    bridge, _, device = place.partition(":")
    shape = described.sizes[size]
    case = Case(
        kernel,
        bridge,
        device or "cpu",
        size,
        shape,
        dtype,
        ranks,
        threads,
        described.resolve({}),
        on_gpu=device == "cuda",
        variant=variant or "tuned",
    )
    settings = Settings(cold=cold)
    machine = Machine(f"id-of-{host}", host, "x86_64", "made up", 4, 1 << 34, 1 << 20, "Linux")
    bare = Record(
        id=identity(case, settings, "code", machine.id, {}),
        started_at=started_at,
        duration_s=1.0,
        status=status,
        reasons=(),
        case=case,
        settings=settings,
        machine=machine,
        software={"joulia": "0", "python": "3.11", "code": "code"},
        commit="0123456789abcdef",
    )
    if status != "valid" or time is None:
        return replace(bare, reasons=(reason,))
    counted = SourceLines(
        f"{kernel}.made", int(lines or 0), {"made.h": (lines or 0) % 1.0}, "made up"
    )
    times = summary(noisy(time) if isinstance(time, float) else list(time))
    steps = math.ceil(settings.window_s / min(times.samples))
    joules = noisy(energy) if isinstance(energy, float) else energy and list(energy)
    declared = described.work(case)
    work = DeclaredWork(declared.bytes, declared.flops, float(math.prod(shape)))
    bounds = {"fraction_of_bound": fraction}
    if fraction is not None:
        bounds["ceiling_bytes_per_s"] = work.bytes / times.median / fraction
    return replace(
        bare,
        time=Timing(**vars(times), unit="s/step", steps_per_sample=steps),
        energy=made_energy(joules, source, idle_w) if joules else None,
        energy_reason=None if joules else "no meter on this machine",
        energy_estimate=made_estimate(*estimate) if estimate else None,
        work=work,
        rates=replace(rates(work, times.median), **bounds),
        startup=Startup(startup * 0.5, startup * 0.3, "warm", startup * 0.2, 1e-6),
        parallel=Parallel((1,) * len(shape), 1, 0.01, 0.1, 0.02, (0.01,) * ranks, (0.1,) * ranks),
        verify=Verification("made up", 0.0, 1e-14, True),
        source_lines=None if lines is None else counted,
    )


def made_energy(
    joules: Sequence[float], source: str, idle_w: list[float] | None, **more: Any
) -> Energy:
    """Joules as a meter with small errors would give them."""
    stats = summary(joules)
    given: dict[str, Any] = {
        "unit": "J/step", "source": source, "scope": "processor and memory",
        "meters": ("rapl",), "counted": ("rapl:package-0",),
        "domains": {"rapl:package-0": stats.median}, "watts": 100.0, "window_s": 1.0,
        "windows_s": (1.0,) * len(joules), "repeats": len(joules), "void_windows": (),
        "update_period_s": 0.001, "tolerance_rel": 0.02, "end_points_rel": 0.001,
        "quantisation_rel": 0.0, "systematic_rel": 0.0, "uncertainty_rel": 0.002,
        "crosscheck_rel": None, "cost_rel": 0.0, "waiting": Waiting(0.0, stats.median, 0.0),
        "devices": {}, "not_covered": (), "shared_by_ranks": {}, "exclusive": True, "wraps": 0,
        "read_errors": 0, "comparable": "made up",
        "idle_w": None if idle_w is None else tuple(idle_w),
    }  # fmt: skip
    return Energy(**vars(stats), **given | more)


def made_estimate(low: float, median: float, high: float) -> Estimate:
    return Estimate(
        "energy-roofline", "x86-server", "made up", "J/step", median, low, high, 1.0, {}
    )


def write(path: Path, records: Iterable[Record]) -> Path:
    path.write_text("".join(json.dumps(r.to_json()) + "\n" for r in records))
    return path


def many(count: int) -> list[Record]:
    """Different cases, as many as asked for, of all kernels, backends, sizes and machines."""
    kernels = list(registry.kernels())
    every = itertools.product(
        range(1, 10_000), kernels, ("small", "medium"), ("float64", "float32"),
        ("numpy", "numba", "julia", "occa:openmp"),
    )  # fmt: skip
    return [
        record(
            backend,
            1e-3 * (1 + i % 7),
            energy=0.05 * (1 + i % 5),
            kernel=kernel,
            size=size,
            dtype=dtype,
            ranks=1 + ranks % 8,
            host=f"node{ranks // 8}",
            fraction=0.5,
        )
        for i, (ranks, kernel, size, dtype, backend) in enumerate(itertools.islice(every, count))
    ]
