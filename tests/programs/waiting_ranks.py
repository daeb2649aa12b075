"""What a rank that waits uses of its core: mpiexec -n 2 python waiting_ranks.py POLICY.

Rank 1 waits in a barrier, and for the halo of a step, until rank 0 has slept; it prints the share
of one core that each took it, and the share that it wanted: also what it stood in the queue for.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from joulia.parallel.comm import MPIRanks
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

LATE_S = 0.3


def queued_s() -> float:
    """Seconds that this thread could run while others ran (Linux, scheduler/sched-stats.rst)."""
    told = Path("/proc/self/schedstat")
    return int(told.read_text().split()[1]) * 1e-9 if told.is_file() else 0.0


comm = MPIRanks(passive=sys.argv[1] == "passive")
run = set_up(make_case("heat", "numpy", ranks=2), comm)
for wait in (comm.barrier, run.step):
    comm.barrier()
    if comm.rank == 0:
        time.sleep(LATE_S)
    began, used = time.perf_counter(), time.process_time()
    queued = queued_s()
    wait()
    if comm.rank == 1:
        seconds, used = time.perf_counter() - began, time.process_time() - used
        print(used / seconds, (used + queued_s() - queued) / seconds, flush=True)
