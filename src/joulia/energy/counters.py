"""Counters judged by what they tell and not by their names: copies, dead ones, the impossible.

AMD's dies and, on Linux 6.9 until two fixes of 2024, its CCDs each show the counter of the whole
socket (Linux 26096aed255f, "powercap/intel_rapl: Fix the energy-pkg event for AMD CPUs"): summed
up, eight CCDs are eight times the joules. Dies of Intel's Cascade Lake-AP count apart under names
of the same form. So names do not decide. Two views of one register differ by a constant at almost
every look, to the last bit; two registers differ otherwise after every update.

psys is there and 0 on many laptops, and tells less than its own package on others: it counts only
where it moves, and is at least what lies in it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from joulia.energy.accounting import Seen
from joulia.energy.readings import Key, Window
from joulia.energy.update_periods import update_periods
from joulia.meters import MOST_WATTS, Base, Clock, Meter, SomeFailed, asked
from joulia.meters._counter import LATE_S

OPTIONAL = ("platform", "package", "dram")
"""Kinds of one meter of which some count in place of others, by what they turn out to tell."""
STILL = "its counter stands still"
LESS = "it tells less than the packages inside it"
PARTS_LIMIT = 1.02
"""Parts may tell this much more than their whole: they are not read at the same instant."""
LEAST_MOVES, LEAST_STEPS = 4, 3
"""Counters that were seen to move less often, or by fewer different steps, are not judged: two that
move by the same few counts each time may be two."""
ALIKE = 0.75
"""The share of looks with one and the same difference. 0.9 and more for one register that is
updated every ms and looked at twice within 0.1 ms; for two it changes with every update."""
DIGITS = 7
"""Joules are compared to 0.1 uJ, well below one count of any register (15 or 61 uJ)."""


class Watched(Base):
    """A meter whose readings are kept; domains that fail are left out of them."""

    def __init__(self, meter: Meter) -> None:
        self.id = meter.id
        self.meter = meter
        self.readings: list[dict[str, float]] = []

    def read(self) -> dict[str, float]:
        try:
            joules = self.meter.read()
        except SomeFailed as error:
            joules = error.values
            if not joules:
                raise
        self.readings.append(joules)
        return joules


def watch(
    meter: Meter, watched: Sequence[Seen], clock: Clock, sleep: Callable[[float], None]
) -> tuple[dict[Key, float | None], dict[Key, str]]:
    """The update periods of a meter's counters, and of those that repeat another one, which.

    Raises Unavailable on a failed read.
    """
    kept = Watched(meter)
    names = [domain.domain for domain in watched]
    nominal_s = max(domain.period_s for domain in watched)
    periods = asked(meter.id, partial(update_periods, kept, names, nominal_s, clock, sleep))
    groups = [[domain.domain for domain in watched if domain.kind == kind] for kind in OPTIONAL]
    return (
        {(meter.id, name): seconds for name, seconds in periods.items()},
        {
            (meter.id, name): f"it is the counter of {other} under another name"
            for name, other in repeats(kept.readings, groups).items()
        },
    )


def repeats(
    readings: Sequence[Mapping[str, float]], groups: Iterable[Sequence[str]]
) -> dict[str, str]:
    """The counters that repeat another one of their group, and the first one that each repeats.

    `readings` are joules by name, one look after another. Counters that stand still are no
    repetition of each other.
    """
    first: dict[str, str] = {}
    for names in groups:
        for i, name in enumerate(names):
            same = (other for other in names[:i] if alike(readings, other, name))
            if (other := next(same, None)) is not None:
                first[name] = first.get(other, other)
    return first


def alike(readings: Sequence[Mapping[str, float]], one: str, other: str) -> bool:
    """Whether two counters moved as one."""
    pairs = [(now[one], now[other]) for now in readings if one in now and other in now]
    if not all(moves(values) for values in zip(*pairs, strict=True)):
        return False
    differences = Counter(round(a - b, DIGITS) for a, b in pairs)
    return bool(pairs) and differences.most_common(1)[0][1] > ALIKE * len(pairs)


def moves(values: Sequence[float]) -> bool:
    """Whether a counter moved often and variously enough to be told from another one."""
    steps = [round(b - a, DIGITS) for a, b in itertools.pairwise(values) if b != a]
    return len(steps) >= LEAST_MOVES and len(set(steps)) >= LEAST_STEPS


def still(
    periods: Mapping[Key, float | None], seen: Iterable[Seen], *, everything: bool = False
) -> dict[Key, str]:
    """What is named and not counted: memory, the platform, a node whose parts count. Not 0 J.

    `periods` are those between updates, None where there was none. Where `everything` counts, a
    GPU's dead counter leaves the others; a case that computes on it has no joules.
    """
    kinds = {domain.key: domain.kind for domain in seen}
    alive = {meter for (meter, _), period_s in periods.items() if period_s is not None}
    reasons = {}
    for key in (key for key, period_s in periods.items() if period_s is None):
        if kinds.get(key) in ("dram", "platform") or (
            everything and alive and kinds.get(key) in ("gpu", "module")
        ):
            reasons[key] = STILL
        elif kinds.get(key) == "node" and key[0] in alive:
            reasons[key] = f"{STILL}; what the node has beside the parts that count"
    return reasons


def impossible(window: Window, seen: Iterable[Seen]) -> dict[Key, str]:
    """The domains of a window that tell more than what they cover draws, and how much."""
    bounds = {domain.key: domain.most_w for domain in seen}
    reasons = {}
    for key, joules in window.joules.items():
        most_w = bounds.get(key, MOST_WATTS["node"])
        if joules > most_w * (window.seconds + LATE_S):
            reasons[key] = (
                f"{joules:.4g} J in {window.seconds:.2g} s, more than {most_w:g} W can be"
            )
    return reasons


def less_than_parts(window: Window, seen: Sequence[Seen]) -> dict[Key, str]:
    """Platforms (psys) that tell less than the packages inside them, with that reason."""
    reasons: dict[Key, str] = {}
    for meter in {domain.meter for domain in seen if domain.kind == "platform"}:
        told = [d for d in seen if d.meter == meter and d.key in window.joules]
        whole = {d.key: window.joules[d.key] for d in told if d.kind == "platform"}
        inside = sum(window.joules[d.key] for d in told if d.kind == "package")
        if whole and inside > PARTS_LIMIT * sum(whole.values()):
            reasons |= dict.fromkeys(whole, LESS)
    return reasons
