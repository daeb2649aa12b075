"""Solve a case on all ranks of MPI's world and write the global fields: rank 0's file is whole.

python fields.py BACKEND KERNEL DTYPE STEPS OVERLAP SHAPE OUT.npz [NAME=VALUE ...]
"""

from __future__ import annotations

import sys

import numpy as np

from joulia import solve
from joulia.parallel.comm import MPIRanks

backend, kernel, dtype, steps, overlap, shape, out, *params = sys.argv[1:]
comm = MPIRanks()
solution = solve(
    kernel,
    backend,
    steps=int(steps),
    shape=tuple(map(int, shape.split("x"))),
    dtype=dtype,
    params=dict(text.split("=") for text in params),
    comm=comm,
    overlap=overlap == "overlap",
)
tiles = comm.allgather((solution.tile.start, solution.tile.stop, solution.fields))
if comm.rank == 0:
    whole = {}
    for start, stop, fields in tiles:
        *outer, last = (slice(a, b) for a, b in zip(start, stop, strict=True))
        for name, part in fields.items():
            # An element's nodes lie before the last axis of the grid.
            inside = part.shape[len(start) - 1 : -1]
            grid = solution.tile.grid
            every = whole.setdefault(name, np.empty((*grid[:-1], *inside, grid[-1]), dtype))
            every[(*outer, ..., last)] = part
    np.savez(out, **whole)
