"""Runs of a command against runs: what may be compared, and the verdict for each metric."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joulia.analysis.conditions import differing, told
from joulia.errors import JouliaError
from joulia.gate.compare import (
    CONDITIONS_DIFFER,
    Command,
    Verdict,
    decided,
    disturbed_alone,
    power_of,
)
from joulia.gate.figures import Figure, kind
from joulia.records.codec import fields_to_json, from_json
from joulia.records.conditions import Conditions
from joulia.records.parts import Energy
from joulia.system.conditions import WAITING

SCHEMA = "joulia-gate-run/1"
METRICS = {"time": "s", "cpu": "s", "memory": "B", "energy": "J"}
"""What every run is measured in, and its unit; a command's own figures come beside these."""
FIGURES = "figures"
"""In options: every figure that is not named."""
THRESHOLDS = {"time": 0.05, "cpu": 0.05, "memory": 0.05, "energy": 0.05, FIGURES: 0.05}


@dataclass(frozen=True)
class Run:
    """A turn of a revision: its command run in its checkout, once or several times in a row.

    Disturbances only add, so each figure is that of the best run; joules are the mean of all. They
    are None where the command failed.
    """

    side: str
    """`base` or `head`."""
    commit: str
    """The revision."""
    command: tuple[str, ...]
    """Its words."""
    machine: str
    """The machine's id."""
    failure: str | None = None
    """Why it did not end well, in words."""
    started: bool = True
    """Whether there was such a program at all."""
    repeats: int = 1
    """How often it ran in this turn."""
    seconds: float | None = None
    """From its start to its end, s."""
    cpu_s: float | None = None
    """CPU time of it and of the processes that it waited for, user and system, s."""
    memory_bytes: float | None = None
    """Peak memory of the largest of those processes, B."""
    energy: Energy | None = None
    """Joules of a run (`unit` is `J`); None where they were not measured."""
    energy_reason: str | None = None
    """Why there are no joules."""
    conditions: Conditions | None = None
    """Under which conditions it ran."""
    figures: dict[str, Figure] = field(default_factory=dict)
    """What the command told of itself."""

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA} | fields_to_json(self)

    def value(self, metric: str) -> float | None:
        """The figure of a metric; None where this run has none."""
        if metric == "energy":
            return self.energy.median if self.energy else None
        if metric in METRICS:
            known = {"time": self.seconds, "cpu": self.cpu_s, "memory": self.memory_bytes}
            return known[metric]
        return self.figures[metric].value if metric in self.figures else None


Runs = Sequence[Run]


def load(path: Path) -> list[Run] | None:
    """The runs that `--save` kept in a file; None where it is a file of something else."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not (lines and json.loads(lines[0]).get("schema") == SCHEMA):
            return None
        return [from_json(Run, json.loads(line)) for line in lines]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, AttributeError):
        return None
    except ValueError as error:
        raise JouliaError(f"{path}: {error}. Allowed: what `joulia gate --save` wrote") from None


def require_comparable(base: Runs, head: Runs) -> None:
    """JouliaError, in one line, where a verdict would compare things that are not alike."""
    for what, values in (
        ("machines", {run.machine[:8] for run in (*base, *head)}),
        ("commands", {shlex.join(run.command) for run in (*base, *head)}),
    ):
        if len(values) > 1:
            names = ", ".join(sorted(values))
            raise JouliaError(f"the runs are of different {what}: {names}. Allowed: one")


@dataclass(frozen=True)
class Terms:
    """What of a command is judged, and from which change on."""

    limits: Mapping[str, float]
    """By metric; those of figures that are not named are `limits["figures"]`."""
    only: tuple[str, ...] = ()
    """The metrics to judge, `figures` for all figures; empty for all there is."""

    def limit(self, metric: str) -> float:
        return self.limits.get(metric, self.limits[FIGURES])

    def judged(self, metric: str) -> bool:
        """Whether a metric is to be judged."""
        name = metric if metric in METRICS or metric in self.only else FIGURES
        return not self.only or name in self.only

    def metrics(self, base: Runs, head: Runs) -> list[str]:
        """Those to judge: what every run is measured in, then the figures in head's order."""
        return [metric for metric in known(base, head) if self.judged(metric)]

    def require_known(self, base: Runs, head: Runs) -> None:
        """JouliaError where a threshold or a choice is of a figure that nobody tells."""
        names = [*known(base, head), FIGURES]
        for option, given in (("--threshold", self.limits), ("--metric", self.only)):
            for name in given:
                if name not in names:
                    raise JouliaError(
                        f"{option} {name}: no such figure. Allowed: {', '.join(names)}"
                    )

    def compared(self, base: Runs, head: Runs) -> int:
        """The number of metrics to judge that have figures."""
        every = (*base, *head)
        return sum(
            any(run.value(metric) is not None for run in every)
            for metric in self.metrics(base, head)
        )


def known(base: Runs, head: Runs) -> list[str]:
    """Every metric that runs have or may have."""
    own = (name for run in (*head, *base) for name in run.figures)
    return list(dict.fromkeys([*METRICS, *own]))


