"""Two revisions at work: a folder for them, what is told meanwhile, and nothing left behind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

Tell = Callable[..., None]
"""`tell(what, done, of)`: what is under way."""


@contextlib.contextmanager
def at_work() -> Iterator[tuple[Path, Tell]]:
    """A folder for two builds and what tells of the work; afterwards, or interrupted, both go."""
    from rich.progress import Progress, TimeElapsedColumn

    from joulia.analysis.terminal import console
    from joulia.cli.progress import bar_column, name_column
    from joulia.gate import builds

    err = console(stderr=True)
    columns = (name_column(), bar_column(err), TimeElapsedColumn())
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            Progress(
                *columns, console=err, transient=True, expand=True, disable=not err.is_terminal
            ) as progress,
            builds.workshop() as folder,
        ):
            task = progress.add_task("")

            def tell(what: str, done: int | None = None, of: int | None = None) -> None:
                progress.update(task, description=what, completed=done, total=of)

            yield folder, tell
    except KeyboardInterrupt:
        click.echo("joulia: interrupted; the two builds are removed", err=True)
        raise SystemExit(130) from None


def _interrupt(number: int, frame: Any) -> None:
    """A polite kill cleans up like Ctrl-C."""
    raise KeyboardInterrupt
