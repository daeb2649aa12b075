"""Commands that measure: run, scale, frontier; and simulate, which shows what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia.cli import arguments
from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.case import Settings
    from joulia.runner.plan import Request


@click.command()
@click.argument("kernels", nargs=-1)
@arguments.BACKEND
@arguments.VARIANT
@arguments.SIZE
@arguments.SHAPE
@click.option("--dtype", help="float64, float32, or both as a list (float64; full, gpu: both)")
@click.option("--ranks", default="1", help="MPI ranks; a list sweeps (1)")
@click.option("--threads", help="threads a rank; a list sweeps (a physical core each)")
@arguments.WAIT
@arguments.PARAM
@click.option("--preset", help="quick, full or gpu: a ready-made matrix")
@arguments.repeats(None, "9; quick: 7, gpu: 5")
@arguments.window(None, "0.5; quick: 0.15, gpu: 0.2")
@arguments.timeout()
@click.option(
    "--energy-tolerance",
    type=click.FloatRange(0.0, 100.0, min_open=True),
    default=2.0,
    help="per cent (one sigma) up to which joules are given; longer windows where needed (2)",
)
@click.option(
    "--no-joules", is_flag=True, help="read no meter, and wait for none: quick where they are slow"
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
@click.option("--oversubscribe", is_flag=True, help="more threads than hardware threads; marked")
@click.option("--launcher", default="auto", help="mpiexec, srun, jsrun (auto: the allocation's)")
@click.option("--until", type=float, help="solve to this end time as well, and tell the error")
@click.option("--no-resume", is_flag=True, help="measure again what the file already holds")
@arguments.MACHINE
@arguments.SITE
@click.option(
    "--quiet-for",
    type=arguments.POSITIVE,
    metavar="SECONDS",
    help="before each case wait until others left the cores alone for so long (10 minutes at most)",
)
@arguments.output("results/joulia.jsonl")
def run(**options: Any) -> int:
    """Measure KERNELS (all where none is named) on backends, sizes, ranks and threads."""
    from joulia.runner.plan import plan

    settings = settings_of(options)
    planned = plan(requests_of(options))
    from joulia.cli.progress import execute

    return execute(
        planned, settings, options["output"], resume=not options["no_resume"],
        quiet_for=options["quiet_for"],
    )  # fmt: skip


def settings_of(options: dict[str, Any]) -> Settings:
    """How a run measures. Bad files and names are told before anything is measured."""
    from joulia.case import GPU_EXCHANGES, Settings
    from joulia.energy import carbon, estimate
    from joulia.errors import suggest
    from joulia.parallel.launchers import LAUNCHERS
    from joulia.runner.plan import MEASURED_WITH

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
    return Settings(
        **(MEASURED_WITH.get(options["preset"], {}) | measuring),
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
        until=options["until"],
        machine=options["machine"],
        joules=not options["no_joules"],
    )


def requests_of(options: dict[str, Any]) -> list[Request]:
    """What a run is asked to measure."""
    from joulia.case import DTYPES
    from joulia.runner.plan import Request, preset

    if options["preset"]:
        if options["size"] or options["shape"]:
            raise JouliaError("--preset names the sizes itself. Allowed: --preset or --size")
        waits = arguments.waits(options["wait"])
        variants, dtypes = (arguments.listed(options[name]) for name in ("variant", "dtype"))
        chosen = (options["kernels"], options["backend"], variants, dtypes)
        requests = preset(options["preset"], *chosen)
        return [replace(request, waits=waits) for request in requests]
    return [
        Request(
            kernels=options["kernels"],
            backends=options["backend"],
            sizes=arguments.listed(options["size"]),
            shapes=[arguments.shape(s) for s in arguments.listed(options["shape"])],
            dtypes=arguments.listed(options["dtype"]) or DTYPES[:1],
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
            waits=arguments.waits(options["wait"]),
            variants=arguments.listed(options["variant"]),
        )
    ]


@click.command()
@click.argument("kernel")
@arguments.BACKEND
@click.option("--ranks", default="1,2", help="ranks to compare (1,2)")
@click.option("--threads", default="1", help="threads a rank (1)")
@arguments.WAIT
@click.option("--size", help="the grid of one rank (weak) or of all (strong): small, medium, ...")
@click.option("--shape", help="the same as cells an axis, slowest first")
@click.option("--dtype", default="float64", help="float64 or float32")
@click.option("--param", "-p", multiple=True, help="name=value of the kernel")
@click.option("--weak", is_flag=True, help="grow the grid with the ranks")
@click.option("--predict", type=click.IntRange(2, 1 << 24), help="extend the curve to N ranks")
@click.option("--plot", type=arguments.NewFile(), help="an svg, pdf or png")
@click.option("--oversubscribe", is_flag=True, help="allow more ranks than cores; marked")
@arguments.OVERLAP
@arguments.repeats(9, "9")
@arguments.window(0.5, "0.5")
@arguments.timeout()
@arguments.MACHINE
@arguments.SITE
@arguments.output("results/scale.jsonl")
def scale(**options: Any) -> int:
    """Time and energy of KERNEL over ranks: strong scaling, or weak with --weak."""
    from joulia.cli.scaling import scale as scale_

    return scale_(
        options
        | {
            "ranks": arguments.integers("ranks", options["ranks"]),
            "threads": arguments.integers("threads", options["threads"]),
            "wait": arguments.waits(options["wait"]),
            "shape": arguments.shape(options["shape"]) if options["shape"] else None,
            "param": arguments.params(options["param"]),
        }
    )


@click.command()
@click.argument("kernel")
@arguments.BACKEND
@click.option("--shape", help="grids, slowest axis first, as in 8x8x8,16x16x16 (the kernel's)")
@click.option("--dtype", default="float64,float32", help="precisions (both)")
@click.option("--threads", help="threads a backend; a list sweeps (a physical core each)")
@arguments.WAIT
@arguments.PARAM
@click.option("--until", type=float, help="the end time (the kernel's)")
@click.option(
    "--power-limit",
    metavar="WATTS",
    help="power limits of each processor package or GPU, as in 150,200,250; put back at the end",
)
@click.option(
    "--clock",
    metavar="MHZ",
    help="highest clocks of the processor, or clocks of GPUs, as in 1200,1800; put back at the end",
)
@click.option(
    "--max-error",
    type=arguments.POSITIVE,
    metavar="E",
    help="tell as well which choice is cheapest with a relative error of at most E",
)
@arguments.repeats(7, "7")
@arguments.window(0.2, "0.2")
@arguments.timeout()
@arguments.MACHINE
@arguments.SITE
@arguments.output("results/frontier.jsonl", "the results file, with the page beside it")
def frontier(kernel: str, output: Path, **options: Any) -> int:
    """How accuracy trades against time and energy for KERNEL: the choices that nothing beats.

    The same problem is solved to the same end time on every grid, precision and backend; its error
    is against the exact solution. Power limits and clocks are a further axis, where the user may
    set them.
    """
    from joulia.analysis import frontier as sweeping
    from joulia.analysis import frontier_table
    from joulia.analysis.terminal import console, draw
    from joulia.case import Settings
    from joulia.cli.progress import execute
    from joulia.records import store
    from joulia.report import frontier_plots, page
    from joulia.runner.caps import holding

    planned, until = sweeping.plan(
        kernel,
        backends=options["backend"],
        shapes=[arguments.shape(s) for s in arguments.listed(options["shape"])],
        dtypes=arguments.listed(options["dtype"]),
        threads=arguments.integers("threads", options["threads"]) if options["threads"] else None,
        params=arguments.params(options["param"]),
        until=options["until"],
        power_limits_w=arguments.amounts("power-limit", options["power_limit"], "150,200,250"),
        clocks_mhz=arguments.amounts("clock", options["clock"], "1200,1800"),
        waits=arguments.waits(options["wait"]),
    )
    settings = Settings(
        options["window"],
        options["repeats"],
        timeout_s=options["timeout"],
        until=until,
        machine=options["machine"],
    )
    with holding([each.case for each in planned if each.skip is None]) as caps:
        code = execute(planned, settings, output, resume=True, caps=caps)
    records = store.load(output)
    out = console()
    for title, lines in frontier_plots.words(records, options["max_error"]):
        out.print(title, markup=False)
        for line in lines:
            out.print(f"  {line}", markup=False)
    for _, points in frontier_plots.titled(records):
        draw(out, frontier_table.table(points))
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
    type=arguments.NewFile(),
    help="a .png or .svg, which shows four moments, or a .gif, which moves (KERNEL.png)",
)
def simulate(kernel: str, output: Path | None, **options: Any) -> None:
    """KERNEL's physics as a picture or a small animation."""
    from joulia.analysis import simulate as pictures
    from joulia.simulation.solve import make_case

    given = {name: values[-1] for name, values in arguments.params(options["param"]).items()}
    params = pictures.params(kernel, given)
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
    problem = " ".join([case.kernel, *(f"{name}={value}" for name, value in params.items())])
    click.echo(f"{problem} through {case.backend}, {steps} steps: {path}")


COMMANDS = (run, scale, frontier, simulate)
