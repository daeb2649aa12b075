"""The command line. Commands import what they need when they run: `joulia --help` stays quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia import arguments
from joulia.analysis.commands import COMMANDS
from joulia.errors import JouliaError, Unavailable, Unstable
from joulia.gate.cli import gate
from joulia.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulia.case import Settings
    from joulia.run.cases import Planned
    from joulia.run.plan import Request
    from joulia.run.session import Outcome


class Group(click.Group):
    """Bad input of any command ends in one line on stderr and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as help_:
            click.echo(help_.format_message())
            sys.exit(2)
        except click.ClickException as error:
            fail(error.format_message())
        except (JouliaError, Unavailable, Unstable) as error:
            fail(str(error))
        except (click.Abort, KeyboardInterrupt):
            click.echo("joulia: interrupted; what was measured is kept", err=True)
            sys.exit(130)
        except BrokenPipeError:
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> None:
    click.echo("joulia: " + " ".join(message.split()), err=True)
    sys.exit(2)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Time and energy of simulation kernels through Python, Julia and OCCA, over MPI ranks."""


@main.command()
@click.argument("kernels", nargs=-1)
@arguments.BACKEND
@arguments.SIZE
@arguments.SHAPE
@click.option("--dtype", default="float64", help="float64, float32, or both as a list")
@click.option("--ranks", default="1", help="MPI ranks; a list sweeps (1)")
@click.option("--threads", help="threads a rank; a list sweeps (all cores, shared by the ranks)")
@arguments.PARAM
@click.option("--preset", help="quick or full: a ready-made matrix")
@arguments.repeats(None, "9; quick: 7")
@arguments.window(None, "0.5; quick: 0.2")
@arguments.timeout()
@click.option(
    "--energy-tolerance",
    type=click.FloatRange(0.0, 100.0, min_open=True),
    default=2.0,
    help="per cent (one sigma) up to which joules are given; longer windows where needed (2)",
)
@click.option("--profile", help="machine profile, or a .toml file, for the estimate without meters")
@click.option("--carbon", help="CO2e from a grid's intensity: g/kWh, or a site's .toml file")
@click.option("--cold", is_flag=True, help="start every runtime with empty caches")
@arguments.OVERLAP
@click.option(
    "--gpu-exchange",
    default="auto",
    help="messages of ranks on GPUs lie on the device, on the host, or as MPI takes (auto)",
)
@click.option("--no-ceiling", is_flag=True, help="do not add the triads that bound the kernels")
@click.option("--decompose", help="ranks an axis, slowest first, as in 2x2x1 (least surface)")
@click.option("--oversubscribe", is_flag=True, help="allow more threads than cores; marked")
@click.option("--launcher", default="auto", help="mpiexec, srun, jsrun (auto: the allocation's)")
@click.option("--no-resume", is_flag=True, help="measure again what the file already holds")
@arguments.output("results/joulia.jsonl")
def run(**options: Any) -> int:
    """Measure KERNELS (all where none is named) on backends, sizes, ranks and threads."""
    from joulia.case import GPU_EXCHANGES, Settings
    from joulia.energy import carbon, estimate
    from joulia.errors import suggest
    from joulia.parallel.launchers import LAUNCHERS
    from joulia.run.plan import QUICK, plan

    # Bad files are told before anything is measured.
    if options["profile"]:
        estimate.load(options["profile"])
    if options["carbon"]:
        carbon.load(options["carbon"])
    if options["launcher"] not in LAUNCHERS:
        raise suggest("launcher", options["launcher"], list(LAUNCHERS))
    if options["gpu_exchange"] not in GPU_EXCHANGES:
        raise suggest("--gpu-exchange", options["gpu_exchange"], list(GPU_EXCHANGES))

    measuring = {"window_s": options["window"], "repeats": options["repeats"]}
    measuring = {name: value for name, value in measuring.items() if value is not None}
    settings = Settings(
        **((QUICK if options["preset"] == "quick" else {}) | measuring),
        timeout_s=options["timeout"],
        cold=options["cold"],
        overlap=options["overlap"],
        energy_tolerance=options["energy_tolerance"] / 100.0,
        profile=options["profile"],
        carbon=options["carbon"],
        oversubscribe=options["oversubscribe"],
        decompose=arguments.shape(options["decompose"], "decompose")
        if options["decompose"]
        else None,
        launcher=options["launcher"],
        gpu_exchange=options["gpu_exchange"],
    )
    return execute(
        plan(_requests(options)), settings, options["output"], resume=not options["no_resume"]
    )


def _requests(options: dict[str, Any]) -> list[Request]:
    from joulia.run.plan import Request, preset

    if options["preset"]:
        if options["size"] or options["shape"]:
            raise JouliaError("--preset names the sizes itself. Allowed: --preset or --size")
        return preset(options["preset"], options["kernels"], options["backend"])
    return [
        Request(
            kernels=options["kernels"],
            backends=options["backend"],
            sizes=arguments.listed(options["size"]),
            shapes=[arguments.shape(s) for s in arguments.listed(options["shape"])],
            dtypes=arguments.listed(options["dtype"]),
            ranks=arguments.integers("ranks", options["ranks"]),
            threads=arguments.integers("threads", options["threads"])
            if options["threads"]
            else None,
            params=arguments.params(options["param"]),
            ceilings=not options["no_ceiling"],
            oversubscribe=options["oversubscribe"],
            decompose=arguments.shape(options["decompose"], "decompose")
            if options["decompose"]
            else None,
        )
    ]


def execute(planned: list[Planned], settings: Settings, output: Path, *, resume: bool) -> int:
    """Run with progress on stderr and the table on stdout; 0 where all that could run is valid."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from joulia.run import session
    from joulia.show import COLOURS, console, show

    outcomes: list[Outcome] = []
    told: set[tuple[str, str]] = set()
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
        running = session.run(
            planned,
            settings,
            output,
            resume=resume,
            before=lambda case: progress.update(task, description=case.label),
        )
        for outcome in running:
            outcomes.append(outcome)
            progress.advance(task)
            record = outcome.record
            if record.status == "skipped":
                skip = (record.case.backend, record.reasons[0])
                if skip in told:
                    continue  # a backend that is not here says so once
                told.add(skip)
            detail = f": {record.reasons[0]}" if record.reasons else ""
            again = " (resumed)" if outcome.resumed else ""
            progress.console.print(
                f"[{len(outcomes)}/{len(planned)}] {record.case.label} ".replace("[", r"\[")
                + f"[{COLOURS[record.status]}]{record.status}[/]{again}"
                + detail.replace("[", r"\[")
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
    import datetime

    took = [o.record.duration_s for o in outcomes if not o.resumed]
    remaining = cases - len(outcomes)
    if not took or not remaining:
        return ""
    end = datetime.datetime.now() + datetime.timedelta(seconds=sum(took) / len(took) * remaining)
    return f", ends about {end:%H:%M:%S}"


@main.command()
@click.argument("kernel")
@click.option(
    "--backend", "-b", multiple=True, help="numba, occa:openmp, ...; a list compares (all)"
)
@click.option("--ranks", default="1,2", help="ranks to compare (1,2)")
@click.option("--threads", default="1", help="threads a rank (1)")
@click.option("--size", help="the grid of one rank (weak) or of all (strong): small, medium, ...")
@click.option("--shape", help="the same as cells an axis, slowest first")
@click.option("--dtype", default="float64", help="float64 or float32")
@click.option("--param", "-p", multiple=True, help="name=value of the kernel")
@click.option("--weak", is_flag=True, help="grow the grid with the ranks")
@click.option("--predict", type=click.IntRange(2, 1 << 24), help="extend the curve to N ranks")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="an svg, pdf or png")
@click.option("--oversubscribe", is_flag=True, help="allow more ranks than cores; marked")
@arguments.OVERLAP
@arguments.repeats(9, "9")
@arguments.window(0.5, "0.5")
@arguments.timeout()
@arguments.output("results/scale.jsonl")
def scale(**options: Any) -> int:
    """Time and energy of KERNEL over ranks: strong scaling, or weak with --weak."""
    from joulia.scale_command import scale as scale_

    backends = [name for text in options["backend"] for name in arguments.listed(text)]
    return scale_(
        options
        | {
            "backend": backends,
            "ranks": arguments.integers("ranks", options["ranks"]),
            "threads": arguments.integers("threads", options["threads"]),
            "shape": arguments.shape(options["shape"]) if options["shape"] else None,
            "param": arguments.params(options["param"]),
        }
    )


