"""The threads of this process, and the CPU time that each has used."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

TASKS = Path("/proc/self/task")


def thread_ids() -> frozenset[int]:
    """The kernel's ids of this process's threads; empty where the system does not tell."""
    try:
        return frozenset(int(task.name) for task in TASKS.iterdir())
    except OSError:
        return frozenset()


def cpu_seconds() -> dict[int, float] | None:
    """CPU seconds of each thread so far, by its id; None where the system does not tell.

    By Linux' CPU clock of the thread (clock_getres(2): the id's complement, scheduler's time, per
    thread), in nanoseconds also for one that runs: /proc/self/task/*/schedstat, which not every
    kernel has, lags a scheduler's tick behind there, and stat counts whole ticks.
    """
    seconds = {}
    for thread in thread_ids():
        with contextlib.suppress(OSError):  # it ended meanwhile, or there is no such clock
            seconds[thread] = 1e-9 * time.clock_gettime_ns(~thread << 3 | 6)
    return seconds or None
