"""Made-up records for the tests of what reads records; the numbers are chosen, not measured."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.case import Case, Settings
from joulia.records.identity import identity
from joulia.records.record import Record
from joulia.records.stats import summary

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
    status: str = "valid",
    reason: str = "made up",
    cold: bool = False,
    idle_w: list[float] | None = None,
    started_at: str = "2026-01-01T00:00:00+00:00",
) -> Record:
    """A record whose medians are `time` s/step and `energy` J/step."""
    found = registry.kernel(kernel).kernel
    bridge, _, device = backend.partition(":")
    shape = found.sizes[size]
    case = Case(
        kernel,
        bridge,
        device or "cpu",
        size,
        shape,
        dtype,
        ranks,
        threads,
        found.resolve({}),
        on_gpu=device == "cuda",
    )
    settings = Settings(cold=cold)
    machine = {
        "id": f"id-of-{host}", "hostname": host, "cpu": "made up", "cores": 4, "arch": "x86_64",
        "memory_bytes": 1 << 34, "last_level_cache_bytes": 1 << 20, "os": "Linux",
    }  # fmt: skip
    base: dict[str, Any] = {
        "id": identity(case, settings, "code", machine["id"]), "started_at": started_at,
        "duration_s": 1.0, "status": status, "reasons": [], "case": case, "settings": settings,
        "machine": machine, "software": {"joulia": "0", "python": "3.11", "code": "code"},
        "commit": "0123456789abcdef",
    }  # fmt: skip
    if status != "valid" or time is None:
        return Record(**base | {"reasons": [reason]})
    times = noisy(time) if isinstance(time, float) else list(time)
    joules = noisy(energy) if isinstance(energy, float) else energy and list(energy)
    told = summary(times)
    median: Any = told["median"]
    work = found.work(case)
    cells = 1
    for n in shape:
        cells *= n
    return Record(
        **base,
        time={"unit": "s/step", **told, "steps_per_sample": 100},
        energy={"unit": "J/step", "source": source, **summary(joules), "idle_w": idle_w}
        if joules
        else None,
        energy_reason=None if joules else "no meter on this machine",
        energy_estimate=dict(
            zip(("low", "median", "high"), estimate, strict=True),
            model="energy-roofline", profile="x86-server", unit="J/step",
        ) if estimate else None,
        rates={
            "updates_per_s": cells / median, "bytes_per_s": work.bytes / median,
            "flops_per_s": work.flops / median,
            "ceiling_bytes_per_s": None if fraction is None else work.bytes / median / fraction,
            "ceiling_flops_per_s": None, "fraction_of_bound": fraction,
        },
        startup={
            "import_s": startup * 0.5, "load_s": startup * 0.3, "first_call_s": startup * 0.2,
            "call_overhead_s": 1e-6, "cache": "warm",
        },
        parallel={"exchange_s": 0.01, "compute_s": 0.1, "imbalance": 0.02},
        verify={"norm": "made up", "error": 0.0, "tolerance": 1e-14, "invariants": {},
                "passed": True},
    )  # fmt: skip


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
