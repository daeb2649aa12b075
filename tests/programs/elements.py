"""Solve euler cases alone, or on parts of MPI's world: rank 0's file holds the whole fields.

python elements.py BACKEND JOBS.json OUT.npz alone|SIZE,SIZE,...

Each job is {name, shape, dtype, steps, params}. The file has an array [component][z][y][k][j][i][x]
for each, by `name` or `name on SIZE`, and the L2 errors with `:l2` behind it, where the state is
exact and the program runs alone.
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

backend, jobs, out, parts = sys.argv[1:]
answers: dict[str, Any] = {}


def solve_all(comm: Comm, suffix: str) -> None:
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
        stacked = np.stack([solution.fields[name] for name in COMPONENTS])
        n = stacked.shape[3]
        whole = np.empty((5, *job["shape"][:2], n, n, n, job["shape"][2]), stacked.dtype)
        for tile, part in comm.allgather((solution.tile, stacked)):
            (z0, y0, x0), (z1, y1, x1) = tile.start, tile.stop
            whole[:, z0:z1, y0:y1, ..., x0:x1] = part
        answers[job["name"] + suffix] = whole
        if comm.size == 1 and job["params"].get("state") != "taylor_green":
            errors = [solution.error(name, "L2") for name in COMPONENTS]
            answers[job["name"] + suffix + ":l2"] = errors


if parts == "alone":
    solve_all(OneRank(), "")
    np.savez(out, **answers)
else:
    from mpi4py import MPI
    from waiting import wait_for_all

    world = MPI.COMM_WORLD
    for size in map(int, parts.split(",")):
        part = world.Split(0 if world.rank < size else MPI.UNDEFINED, world.rank)
        if part != MPI.COMM_NULL:
            solve_all(MPIRanks(part), f" on {size}")
        wait_for_all(world)
    if world.rank == 0:
        np.savez(out, **answers)
