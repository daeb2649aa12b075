"""A command on two checkouts in turn: fresh processes, ABBA, until all is settled or paid for."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulia import meters
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.rest import window_of
from joulia.energy.result import energy_result, without_advice
from joulia.errors import JouliaError
from joulia.gate import child
from joulia.gate.checkouts import Checkout, last_line
from joulia.gate.compare import Command, Verdict
from joulia.gate.decision import looks
from joulia.gate.figures import Figure, printed, together, written
from joulia.gate.runs import FIGURES, METRICS, Run, Terms, is_open, judge
from joulia.gate.surroundings import Moment, Surroundings
from joulia.meters import _nvml_state
from joulia.parallel.comm import OneRank
from joulia.records.parts import Energy
from joulia.system import signals
from joulia.system.clock import raw_clock
from joulia.system.interpreter import python
from joulia.system.machine import describe, usable_cores

TURN_S = 1.0
MOST_REPEATS = 20
"""A turn of a side is about so long, if it takes no more runs than this: the best of several runs
is disturbed less, and counters that are slow tell of all together."""
LONGEST_TURN_S = 60.0
"""Meters that need longer turns than this give no joules."""


@dataclass(frozen=True)
class Plan:
    """What to run and judge, and when to stop: `pairs` and `seconds` are the budget.

    `repeats` is how often the command runs in a turn; None chooses it by how long it takes.
    """

    command: Command
    terms: Terms
    pairs: int
    seconds: float
    repeats: int | None = None


class Runner:
    """Runs a command in checkouts, each time in fresh processes; a context that ends its meters.

    Until `begin` a turn is one run without meters.

    `figures` is the file of its own figures, by its place in the checkout; where it is not to be
    `metered`, no meter is opened.
    """

    def __init__(
        self,
        folder: Path,
        command: Command,
        timeout_s: float,
        figures: Path | None = None,
        machine: str | None = None,
        metered: bool = True,
    ) -> None:
        self.folder = folder
        self.command = command
        self.timeout_s = timeout_s
        self.figures = figures
        self.machine = describe(machine)
        self.repeats = 1
        self.metered = False
        with signals.held():  # the threads of meters never take a signal that is meant for this one
            opened = meters.open_all(meters.root(), raw_clock) if metered else ([], {})
            self.energy = EnergyMonitor(OneRank(), everything=True, opened=opened)
        devices = [getattr(meter, "device", None) for meter in self.energy.meters]
        gpus = [_nvml_state.state_reader(device) for device in devices if device]
        self.surroundings = Surroundings(meters.root(), usable_cores(), [g for g in gpus if g])

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.energy.close()

    def begin(self, seconds: float, repeats: int | None, *, metered: bool) -> None:
        """Before the first turn that counts, of a command that takes so many seconds.

        Without `repeats`, a turn takes a second, if the command is not too short, and longer where
        the meters need it.
        """
        self.metered = metered
        if metered:
            self.energy.give_way(max(seconds, TURN_S))
            self.energy.infer_periods()
        asked_s = max(seconds, min(TURN_S, MOST_REPEATS * seconds))
        turn_s = self.energy.window_s(asked_s, LONGEST_TURN_S) if metered else asked_s
        self.repeats = repeats or max(1, round(turn_s / seconds))
        if metered:
            self.energy.idle()

    def run(self, checkout: Checkout) -> Run:
        """A turn of a side. JouliaError where the command tells a figure that is none."""
        out, err = files = [self.folder / name for name in ("stdout", "stderr")]
        own = checkout.folder / self.figures if self.figures else None
        for old in filter(None, (*files, own)):  # they would be taken for this turn's
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    old.unlink()
        run = Run(checkout.side, checkout.commit, self.command.words, self.machine.id)
        energy: Energy | None = None
        reason: str | None = None
        afterwards: list[Moment] = []

        def then(_: float) -> None:
            afterwards.append(self.surroundings.look())

        limits = [str(self.repeats), str(self.timeout_s)]
        with started(checkout, [*limits, *map(str, files)], self.command) as work:
            before = self.surroundings.look()
            if self.metered:
                lines, energy, reason = self.joules(work, then)
            else:
                lines = work()
                then(0.0)
        ends = [line.split() or ["nothing"] for line in lines]
        word, *numbers = ends[-1]
        if word != "ended":
            return replace(run, failure=self.failure(word, numbers), started=word != "error")
        if code := os.waitstatus_to_exitcode(int(numbers[0])):
            how = f"exit code {code}" if code > 0 else f"ended by {signals.name(-code)}"
            return replace(run, failure=how + last_line(err, out))
        if len(ends) < self.repeats:
            return replace(run, failure=self.failure("nothing", ()))
        used = [[float(number) for number in end[2:]] for end in ends]
        seconds, cpu_s, peaks = zip(*used, strict=True)
        around = self.surroundings.conditions(before, afterwards[0], sum(seconds), sum(cpu_s))
        return replace(
            run, repeats=self.repeats, seconds=min(seconds), cpu_s=min(cpu_s),
            memory_bytes=min(peaks), energy=energy, energy_reason=reason, conditions=around,
            figures=self.told(checkout, out, own),
        )  # fmt: skip

    def joules(
        self, work: Callable[[], list[str]], then: Callable[[float], None]
    ) -> tuple[list[str], Energy | None, str | None]:
        """The outcome of a turn, its joules, or why there are none; `then` is called after it."""
        rest = self.energy.idles[-1:]  # after the last turn, and so before this one
        self.energy.begin_anew(rest)
        lines, window = window_of(self.energy, work, then)
        if self.energy.active:
            self.energy.keep(window)
        data, reason = energy_result(self.energy, self.repeats)
        if data is None:
            return lines, None, without_advice(reason)
        return lines, replace(data, unit="J"), None

    def failure(self, word: str, numbers: Sequence[str]) -> str:
        """Why the command did not end, in words."""
        if word == "error":
            return f"cannot run {self.command.words[0]}: {os.strerror(int(numbers[0]))}"
        if word == "late":
            return f"it took longer than {self.timeout_s:g} s (--timeout)"
        return "the process that started it was ended"

    def told(self, checkout: Checkout, out: Path, file: Path | None) -> dict[str, Figure]:
        """The command's own figures, printed or in its file."""
        try:
            figures = printed(out.read_text(errors="replace"))
            if file:
                figures = together([*figures.items(), *written(file).items()])
            for name in figures:
                if name in (*METRICS, FIGURES):
                    raise JouliaError(
                        f"a figure is called {name}, which is the gate's own name. Allowed: another"
                    )
        except JouliaError as error:
            raise JouliaError(f"{checkout.name}: {error}") from None
        return figures


