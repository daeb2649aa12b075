"""Take steps of many cases on parts of MPI's world, in several cuts, with and without overlap.

python cuts.py BACKEND CASES.json LEAST MOST

Rank 0 prints one JSON object: for each case, the digests of the whole grid's fields by cut, on
LEAST to MOST ranks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from sharing import once

from joulia import registry, solve
from joulia.grid import factorisations, thinnest
from joulia.parallel.comm import MPIRanks, OneRank
from joulia.simulation.digest import fields_digest
from joulia.system.waiting import sleep_until

CUTS = {1: 1, 2: 3, 3: 1, 4: 3}
"""At most so many cuts of each number of ranks; the first, along x, also without overlap."""


def digests(comm: Any, case: dict[str, Any]) -> dict[str, dict[str, str]]:
    shape = tuple(case["shape"])
    fit = [
        parts
        for parts in factorisations(comm.size, len(shape))
        if min(thinnest(shape, parts, case["align"])) >= case["halo"]
    ]
    by_cut = {}
    for number, parts in enumerate(fit[: CUTS[comm.size]]):
        for overlap in (True, False) if comm.size > 1 and number == 0 else (True,):
            solution = solve(
                case["kernel"],
                backend,
                steps=case["steps"],
                shape=shape,
                dtype=case["dtype"],
                params=case["params"],
                comm=comm,
                overlap=overlap,
                decompose=parts,
            )
            assert all(np.isfinite(values).all() for values in solution.fields.values())
            cut = "x".join(map(str, parts)) + ("" if overlap else " without overlap")
            by_cut[cut] = fields_digest(comm, solution.tile, solution.fields)
    return by_cut


backend, cases = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
least, most = map(int, sys.argv[3:])
once(registry.bridge(registry.backend(backend)[0][0]))
world = MPI.COMM_WORLD
answers: dict[str, dict[str, Any]] = {case["name"]: {} for case in cases}
for size in range(least, most + 1):
    part = world.Split(0 if world.rank < size else MPI.UNDEFINED, world.rank)
    if part != MPI.COMM_NULL:
        comm = OneRank() if size == 1 else MPIRanks(part, passive=True)
        for case in cases:
            if registry.source(case["kernel"], *registry.backend(backend)[0]) is None:
                continue
            answers[case["name"]] |= digests(comm, case)
    sleep_until(world.Ibarrier().Test)
if world.rank == 0:
    print(json.dumps(answers))
