"""Records against records: what may be compared, and the verdict for each case and metric."""

from __future__ import annotations

import re
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from joulia.analysis import conditions
from joulia.case import Case
from joulia.errors import JouliaError
from joulia.gate.decision import FEWEST, decide
from joulia.records.record import Record

METRICS = {"time": "s/step", "energy": "J/step"}
THRESHOLDS = {"time": 0.03, "energy": 0.05}

Sides = tuple[Sequence[Record], Sequence[Record]]
"""The records of one case, base and head, in the order in which they were measured."""


@dataclass(frozen=True)
class Command:
    """A command of any project: what is judged in the place of a case."""

    words: tuple[str, ...]

    @property
    def label(self) -> str:
        """The command as one types it, cut where it is long."""
        line = shlex.join(self.words)
        return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 3] + "..."

    def to_json(self) -> dict[str, Any]:
        return {"command": list(self.words)}


LONGEST_LABEL = 60


@dataclass(frozen=True)
class Power:
    """Does head draw another power than base, or do its joules follow its seconds? W."""

    verdict: str
    """`more`, `less`, `same` or `inconclusive`: no alarm by itself, whatever it is."""
    base: float
    """The median of the pairs."""
    head: float
    change: float
    interval: tuple[float, float]

    @property
    def sentence(self) -> str:
        low, high = self.interval
        figures = f"({self.change:+.1%}, {low:+.1%} to {high:+.1%})"
        words = {
            "more": f"more power {figures}: joules do not follow seconds alone",
            "less": f"less power {figures}: joules do not follow seconds alone",
            "same": f"the same power {figures}: joules follow seconds",
            "inconclusive": f"no clear difference in power {figures}",
        }
        return words[self.verdict]


@dataclass(frozen=True)
class Verdict:
    """One case and metric. `base` and `head` are the best figures of the two sides, in `unit`."""

    case: Case | Command
    metric: str
    verdict: str
    threshold: float
    reason: str = ""
    unit: str = ""
    source: str | None = None
    base: float | None = None
    head: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    more_pairs: int | None = None
    power: Power | None = None
    """Of joules: whether watts differ."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"case": self.case.to_json()}


def key(case: Case) -> Case:
    """What makes two cases the same: everything but the name of the size."""
    return Case.from_json(case.to_json() | {"size": None})


def grouped(base: Sequence[Record], head: Sequence[Record]) -> dict[Case, Sides]:
    """The records of both sides by case, in head's order, then what only base has."""
    cases = dict.fromkeys(key(r.case) for r in [*head, *base])
    return {
        case: (
            [r for r in base if key(r.case) == case],
            [r for r in head if key(r.case) == case],
        )
        for case in cases
    }


def require_comparable(base: Sequence[Record], head: Sequence[Record]) -> None:
    """JouliaError, in one line, where a verdict would compare things that are not alike."""
    records = [*base, *head]
    machines = {r.machine.id: r.machine.label for r in records}
    if len(machines) > 1:
        names = ", ".join(f"{name} ({i[:8]})" for i, name in sorted(machines.items()))
        raise JouliaError(f"the records are of different machines: {names}. Allowed: one machine")
    settings = [r.settings.to_json() | {"timeout_s": None} for r in records]
    for other in settings[1:]:
        if other != settings[0]:
            differing = [
                f"{name} {value} and {other[name]}"
                for name, value in settings[0].items()
                if other[name] != value
            ]
            raise JouliaError(
                f"the records are of different settings: {', '.join(differing)}. Allowed: the same "
                "--window, --repeats, --cold and --no-overlap on both sides"
            )
    for case, sides in grouped(base, head).items():
        sources = {r.energy.source for side in sides for r in side if r.energy}
        if len(sources) > 1:
            raise JouliaError(
                f"{case.label}: joules of different sources: {', '.join(sorted(sources))}. "
                "Allowed: one kind of meter on both sides"
            )


def cost(record: Record, metric: str) -> float | None:
    """The figure of one process: its best time, its median energy; None where there is none.

    Disturbances only add time, so the best sample has least of them. A meter errs either way.
    """
    if metric == "time":
        return min(record.time.samples) if record.time else None
    return record.energy.median if record.energy else None


