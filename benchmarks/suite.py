"""Every kernel x backend at small size: time, energy, start-up, call overhead. Lower is better.

`setup_cache` measures all of it once, through joulia's own runner; the tracks look it up. Versions
are explicit: raise one when what it means changes, and asv starts a new series.
"""

from __future__ import annotations

from typing import Any, ClassVar

from . import cells
from .matrix import axes, sources

KERNELS, BACKENDS = axes()
SOURCES = sources()
timeout = 60.0


def setup_cache() -> cells.Cells:
    return cells.measure()


setup_cache.timeout = 4 * 3600.0  # type: ignore[attr-defined]


class Step:
    """What one time step costs."""

    params: ClassVar = [KERNELS, BACKENDS]
    param_names: ClassVar = ["kernel", "backend"]

    def track_time(self, cache: cells.Cells, kernel: str, backend: str) -> Any:
        return cells.time(cache, kernel, backend)

    track_time.unit = "s/step"  # type: ignore[attr-defined]
    track_time.version = "1"  # type: ignore[attr-defined]


if SOURCES:  # rows of meters that are not here would be n/a, screens of them

    class StepEnergy:
        """What one time step costs in joules, by the kind of meter."""

        params: ClassVar = [KERNELS, BACKENDS, list(SOURCES)]
        param_names: ClassVar = ["kernel", "backend", "source"]

        def track_energy(self, cache: cells.Cells, kernel: str, backend: str, source: str) -> Any:
            return cells.energy(cache, kernel, backend, source)

        track_energy.unit = "J/step"  # type: ignore[attr-defined]
        track_energy.version = "1"  # type: ignore[attr-defined]


class Startup:
    """What it costs before the first step, and at every call across the bridge."""

    params: ClassVar = [KERNELS, BACKENDS]
    param_names: ClassVar = ["kernel", "backend"]

    def track_startup(self, cache: cells.Cells, kernel: str, backend: str) -> float:
        """Importing the runtime and loading the kernel, caches warm or as the record says."""
        return cells.startup(cache, kernel, backend, "import_s", "load_s")

    track_startup.unit = "s"  # type: ignore[attr-defined]
    track_startup.version = "1"  # type: ignore[attr-defined]

    def track_call_overhead(self, cache: cells.Cells, kernel: str, backend: str) -> float:
        return cells.startup(cache, kernel, backend, "call_overhead_s")

    track_call_overhead.unit = "s/call"  # type: ignore[attr-defined]
    track_call_overhead.version = "1"  # type: ignore[attr-defined]
