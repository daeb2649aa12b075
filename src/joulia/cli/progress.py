"""A run as a person sees it: progress on stderr, the table on stdout."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from joulia.analysis.record_table import COLOURS, show
from joulia.analysis.terminal import console
from joulia.case import Settings
from joulia.runner import session
from joulia.runner.cases import Planned
from joulia.runner.quiet import Wait
from joulia.runner.session import Outcome


def execute(
    planned: list[Planned],
    settings: Settings,
    output: Path,
    *,
    resume: bool,
    quiet_for: float | None = None,
) -> int:
    """Run with progress on stderr and the table on stdout; 0 where all that could run is valid."""

    outcomes: list[Outcome] = []
    waits: list[Wait] = []
    shown_skips: set[tuple[str, str]] = set()
    err = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left about"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=len(planned))
        waiting = ", waits until the node is quiet" if quiet_for else ""

        def waited(wait: Wait) -> None:
            waits.append(wait)
            progress.update(task, description=planned[len(outcomes)].case.label)

        running = session.outcomes(
            planned,
            settings,
            output,
            resume=resume,
            before=lambda case: progress.update(task, description=case.label + waiting),
            quiet_for=quiet_for,
            waited=waited,
        )
        for outcome in running:
            outcomes.append(outcome)
            progress.advance(task)
            record = outcome.record
            if record.status == "skipped":
                skip = (record.case.backend, record.reasons[0])
                if skip in shown_skips:
                    continue  # a backend that is not here says so once
                shown_skips.add(skip)
            detail = f": {record.reasons[0]}" if record.reasons else ""
            again = " (resumed)" if outcome.resumed else ""
            progress.console.print(
                f"[{len(outcomes)}/{len(planned)}] {record.case.label} ".replace("[", r"\[")
                + f"[{COLOURS[record.status]}]{record.status}[/]{again}"
                + detail.replace("[", r"\[")
                + (f" ({waits.pop()})" if waits else "")
                + left(outcomes, len(planned))
            )
    show([outcome.record for outcome in outcomes])
    click.echo(f"Results: {output}")
    statuses = [outcome.record.status for outcome in outcomes]
    if "valid" not in statuses:
        click.echo("joulia: no case could run; see the reasons above", err=True)
        return 1
    return 1 if {"failed", "invalid"} & set(statuses) else 0


def left(outcomes: Sequence[Outcome], cases: int) -> str:
    """When the run will end, from the mean duration of what it measured so far."""

    took = [o.record.duration_s for o in outcomes if not o.resumed]
    remaining = cases - len(outcomes)
    if not took or not remaining:
        return ""
    end = datetime.datetime.now() + datetime.timedelta(seconds=sum(took) / len(took) * remaining)
    return f", ends about {end:%H:%M:%S}"
