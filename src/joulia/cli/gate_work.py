"""Two revisions at work: a folder for them, what is told meanwhile, and nothing left behind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from joulia.gate.runs import Run
    from joulia.records.record import Record

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


def commits_of(root: Path, options: dict[str, Any]) -> list[str]:
    """Base and head; JouliaError for a revision that is none, or changes that are not committed."""
    from joulia.gate import builds

    commits = [builds.resolve(root, options[side] or "HEAD") for side in builds.SIDES]
    if options["head"] is None:
        builds.require_clean(root)
    return commits


def save(folder: Path | None, *sides: Sequence[Record] | Sequence[Run]) -> None:
    """Keep what was measured of base and of head, where a folder is named."""
    from joulia.gate import builds, measure

    if folder is not None:
        for side, measured in zip(builds.SIDES, sides, strict=True):
            measure.save(folder / f"{side}.jsonl", measured)


def _interrupt(number: int, frame: Any) -> None:
    """A polite kill cleans up like Ctrl-C."""
    raise KeyboardInterrupt
