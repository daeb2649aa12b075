"""How many steps fill a window, and a lead before it."""

from __future__ import annotations

import math

from joulia.parallel.comm import Comm
from joulia.simulation.run import Run

MOST_ANEW = 2
"""A case whose windows are so short is calibrated anew so many times."""


def calibrate(run: Run, window_s: float, lead_s: float, comm: Comm) -> tuple[int, int]:
    """The numbers of steps that fill a window, and that last at least `lead_s`.

    From timing ever more steps. Whatever disturbs them only adds time, so the quickest counts: a
    window may be longer than asked for, and not shorter. One step is timed twice: a single time may
    be that of whoever took the core meanwhile, and a window of one step would follow from it.
    """
    steps, quickest = 1, run.seconds(1, comm)
    while True:
        quickest = min(quickest, run.seconds(steps, comm) / steps)
        if steps * quickest >= 0.1 * window_s or steps >= 1 << 24:
            counts = max(1, math.ceil(window_s / quickest)), math.ceil(lead_s / quickest)
            window, lead = comm.bcast(counts)
            return int(window), int(lead)
        steps *= 2
