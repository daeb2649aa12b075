"""A long job in parts: named steps, each a process of its own, remembered, none that ends others.

A part has a time limit, at which the step that runs is interrupted; the next part goes on there.
"""

from __future__ import annotations

import datetime
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from joulia.errors import JouliaError
from joulia.runner import launch
from joulia.system.guard import guarded

DONE, FAILED, CUT, ABSENT = "done", "failed", "cut", "not here"
FILE = "steps.json"
PATIENCE_S = 15.0
"""Seconds that an interrupted step gets to keep what it has."""
LEAST = 0.04
"""A step begins where more than this share of a part is left."""


def last_line(log: str) -> str:
    """The last words of a step, as its reason."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1].removeprefix("joulia: ") if lines else "no word"


@dataclass(frozen=True)
class Step:
    """A command with a name. `absent` says, when its turn comes, why there is nothing to do.

    Where it `resumes`, what it did before it was interrupted is kept, and it may take any number of
    parts; another one must fit into one. `told` is what is said of it, from its log.
    """

    name: str
    command: tuple[str, ...]
    absent: Callable[[], str | None] = lambda: None
    resumes: bool = False
    told: Callable[[str], str] = last_line


@dataclass(frozen=True)
class Outcome:
    """What became of a step: `done`, `failed`, `cut` by the time limit, or `not here`."""

    name: str
    state: str
    told: str
    seconds: float
    at: str
    command: tuple[str, ...]


class Part:
    """A part of a job in a folder, which ends `seconds` after it began."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self.began = time.monotonic()
        self.known = read(folder)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.began)

    def outcomes(self, steps: Sequence[Step], *, again: bool = False) -> Iterator[Outcome]:
        """Run what is left of the steps in their order, then what failed in an earlier part.

        Each is run once at most; with `again`, those that are done as well.
        """
        before = {} if again else {step.name: self.state(step) for step in steps}
        fresh = [s for s in steps if before.get(s.name) not in (DONE, FAILED)]
        for step in fresh + [s for s in steps if before.get(s.name) == FAILED]:
            if self.left <= LEAST * self.seconds:
                return
            yield self.keep(self.run(step))

    def state(self, step: Step) -> str | None:
        """What became of it in an earlier part; None where that was another command."""
        known = self.known.get(step.name)
        return known.state if known and known.command == step.command else None

    def unfinished(self, steps: Sequence[Step]) -> list[str]:
        """The steps that were not begun, or cut."""
        return [step.name for step in steps if self.state(step) in (None, CUT)]

    def run(self, step: Step) -> Outcome:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        began, seconds = time.monotonic(), self.left
        first = seconds > (1.0 - LEAST) * self.seconds

        def outcome(state: str, told: str) -> Outcome:
            took = time.monotonic() - began
            return Outcome(step.name, state, told, round(took, 1), at, step.command)

        if (reason := step.absent()) is not None:
            return outcome(ABSENT, reason)
        log = self.log(step.name)
        with log.open("wb") as file:
            code = finished(step.command, file.fileno(), seconds)
        told = step.told(log.read_text(errors="replace"))
        if code == 0:
            return outcome(DONE, told)
        if code is not None:
            return outcome(FAILED, f"exit code {code}: {told}")
        if first and not step.resumes:
            return outcome(FAILED, f"no end within {seconds:.0f} s, a whole part: {told}")
        return outcome(CUT, told)

    def log(self, name: str) -> Path:
        """Where a step's output goes."""
        folder = self.folder / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name.replace(' ', '-').replace(':', '-').replace('/', '-')}.log"

    def keep(self, outcome: Outcome) -> Outcome:
        """Remember it, whatever ends this process next."""
        self.known[outcome.name] = outcome
        whole = self.folder / FILE
        part = whole.with_suffix(".part")
        part.write_text(json.dumps([asdict(o) for o in self.known.values()], indent=1) + "\n")
        part.replace(whole)
        return outcome


def read(folder: Path) -> dict[str, Outcome]:
    """What earlier parts left in a folder. JouliaError in one line where it is something else."""
    try:
        listed = json.loads((folder / FILE).read_text())
        known = [Outcome(**entry | {"command": tuple(entry["command"])}) for entry in listed]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise JouliaError(
            f"{folder / FILE} is not what `joulia gpu` wrote: {error}. Allowed: another folder "
            "(--output)"
        ) from None
    return {outcome.name: outcome for outcome in known}


def finished(command: Sequence[str], log: int, seconds: float) -> int | None:
    """The exit code of a command; None where it was interrupted after `seconds`.

    Nothing of it is left behind, however this process ends.
    """
    # A child keeps an interrupt ignored that its parent ignores, as in a script's background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    child = subprocess.Popen(
        guarded(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        return child.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_S)
        return None
    finally:
        launch.end(child)
