"""Commands before a measurement: list, doctor, prepare, bundle."""

from __future__ import annotations

from pathlib import Path

import click

from joulia.cli import arguments


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
@click.option(
    "--from",
    "bundled",
    type=click.Path(path_type=Path),
    help="a bundle of `joulia bundle`: install and prepare all that it holds, without a network",
)
@click.option("--build-only", is_flag=True, help="build, and compile no kernel beforehand")
def prepare(what: str, source: Path | None, bundled: Path | None, build_only: bool) -> int:
    """Make WHAT ready before an allocation starts.

    WHAT is occa, julia, numba, c++, fortran, kokkos or all.
    """
    if bundled is not None:
        from joulia.errors import JouliaError
        from joulia.setup.bundle import install

        if what != "all" or source or build_only:
            raise JouliaError(
                "--from prepares all of a bundle. Allowed: joulia prepare --from FILE"
            )
        return install(bundled)
    from joulia.setup.prepare import prepare as prepare_

    sources = {"kokkos" if what == "kokkos" else "occa": source} if source else {}
    return prepare_(what, sources, build_only=build_only)


@click.command()
@click.option("--python", metavar="X.Y", help="the Python there (this one's version)")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    help="the machine there, as wheels name it: manylinux2014_x86_64, ... (this one)",
)
@click.option("--extra", "extras", multiple=True, default=("mpich",), help="joulia[...] (mpich)")
@click.option("--no-julia", is_flag=True, help="leave Julia's project out")
@click.option("--wheel", type=click.Path(path_type=Path), help="joulia's wheel (built here)")
@click.option(
    "--output",
    "-o",
    type=arguments.NewFile(),
    default=Path("joulia-bundle.tar"),
    help="the archive (joulia-bundle.tar)",
)
def bundle(
    python: str | None,
    platforms: tuple[str, ...],
    extras: tuple[str, ...],
    no_julia: bool,
    wheel: Path | None,
    output: Path,
) -> None:
    """Gather all that joulia needs into one archive, for machines without a network."""
    from joulia.setup.bundle import bundle as bundle_

    bundle_(output, python, platforms, extras, wheel, julia=not no_julia)


COMMANDS = (list_, doctor, prepare, bundle)
