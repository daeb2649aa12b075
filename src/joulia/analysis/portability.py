"""Performance portability over machines: Pennycook, Sewall and Lee (2016, 2019), time and energy.

The harmonic mean, over a set of machines, of a backend's efficiency on a problem; 0 where a machine
of the set does not support it. Application efficiency: against the best that any backend reached
there. Architectural efficiency: against the machine's bound, which for time is the fraction of the
bound in the record, and for energy the joules that the best measured triad of that machine would
take for the declared bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joulia import registry
from joulia.analysis import node
from joulia.analysis.compare import Entry, Problem
from joulia.records.record import Record

METRICS = ("time", "energy")
EFFICIENCIES = ("application", "architectural")


@dataclass(frozen=True)
class Portability:
    """One backend, problem, metric and kind of efficiency.

    `value` is None where a machine of the set was not measured: not measured is not unsupported.
    `efficiency` is by machine name, 0 where unsupported, None where not measured.
    """

    problem: str
    backend: str
    metric: str
    kind: str
    value: float | None
    efficiency: dict[str, float | None]
    why: str | None = None


def harmonic_mean(values: Sequence[float]) -> float:
    """0 where any value is 0, as the metric asks."""
    return 0.0 if min(values) <= 0.0 else len(values) / sum(1.0 / v for v in values)


def machines(problems: Sequence[Problem]) -> dict[str, str]:
    """Machine ids with the names to show: host names, with the id where two share one."""
    hosts = {p.machine: p.hostname for p in problems}
    names = list(hosts.values())
    return {i: h if names.count(h) == 1 else f"{h} ({i[:6]})" for i, h in hosts.items()}


def portability(problems: Sequence[Problem], records: Sequence[Record]) -> list[Portability]:
    """Every backend on every problem that at least two machines tried; empty for one machine."""
    names = machines(problems)
    if len(names) < 2:
        return []
    triads = best_triads(records)
    portabilities = []
    for key in dict.fromkeys(p.key for p in problems):
        here = [p for p in problems if p.key == key and (p.entries or p.absent)]
        if len(here) < 2 or not registry.ranked(here[0].kernel):
            continue
        measured = [e.backend for p in here for e in p.entries]
        backends = dict.fromkeys(measured + [a.backend for p in here for a in p.absent])
        portabilities += [
            portability_of(here, backend, metric, kind, names, triads)
            for backend in backends
            for metric in METRICS
            for kind in EFFICIENCIES
        ]
    return [
        p for p in portabilities if any(v is not None and v > 0.0 for v in p.efficiency.values())
    ]


def portability_of(
    here: Sequence[Problem],
    backend: str,
    metric: str,
    kind: str,
    names: dict[str, str],
    triads: dict[str, float],
) -> Portability:
    values: dict[str, float | None] = {}
    why = []
    for problem in here:
        name = names[problem.machine]
        values[name] = efficiency(problem, backend, metric, kind, triads.get(problem.machine))
        if values[name] is None:
            why.append(f"not measured on {name}")
        elif values[name] == 0.0:
            why.append(f"{name}: {unsupported(problem, backend)}")
    known = [v for v in values.values() if v is not None]
    complete = len(known) == len(values)
    value = harmonic_mean(known) if complete else 0.0 if 0.0 in known else None
    return Portability(here[0].title, backend, metric, kind, value, values, "; ".join(why) or None)


def efficiency(
    problem: Problem, backend: str, metric: str, kind: str, triad: float | None
) -> float | None:
    """0 where the backend cannot run the problem here, None where that was not measured."""
    entries = [e for e in problem.entries if e.backend == backend]
    if not entries:
        return 0.0 if any(a.backend == backend for a in problem.absent) else None
    cost: Callable[[Entry], float | None] = (
        (lambda e: e.time.value)
        if metric == "time"
        else (lambda e: e.energy.value if e.energy else None)
    )
    costs = [c for c in map(cost, entries) if c]
    if not costs:
        return None
    if kind == "application":
        metered = [e.record.energy for e in problem.entries if e.record.energy]
        if metric == "energy" and not node.same(metered):
            return None
        every = [c for c in map(cost, problem.entries) if c]
        return min(every) / min(costs)
    if metric == "time":
        fractions = [e.fraction.value for e in entries if e.fraction]
        return max(fractions, default=None)
    bounded = [e for e in entries if e.fraction and e.energy]
    if triad is None or not bounded:
        return None
    return max(triad * bytes_of(e.record) / e.energy.value for e in bounded if e.energy)


def unsupported(problem: Problem, backend: str) -> str:
    return next(f"{a.status}, {a.reason}" for a in problem.absent if a.backend == backend)


def bytes_of(record: Record) -> float:
    """Declared bytes of a step."""
    assert record.work is not None
    return record.work.bytes


def best_triads(records: Sequence[Record]) -> dict[str, float]:
    """The least joules per byte of a triad out of the caches, by machine."""
    best: dict[str, float] = {}
    for record in records:
        if record.status != "valid" or not record.energy or not is_triad(record):
            continue
        machine = record.machine.id
        joules = record.energy.median / bytes_of(record)
        best[machine] = min(best.get(machine, joules), joules)
    return best


def is_triad(record: Record) -> bool:
    """A triad over more than four times the caches of the machine that measured it."""
    case = record.case
    known = registry.kernels().get(case.kernel)
    if known is None or known.kernel.bound(case) != "bytes":
        return False
    held = known.kernel.bytes_held(case)
    return held >= 4 * record.machine.last_level_cache_bytes
