"""Solve euler cases.

python elements.py BACKEND JOBS.json OUT.npz

Each job is {name, shape, dtype, steps, params}. The file has an array [component][z][y][k][j][i][x]
for each by its name, and the L2 errors with `:l2` behind it, where the state is exact. A job
that is `dyadic` starts from `dyadic` and has its digests with `:digest` behind its name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from joulia import solve
from joulia.arrays import Host, mixed
from joulia.case import Case
from joulia.grid import Tile
from joulia.kernels.euler import COMPONENTS, conserved, layout, pack
from joulia.parallel.comm import OneRank
from joulia.simulation.digest import fields_digest


def dyadic(case: Case, tile: Tile) -> dict[str, Host]:
    """A rough state of multiples of 1/1024, the same bits on every machine: no library has a part.

    Density and pressure lie in [1, 1.5), velocities in [-0.25, 0.25).
    """
    grid = (*case.shape[:2], *layout(case).cell(3)[1:], case.shape[2])
    index = np.arange(np.prod(grid), dtype=np.uint64).reshape(grid)
    with np.errstate(over="ignore"):
        rough = [(mixed(index + np.uint64(i << 40)) >> np.uint64(55)) / 1024.0 for i in range(5)]
    q = pack(conserved(1 + rough[0], *(v - 0.25 for v in rough[1:4]), 1 + rough[4]))
    for axis in (0, 1, -1):
        halo = [(0, 0)] * q.ndim
        halo[axis] = (tile.halo, tile.halo)
        q = np.pad(q, halo, mode="wrap")
    return {"q": q, "k": np.zeros_like(q)}


backend, jobs, out = sys.argv[1:]
answers: dict[str, Any] = {}
for job in json.loads(Path(jobs).read_text()):
    solution = solve(
        "euler",
        backend,
        steps=job["steps"],
        shape=tuple(job["shape"]),
        dtype=job.get("dtype", "float64"),
        params=job["params"],
        initial=dyadic if job.get("dyadic") else None,
    )
    if job.get("dyadic"):
        digests = fields_digest(OneRank(), solution.tile, solution.fields)
        answers[job["name"] + ":digest"] = [digests[name] for name in COMPONENTS]
        continue
    answers[job["name"]] = np.stack([solution.fields[name] for name in COMPONENTS])
    if job["params"].get("state") != "taylor_green":
        answers[job["name"] + ":l2"] = [solution.error(name, "L2") for name in COMPONENTS]
np.savez(out, **answers)
