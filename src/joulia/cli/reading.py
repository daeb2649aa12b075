"""Commands that read records: show, compare, report, export, verify-bundle."""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
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

    with warnings_told():
        return load_all(files)


@contextlib.contextmanager
def warnings_told() -> Iterator[None]:
    """Warnings as lines on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        click.echo(f"joulia: {warning.message}", err=True)


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
    from joulia.analysis.record_table import show
    from joulia.records import store

    with warnings_told():
        records = store.load(file)
    if not records:
        raise JouliaError(f"{file} holds no record. Allowed: files that `joulia run` wrote")
    show(records)


@click.command()
@FILES
@click.option("--to", "form", help="csv, parquet, github-action-benchmark or bencher (csv)")
@click.option(
    "--bundle",
    is_flag=True,
    help="a results archive instead: records, report, environment, checksums, in one .tar",
)
@click.option("--output", "-o", required=True, type=arguments.NewFile(), help="a file")
def export(files: tuple[Path, ...], form: str | None, bundle: bool, output: Path) -> None:
    """Records as CSV or Parquet, as what continuous-benchmark dashboards read, or as an archive.

    An archive (--bundle) can be checked by whoever gets it: `joulia verify-bundle`. (`joulia
    bundle` is another thing: joulia itself, for machines without a network.)
    """
    if bundle:
        if form is not None:
            raise JouliaError(f"--bundle is a format itself. Allowed: --bundle or --to {form}")
        archive(files, output)
        return
    from joulia.analysis import export as exporting

    records = read(files)
    exporting.export(records, form or "csv", output)
    click.echo(f"{len(records)} records: {output}")


def archive(files: tuple[Path, ...], output: Path) -> None:
    """Write a results archive, and tell its checksum."""
    from joulia.report import archive

    with warnings_told():
        written = archive.write(files, output)
    if written.unlike:
        click.echo(
            "joulia: the environment here is not that of the records, and the archive says so: "
            + "; ".join(written.unlike),
            err=True,
        )
    click.echo(f"{written.records} records: {output}")
    click.echo(f"sha256 {written.sha256}")


@click.command(name="verify-bundle")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--sha256", help="the archive's checksum, as published beside it")
def verify_bundle(archive: Path, sha256: str | None) -> int:
    """Check a results archive of `joulia export --bundle`: may its figures be believed?

    Every checksum; every record: its id, its checks, medians and rates recomputed; the report,
    written anew from the records. A line a problem, and exit code 1 where there is one.
    """
    from joulia.report import archive_check

    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise JouliaError(f"--sha256 {sha256} is not allowed. Allowed: 64 hexadecimal digits")
    verdict = archive_check.verify(archive, sha256)
    for note in verdict.notes:
        click.echo(f"joulia: {printable(note)}", err=True)
    for problem in verdict.problems:
        click.echo(printable(problem))
    if verdict.problems:
        return 1
    valid = sum(record.status == "valid" for record in verdict.records)
    click.echo(
        f"{archive}: {len(verdict.records)} records ({valid} valid) hold together, and the report "
        "is theirs"
    )
    click.echo(f"sha256 {verdict.sha256}")
    return 0


def printable(text: str) -> str:
    """In one line, and without what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


COMMANDS = (show_, compare, report, export, verify_bundle)
