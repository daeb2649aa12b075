"""How many steps fill a window, and a lead before it."""

from __future__ import annotations

import math

from joulia.parallel.comm import Comm
from joulia.simulation.run import Run


def calibrate(run: Run, window_s: float, lead_s: float, comm: Comm) -> tuple[int, int]:
    """The numbers of steps that fill a window, and that last at least `lead_s`.

    From timing ever more steps. Whatever disturbs them only adds time, so the lead is counted by
    the quickest of them: it may be longer, never shorter.
    """
    steps, quickest = 1, math.inf
    while True:
        seconds = run.seconds(steps, comm)
        quickest = min(quickest, seconds / steps)
        if seconds >= 0.1 * window_s or steps >= 1 << 24:
            counts = max(1, math.ceil(window_s / seconds * steps)), math.ceil(lead_s / quickest)
            window, lead = comm.bcast(counts)
            return int(window), int(lead)
        steps *= 2
