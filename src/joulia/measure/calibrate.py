"""How many steps fill a window."""

from __future__ import annotations

import math

from joulia.parallel.comm import Comm
from joulia.simulation.run import Run


def calibrate(run: Run, window_s: float, comm: Comm) -> int:
    """The number of steps that fills a window, from timing ever more steps."""
    steps = 1
    while True:
        seconds = run.seconds(steps, comm)
        if seconds >= 0.1 * window_s or steps >= 1 << 24:
            return int(comm.bcast(max(1, math.ceil(window_s / seconds * steps))))
        steps *= 2
