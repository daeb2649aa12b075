"""Solve euler cases on all ranks of MPI's world, or alone: rank 0's file holds the whole fields.

python elements.py BACKEND JOBS.json OUT.npz alone|ranks

Each job is {name, shape, dtype, steps, params}. The file has an array [component][z][y][k][j][i][x]
for each, and `name:l2`, the L2 errors, where the state is exact and the program runs alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from joulia import solve
from joulia.kernels.euler import COMPONENTS
from joulia.parallel.comm import Comm, MPIRanks, OneRank

backend, jobs, out, alone = sys.argv[1:]
comm: Comm = OneRank() if alone == "alone" else MPIRanks()
answers: dict[str, Any] = {}
for job in json.loads(Path(jobs).read_text()):
    solution = solve(
        "euler",
        backend,
        steps=job["steps"],
        shape=tuple(job["shape"]),
        dtype=job.get("dtype", "float64"),
        params=job["params"],
        comm=comm,
    )
    mine = np.stack([solution.fields[name] for name in COMPONENTS])
    n = mine.shape[3]
    whole = np.empty((5, *job["shape"][:2], n, n, n, job["shape"][2]), mine.dtype)
    for tile, part in comm.allgather((solution.tile, mine)):
        (z0, y0, x0), (z1, y1, x1) = tile.start, tile.stop
        whole[:, z0:z1, y0:y1, ..., x0:x1] = part
    answers[job["name"]] = whole
    if comm.size == 1 and job["params"].get("state") != "taylor_green":
        answers[job["name"] + ":l2"] = [solution.error(name, "L2") for name in COMPONENTS]
if comm.rank == 0:
    np.savez(out, **answers)
