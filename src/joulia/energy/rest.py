"""Work with rest on both sides: the counters' lag taken out at the power measured at rest.

The first reading tells up to an update period T of the rest before the work as if it were the
work's, T / 2 on average. The last one is taken a while after the work, when every counter has
caught up with its end, and tells of the rest after it as well, but for T / 2 on average. So the
joules are right whatever the power did in between, also where it changed tenfold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Key, Window

Outcome = TypeVar("Outcome")


def window_of(
    energy: EnergyMonitor,
    work: Callable[[], Outcome],
    then: Callable[[float], None] = lambda seconds: None,
) -> tuple[Outcome, Window | str]:
    """What some work returns, and its joules or why they are not known.

    The idle before it is measured already. Waits for the counters to catch up with the work's end,
    and measures the idle after it. `then` hears how long the work took, between the two.
    """
    before = energy.read()
    outcome = work()
    ended = energy.clock()
    energy.sleep(energy.lead_s(ended - before.at))
    after = energy.read()
    then(ended - before.at)
    energy.idle()
    whole = energy.between(before, after)
    if isinstance(whole, str) or not energy.active:
        return outcome, whole
    if len(energy.idles) < 2:
        reason = energy.read_errors[-1] if energy.read_errors else "no reading"
        return outcome, f"the power at rest around the work was not measured ({reason})"
    return outcome, without_rest(whole, after.at - ended, energy.periods, *energy.idles[-2:])


def without_rest(
    whole: Window, rest_s: float, periods: Mapping[Key, float], before: Window, after: Window
) -> Window:
    """The work's part of a window that ends `rest_s` seconds after it.

    `before` and `after` are windows of the rest on either side. A counter that had no time to catch
    up is left as it is: the window is too short for it in any case.
    """
    seconds = whole.seconds - rest_s
    joules, checks = dict(whole.joules), dict(whole.checks)
    ends: dict[Key, tuple[float, float]] = {}
    for key, lag_s in periods.items():
        if lag_s > rest_s or key not in joules.keys() & before.joules.keys() & after.joules.keys():
            continue
        first_w, last_w = (rest.joules[key] / rest.seconds for rest in (before, after))
        joules[key] -= 0.5 * lag_s * first_w + (rest_s - 0.5 * lag_s) * last_w
        if key in checks:
            checks[key] -= rest_s * last_w
        ends[key] = first_w, last_w
    active = {
        meter: min(1.0, share * whole.seconds / seconds) for meter, share in whole.active.items()
    }
    return Window(seconds, whole.cost_s, joules, checks, active, whole.waiting, ends)
