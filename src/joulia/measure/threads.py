"""Threads are counted, not believed: those that used CPU time in the samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from joulia.device_memory import DeviceOps
from joulia.errors import JouliaError
from joulia.grid import tile_of
from joulia.parallel.comm import Comm, OneRank
from joulia.parallel.levels import exchange_of
from joulia.simulation.fields import allocate, tables
from joulia.simulation.run import Run
from joulia.system.threads import cpu_seconds

WOKEN_S = 5e-7
"""CPU seconds a step that a thread of a team uses at least, were it only to be woken."""
BARELY = 1e-3
"""Share of the busiest thread's CPU time below which a thread certainly does not compute."""
SURELY = 2e-2
"""The share above which one does. Helpers (a collector of garbage, a poller of meters) lie below;
a team's threads, at whatever grid and policy, above a quarter."""

LIMITS = (
    "OMP_THREAD_LIMIT", "OMP_TEAMS_THREAD_LIMIT", "KMP_ALL_THREADS", "KMP_DEVICE_THREAD_LIMIT",
    "KMP_HW_SUBSET",
)  # fmt: skip
"""Variables that let a runtime start fewer threads than it was asked for."""

PROBE_STEPS = 3
PROBE_CELLS = 1 << 15
"""Cells a thread of the grid on which threads are counted again, in one dimension."""
PROBE_SLABS = 64
"""Slabs of its slowest axis a thread, in more."""


class ThreadTimes:
    """CPU seconds of this process's threads over its samples; left out are MPI's own threads, the
    runtime's helpers, and one that reads ahead."""

    def __init__(self, run: Run, comm: Comm) -> None:
        self.run, self.comm = run, comm
        self.began: dict[int, float] | None = None
        self.used: dict[int, float] = {}
        self.steps = 0

    def before(self) -> None:
        """Just before a sample."""
        self.began = cpu_seconds()

    def after(self, steps: int) -> None:
        """Just after it."""
        ended = cpu_seconds()
        self.steps += steps
        if self.began is None or ended is None:
            return
        for thread, seconds in ended.items():
            grown = seconds - self.began.get(thread, 0.0)
            self.used[thread] = self.used.get(thread, 0.0) + grown

    def counted(self) -> int | None:
        """How many threads computed; None where the system does not tell, or a GPU computed."""
        if not self.used or self.run.case.on_gpu or isinstance(self.run.ops, DeviceOps):
            return None
        if self.run.ops.pool is not None:
            return self.run.ops.pool
        ops = self.run.ops
        apart = {*self.comm.helpers, *ops.helpers, *([os.getpid()] if ops.hands_out else [])}
        if self.run.feed is not None:
            apart.add(self.run.feed.reader or 0)
        used = [seconds for thread, seconds in self.used.items() if thread not in apart]
        return computing(used, self.run.case.threads, self.steps)


def computing(used: Sequence[float], wanted: int, steps: int) -> int:
    """How many threads computed, of those that used so many CPU seconds in so many steps.

    As many as wanted, unless fewer can have, or more must have.
    """
    busiest = max(used, default=0.0)
    surely = sum(seconds >= max(SURELY * busiest, WOKEN_S * steps) for seconds in used)
    barely = sum(seconds >= max(BARELY * busiest, WOKEN_S * steps) for seconds in used)
    return max(surely, min(wanted, barely))


@dataclass(frozen=True)
class Count:
    """Threads that computed on one rank, and the same where each had work, if counted again."""

    samples: int | None
    again: int | None = None

    def at_fault(self, wanted: int) -> int | None:
        """The number of threads, where it is not the wanted one and the grid is not the reason."""
        number = self.samples if self.again is None else self.again
        return None if number in (None, wanted) else number


def counts(times: ThreadTimes) -> list[Count]:
    """What all ranks counted; those with fewer threads than the case count again."""
    counted, wanted = times.counted(), times.run.case.threads
    again = count_again(times.run, times.comm) if counted and counted < wanted else None
    every: list[Count] = times.comm.allgather(Count(counted, again))
    return every


def count_again(run: Run, comm: Comm) -> int | None:
    """Threads on a grid of this rank alone, large enough that each has work.

    Runtimes that cut a loop into pieces of some least size leave threads without any on a small
    grid. None where the rank's own grid is as large, or the kernel allows no larger one.
    """
    shape, threads = run.tile.shape, run.case.threads
    least = threads * (PROBE_CELLS if len(shape) == 1 else PROBE_SLABS)
    if shape[0] >= least:
        return None
    slabs = shape[0]
    while slabs < least:
        slabs *= 2
    case = replace(run.case, size=None, shape=(slabs, *shape[1:]), ranks=1)
    kernel, alone = run.kernel, OneRank()
    try:
        kernel.validate(case)
    except JouliaError:
        return None
    parts = (1,) * len(shape)
    tile = tile_of(case.shape, parts, 0, kernel.halo.width, kernel.wraps(case))
    exchange = exchange_of(kernel, case, run.ops, tile, parts, alone)
    host = allocate(kernel, case, tile) | tables(kernel, case, tile)
    fields = {name: run.ops.array(array) for name, array in host.items()}
    times = ThreadTimes(replace(run, case=case), comm)
    for _ in range(PROBE_STEPS):
        times.before()
        fields = kernel.step(run.ops, fields, exchange, case)
        run.ops.synchronize()
        times.after(1)
    return times.counted()


def farthest(every: Sequence[Count], wanted: int) -> int | None:
    """The number of threads in the samples of the rank that is farthest from the case."""
    known = [count.samples for count in every if count.samples is not None]
    return max(known, key=lambda number: abs(number - wanted), default=None)


def failures(every: Sequence[Count], wanted: int, environment: Mapping[str, str]) -> list[str]:
    """Why a case did not run on its threads, the first rank at fault; empty where all did."""
    for rank, count in enumerate(every):
        number = count.at_fault(wanted)
        if number is not None:
            where = f"rank {rank}: " if len(every) > 1 else ""
            return [where + reason(number, wanted, environment)]
    return []


def reason(number: int, wanted: int, environment: Mapping[str, str]) -> str:
    """Both numbers, and what to do."""
    plural = "s" if number > 1 else ""
    text = f"{number} thread{plural} computed where the case has {wanted}: "
    if number > wanted:
        return (
            f"{text}run it with --threads {number}, or keep its runtime to {wanted} (a bridge "
            "whose main thread only hands work out says so: Ops.hands_out)"
        )
    limits = [f"{name}={environment[name]}" for name in LIMITS if environment.get(name)]
    remedy = f"unset {', '.join(limits)}" if limits else "lift what limits them"
    return text + f"{remedy}, or run it with --threads {number}"
