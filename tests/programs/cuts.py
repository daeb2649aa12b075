"""Take steps of many cases on 1 to 4 ranks, in several cuts, with and without overlap.

python cuts.py BACKEND CASES.json LEAST MOST
mpiexec -n 4 python cuts.py BACKEND CASES.json 4 4

Prints one JSON object: for each case, the digests of the whole grid's fields by cut, on LEAST to
MOST ranks. They run one after another in this process (`together`), or are those of MPI.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sharing import once
from together import together

from joulia import registry, solve
from joulia.grid import factorisations, thinnest
from joulia.parallel.comm import Comm, MPIRanks, OneRank
from joulia.simulation.digest import fields_digest

CUTS = {1: 1, 2: 3, 3: 1, 4: 3}
"""At most so many cuts of each number of ranks; the first, along x, also without overlap."""


def digests(comm: Comm, case: dict[str, Any]) -> dict[str, dict[str, str]]:
    shape = tuple(case["shape"])
    fit = [
        parts
        for parts in factorisations(comm.size, len(shape))
        if all(
            n >= m
            for n, m in zip(thinnest(shape, parts, case["align"]), case["least"], strict=True)
        )
    ]
    by_cut = {}
    for number, parts in enumerate(fit[: case.get("cuts", CUTS[comm.size])]):
        for overlap in (True, False) if comm.size > 1 and number == 0 else (True,):
            solution = solve(
                case["kernel"],
                backend,
                steps=case["steps"],
                shape=shape,
                dtype=case["dtype"],
                threads=case["threads"],
                params=case["params"],
                comm=comm,
                overlap=overlap,
                decompose=parts,
            )
            assert all(np.isfinite(values).all() for values in solution.fields.values())
            cut = "x".join(map(str, parts)) + ("" if overlap else " without overlap")
            by_cut[cut] = fields_digest(comm, solution.tile, solution.fields)
    return by_cut


def every_digest(comm: Comm) -> dict[str, dict[str, Any]]:
    """Of the cases whose kernels this backend has."""
    where = registry.backend(backend)[0]
    here = [case for case in cases if registry.source(case["kernel"], *where) is not None]
    return {case["name"]: digests(comm, case) for case in here}


backend, cases = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
least, most = map(int, sys.argv[3:])
once(registry.bridge(registry.backend(backend)[0][0]))
answers: dict[str, dict[str, Any]] = {case["name"]: {} for case in cases}
if "mpi4py" in sys.modules:
    comm = MPIRanks(passive=True)
    answers |= every_digest(comm)
    if comm.rank > 0:
        sys.exit()
else:
    for size in range(least, most + 1):
        seen = every_digest(OneRank()) if size == 1 else together(size, every_digest)[0]
        for name, by_cut in seen.items():
            answers[name] |= by_cut
print(json.dumps(answers))
