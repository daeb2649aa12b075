"""A run as a person sees it: progress on stderr, the table on stdout."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from joulia.analysis.labels import label
from joulia.analysis.record_table import show, status
from joulia.analysis.terminal import console
from joulia.case import Settings
from joulia.runner import session
from joulia.runner.caps import Caps
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
    caps: Caps | None = None,
) -> int:
    """Run with progress on stderr and the table on stdout; 0 where all that could run is valid."""

    outcomes: list[Outcome] = []
    waits: list[Wait] = []
    shown_skips: set[tuple[str, str]] = set()
    err = console(stderr=True)
    with bar(err) as progress:
        task = progress.add_task("", total=len(planned))
        waiting = ", waits until the node is quiet" if quiet_for else ""

        def waited(wait: Wait) -> None:
            waits.append(wait)
            progress.update(task, description=label(planned[len(outcomes)].case))

        running = session.outcomes(
            planned,
            settings,
            output,
            resume=resume,
            before=lambda case: progress.update(task, description=label(case) + waiting),
            quiet_for=quiet_for,
            waited=waited,
            caps=caps,
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
            progress.console.print(line(outcomes, planned, err.width))
            if waits:
                progress.console.print(f"  {waits.pop()}", markup=False)
    show([outcome.record for outcome in outcomes])
    click.echo(f"Results: {output}")
    statuses = [outcome.record.status for outcome in outcomes]
    if "valid" not in statuses:
        click.echo("joulia: no case could run; see the reasons above", err=True)
        return 1
    return 1 if {"failed", "invalid"} & set(statuses) else 0


def bar(err: Console) -> Progress:
    """How far the run is, in one line of the terminal."""
    return Progress(
        name_column(),
        bar_column(err),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left about"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        expand=True,
        disable=not err.is_terminal,
    )


def name_column() -> TextColumn:
    """What is being done: it takes what room the figures leave, and ends in an ellipsis."""
    column = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return TextColumn("{task.description}", markup=False, table_column=column)


def bar_column(err: Console) -> BarColumn:
    return BarColumn(bar_width=max(4, min(40, err.width // 10)))


def line(outcomes: Sequence[Outcome], planned: Sequence[Planned], width: int) -> Text:
    """What became of the case that ended last: its verdict first, and why.

    When the run will end is left out where it would break the line: the bar tells it too.
    """
    outcome = outcomes[-1]
    record = outcome.record
    again = " (resumed)" if outcome.resumed else ""
    detail = f": {record.reasons[0]}" if record.reasons else ""
    text = Text.assemble(
        f"[{len(outcomes)}/{len(planned)}] ",
        status(record),
        f" {label(record.case)}{again}{detail}",
    )
    end = left(outcomes, planned)
    return text.append(end) if len(text) + len(end) <= width else text


def left(outcomes: Sequence[Outcome], planned: Sequence[Planned]) -> str:
    """When the run will end, from the mean duration of what it measured so far."""

    took = [o.record.duration_s for o in outcomes if not o.resumed and o.record.status != "skipped"]
    remaining = sum(entry.skip is None for entry in planned[len(outcomes) :])
    if not took or not remaining:
        return ""
    end = datetime.datetime.now() + datetime.timedelta(seconds=sum(took) / len(took) * remaining)
    return f", ends about {end:%H:%M:%S}"
