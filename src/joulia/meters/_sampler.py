"""The sampler's process: `python -m joulia.meters._sampler JOB`. Ends with its standard input."""

from __future__ import annotations

import importlib
import itertools
import json
import mmap
import os
import select
import sys
import time
from collections.abc import Collection

from joulia.meters._sampled import Integral, Page, PowerReader, Told, longest_gap
from joulia.system.clock import raw_clock

TRIES = 3


def main() -> None:
    job = json.loads(sys.argv[1])
    place(job["busy"])
    page = Page(mmap.mmap(job["descriptor"], Page.SIZE))
    module, _, function = job["function"].partition(":")
    read: PowerReader = getattr(importlib.import_module(module), function)(*job["arguments"])
    sample(read, job["period_s"], Integral(longest_gap(job["period_s"]), job["most_w"]), page)


def sample(read: PowerReader, period_s: float, integral: Integral, page: Page) -> None:
    """Read power every `period_s`, add it up and publish, until the parent is gone.

    A read that fails is a gap. It ends here only where none of the first ones went well.
    """
    due = raw_clock()
    for count in itertools.count(1):
        integral.take(raw_clock, read)
        page.store(Told(time.process_time(), integral))
        if not integral.samples and count >= TRIES:
            return
        due = max(due + period_s, raw_clock() - period_s)
        if select.select([sys.stdin], [], [], max(0.0, due - raw_clock()))[0]:
            return


def place(busy: Collection[int]) -> None:
    """Onto the last core that the node lends and the work does not use."""
    if not hasattr(os, "sched_setaffinity"):
        return
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    lent = os.sched_getaffinity(0)
    free = lent - set(busy)
    os.sched_setaffinity(0, {max(free)} if free else lent)


if __name__ == "__main__":
    main()
