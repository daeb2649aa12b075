"""How many steps fill a window, and a lead before it."""

from __future__ import annotations

import math

from joulia.parallel.comm import Comm
from joulia.simulation.run import Run

MOST_ANEW = 2
"""A case whose windows are far too short is calibrated anew so many times."""
LONGER = 3.0
"""Where others have the cores all the time, a window takes up to so many times as long as asked."""


def calibrate(run: Run, window_s: float, lead_s: float, comm: Comm) -> tuple[int, int]:
    """The numbers of steps that fill a window, and that last at least `lead_s`.

    From timing ever more steps. Whatever disturbs them only adds time, so the quickest counts: a
    window may be longer than asked for, never shorter, and of the last two times the quicker says
    how much longer it is going to be. One step is timed twice: a single time may be that of whoever
    took the core meanwhile, and windows of one step would follow from it.
    """
    steps, paces = 1, [run.seconds(1, comm)]
    while True:
        paces.append(run.seconds(steps, comm) / steps)
        quickest = min(paces)
        if steps * quickest >= 0.1 * window_s or steps >= 1 << 24:
            filled = min(window_s / quickest, LONGER * window_s / min(paces[-2:]))
            counts = max(1, math.ceil(filled)), math.ceil(lead_s / quickest)
            window, lead = comm.bcast(counts)
            return int(window), int(lead)
        steps *= 2