def judge(
    command: Command, base: Runs, head: Runs, terms: Terms, comparisons: int
) -> list[Verdict]:
    """The verdicts for what was measured so far; a failure, on either side, is the only one."""
    broken = [run for side in (base, head) for run in side[-1:] if run.failure]
    if broken:
        reason = "; ".join(f"{run.side} {run.commit[:12]}: {run.failure}" for run in broken)
        return [Verdict(command, "time", "failed", terms.limit("time"), reason)]
    unlike = conditions_differ(base, head)
    drafts = [
        Verdict(command, metric, "inconclusive", terms.limit(metric))
        for metric in terms.metrics(base, head)
    ]
    return [_judge(draft, base, head, comparisons, unlike) for draft in drafts]


def _judge(
    draft: Verdict, base: Runs, head: Runs, comparisons: int, unlike: Sequence[str]
) -> Verdict:
    """The verdict of one metric, of which `draft` has the command and the threshold."""
    metric = draft.metric
    pairs = [(b, h) for b, h in zip(base, head, strict=False) if both_tell(b, h, metric)]
    if not pairs:
        return nothing(draft, base, head)
    bases, heads = ([run.value(metric) or 0.0 for run in side] for side in zip(*pairs, strict=True))
    first = pairs[0][1]
    figure = first.figures.get(metric)
    higher = figure is not None and figure.better == "higher"
    best = max if higher else min
    draft = replace(
        draft, unit=figure.unit if figure else METRICS[metric],
        source=first.energy.source if metric == "energy" and first.energy else None,
        base=best(bases), head=best(heads), pairs=len(pairs),
    )  # fmt: skip
    if figure:
        kinds = dict.fromkeys(kind(run.figures[metric]) for pair in pairs for run in pair)
        unlike = [*unlike, *([f"{metric} ({' | '.join(kinds)})"] if len(kinds) > 1 else [])]
    if min(*bases, *heads) <= 0.0 and not unlike:
        return without_logarithm(draft, bases, heads)
    if higher:
        inverse = [1.0 / value for value in bases], [1.0 / value for value in heads]
        return turned(decided(draft, *inverse, comparisons, unlike))
    judged = decided(draft, bases, heads, comparisons, unlike)
    if metric != "energy" or judged.change is None:
        return judged
    watts = [(b.energy.watts, h.energy.watts) for b, h in pairs if b.energy and h.energy]
    return replace(judged, power=power_of(watts, draft.threshold, comparisons))


def both_tell(base: Run, head: Run, metric: str) -> bool:
    """Whether two runs have a metric; of joules, of the same parts of the machine."""
    if base.value(metric) is None or head.value(metric) is None:
        return False
    if metric != "energy" or base.energy is None or head.energy is None:
        return True
    return base.energy.counted == head.energy.counted


def turned(verdict: Verdict) -> Verdict:
    """A verdict over the inverse of a figure of which more is better, as one over the figure."""
    if verdict.change is None or verdict.interval is None:
        return verdict
    low, high = verdict.interval
    change = 1.0 / (1.0 + verdict.change) - 1.0
    return replace(
        verdict, change=change, interval=(1.0 / (1.0 + high) - 1.0, 1.0 / (1.0 + low) - 1.0)
    )


def without_logarithm(draft: Verdict, base: Sequence[float], head: Sequence[float]) -> Verdict:
    """The verdict over a figure that is not always above 0: the same, or none."""
    if len({*base, *head}) == 1:
        return replace(draft, verdict="same", change=0.0)
    reason = "it is not always above 0, so that it has no relative change"
    return replace(draft, reason=reason)


def why_no_joules(run: Run) -> str:
    """Of a run whose joules are not compared."""
    if run.energy:
        return f"joules of {', '.join(run.energy.counted)}"
    return run.energy_reason or "no joules"


def nothing(draft: Verdict, base: Runs, head: Runs) -> Verdict:
    """The verdict where there is no pair: with the reason, and failed where head lost a figure."""
    if draft.metric in METRICS:
        reasons = {run.side: why_no_joules(run) for run in (*base[-1:], *head[-1:])}
        each = [f"{side}: {reason}" for side, reason in reasons.items()]
        alike = len(set(reasons.values())) == 1
        reason = next(iter(reasons.values())) if alike else "; ".join(each)
        return replace(draft, verdict="nothing measured", reason=reason)
    if any(run.value(draft.metric) is not None for run in base):
        return replace(draft, verdict="failed", reason="head no longer tells it")
    return replace(draft, verdict="nothing measured", reason="base does not tell it")


def conditions_differ(base: Runs, head: Runs) -> list[str]:
    """In what the conditions of the two sides differ, or which side alone was disturbed."""
    sides = [[run.conditions for run in side if run.conditions] for side in (base, head)]
    words = [[facts(known) for known in side] for side in sides]
    unlike = differing(words[0], words[1])
    shares = []
    for side in sides:
        known = [bool(each.disturbed) for each in side if None not in each.others]
        shares.append(sum(known) / len(known) if known else None)
    return unlike + disturbed_alone(shares[0], shares[1])


def facts(known: Conditions) -> dict[str, str]:
    """What matters of the conditions of a command of which nothing is known: all of it."""
    return told(known) | {name: known.wait.get(name, "unset") for name in WAITING}


def is_open(verdict: Verdict) -> bool:
    """Whether more pairs may change it."""
    if verdict.verdict == CONDITIONS_DIFFER:
        return True  # what disturbs one side now may go
    return verdict.verdict == "inconclusive" and (
        verdict.change is not None or verdict.more_pairs is not None
    )
