"""What the threads of a case that wait use of a core: python waiting_threads.py BACKEND THREADS.

Prints the largest share of one core that a thread other than the main one used while that slept,
a step having just ended. In an environment of `launch.environment`.
"""

from __future__ import annotations

import os
import sys
import time

from joulia.parallel.comm import OneRank
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case
from joulia.system.threads import cpu_seconds

SETTLED_S, LOOKED_S = 0.1, 0.4
"""Seconds until the default's spinning is over, and seconds watched."""

run = set_up(make_case("stream", sys.argv[1], threads=int(sys.argv[2])), OneRank())
run.steps(5)
time.sleep(SETTLED_S)
before = cpu_seconds()
time.sleep(LOOKED_S)
after = cpu_seconds()
assert before
assert after
shares = [(after[t] - before[t]) / LOOKED_S for t in before if t in after and t != os.getpid()]
print(max(shares, default=0.0))
