"""Take two steps in CuPy: how often the second makes the host wait, and how often it uploads.

Prints a line for each precision.

python cupy_step.py KERNEL [NAME=VALUE ...]
"""

from __future__ import annotations

import json
import sys

import cupy

from joulia.case import DTYPES
from joulia.parallel.comm import OneRank
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

kernel, *params = sys.argv[1:]
for dtype in DTYPES:
    case = make_case(
        kernel, "cupy", size="tiny", dtype=dtype, params=dict(text.split("=") for text in params)
    )
    run = set_up(case, OneRank())
    run.step()
    run.ops.synchronize()
    before = cupy.synchronizations, cupy.uploads
    run.step()
    after = cupy.synchronizations, cupy.uploads
    run.ops.synchronize()
    names = ("synchronizations", "uploads")
    print(json.dumps({name: b - a for name, a, b in zip(names, before, after, strict=True)}))
