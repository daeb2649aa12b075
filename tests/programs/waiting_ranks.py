"""What a rank that waits uses of its core: mpiexec -n 2 python waiting_ranks.py POLICY.

Rank 1 waits in a barrier, and for the halo of a step, until rank 0 has slept; it prints the share
of one core that each took it, and how often it went to sleep.
"""

from __future__ import annotations

import resource
import sys
import time

from joulia.parallel.comm import MPIRanks
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

LATE_S = 0.3

comm = MPIRanks(passive=sys.argv[1] == "passive")
run = set_up(make_case("heat", "numpy", ranks=2), comm)
for wait in (comm.barrier, run.step):
    comm.barrier()
    if comm.rank == 0:
        time.sleep(LATE_S)
    began, used = time.perf_counter(), time.process_time()
    slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    wait()
    slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - slept
    if comm.rank == 1:
        share = (time.process_time() - used) / (time.perf_counter() - began)
        print(share, slept, flush=True)
