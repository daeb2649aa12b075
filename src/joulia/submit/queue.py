"""What a queue is asked and tells, whichever it is, and its commands as processes."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joulia.errors import Unavailable

PATIENCE_S = 120.0
"""Seconds that a scheduler's command may take to answer."""
WAITING, RUNNING, ENDED = "waiting", "running", "ended"


@dataclass(frozen=True)
class Wish:
    """What a job asks of its queue."""

    name: str
    folder: Path
    """For its logs."""
    nodes: int
    ranks: int
    """The most of any case."""
    threads: int
    """The most of any case."""
    cores: int | None
    """Physical ones of a node, where the site's file says it."""
    time_s: int
    exclusive: bool
    tasks: int
    """Of an array; 1 is no array."""
    at_once: int
    """Tasks of an array that may run at the same time."""


@dataclass(frozen=True)
class Status:
    """A job, or a task of an array, as its scheduler tells."""

    phase: str
    """WAITING, RUNNING or ENDED."""
    state: str
    """In the scheduler's own words."""
    detail: str = ""
    """The nodes, or why it waits."""
    task: int | None = None
    """Of an array; None stands for all that are not told apart yet."""
    again: bool = False
    """Ended for a reason that the next try need not meet: its time limit, its node, preempted."""
    exclusive: bool | None = None
    """Whether it has its nodes for itself, where the scheduler tells."""
    well: bool | None = None
    """Whether it ended with exit code 0, as a run does whose cases are valid; None where nobody
    tells."""
    advice: str = ""
    """What to do about a job that will not start however long it waits."""


class Scheduler(Protocol):
    """A queue. Every call raises Unavailable, with its words, where the scheduler refuses."""

    name: str
    prefix: str
    """Before a directive in a job's script."""
    index: str
    """How a script names its task of an array, from 0, in the shell's words."""
    unproven: str | None
    """Why it is not known to work, None where it is."""

    def directives(self, wish: Wish) -> list[tuple[str, str]]:
        """What the script asks for, and why."""

    def submit(self, script: Path) -> str:
        """The job's id."""

    def status(self, job: str) -> list[Status]:
        """Of the job, or of each task of an array; empty where the scheduler has forgotten it."""

    def cancel(self, job: str) -> str:
        """The command line that takes a job out of the queue."""


def ask(command: Sequence[str], script: Path | None = None) -> str:
    """What a command of a scheduler prints. Unavailable with its words where it refuses."""
    if shutil.which(command[0]) is None:
        raise Unavailable(f"no {command[0]} found", "submit where the scheduler's commands are")
    try:
        done = subprocess.run(
            list(command),
            input=script.read_text() if script else None,
            stdin=None if script else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} does not answer for {PATIENCE_S:g} s") from None
    if done.returncode:
        said = in_a_line(command[0], done.stderr) or in_a_line(command[0], done.stdout)
        raise Unavailable(f"{command[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def in_a_line(command: str, text: str) -> str:
    """The last words of a command, without its name before each and without where to read more."""
    lines = [
        re.sub(rf"^{command}: ((error|fatal): )?", "", line.strip()) for line in text.splitlines()
    ]
    return "; ".join(
        [line for line in lines if line and not re.match("try |usage:", line, re.I)][-2:]
    )


def clock(seconds: int) -> str:
    """H:MM:SS."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def share(wish: Wish) -> int:
    """Cores of each node that its cases take."""
    return math.ceil(wish.ranks / wish.nodes) * wish.threads