@main.command(name="show")
@click.argument("file", type=click.Path(path_type=Path))
def show_(file: Path) -> None:
    """Print the records of FILE as a table."""
    import warnings

    from joulia.records import store
    from joulia.show import show

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", store.TornLine)
        records = store.load(file)
    for warning in caught:
        click.echo(f"joulia: {warning.message}", err=True)
    if not records:
        raise JouliaError(f"{file} holds no record. Allowed: files that `joulia run` wrote")
    show(records)


@main.command(name="list")
def list_() -> None:
    """Print kernels x backends; each cell that cannot run, with its reason."""
    from joulia.doctor import matrix

    matrix()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.option("--calibrate", is_flag=True, help="check the meters instead: a verdict a line")
def doctor(as_json: bool, calibrate: bool) -> int:
    """Tell what is here: machine, cores, MPI, backends, meters; what is missing, and the remedy."""
    if calibrate:
        from joulia.calibrate import command

        return command()
    from joulia.doctor import report

    report(as_json)
    return 0


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--only", multiple=True, help="a meter to use: rapl, nvml, occ, ... (all)")
@click.option(
    "--energy-tolerance",
    type=click.FloatRange(0.0, 100.0, min_open=True),
    default=2.0,
    help="per cent (one sigma) up to which joules are given (2)",
)
@click.option("--carbon", help="CO2e from a grid's intensity: g/kWh, or a site's .toml file")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="figures as JSON"
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def meter(
    only: tuple[str, ...],
    energy_tolerance: float,
    carbon: str | None,
    output: Path | None,
    command: tuple[str, ...],
) -> int:
    """Joules, watts and seconds of any COMMAND, for each domain: joulia meter -- COMMAND."""
    from joulia.meter_command import meter as meter_

    return meter_(
        command, tolerance=energy_tolerance / 100.0, only=only, grid=carbon, output=output
    )


@main.command()
@click.argument("what", default="all")
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help="OCCA's source archive or folder, for machines without a network",
)
def prepare(what: str, source: Path | None) -> int:
    """Make WHAT (occa, julia, numba or all) ready before an allocation starts."""
    from joulia.prepare import prepare as prepare_

    return prepare_(what, source)


main.add_command(gate)
for _command in COMMANDS:
    main.add_command(_command)
