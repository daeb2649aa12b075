"""Waiting until other programs leave the node alone, within a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from joulia import meters
from joulia.errors import JouliaError
from joulia.meters import Clock
from joulia.system import conditions
from joulia.system.conditions import DISTURBED, SPELL_S
from joulia.system.machine import usable_cores

LONGEST_S = 600.0
"""A case waits no longer than this, or ten times the quiet that was asked for."""
LOOK_S = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Wait:
    """How long a case waited, s, whether the node was quiet then, and the last look's share."""

    seconds: float
    quiet: bool
    taken: float

    def __str__(self) -> str:
        if self.quiet:
            return f"quiet after {self.seconds:.0f} s"
        return (
            f"not quiet within {self.seconds:.0f} s: others used {100.0 * self.taken:.0f} % of the "
            "cores; measured all the same"
        )


def wait_for_quiet(
    seconds: float,
    *,
    root: Path | None = None,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    own: Clock = time.process_time,
) -> Wait:
    """Wait until others left the usable cores of this node alone for so long.

    Alone means that they had at most DISTURBED of the cores' time in every look. Raises JouliaError
    where the system does not tell who uses its cores.
    """
    root, cores = root or meters.root(), usable_cores()
    longest = max(LONGEST_S, 10.0 * seconds)
    look_s = max(SPELL_S, min(LOOK_S, seconds))
    began = since = clock()
    before, own_before = conditions.cpu_time(root, cores), own()
    while True:
        sleep(look_s)
        after, own_after = conditions.cpu_time(root, cores), own()
        shares = conditions.shares(before, after, own_after - own_before)
        if shares is None:
            raise JouliaError(
                f"--quiet-for is not allowed here: {root / 'proc/stat'} does not tell who uses the "
                "cores. Allowed: a run without it"
            )
        before, own_before, now = after, own_after, clock()
        if shares.taken > DISTURBED:
            since = now
        quiet = now - since >= seconds
        if quiet or now - began >= longest:
            return Wait(now - began, quiet, shares.taken)
