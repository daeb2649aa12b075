"""The beginning of a case: start-up and its first step, timed and metered, in this process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from joulia import registry
from joulia.case import Case, Settings
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.starts import StartMeter
from joulia.errors import Unavailable
from joulia.parallel.comm import Comm
from joulia.records.record import Measured
from joulia.records.starts import MeteredStart
from joulia.simulation.run import Run, set_up
from joulia.system import cuda, waiting

NOT_ASKED = "not asked for (--no-joules)"
"""Why there are no joules where no meter is read."""


@dataclass(frozen=True)
class Begun:
    """A case after its first step, the meters that watched it, and the joules until then.

    `reason` says why there are no joules.
    """

    run: Run
    energy: EnergyMonitor
    first_s: float
    start: MeteredStart | None
    reason: str | None
    waits: dict[str, str]
    """How its threads and ranks wait, by what makes them wait."""


def begin(case: Case, settings: Settings, comm: Comm) -> Begun:
    """Start the runtime, load the kernel, take the first step; meters are opened before.

    Raises Unavailable where the backend is not here.
    """
    energy = EnergyMonitor(
        comm,
        tolerance=settings.energy_tolerance,
        device=device(case) if settings.joules else None,
        window_s=settings.window_s,
        opened=None if settings.joules else ([], {}),
    )
    energy.infer_periods()
    meter = StartMeter(energy)
    run = set_up(
        case,
        comm,
        decompose=settings.decompose,
        overlap=settings.overlap is not False,
        gpu_exchange=settings.gpu_exchange,
        after=meter.after,
    )
    meter.after("fields")
    first_s = run.seconds(1, comm)
    meter.after("first_call")
    waits = waiting.in_force(
        run.versions, os.environ, case.wait, threads=case.threads, ranks=comm.size
    )
    energy.spins = waiting.spins(waits)
    start = meter.start(run.cache) if settings.joules else NOT_ASKED
    if isinstance(start, str):
        return Begun(run, energy, first_s, None, start, waits)
    return Begun(run, energy, first_s, start, None, waits)


def device(case: Case) -> str | None:
    """The GPU that this rank is going to compute on; None for the processor.

    Where the driver does not answer, the runtime itself says better why.
    """
    bridge: Any = registry.bridge(case.bridge)
    if told := getattr(bridge, "gpu_of", lambda case: None)(case):
        return str(told)
    try:
        return cuda.current().uuid if case.on_gpu else None
    except Unavailable:
        return None


def start_only(case: Case, settings: Settings, comm: Comm) -> Measured:
    """One more start of a case, for its joules alone."""
    begun = begin(case, settings, comm)
    begun.energy.close()
    return Measured("valid", start=begun.start)
