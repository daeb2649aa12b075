"""Take two steps in CuPy; print how often the second made the host wait, and how often it uploaded.

python cupy_step.py KERNEL DTYPE [NAME=VALUE ...]
"""

from __future__ import annotations

import json
import sys

import cupy

from joulia import measure
from joulia.api import make_case
from joulia.case import Settings
from joulia.ranks import OneRank

kernel, dtype, *params = sys.argv[1:]
case = make_case(
    kernel, "cupy", size="tiny", dtype=dtype, params=dict(text.split("=") for text in params)
)
run, _ = measure.prepare(case, Settings(), OneRank())
run.step()
run.ops.synchronize()
before = cupy.synchronizations, cupy.uploads
run.step()
after = cupy.synchronizations, cupy.uploads
run.ops.synchronize()
names = ("synchronizations", "uploads")
print(json.dumps({name: b - a for name, a, b in zip(names, before, after, strict=True)}))