@contextlib.contextmanager
def started(
    checkout: Checkout, arguments: Sequence[str], command: Command
) -> Iterator[Callable[[], list[str]]]:
    """A process that is ready to run a command: a call does, and returns what is told of each run.

    `arguments` are those of `joulia.gate.child` between the parent and the command.
    """
    starter = subprocess.Popen(
        python("-I", "-S", child.__file__, str(os.getpid()), *arguments, *command.words),
        cwd=checkout.folder,
        env=checkout.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    said, told = starter.stdin, starter.stdout

    def go() -> list[str]:
        with contextlib.suppress(BrokenPipeError):
            said.write("go\n")
            said.flush()
        return told.readlines() or [""]

    try:
        told.readline()
        yield go
    finally:
        starter.terminate()  # with all that it started
        starter.wait()
        told.close()
        with contextlib.suppress(BrokenPipeError):
            said.close()


def duel(
    base: Checkout,
    head: Checkout,
    plan: Plan,
    runner: Runner,
    tell: Callable[[str, int, int], None],
) -> tuple[list[Verdict], list[Run], list[Run]]:
    """Take turns until all is settled; verdicts, and all runs of both sides that count.

    The order within pairs alternates: base head, head base. A run of each side before the first
    pair fills caches and counts for nothing. `tell(what, done, of)` is called before each turn.
    """
    began = time.monotonic()
    command, terms = plan.command, plan.terms
    h, b = (runner.run(side) for side in (head, base))
    if not (b.started or h.started):
        raise JouliaError(f"{h.failure}. Allowed: a program on PATH, or a path in the checkout")
    if b.failure or h.failure:
        return judge(command, [b], [h], terms, 1), [b], [h]
    terms.require_known([b], [h])
    shortest_s = min(run.seconds for run in (b, h) if run.seconds)
    runner.begin(shortest_s, plan.repeats, metered=terms.judged("energy"))
    kept: dict[str, list[Run]] = {"base": [], "head": []}
    bases, heads = kept["base"], kept["head"]
    verdicts: list[Verdict] = []
    planned = looks(plan.pairs)
    comparisons = 0
    for upto in planned:
        late = False
        while len(bases) < upto and not late:
            number = len(bases)
            for side in (base, head) if number % 2 == 0 else (head, base):
                tell(f"{side.side} {command.label}", number, upto)
                run = runner.run(side)
                kept[side.side].append(run)
                if run.failure:
                    return judge(command, bases, heads, terms, 1), bases, heads
            late = time.monotonic() - began > plan.seconds
        comparisons = comparisons or max(1, len(planned) * terms.compared(bases, heads))
        verdicts = judge(command, bases, heads, terms, comparisons)
        if late or not any(map(is_open, verdicts)):
            break
    return verdicts, bases, heads
