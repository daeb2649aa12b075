"""The command `joulia changes`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import click

from joulia.cli import arguments
from joulia.cli.gate import write


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--threshold", help="smallest step that counts (time=3%,energy=5%)")
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path(),
    help="whose commits the records are of (this folder's)",
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.option("--markdown", type=arguments.NewFile(), help="write a comment to FILE")
def changes(
    path: Path, threshold: str | None, repository: Path, as_json: bool, markdown: Path | None
) -> None:
    """At which commits did a tracked series step, up or down, in time or joules?

    PATH is asv's results directory (.asv/results), a folder of results files over commits, or one
    such file. Needs joulia[changes].
    """
    from joulia.analysis import changes_table, series
    from joulia.gate.compare import thresholds

    limits = thresholds(threshold)
    limits["other"] = limits["time"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded, told = series.load(path, repository)
    told += [str(warning.message) for warning in caught]
    found = changes_table.look(loaded, limits)
    if markdown:
        write(markdown, changes_table.markdown(found, told))
    if as_json:
        click.echo(json.dumps(changes_table.as_json(found, told)))
    else:
        changes_table.show(found, told)


COMMANDS = (changes,)
