"""The suite's parameters: kernels x backends of the checkout that holds this suite, and meters.

asv runs this suite against many commits. A parameter's place in its list must be the same for all
of them, so the lists come from the checkout, not from the joulia that a commit installed: what a
commit lacks is NaN.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def checkout() -> Iterator[None]:
    """The checkout's own joulia, whatever is installed."""
    sys.path.insert(0, str(ROOT / "src"))
    try:
        yield
    finally:
        sys.path.pop(0)


@cache
def axes() -> tuple[list[str], list[str]]:
    """All kernels and all backends, present on this machine or not, sorted by name."""
    if "joulia" in sys.modules:
        raise RuntimeError("the lists must come from the checkout: import this module first")
    with checkout():
        from joulia import registry
    return sorted(registry.kernels()), sorted(registry.backends())


@cache
def sources() -> tuple[str, ...]:
    """How this machine can measure joules, without and with its GPUs; empty where it cannot.

    A parameter, so that no series mixes sources. asv publishes the rows of the machine that it
    runs on: JOULIA_ASV_SOURCES (as in `counter,sampled`) names those of other machines' results.
    """
    named = os.environ.get("JOULIA_ASV_SOURCES")
    if named is not None:
        return tuple(filter(None, named.split(",")))
    axes()
    with checkout():
        from joulia.energy import EnergyMonitor
    found = []
    for gpus in (False, True):
        monitor = EnergyMonitor(everything=gpus)
        found.append("+".join(sorted({domain.source for domain in monitor.account.counted})))
        monitor.close()
    return tuple(dict.fromkeys(filter(None, found)))
