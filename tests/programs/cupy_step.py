"""Take two steps in CuPy: how often the second makes the host wait, and how often it uploads.

Prints a line for each of VARIANTS, a JSON list of [kernel, params]: both counts by precision.

python cupy_step.py VARIANTS
"""

from __future__ import annotations

import json
import sys

import cupy

from joulia.case import DTYPES
from joulia.parallel.comm import OneRank
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

NAMES = ("synchronizations", "uploads")


def second_step(kernel: str, params: list[str], dtype: str) -> dict[str, int]:
    case = make_case(
        kernel, "cupy", size="tiny", dtype=dtype, params=dict(text.split("=") for text in params)
    )
    run = set_up(case, OneRank())
    run.step()
    run.ops.synchronize()
    before = [getattr(cupy, name) for name in NAMES]
    run.step()
    after = [getattr(cupy, name) for name in NAMES]
    run.ops.synchronize()
    return {name: b - a for name, a, b in zip(NAMES, before, after, strict=True)}


for kernel, params in json.loads(sys.argv[1]):
    print(json.dumps([second_step(kernel, params, dtype) for dtype in DTYPES]))
