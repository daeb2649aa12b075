"""Commands that read records: show, compare, report, export."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joulia.cli import arguments
from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.analysis.compare import Problem
    from joulia.records.record import Record

FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)


def read(files: tuple[Path, ...]) -> list[Record]:
    """The records of all files; a torn line is told on stderr."""
    from joulia.analysis.files import load_all

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = load_all(files)
    for warning in caught:
        click.echo(f"joulia: {warning.message}", err=True)
    return records


@click.command()
@FILES
@click.option("--baseline", help="the backend to compare against (numpy, where it was measured)")
@click.option("--json", "form", flag_value="json", help="one JSON object")
@click.option("--csv", "form", flag_value="csv", help="one line a backend and problem")
@click.option("--markdown", "form", flag_value="markdown", help="tables for a README or an issue")
@click.option("--over", metavar="size", help="at which size one backend overtakes another")
def compare(
    files: tuple[Path, ...], baseline: str | None, form: str | None, over: str | None
) -> None:
    """Backends side by side: time, energy, start-up and when it pays off, and what is sure.

    Files of several machines add their performance portability. With --over size: at which size a
    backend overtakes another, and from which more ranks or threads pay, start-up aside.
    """
    from joulia.analysis import crossover, portability, tables
    from joulia.analysis.compare import comparisons, measured

    if over is not None:
        crossover.require(over)
    records = read(files)
    problems = comparisons(records, baseline)
    if over is not None:
        show_crossovers(measured(problems), baseline, form)
        return
    portable = portability.portability(problems, records)
    if form == "json":
        click.echo(tables.as_json(problems, portable), nl=False, file=sys.stdout)
        return
    measured(problems)
    if form == "csv":
        click.echo(tables.as_csv(problems), nl=False, file=sys.stdout)
    elif form == "markdown":
        click.echo(tables.markdown(problems, portable), nl=False, file=sys.stdout)
    else:
        tables.show(problems, portable)


def show_crossovers(problems: Sequence[Problem], baseline: str | None, form: str | None) -> None:
    """Print where costs cross, in one of the forms of `compare`."""
    from joulia.analysis import crossover, crossover_tables

    pairs = crossover.pairs(problems, baseline)
    if form is None:
        crossover_tables.show(pairs, problems)
        return
    texts = {
        "json": lambda: crossover_tables.as_json(pairs),
        "csv": lambda: crossover_tables.as_csv(pairs),
        "markdown": lambda: crossover_tables.markdown(pairs, problems),
    }
    click.echo(texts[form](), nl=False, file=sys.stdout)


@click.command()
@FILES
@click.option(
    "--output",
    "-o",
    type=arguments.NewFile(),
    default=Path("report.html"),
    help="the page (report.html)",
)
@click.option("--baseline", help="the backend to compare against (numpy, where it was measured)")
def report(files: tuple[Path, ...], output: Path, baseline: str | None) -> None:
    """One page that opens from disk without a network: what was measured, and what to choose."""
    from joulia.report import page

    page.write(output, page.build(read(files), baseline=baseline))
    click.echo(f"Report: {output}")


@click.command(name="show")
@click.argument("file", type=click.Path(path_type=Path))
def show_(file: Path) -> None:
    """Print the records of FILE as a table."""
    import warnings

    from joulia.analysis.record_table import show
    from joulia.records import store

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", store.TornLine)
        records = store.load(file)
    for warning in caught:
        click.echo(f"joulia: {warning.message}", err=True)
    if not records:
        raise JouliaError(f"{file} holds no record. Allowed: files that `joulia run` wrote")
    show(records)


@click.command()
@FILES
@click.option(
    "--to", "form", default="csv", help="csv, parquet, github-action-benchmark or bencher (csv)"
)
@click.option("--output", "-o", required=True, type=arguments.NewFile(), help="a file")
def export(files: tuple[Path, ...], form: str, output: Path) -> None:
    """Records as CSV or Parquet, or as what continuous-benchmark dashboards read."""
    from joulia.analysis import export as exporting

    records = read(files)
    exporting.export(records, form, output)
    click.echo(f"{len(records)} records: {output}")


COMMANDS = (show_, compare, report, export)
