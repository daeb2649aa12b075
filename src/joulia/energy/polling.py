"""Counters that wrap, read often enough, also in a window that is longer than a wrap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from joulia.meters import Base, Meter

LONGEST_S = 3600.0
"""What wraps less often than this needs no reads between those of a window."""


def start(opened: Sequence[Meter], read: Callable[[Meter], object]) -> threading.Event:
    """Read the meters that ask for it in a thread of its own until the event is set."""
    ended = threading.Event()
    polls = [meter for meter in opened if isinstance(meter, Base) and meter.poll_s is not None]
    every_s = min((meter.poll_s for meter in polls if meter.poll_s), default=0.0)
    if not 0.0 < every_s < LONGEST_S:
        return ended

    def watch() -> None:
        while not ended.wait(every_s):
            for meter in polls:
                read(meter)

    threading.Thread(target=watch, daemon=True).start()
    return ended