def judge(case: Case, sides: Sides, metric: str, threshold: float, comparisons: int) -> Verdict:
    """The verdict for what has been measured so far."""
    broken = [
        (name, side[-1])
        for name, side in zip(("base", "head"), sides, strict=True)
        if side and side[-1].status in ("failed", "invalid")
    ]
    if broken:
        # A base that fails cannot be compared with; that head fails too does not make it fine.
        name, record = broken[-1]
        detail = "; ".join([*record.reasons, *record.stderr[-1:]]) or record.status
        return Verdict(case, metric, "failed", threshold, f"{name}: {detail}")
    pairs = [
        (b, h)
        for b, h in zip(
            *([r for r in side if r.status == "valid"] for side in sides),
            strict=False,
        )
    ]
    costs = [(cost(b, metric), cost(h, metric)) for b, h in pairs]
    whole = [(b, h) for b, h in costs if b and h]
    if not whole:
        return Verdict(case, metric, *nothing(sides, metric, threshold))
    base, head = [b for b, _ in whole], [h for _, h in whole]
    energy = pairs[0][0].energy if metric == "energy" else None
    draft = Verdict(
        case, metric, "inconclusive", threshold, unit=METRICS[metric],
        source=energy.source if energy else None, base=min(base), head=min(head), pairs=len(whole),
    )  # fmt: skip
    judged = decided(draft, base, head, comparisons, conditions_differ(pairs, metric))
    if metric == "time" or judged.change is None:
        return judged
    watts = [(b.energy.watts, h.energy.watts) for b, h in pairs if b.energy and h.energy]
    return replace(judged, power=power_of(watts, threshold, comparisons))


def decided(
    draft: Verdict,
    base: Sequence[float],
    head: Sequence[float],
    comparisons: int,
    unlike: Sequence[str],
) -> Verdict:
    """The verdict over paired costs, all positive; `draft` is what is known of it beforehand.

    `unlike` is in what the conditions of the two sides differ: then there is none.
    """
    pairs, threshold = len(base), draft.threshold
    if unlike:
        reason = f"{CONDITIONS_DIFFER}: {'; '.join(unlike)}"
        return replace(draft, verdict=CONDITIONS_DIFFER, reason=reason)
    if pairs < FEWEST:
        reason = f"{pairs} pair{'s' * (pairs > 1)} of processes, at least {FEWEST} are needed"
        return replace(draft, reason=reason, more_pairs=FEWEST - pairs)
    decision = decide(base, head, threshold, comparisons)
    reason = ""
    if decision.verdict == "inconclusive":
        reason = (
            f"the noise is wider than the threshold; about {decision.more_pairs} more pairs would "
            "settle it"
            if decision.more_pairs
            else "the change is as large as the threshold: more pairs would not settle it"
        )
    return replace(
        draft, verdict=decision.verdict, reason=reason,
        change=decision.change, interval=decision.interval, more_pairs=decision.more_pairs,
    )  # fmt: skip


def power_of(watts: Sequence[tuple[float, float]], threshold: float, comparisons: int) -> Power:
    """What the watts of the pairs, base and head, say: by the rules of every other metric."""
    base, head = zip(*watts, strict=True)
    decision = decide(base, head, threshold, comparisons)
    words = {"regression": "more", "improvement": "less"}
    verdict = words.get(decision.verdict, decision.verdict)
    middles = statistics.median(base), statistics.median(head)
    return Power(verdict, *middles, decision.change, decision.interval)


CONDITIONS_DIFFER = "conditions differ"


def conditions_differ(pairs: Sequence[tuple[Record, Record]], metric: str) -> list[str]:
    """In what the conditions of the two sides differ, or which side alone was disturbed.

    What disturbs both alike is what `decide` is made for. A process gives its best time, which is
    disturbed where all samples are, and its median joules, for which half of them are enough.
    """
    base, head = [b for b, _ in pairs], [h for _, h in pairs]
    unlike = conditions.differences(base, head)
    enough = 1.0 if metric == "time" else 0.5
    shares = [
        sum(conditions.disturbed_share(record) >= enough for record in side) / len(side)
        for side in (base, head)
    ]
    return unlike + disturbed_alone(*shares)


