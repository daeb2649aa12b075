"""Commands that read records, and those that make pictures. Each imports what it needs itself."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia import arguments

if TYPE_CHECKING:
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
def compare(files: tuple[Path, ...], baseline: str | None, form: str | None) -> None:
    """Backends side by side: time, energy, start-up and when it pays off, and what is sure.

    Files of several machines add their performance portability.
    """
    from joulia.analysis import compare as comparing
    from joulia.analysis import portability, tables

    records = read(files)
    problems = comparing.compare(records, baseline)
    portable = portability.portability(problems, records)
    if form == "json":
        click.echo(tables.as_json(problems, portable), nl=False)
        return
    comparing.measured(problems)
    if form == "csv":
        click.echo(tables.as_csv(problems), nl=False)
    elif form == "markdown":
        click.echo(tables.markdown(problems, portable), nl=False)
    else:
        tables.show(problems, portable)


@click.command()
@FILES
@arguments.output("report.html", "the page")
@click.option("--baseline", help="the backend to compare against (numpy, where it was measured)")
def report(files: tuple[Path, ...], output: Path, baseline: str | None) -> None:
    """One page that opens from disk without a network: what was measured, and what to choose."""
    from joulia.report import page

    page.write(output, page.build(read(files), baseline=baseline))
    click.echo(f"Report: {output}")


@click.command()
@click.argument("kernel")
@arguments.BACKEND
@click.option("--shape", help="grids, slowest axis first, as in 8x8x8,16x16x16 (the kernel's)")
@click.option("--dtype", default="float64,float32", help="precisions (both)")
@click.option("--threads", help="threads a backend; a list sweeps (all cores)")
@arguments.PARAM
@click.option("--until", type=float, help="the end time (the kernel's)")
@arguments.repeats(7, "7")
@arguments.window(0.2, "0.2")
@arguments.timeout()
@arguments.output("results/frontier.jsonl", "the results file, with the page beside it")
def frontier(kernel: str, output: Path, **options: Any) -> int:
    """How accuracy trades against time and energy for KERNEL: the choices that nothing beats.

    The same problem is solved to the same end time on every grid, precision and backend; its error
    is against the exact solution.
    """
    from joulia import cli
    from joulia.analysis import frontier as sweeping
    from joulia.case import Settings
    from joulia.records import store
    from joulia.report import frontier_plots, page

    planned, until = sweeping.plan(
        kernel,
        backends=options["backend"],
        shapes=[arguments.shape(s) for s in arguments.listed(options["shape"])],
        dtypes=arguments.listed(options["dtype"]),
        threads=arguments.integers("threads", options["threads"]) if options["threads"] else None,
        params=arguments.params(options["param"]),
        until=options["until"],
    )
    settings = Settings(
        options["window"], options["repeats"], timeout_s=options["timeout"], until=until
    )
    code = cli.execute(planned, settings, output, resume=True)
    records = store.load(output)
    for title, lines in frontier_plots.words(records):
        click.echo(title)
        for line in lines:
            click.echo(f"  {line}")
    written = output.with_suffix(".html")
    page.write(written, page.build(records))
    click.echo(f"Diagrams: {written}")
    return code


@click.command()
@click.argument("kernel")
@click.option("--backend", "-b", default="numpy", help="what computes it (numpy)")
@click.option("--size", help="tiny, small, medium or large (small)")
@click.option("--shape", help="cells an axis, slowest first, as in 64x64x64")
@click.option("--dtype", default="float64", help="float64 or float32")
@click.option("--param", "-p", multiple=True, help="name=value of the kernel")
@click.option("--frames", type=click.IntRange(1, 1000), default=40, help="moments of a .gif (40)")
@click.option("--steps", type=click.IntRange(1), help="time steps (200, or until the end time)")
@click.option("--until", type=float, help="the end time (the kernel's)")
@click.option("--field", help="which field (the kernel's)")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="a .png or .svg, which shows four moments, or a .gif, which moves (KERNEL.png)",
)
def simulate(kernel: str, output: Path | None, **options: Any) -> None:
    """KERNEL's physics as a picture or a small animation."""
    from joulia.analysis import simulate as pictures
    from joulia.simulation.solve import make_case

    params = {name: values[-1] for name, values in arguments.params(options["param"]).items()}
    case = make_case(
        kernel,
        options["backend"],
        size=options["size"] or (None if options["shape"] else "small"),
        shape=arguments.shape(options["shape"]) if options["shape"] else None,
        dtype=options["dtype"],
        params=params,
    )
    path = output or Path(f"{kernel}.png")
    count = options["frames"] if path.suffix == ".gif" else pictures.PANELS
    steps = pictures.simulate(
        case, path, count=count, steps=options["steps"], until=options["until"],
        field=options["field"],
    )  # fmt: skip
    click.echo(f"{case.kernel} through {case.backend}, {steps} steps: {path}")


@click.command()
@FILES
@click.option(
    "--to", "form", default="csv", help="csv, parquet, github-action-benchmark or bencher (csv)"
)
@click.option(
    "--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="a file"
)
def export(files: tuple[Path, ...], form: str, output: Path) -> None:
    """Records as CSV or Parquet, or as what continuous-benchmark dashboards read."""
    from joulia.analysis import export as exporting

    records = read(files)
    exporting.export(records, form, output)
    click.echo(f"{len(records)} records: {output}")


COMMANDS = (compare, report, frontier, simulate, export)
