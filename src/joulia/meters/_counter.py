"""A counter that wraps, turned into joules that never decrease."""

from __future__ import annotations

import threading
from collections.abc import Callable

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Clock

LATE_S = 1.0
"""A counter may be updated this late, and then tell at once what it has not told before."""


class Accumulator:
    """Joules of a raw counter since the first read, across its wraps.

    `range_j` is the energy at which the counter starts again from 0; None where that is not known.
    `most_w` is more than what it counts can draw. Every difference is held against it: a counter
    that goes back has wrapped only where the wrap is no more than that, and else was reset (after
    suspend, by a reload of its driver) or told nonsense. Such a step raises, and counting goes on
    from where it led. Reads must come within half of the time that a wrap takes at `most_w`; a
    later one cannot tell one wrap from two and raises. `behind_j` is the same of a register behind
    the counter, whose wraps its driver sees only when somebody reads.
    """

    def __init__(
        self,
        name: str,
        range_j: float | None,
        clock: Clock,
        most_w: float = MOST_WATTS["node"],
        behind_j: float | None = None,
    ) -> None:
        self.name = name
        self.range_j = range_j
        self.missable_j = range_j if behind_j is None else behind_j
        self.clock = clock
        self.most_w = most_w
        self.raw: float | None = None
        self.at = 0.0
        self.total = 0.0
        self.wraps = 0
        self.lock = threading.Lock()

    @property
    def poll_s(self) -> float | None:
        """The longest time between two reads: a bit less than half of the quickest wrap."""
        return None if self.missable_j is None else 0.45 * self.missable_j / self.most_w

    def update(self, raw_j: float) -> float:
        """The joules so far, given the counter's present value in joules."""
        return self.read(lambda: raw_j)

    def read(self, counter: Callable[[], float]) -> float:
        """The joules so far, given what reads the counter: by one thread at a time.

        Of two that read and add up in turn, the slower one would come with the older value, which
        looks like a step back.
        """
        with self.lock:
            raw_j = counter()
            before, at = self.raw, self.at
            # Whatever this step turns out to be, the next one begins here.
            self.raw, self.at = raw_j, self.clock()
            if before is not None:
                self.total += self._step(before, raw_j, self.at - at)
            return self.total

    def _step(self, before: float, raw_j: float, seconds: float) -> float:
        if self.missable_j is not None and seconds * self.most_w >= self.missable_j:
            raise Unavailable(
                f"{self.name} was not read for {seconds:.0f} s: a wrap may have been missed"
            )
        if raw_j >= before:
            return self._plausible(raw_j - before, seconds, f"{self.name} went on by")
        back = f"{self.name} went back from {before:g} J to {raw_j:g} J"
        if self.range_j is None:
            raise Unavailable(f"{back} and tells no range")
        wrapped = self._plausible(
            raw_j - before + self.range_j, seconds, f"{back}, which is no wrap: that would be"
        )
        self.wraps += 1
        return wrapped

    def _plausible(self, joules: float, seconds: float, what: str) -> float:
        if joules > self.most_w * (seconds + LATE_S):
            raise Unavailable(
                f"{what} {joules:.4g} J in {seconds:.2g} s, more than {self.most_w:g} W can be"
            )
        return joules
