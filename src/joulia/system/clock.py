"""The clock that energy is measured against."""

from __future__ import annotations

import time


def raw_clock() -> float:
    """Seconds that no clock adjustment bends (CLOCK_MONOTONIC_RAW where the system has it).

    The same for all processes of a node; never compared between nodes.
    """
    if hasattr(time, "CLOCK_MONOTONIC_RAW"):
        return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    return time.monotonic()
