"""Solve euler cases.

python elements.py BACKEND JOBS.json OUT.npz

Each job is {name, shape, dtype, steps, params}. The file has an array [component][z][y][k][j][i][x]
for each by its name, and the L2 errors with `:l2` behind it, where the state is exact.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from joulia import solve
from joulia.kernels.euler import COMPONENTS

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
    )
    answers[job["name"]] = np.stack([solution.fields[name] for name in COMPONENTS])
    if job["params"].get("state") != "taylor_green":
        answers[job["name"] + ":l2"] = [solution.error(name, "L2") for name in COMPONENTS]
np.savez(out, **answers)
