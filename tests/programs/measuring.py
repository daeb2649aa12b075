"""Measure many cases in one process, as the process of each would.

python measuring.py BACKEND CASES

CASES is a JSON list of [kernel, dtype, shape or size, params]; what a worker hands to its parent is
printed for each, in a line.
"""

from __future__ import annotations

import json
import sys
import traceback

from sharing import once

from joulia import registry
from joulia.case import Settings
from joulia.measure import worker
from joulia.parallel.comm import OneRank
from joulia.records.codec import to_json
from joulia.records.record import Measured
from joulia.simulation.solve import make_case

SETTINGS = Settings(window_s=0.002, repeats=2)

backend, cases = sys.argv[1], json.loads(sys.argv[2])
once(registry.bridge(registry.backend(backend)[0][0]))
for kernel, dtype, extent, params in cases:
    sized = (
        {"shape": tuple(map(int, extent.split("x")))} if extent[0].isdigit() else {"size": extent}
    )
    case = make_case(
        kernel,
        backend,
        dtype=dtype,
        params=dict(text.split("=") for text in params),
        **sized,
    )
    try:
        result = worker.run(case, SETTINGS, OneRank(), [], start_only=False)
    except Exception as error:
        traceback.print_exc()
        result = Measured("failed", (f"{type(error).__name__}: {error}",))
    print(json.dumps(to_json(result)))
