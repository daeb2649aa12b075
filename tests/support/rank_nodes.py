"""A rank of a job over simulated nodes: `rank_nodes.py FOLDER LAYOUT SECONDS TRIES`, by mpiexec.

LAYOUT is a list of [node, device or null], one entry a rank; a third item lists the GPUs that the
rank's NVML shows it. Rank 0 prints the record's energy. A window is measured again, TRIES times in
all, where a busy machine held one rank up between barrier and reading: the stand-ins draw their
watts all the time, so that windows of unlike length have no sum to compare with.
"""

import json
import os
import sys
import time
from pathlib import Path

folder, layout, seconds = Path(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3])
tries = int(sys.argv[4])

from mpi4py import MPI  # noqa: E402

node, device, *seen = layout[MPI.COMM_WORLD.rank]
os.environ["JOULIA_ROOT"] = str(folder / node)
if seen:
    os.environ["FAKE_GPUS_SEEN"] = ",".join(seen[0])

from joulia.energy.monitor import EnergyMonitor  # noqa: E402
from joulia.energy.result import energy_result  # noqa: E402
from joulia.parallel.comm import MPIRanks  # noqa: E402
from joulia.records.codec import to_json  # noqa: E402


def main() -> None:
    comm = MPIRanks()
    energy = EnergyMonitor(comm, tolerance=0.2, device=device)
    readers = comm.allgather(energy.reads)
    for _ in range(2):
        for _ in range(tries):
            comm.barrier()
            before = energy.read()
            comm.barrier()
            time.sleep(seconds)
            comm.barrier()
            after = energy.read()
            spans = comm.allgather(after.at - before.at)
            if max(spans) < 1.02 * min(spans):
                break
        energy.window(before, after)
    result, reason = energy_result(energy, 1)
    energy.close()
    if comm.rank == 0:
        print(json.dumps({"energy": to_json(result), "reason": reason, "readers": readers}))


main()
