"""A command on two checkouts in turn: fresh processes, ABBA, until all is settled or paid for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulia import meters
from joulia.energy.calls import begin_anew
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.rest import window_of
from joulia.energy.result import energy_result
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
from joulia.system.machine import describe, usable_cores


@dataclass(frozen=True)
class Plan:
    """What to run and judge, and when to stop: `pairs` and `seconds` are the budget."""

    command: Command
    terms: Terms
    pairs: int
    seconds: float


class Runner:
    """Runs a command in checkouts, each time in fresh processes; a context that ends its meters.

    `figures` is the file of its own figures, by its place in the checkout.
    """

    def __init__(
        self,
        folder: Path,
        command: Command,
        timeout_s: float,
        figures: Path | None = None,
        machine: str | None = None,
    ) -> None:
        self.folder = folder
        self.command = command
        self.timeout_s = timeout_s
        self.figures = figures
        self.machine = describe(machine)
        with signals.held():  # the threads of meters never take a signal that is meant for this one
            opened = meters.open_all(meters.root(), raw_clock)
            self.energy = EnergyMonitor(OneRank(), everything=True, opened=opened)
        devices = [getattr(meter, "device", None) for meter in self.energy.meters]
        gpus = [_nvml_state.state_reader(device) for device in devices if device]
        self.surroundings = Surroundings(meters.root(), usable_cores(), [g for g in gpus if g])

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.energy.close()

    def begin(self, seconds: float) -> None:
        """Before the first run with meters; the shortest is to be about so many seconds."""
        self.energy.give_way(seconds)
        self.energy.infer_periods()
        self.energy.idle()

    def run(self, checkout: Checkout, *, metered: bool = True) -> Run:
        """One run. JouliaError where it tells a figure that is none."""
        out, err = self.folder / "stdout", self.folder / "stderr"
        file = checkout.folder / self.figures if self.figures else None
        if file:
            file.unlink(missing_ok=True)  # an old one would be taken for this run's
        run = Run(checkout.side, checkout.commit, self.command.words, self.machine.id)
        before = self.surroundings.look()
        energy: Energy | None = None
        reason: str | None = None
        afterwards: list[Moment] = []

        def then(_: float) -> None:
            afterwards.append(self.surroundings.look())

        with started(checkout, [str(self.timeout_s), str(out), str(err)], self.command) as work:
            if metered:
                line, energy, reason = self.joules(work, then)
            else:
                line = work()
                then(0.0)
        word, *numbers = line.split() or ["nothing"]
        if word != "ended":
            return replace(run, failure=self.failure(word, numbers), started=word != "error")
        status, seconds, cpu_s, peak = numbers
        if code := os.waitstatus_to_exitcode(int(status)):
            how = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            return replace(run, failure=how + last_line(err, out))
        run = replace(
            run, seconds=float(seconds), cpu_s=float(cpu_s), memory_bytes=float(peak),
            energy=energy, energy_reason=reason, figures=self.told(checkout, out, file),
        )  # fmt: skip
        known = self.surroundings.conditions(before, afterwards[0], float(seconds), float(cpu_s))
        return replace(run, conditions=known)

    def joules(
        self, work: Callable[[], str], then: Callable[[float], None]
    ) -> tuple[str, Energy | None, str | None]:
        """The outcome of some work, its joules, or why there are none; `then` is called after."""
        rest = self.energy.idles[-1:]  # after the last run, and so before this one
        begin_anew(self.energy, rest)
        line, window = window_of(self.energy, work, then)
        if self.energy.active:
            self.energy.keep(window)
        data, reason = energy_result(self.energy, 1)
        if data is None:
            # Its advice is an option of `joulia run`.
            return line, None, (reason or "no joules").partition(" (joulia run ")[0]
        return line, replace(data, unit="J"), None

    def failure(self, word: str, numbers: Sequence[str]) -> str:
        """Why a run did not end, in words."""
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
) -> Iterator[Callable[[], str]]:
    """A process that is ready to run a command: a call runs it and returns the process's line."""
    starter = subprocess.Popen(
        [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *arguments, *command.words],
        cwd=checkout.folder,
        env=checkout.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    said, told = starter.stdin, starter.stdout

    def go() -> str:
        try:
            said.write("go\n")
            said.flush()
        except BrokenPipeError:
            return ""
        return told.readline()

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
    """Run in turn until all is settled; verdicts, and all runs of both sides that count.

    The order within pairs alternates: base head, head base. A run of each side before the first
    pair fills caches and counts for nothing. `tell(what, done, of)` is called before each run.
    """
    began = time.monotonic()
    command, terms = plan.command, plan.terms
    h, b = (runner.run(side, metered=False) for side in (head, base))
    if not (b.started or h.started):
        raise JouliaError(f"{h.failure}. Allowed: a program on PATH, or a path in the checkout")
    if b.failure or h.failure:
        return judge(command, [b], [h], terms, 1), [b], [h]
    terms.require_known([b], [h])
    if metered := terms.judged("energy"):
        runner.begin(min(b.seconds or 0.0, h.seconds or 0.0))
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
                run = runner.run(side, metered=metered)
                kept[side.side].append(run)
                if run.failure:
                    return judge(command, bases, heads, terms, 1), bases, heads
            late = time.monotonic() - began > plan.seconds
        comparisons = comparisons or max(1, len(planned) * terms.compared(bases, heads))
        verdicts = judge(command, bases, heads, terms, comparisons)
        if late or not any(map(is_open, verdicts)):
            break
    return verdicts, bases, heads
