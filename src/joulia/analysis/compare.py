"""Backends side by side on the same problem, against a baseline: time, joules, what is sure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joulia.analysis import conditions, node, power, ranksum
from joulia.analysis.break_even import BreakEven, break_even
from joulia.analysis.labels import chosen
from joulia.analysis.power import LEVEL, MARGIN, PowerRatio
from joulia.analysis.ranksum import Ratio
from joulia.analysis.uncertain import Uncertain, uncertain
from joulia.case import Case, Shape, Value
from joulia.errors import JouliaError, suggest
from joulia.records.parts import Energy, Timing
from joulia.records.record import Record


@dataclass(frozen=True)
class Difference:
    """How often a backend's figure fits into the baseline's: above 1 it needs less.

    `verdict` is `better`, `worse`, `no clear difference`, `too few repeats`, or begins with
    `conditions differ` and names the difference; `p` is corrected.
    """

    ratio: Uncertain
    p: float
    verdict: str


@dataclass(frozen=True)
class Entry:
    """One backend's figures for a problem. Units are a step's: s, J, J s; W; updates per joule.

    `startup` is seconds until the first step is done, caches warm, `cold_startup` with empty ones;
    `startup_energy` and `cold_startup_energy` are the joules until then, where they were metered.
    `estimate` is modelled, never measured; nothing else here is made from it.
    """

    record: Record
    time: Uncertain
    energy: Uncertain | None
    power: Uncertain | None
    delay_product: Uncertain | None
    updates_per_joule: Uncertain | None
    fraction: Uncertain | None
    startup: float
    cold_startup: float | None
    startup_energy: Uncertain | None
    cold_startup_energy: Uncertain | None
    estimate: Uncertain | None
    spread: float
    node_energy: Uncertain | None = None
    """With the joules of GPUs that idled beside it; None where there were none."""
    is_baseline: bool = False
    time_difference: Difference | None = None
    energy_difference: Difference | None = None
    power_ratio: PowerRatio | None = None
    break_even_time: BreakEven | None = None
    break_even_energy: BreakEven | None = None

    @property
    def backend(self) -> str:
        return self.record.case.backend

    @property
    def label(self) -> str:
        """The backend, ranks x threads where it is not one of each, and how they wait."""
        case = self.record.case
        where = "" if case.cores == 1 else f" {case.ranks} x {case.threads}{case.waiting}"
        overlap = {None: "", False: " no overlap", True: " overlap"}[self.record.settings.overlap]
        return " ".join(filter(None, [case.backend + where + overlap, case.cap]))

    @property
    def lines(self) -> float | None:
        """Lines of code of what ran, with its share of helpers; None where nobody counted."""
        counted = self.record.source_lines
        return counted.total if counted else None


@dataclass(frozen=True)
class Absent:
    """A backend without a figure for a problem, and why."""

    backend: str
    status: str
    reason: str
    case: Case


@dataclass(frozen=True)
class Problem:
    """The same physics, resolution and precision on one machine. Entries are quickest first."""

    machine: str
    hostname: str
    kernel: str
    size: str | None
    shape: Shape
    dtype: str
    params: tuple[tuple[str, Value], ...]
    entries: tuple[Entry, ...] = ()
    absent: tuple[Absent, ...] = ()
    sources: tuple[str, ...] = field(default=())

    @property
    def key(self) -> tuple[Any, ...]:
        """What is computed, wherever."""
        return (self.kernel, self.shape, self.dtype, self.params)

    @property
    def baseline(self) -> Entry | None:
        return next((e for e in self.entries if e.is_baseline), None)

    @property
    def title(self) -> str:
        shape = "x".join(map(str, self.shape))
        size = f" ({self.size})" if self.size else ""
        return " ".join([self.kernel, shape + size, self.dtype, *chosen(self.kernel, self.params)])


def comparisons(records: Sequence[Record], baseline: str | None = None) -> list[Problem]:
    """Problems in the order of the records.

    `baseline` names a backend; without it, it is `numpy` where that was measured, else the first
    measured backend by name. JouliaError where no record has such a backend.
    """
    if baseline is not None:
        known = sorted({r.case.backend for r in records} | {r.case.bridge for r in records})
        if baseline not in known:
            raise suggest("baseline", baseline, known)
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        case = record.case
        key = (record.machine.id, case.kernel, case.shape, case.dtype, case.params)
        groups.setdefault(key, []).append(record)
    return [problem(group, baseline) for group in groups.values()]


def problem(records: Sequence[Record], baseline: str | None = None) -> Problem:
    """The problem of records that share machine, kernel, shape, dtype and parameters."""
    latest: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        case = record.case
        key = (
            case.backend, case.ranks, case.threads, case.cap, case.wait, record.settings.overlap
        )  # fmt: skip
        latest.setdefault(key, []).append(record)
    entries, absent = [], []
    for runs in latest.values():
        # The last one counts: what was valid before the code changed is no figure of today's code.
        warm = [r for r in runs if not r.settings.cold]
        cold = [r for r in runs if r.settings.cold and r.status == "valid"]
        last = (warm or runs)[-1]
        if last.status == "valid" and last.time and last.rates and last.work:
            entries.append(entry(last, [r for r in runs if r.id == last.id], cold))
        else:
            absent.append(
                Absent(
                    last.case.backend,
                    last.status,
                    last.reasons[0] if last.reasons else "no reason given",
                    last.case,
                )
            )
    entries.sort(key=lambda e: e.time.value)
    first = records[0]
    return Problem(
        first.machine.id,
        first.machine.label,
        first.case.kernel,
        next((r.case.size for r in records if r.case.size), None),
        first.case.shape,
        first.case.dtype,
        first.case.params,
        tuple(judge(entries, baseline)),
        tuple(absent),
        tuple(sorted({e.record.energy.source for e in entries if e.record.energy})),
    )


def entry(record: Record, repeated: Sequence[Record], cold: Sequence[Record]) -> Entry:
    assert record.time is not None
    assert record.rates is not None
    assert record.work is not None
    times = record.time.samples
    time = uncertain(record.time)
    updates = record.work.updates
    joules = record.energy.samples if record.energy else ()
    energy = uncertain(record.energy) if record.energy else None
    fraction = record.rates.fraction_of_bound
    medians = [r.time.median for r in repeated if r.status == "valid" and r.time]
    spread = max(medians) / min(medians) - 1.0 if len(medians) > 1 else 0.0
    model = record.energy_estimate
    return Entry(
        record,
        time,
        energy,
        power=together(joules, times, energy, time, lambda e, t: e / t),
        delay_product=together(joules, times, energy, time, lambda e, t: e * t),
        updates_per_joule=energy.map(lambda e: updates / e)
        if energy and energy.value > 0
        else None,
        fraction=None if fraction is None else time.map(lambda t: float(fraction) * time.value / t),
        startup=startup_seconds(record),
        cold_startup=startup_seconds(cold[-1]) if cold else None,
        startup_energy=startup_joules(record),
        cold_startup_energy=startup_joules(cold[-1]) if cold else None,
        estimate=Uncertain(model.median, model.low, model.high) if model else None,
        spread=spread,
        node_energy=Uncertain.of(node.whole(record.energy))
        if record.energy and record.energy.unused
        else None,
    )


def together(
    joules: Sequence[float],
    times: Sequence[float],
    energy: Uncertain | None,
    time: Uncertain,
    f: Callable[[float, float], float],
) -> Uncertain | None:
    """A figure of joules and seconds of the same windows; of the medians where some were void."""
    if energy is None:
        return None
    if len(joules) == len(times):
        return Uncertain.of([f(e, t) for e, t in zip(joules, times, strict=True)])
    return Uncertain(f(energy.value, time.value))


def startup_seconds(record: Record) -> float:
    return record.startup.seconds if record.startup else 0.0


def startup_joules(record: Record) -> Uncertain | None:
    """Metered joules until the first step is done."""
    energy = record.startup.energy if record.startup else None
    if energy is None or energy.total.joules is None or energy.total.uncertainty_rel is None:
        return None
    off = energy.total.uncertainty_rel * energy.total.joules
    return Uncertain(energy.total.joules, energy.total.joules - off, energy.total.joules + off)


def judge(entries: Sequence[Entry], baseline: str | None) -> list[Entry]:
    """The entries with their differences from the baseline, the quickest entry of its backend."""
    base = pick(entries, baseline)
    if base is None:
        return list(entries)
    others = [e for e in entries if e is not base]
    times = differences(base, others, lambda e: e.record.time)
    joules = differences(base, others, lambda e: e.record.energy)
    refused = [conditions_differ(base, e) for e in others]
    drawn = power.ratios(base.record, [e.record for e in others], refused)
    watts = dict(zip(map(id, others), drawn, strict=True))
    judged = []
    for entry in entries:
        if entry is base:
            judged.append(replace(entry, is_baseline=True))
            continue
        judged.append(
            replace(
                entry,
                time_difference=times[id(entry)],
                energy_difference=joules[id(entry)],
                power_ratio=watts[id(entry)],
                break_even_time=break_even(
                    entry.startup, entry.startup, entry.time, base.startup, base.startup, base.time
                ),
                break_even_energy=break_even_joules(entry, base),
            )
        )
    return judged


def pick(entries: Sequence[Entry], baseline: str | None) -> Entry | None:
    wanted = baseline
    if wanted is None:
        names = sorted({e.backend for e in entries}, key=lambda name: (name != "numpy", name))
        wanted = names[0] if names else None
    exact = next((e for e in entries if e.backend == wanted), None)
    return exact or next((e for e in entries if e.record.case.bridge == wanted), None)


def differences(
    base: Entry, others: Sequence[Entry], part: Callable[[Entry], Timing | Energy | None]
) -> dict[int, Difference | None]:
    """The difference of each from the baseline, by the entry's id()."""
    reference = part(base)
    ratios: dict[int, Ratio] = {}
    for entry in others:
        compared = part(entry)
        pair = both_samples(reference, compared) if reference and compared else None
        if pair and min(*pair[0], *pair[1]) > 0:
            ratios[id(entry)] = ranksum.ratio(pair[0], pair[1])
    corrected = dict(zip(ratios, ranksum.holm([r.p for r in ratios.values()]), strict=True))
    result: dict[int, Difference | None] = {}
    for entry in others:
        ratio = ratios.get(id(entry))
        margin = max(MARGIN, entry.spread, base.spread)
        result[id(entry)] = None
        if ratio is not None:
            p = corrected[id(entry)]
            uncertain_ratio = Uncertain(ratio.value, ratio.low, ratio.high)
            unlike = conditions_differ(base, entry)
            judged = unlike or verdict(ratio, p, margin)
            result[id(entry)] = Difference(uncertain_ratio, p, judged)
    return result


