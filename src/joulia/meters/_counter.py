"""A counter that wraps, turned into joules that never decrease."""

from __future__ import annotations

import threading

from joulia.errors import Unavailable
from joulia.meters import Clock

MOST_WATTS = 2000.0
"""No single zone or node draws more in its mean; bounds how fast a counter can wrap."""


class Accumulator:
    """Joules of a raw counter since the first read, across its wraps.

    `range_j` is the energy at which the counter starts again from 0; None where that is not known:
    then a counter that goes back voids the window instead. Reads must come within half of the
    time a wrap takes at `MOST_WATTS`; a later one cannot tell one wrap from two and raises.
    """

    def __init__(self, name: str, range_j: float | None, clock: Clock) -> None:
        self.name = name
        self.range_j = range_j
        self.clock = clock
        self.raw: float | None = None
        self.at = 0.0
        self.total = 0.0
        self.wraps = 0
        self.lock = threading.Lock()

    @property
    def poll_s(self) -> float | None:
        """The longest time between two reads: a bit less than half of the quickest wrap."""
        return None if self.range_j is None else 0.45 * self.range_j / MOST_WATTS

    def update(self, raw_j: float) -> float:
        """The joules so far, given the counter's present value in joules."""
        with self.lock:
            now = self.clock()
            if self.raw is not None:
                self.total += self._step(raw_j, now - self.at)
            self.raw, self.at = raw_j, now
            return self.total

    def _step(self, raw_j: float, seconds: float) -> float:
        assert self.raw is not None
        if self.range_j is not None and seconds * MOST_WATTS >= self.range_j:
            self.raw, self.at = raw_j, self.clock()
            raise Unavailable(
                f"{self.name} was not read for {seconds:.0f} s: a wrap may have been missed"
            )
        if raw_j >= self.raw:
            return raw_j - self.raw
        if self.range_j is None:
            before, self.raw, self.at = self.raw, raw_j, self.clock()
            raise Unavailable(
                f"{self.name} went back from {before:g} J to {raw_j:g} J and tells no range"
            )
        self.wraps += 1
        return raw_j - self.raw + self.range_j