def disturbed_alone(base: float | None, head: float | None) -> list[str]:
    """That one side's processes were disturbed and the other's not, from the shares of them."""
    if base is None or head is None or abs(base - head) <= 0.5:
        return []
    return [f"disturbed processes {base:.0%} | {head:.0%}".replace("%", " %")]


def nothing(sides: Sides, metric: str, threshold: float) -> tuple[str, float, str]:
    """Verdict, threshold and reason of a metric for which there is no pair."""
    counts = [sum(r.status == "valid" for r in side) for side in sides]
    if counts[0] and sides[1] and not counts[1]:
        # What base could run and head cannot is lost.
        return "failed", threshold, f"head no longer runs: {'; '.join(sides[1][-1].reasons)}"
    reasons = []
    for name, side, valid in zip(("base", "head"), sides, counts, strict=True):
        if not side:
            reasons.append(f"{name} has no such case")
        elif not valid:
            reasons.append(f"{name}: {'; '.join(side[-1].reasons)}")
        elif metric == "energy" and not side[-1].energy:
            reasons.append(f"{name}: {side[-1].energy_reason or 'no joules'}")
    causes = [reason.partition(": ")[2] or reason for reason in reasons]
    same = len(set(causes)) == 1 and len(causes) == 2
    return "nothing measured", threshold, causes[0] if same else "; ".join(reasons)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 fine, 1 regression, 3 inconclusive or refused, 4 failed or nothing measured at all."""
    outcomes = {v.verdict for v in verdicts}
    if "regression" in outcomes:
        return 1
    if "failed" in outcomes or outcomes <= {"nothing measured"}:
        return 4
    return 3 if outcomes & {"inconclusive", CONDITIONS_DIFFER} else 0


NAMED = re.compile(r"(.+?=[-+.\deE]+%?|.+)(?:,|$)")
"""A threshold; the name of a command's figure may hold commas."""


def thresholds(
    text: str | None, defaults: Mapping[str, float] = THRESHOLDS, *, any_name: bool = False
) -> dict[str, float]:
    """From `time=3%,energy=5%`; what is not named keeps its default.

    With `any_name` a metric may be one that is known only when a command has told it.
    """
    limits = dict(defaults)
    parts = NAMED.findall(text or "") if any_name else (text or "").split(",")
    for part in filter(None, parts):
        name, _, value = part.rpartition("=")
        try:
            number = float(value.rstrip("%")) / (100.0 if value.endswith("%") else 1.0)
        except ValueError:
            number = 0.0
        if not (name in defaults or (any_name and name)) or not 0.0 < number < 1.0:
            names = " and ".join(f"{metric}=P%" for metric in defaults)
            raise JouliaError(
                f"--threshold {part} is not allowed. Allowed: {names}, P above 0, as in "
                "time=3%,energy=5%"
            )
        limits[name] = number
    return limits


def verdicts(
    base: Sequence[Record], head: Sequence[Record], limits: Mapping[str, float]
) -> list[Verdict]:
    """All verdicts from two sets of records, decided once."""
    require_comparable(base, head)
    cases = grouped(base, head)
    comparisons = sum(
        any(cost(r, metric) for side in sides for r in side)
        for sides in cases.values()
        for metric in METRICS
    )
    return [
        waits_differ(case, cases, metric, limits[metric])
        or judge(case, sides, metric, limits[metric], max(1, comparisons))
        for case, sides in cases.items()
        for metric in METRICS
    ]


def waits_differ(
    case: Case, cases: Mapping[Case, Sides], metric: str, threshold: float
) -> Verdict | None:
    """The refusal of a case that one side has only with another wait policy; else None."""
    if all(cases[case]):
        return None
    lacks = 1 if cases[case][0] else 0
    alike = [c for c in cases if c != case and replace(c, wait=case.wait) == case]
    others = "+".join(sorted(c.wait for c in alike if cases[c][lacks]))
    if not others:
        return None
    base, head = (case.wait, others) if lacks else (others, case.wait)
    reason = f"{CONDITIONS_DIFFER}: wait {base} | {head}"
    return Verdict(case, metric, CONDITIONS_DIFFER, threshold, reason)