CONDITIONS_DIFFER = "conditions differ"


def conditions_differ(base: Entry, entry: Entry) -> str | None:
    """Why there is no verdict over two entries: what differs, or whose median was disturbed.

    Two of one backend that wait otherwise are what a sweep of `--wait` asks about.
    """
    apart = ("wait",) if base.backend == entry.backend else ()
    unlike = conditions.differences([base.record], [entry.record], apart)
    for each in (base, entry):
        if conditions.median_disturbed(each.record):
            unlike.append(f"{each.label} was disturbed")
    return f"{CONDITIONS_DIFFER}: {'; '.join(unlike)}" if unlike else None


def both_samples(
    one: Timing | Energy, other: Timing | Energy
) -> Sequence[tuple[float, ...]] | None:
    """The samples of two; of joules those that cover the same parts, None where none do."""
    if isinstance(one, Energy) and isinstance(other, Energy):
        return node.alike([one, other])
    return [one.samples, other.samples]


def verdict(ratio: Ratio, p: float, margin: float) -> str:
    if ratio.low is None:
        return "too few repeats"
    if p > LEVEL or abs(math.log(ratio.value)) <= math.log1p(margin):
        return "no clear difference"
    return "better" if ratio.value > 1.0 else "worse"


def break_even_joules(entry: Entry, base: Entry) -> BreakEven | None:
    """As in time, from metered start-ups.

    Where one was not metered, its power lies between idle and the running average.
    """
    if entry.energy is None or base.energy is None or entry.power is None or base.power is None:
        return None
    energy, base_energy = entry.record.energy, base.record.energy
    if energy is None or base_energy is None or not node.same([energy, base_energy]):
        return None
    return break_even(*startup_bounds(entry), entry.energy, *startup_bounds(base), base.energy)


def startup_bounds(entry: Entry) -> tuple[float, float]:
    """The least and the most joules that an entry's start-up took."""
    metered = entry.startup_energy
    if metered is not None and metered.low is not None and metered.high is not None:
        return metered.low, metered.high
    power = entry.power.value if entry.power else 0.0
    return entry.startup * idle_watts(entry), entry.startup * power


def idle_watts(entry: Entry) -> float:
    """The lower of the idle powers around the case; 0 where none was measured."""
    idle = entry.record.energy.idle_w if entry.record.energy else None
    power = entry.power.value if entry.power else 0.0
    return min([power, *idle]) if idle else 0.0


def measured(problems: Sequence[Problem]) -> list[Problem]:
    """Problems with a figure. JouliaError, in one line, where there is none."""
    with_entries = [p for p in problems if p.entries]
    if not with_entries:
        reasons = sorted(
            {f"{a.backend} {a.status}: {a.reason}" for p in problems for a in p.absent}
        )
        raise JouliaError("nothing was measured: " + "; ".join(reasons))
    return with_entries
