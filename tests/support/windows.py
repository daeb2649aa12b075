"""An `EnergyMonitor` on a virtual clock, windows on it, and a meter whose watts a test sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_nvml import FakeGpu, FakeNvml
from virtual import LocalSampler, VirtualClock

from joulia.energy.monitor import EnergyMonitor
from joulia.energy.result import energy_result
from joulia.errors import Unavailable
from joulia.meters import Base, Domain, Meter, nvml
from joulia.parallel.comm import OneRank
from joulia.records.codec import from_json, to_json
from joulia.records.parts import Energy

UUID = "GPU-abc00000-0000-0000-0000-000000000000"


def energy(
    clock: VirtualClock,
    meters: list[Any],
    missing: dict[str, Unavailable] | None = None,
    **more: Any,
) -> EnergyMonitor:
    opened: tuple[list[Meter], dict[str, Unavailable]] = (list(meters), missing or {})
    return EnergyMonitor(OneRank(), clock=clock, sleep=clock.sleep, opened=opened, **more)


def window(
    monitor: EnergyMonitor, clock: VirtualClock, seconds: float, waiting: float = 0.0
) -> None:
    before = monitor.read()
    clock.sleep(seconds)
    monitor.window(before, monitor.read(), waiting)


def gpus(clock: VirtualClock, *which: FakeGpu) -> list[Base]:
    return nvml.open(Path("/"), clock, FakeNvml(clock, which), LocalSampler)


class Steady(Base):
    """Watts that a test may change; updates every `period_s`."""

    def __init__(self, clock: VirtualClock, watts: float = 100.0, period_s: float = 0.001) -> None:
        self.id = "steady"
        self.clock = clock
        self.watts = watts
        self.joules = 0.0
        self.fail = False
        self.domains = {"package-0": Domain("package", period_s, 1e-6, 0.05)}
        clock.every(period_s, self.tick)
        self.step_s = period_s

    def tick(self) -> None:
        self.joules += self.watts * self.step_s

    def read(self) -> dict[str, float]:
        if self.fail:
            raise Unavailable("it died")
        return {"package-0": self.joules}


def written_energy(
    monitor: EnergyMonitor, steps: int, bytes_per_step: float = 0.0
) -> tuple[dict[str, Any] | None, str | None]:
    """The record's `energy` and `energy_reason`, as they are written."""
    data, reason = energy_result(monitor, steps, bytes_per_step)
    written = json.loads(json.dumps(to_json(data)))
    assert data is None or from_json(Energy, written) == data
    return written, reason


def measured(monitor: EnergyMonitor, steps: int = 1) -> dict[str, Any]:
    data, reason = written_energy(monitor, steps)
    assert data is not None, reason
    return data
