"""Two builds in turn: pairs of fresh processes, ABBA, until every case is settled or paid for."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from joulia.analysis.labels import label
from joulia.case import Case
from joulia.errors import JouliaError
from joulia.gate.builds import Build
from joulia.gate.compare import (
    CONDITIONS_DIFFER,
    METRICS,
    Verdict,
    cost,
    judge,
    key,
    require_comparable,
)
from joulia.gate.decision import looks
from joulia.gate.runs import Run
from joulia.records import store
from joulia.records.record import Record
from joulia.runner.arguments import of_case
from joulia.system.guard import guarded
from joulia.system.interpreter import python
from joulia.system.machine import describe

OPEN = ("inconclusive", CONDITIONS_DIFFER)
"""Verdicts that more pairs may change: what disturbs one side now may go."""


@dataclass(frozen=True)
class Plan:
    """What to measure and how: arguments of `joulia run`, and when to stop.

    `pairs` and `seconds` are the budget: pairs of processes a case, and time for all of them.
    """

    cases: Sequence[str]
    method: Sequence[str]
    limits: dict[str, float]
    pairs: int
    seconds: float


@dataclass
class Contest:
    """One case, its records so far, its verdicts once there are any."""

    case: Case
    base: list[Record] = field(default_factory=list)
    head: list[Record] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    open: bool = True


class Runner:
    """`joulia run` of the two builds; each call is a fresh process and its records."""

    def __init__(self, folder: Path, timeout: float, machine: str | None = None) -> None:
        self.folder = folder
        self.timeout = timeout
        self.machine = describe(machine)
        self.calls = 0

    def run(self, build: Build, arguments: Sequence[str]) -> list[Record]:
        """The records of a run. JouliaError with what joulia said where it refused the input."""
        self.calls += 1
        output = self.folder / f"{build.side}-{self.calls:05d}.jsonl"
        child = subprocess.Popen(
            guarded(
                python("-m", "joulia", "run", *arguments, executable=build.python)
                + ["--no-ceiling", "--no-resume", "--timeout", f"{self.timeout:g}"]
                + ["--output", str(output)]
            ),
            env=build.env,
            cwd=self.folder,  # far from the checkout, whose folders must not shadow the build
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, stderr = child.communicate()
        finally:
            child.kill()
            child.wait()
        records = store.load(output) if output.is_file() else []
        output.unlink(missing_ok=True)
        if not records:
            said = stderr.strip().splitlines() or [f"ended with exit code {child.returncode}"]
            raise JouliaError(f"{build.side} ({build.commit[:12]}): {said[-1]}")
        # This machine, by this joulia: an older revision may call it otherwise, or know no names.
        return [replace(record, machine=self.machine) for record in records]


def contests(base: Build, head: Build, plan: Plan, runner: Runner) -> list[Contest]:
    """Every case that head knows, run once on each side: this also fills the compilers' caches."""
    quick = ["--window", "0.001", "--repeats", "1"]
    all_contests = []
    for record in runner.run(head, [*plan.cases, *quick]):
        contest = Contest(key(record.case), head=[record])
        try:
            contest.base = runner.run(base, [*of_case(contest.case), *quick])
        except JouliaError as error:
            # Only head knows this kernel, backend or parameter: there is nothing to compare with.
            contest.verdicts = [
                Verdict(contest.case, m, "nothing measured", plan.limits[m], str(error))
                for m in METRICS
            ]
        if {r.status for r in [*contest.base, *contest.head]} != {"valid"} or contest.verdicts:
            contest.open = False
            contest.verdicts = contest.verdicts or _judge(contest, plan, 1)
        contest.base, contest.head = [], []
        all_contests.append(contest)
    return all_contests


def _judge(contest: Contest, plan: Plan, comparisons: int) -> list[Verdict]:
    sides = (contest.base, contest.head)
    return [
        judge(contest.case, sides, metric, plan.limits[metric], comparisons) for metric in METRICS
    ]


def duel(
    base: Build, head: Build, plan: Plan, runner: Runner, tell: Callable[[str, int, int], None]
) -> tuple[list[Verdict], list[Record], list[Record]]:
    """Measure in turn until all is settled; verdicts, and all records of both sides.

    Every round gives each open case one pair, so that a bad minute of the machine hits all cases a
    little instead of one case much. The order within pairs alternates: base head, head base.
    `tell(what, done, of)` is called before each pair.
    """
    began = time.monotonic()
    every = contests(base, head, plan, runner)
    planned = looks(plan.pairs)
    comparisons = 0
    done = 0
    for look, upto in enumerate(planned):
        for number in range(0 if look == 0 else planned[look - 1], upto):
            late = time.monotonic() - began > plan.seconds
            for contest in [c for c in every if c.open and not late]:
                total = done + sum(c.open for c in every) * (upto - number)
                tell(label(contest.case), done, total)
                pair(base, head, contest, plan, runner, number)
                done += 1
        waiting = [c for c in every if c.open]
        if not comparisons:
            comparisons = max(1, len(planned) * _comparable(waiting))
        for contest in waiting:
            require_comparable(contest.base, contest.head)
            contest.verdicts = _judge(contest, plan, comparisons)
            contest.open = any(v.verdict in OPEN for v in contest.verdicts)
        if time.monotonic() - began > plan.seconds:
            break
    return (
        [v for c in every for v in c.verdicts],
        [r for c in every for r in c.base],
        [r for c in every for r in c.head],
    )


def _comparable(every: Sequence[Contest]) -> int:
    """The number of cases x metrics that have figures."""
    return sum(any(cost(r, m) for r in [*c.base, *c.head]) for c in every for m in METRICS)


def pair(
    base: Build, head: Build, contest: Contest, plan: Plan, runner: Runner, number: int
) -> None:
    """One process of each side, in alternating order; a failure closes the case."""
    sides = [(base, contest.base), (head, contest.head)]
    for build, records in sides if number % 2 == 0 else reversed(sides):
        records += runner.run(build, [*of_case(contest.case), *plan.method])
        if records[-1].status != "valid":
            contest.open = False
            contest.verdicts = _judge(contest, plan, 1)
            return


def save(path: Path, records: Sequence[Record] | Sequence[Run]) -> None:
    """Keep the records or the runs of a side, for `joulia gate BASE.jsonl HEAD.jsonl` later."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(r.to_json()) + "\n" for r in records))
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None
