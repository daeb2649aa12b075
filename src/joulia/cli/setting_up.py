"""Commands before a measurement: list, doctor, prepare."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="list")
def list_() -> None:
    """Print kernels x backends; each cell that cannot run, with its reason."""
    from joulia.setup.doctor import matrix

    matrix()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.option("--calibrate", is_flag=True, help="check the meters instead: a verdict a line")
def doctor(as_json: bool, calibrate: bool) -> int:
    """Tell what is here: machine, cores, MPI, backends, meters; what is missing, and the remedy."""
    if calibrate:
        from joulia.setup.calibrate import command

        return command()
    from joulia.setup.doctor import report

    report(as_json)
    return 0


@click.command()
@click.argument("what", default="all")
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help="OCCA's source archive or folder, for machines without a network",
)
def prepare(what: str, source: Path | None) -> int:
    """Make WHAT ready before an allocation starts.

    WHAT is occa, julia, numba, c++, fortran, kokkos or all.
    """
    from joulia.setup.prepare import prepare as prepare_

    return prepare_(what, source)


COMMANDS = (list_, doctor, prepare)
