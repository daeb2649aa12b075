"""The job's script: readable, each line with why it is there, and whole in itself."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joulia.runner.underway import UNDERWAY
from joulia.sites.site import SITE, Site
from joulia.submit.queue import Scheduler, Wish
from joulia.system.interpreter import python

CARRIED = ("JOULIA_", "PYTHON_JULIACALL_", "JULIA_DEPOT_PATH", "OCCA_", "SLURM_MPI_TYPE")
"""How variables begin that a job gets as they were where it was submitted."""
LEFT = (UNDERWAY, SITE, "JOULIA_CORES")
"""Of those, what a job gets of its own."""


@dataclass(frozen=True)
class Task:
    """A run of a job: its arguments for `joulia`, and where its records go."""

    arguments: tuple[str, ...]
    results: Path
    underway: Path
    """The case that it is at, for whoever has to tell of it when the job was killed."""


def write(
    site: Site,
    scheduler: Scheduler,
    wish: Wish,
    tasks: Sequence[Task],
    extra: Sequence[str] = (),
) -> str:
    """The script of a job of one task, or of an array of them.

    `extra` are the user's own directives. The scheduler's come first: it reads them up to the first
    command.
    """
    lines = [
        "#!/bin/bash",
        f"# A run of joulia at {site.title}.",
        "# Written by `joulia submit`, which sends it again where it did not reach the end; cases",
        "# that are in its results already are not measured again.",
        "",
    ]
    asked = [(text, why) for text, why in scheduler.directives(wish)]
    asked += [(line.text, f"{line.why} ({line.source})") for line in site.directives]
    asked += [(text, "asked for by --directive") for text in extra]
    for text, why in asked:
        lines += [f"# {why}", f"{scheduler.prefix} {text}"]
    lines.append("")
    for line in site.setup:
        lines += [f"# {line.why} ({line.source})", line.text]
    for name, line in site.variables:
        lines += [f"# {line.why} ({line.source})", f"export {name}={shlex.quote(line.text)}"]
    carried = {k: v for k, v in os.environ.items() if k.startswith(CARRIED) and k not in LEFT}
    if carried:
        lines.append("# as where it was submitted")
        lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(carried.items())]
    lines += ["", f"cd {shlex.quote(str(Path.cwd()))}", ""]
    if len(tasks) == 1:
        lines += run(tasks[0])
    else:
        lines.append(f'case "{scheduler.index}" in')
        for number, task in enumerate(tasks):
            lines += [f"{number})", *(f"  {line}" for line in run(task)), "  ;;"]
        lines.append("esac")
    return "\n".join(lines) + "\n"


def run(task: Task) -> list[str]:
    """The commands of a task."""
    command = python("-m", "joulia", *task.arguments, "--output", str(task.results))
    return [
        "# where the case under way is told, so that it has a record also if the job is killed",
        f"export {UNDERWAY}={shlex.quote(str(task.underway))}",
        shlex.join(command),
    ]
