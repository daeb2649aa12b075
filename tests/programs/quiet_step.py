"""What the steps of a kernel do on the stand-in for CuPy: its calls as JSON.

python quiet_step.py KERNEL STEPS [NAME=VALUE ...]
"""

from __future__ import annotations

import json
import sys

import cupy

from joulia import measure
from joulia.api import make_case
from joulia.case import Settings
from joulia.ranks import OneRank

kernel, steps, *params = sys.argv[1:]
case = make_case(kernel, "cupy", params=dict(text.split("=") for text in params))
run, _ = measure.prepare(case, Settings(), OneRank())
run.step()
cupy.calls.clear()
for _ in range(int(steps)):
    run.step()
print(json.dumps(cupy.calls))
