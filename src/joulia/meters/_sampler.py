"""The sampler's process: `python -m joulia.meters._sampler JOB`. Ends with its standard input."""

from __future__ import annotations

import importlib
import json
import mmap
import os
import select
import sys
import time
from collections.abc import Collection

from joulia.errors import Unavailable
from joulia.meters._sampled import Integral, Page, PowerReader, Told, longest_gap
from joulia.system.clock import raw_clock


def main() -> None:
    job = json.loads(sys.argv[1])
    place(job["busy"])
    page = Page(mmap.mmap(job["descriptor"], Page.SIZE))
    module, _, function = job["function"].partition(":")
    read: PowerReader = getattr(importlib.import_module(module), function)(*job["arguments"])
    sample(read, job["period_s"], page)


def sample(read: PowerReader, period_s: float, page: Page) -> None:
    """Read power every `period_s`, add it up and publish, until the parent is gone."""
    integral = Integral(longest_gap(period_s))
    report = Told(0, 0.0, 0.0, 0.0, {}, {})
    due = raw_clock()
    while True:
        began = raw_clock()
        try:
            watts = read()
        except Unavailable as error:
            report.error = error.reason
            page.store(report)
            return
        # The figure belongs to the middle of the call that fetched it.
        now = 0.5 * (began + raw_clock())
        integral.add(now, watts)
        report = Told(
            samples=report.samples + 1,
            first=report.first if report.samples else now,
            at=now,
            cost_s=time.process_time(),
            joules=integral.joules,
            watts=integral.watts,
        )
        page.store(report)
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
