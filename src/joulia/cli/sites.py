"""Commands of a cluster: sites, which tells what is known of them, and submit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from joulia.cli import arguments, measuring
from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.sites.site import Site
    from joulia.submit.jobs import Submission


@click.command()
@click.argument("name", required=False)
def sites(name: str | None) -> None:
    """Print the sites that --site takes, or all that is known of NAME, with its sources."""
    from joulia.analysis.terminal import Column, Grid, console, draw, draw_list
    from joulia.sites import site

    out = console()
    if name is not None:
        draw_list(out, list(known(site.load(name))))
        return
    columns = (
        Column("site", right=False),
        Column("queue", right=False),
        Column("nodes", drop=3),
        Column("GPUs a node", drop=2),
        Column("launcher", drop=1, right=False),
        Column("what it is", right=False, least=20),
    )
    rows = []
    for each in map(site.load, site.files()):
        counts = [f"{count.value:g}" if count else "-" for count in (each.nodes, each.gpus)]
        rows.append([each.name, each.scheduler, *counts, each.launcher.value, each.title])
    draw(out, Grid(columns, rows))
    folders = ", ".join(map(str, site.folders()))
    out.print(f"\nFiles: {folders}; `joulia sites NAME` has the sources", markup=False)


def known(site: Site) -> Iterator[tuple[str, str, str]]:
    """What a site's file says, an entry each: nothing, its name, and its value with the source."""
    yield "", site.name, f"{site.title} ({site.path})"
    yield "", "scheduler", site.scheduler
    for title, figure in (
        ("nodes", site.nodes),
        ("sockets a node", site.sockets),
        ("cores a node", site.cores),
        ("GiB a node", site.memory_gib),
        ("GPUs a node", site.gpus),
        ("HPL GFLOP/s a watt", site.hpl_gflops_per_w),
    ):
        if figure:
            yield "", title, f"{figure.value:g} ({figure.source})"
    for title, choice in (
        ("GPU", site.gpu),
        ("launcher", site.launcher),
        ("binds", site.binding),
        ("wait", site.wait),
        ("profile", site.profile),
        ("time limit", site.time_limit),
        ("exclusive", site.exclusive),
    ):
        if choice:
            yield "", title, f"{choice.value} ({choice.source})"
    if site.grid_source:
        from joulia.energy import carbon

        grid = carbon.load(str(site.path))
        yield "", "grid", f"{grid.g_per_kwh:g} g/kWh, {grid.year}, {grid.site} ({grid.source})"
    for title, lines in (
        ("directive", site.directives),
        ("setup", site.setup),
        ("launcher option", site.options),
        ("meter", site.meters),
    ):
        for line in lines:
            yield "", title, f"{line.text}: {line.why} ({line.source})"
    for name, line in site.variables:
        yield "", "variable", f"{name}={line.text}: {line.why} ({line.source})"


LISTED = ("size", "shape", "dtype", "ranks", "threads", "wait", "variant")
"""Options of `run` whose values, one by one, are cases that do not wait for each other."""
NOT_PASSED = ("output", "site")


@click.pass_context
def submit(context: click.Context, /, **options: Any) -> int:
    """Send a run through a site's queue: the same options as `joulia run`, and a site.

    Writes the job's script, submits it, follows it, and brings its records into the results file.
    What a time limit or a lost node cut off is sent again. The same command resumes.
    """
    from joulia.runner.plan import plan
    from joulia.sites import site as sites_
    from joulia.submit import jobs

    measuring.settings_of(options)
    planned = plan(measuring.requests_of(options))
    site = sites_.load(options["site"])
    limit = options["time"] or (site.time_limit.value if site.time_limit else None)
    if limit is None:
        raise JouliaError(f"{site.path} has no time_limit. Allowed: --time H:MM:SS")
    jobs.require_output(options["output"])
    for text in options["directive"]:
        if not text.strip() or not text.isprintable():
            raise JouliaError(
                f"--directive {text!r} is not allowed. Allowed: one line, as in --account=me"
            )
    runs = list(split(context)) if options["array"] else [told(context)]
    submission = jobs.Submission(
        site=site,
        runs=[["run", *run, "--site", options["site"]] for run in runs],
        output=options["output"],
        nodes=options["nodes"],
        ranks=max(each.case.ranks for each in planned),
        threads=max(arguments.integers("threads", options["threads"] or "1")),
        time_s=sites_.seconds(limit, "--time"),
        exclusive=options["exclusive"],
        at_once=options["at_once"],
        directives=options["directive"],
        say=lambda line: click.echo(f"joulia: {line}", err=True),
    )
    if submission.scheduler.unproven:
        submission.say(submission.scheduler.unproven)
    if not options["exclusive"] and site.exclusive.value == "no":
        submission.say(
            "the nodes are not exclusive: others may disturb the times, and a node's meter counts "
            "their joules too; --exclusive asks for the nodes alone"
        )
    if options["dry_run"]:
        click.echo(submission.script(), nl=False)
        return 0
    return sent(submission, follow=options["follow"])


def sent(submission: Submission, *, follow: bool) -> int:
    """Send, follow and collect; 0 where all that could run is valid."""
    from joulia.analysis.record_table import show
    from joulia.submit.jobs import well

    before = submission.written()
    job = submission.send()
    if not follow:
        cancel = submission.scheduler.cancel(job)
        submission.say(f"the same command follows job {job} and collects; `{cancel}` ends it")
        return 0
    try:
        statuses = submission.follow(job)
    except KeyboardInterrupt:
        cancel = submission.scheduler.cancel(submission.job() or job)
        submission.say(f"the job goes on: the same command follows it, `{cancel}` ends it")
        return 130
    records = submission.records()
    if records:
        show(records)
        click.echo(f"Results: {submission.output}")
    if records and well(statuses):
        return 0
    if submission.written() == before:
        for line in submission.silent():
            submission.say(line)
    if any(status.well is not None for status in statuses):
        return 1
    ended = {each.status for each in records}  # all that is known of a job that is forgotten
    return 0 if "valid" in ended and not {"failed", "invalid"} & ended else 1


def told(context: click.Context, without: tuple[str, ...] = ()) -> list[str]:
    """What the user told of `run`'s arguments and options, as a command line."""
    parts: list[str] = []
    for parameter in measuring.run.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not ParameterSource.COMMANDLINE or name in (*NOT_PASSED, *without):
            continue
        value = context.params.get(name)
        if isinstance(parameter, click.Argument):
            parts += map(str, value or ())
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            parts.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            every = value if isinstance(value, tuple) else (value,)
            parts += [text for each in every for text in (parameter.opts[0], str(each))]
    return parts


def split(context: click.Context) -> Iterator[list[str]]:
    """A command line for each combination of the values that the user listed."""
    axes: list[list[list[str]]] = []
    given = context.params
    lists = {name: arguments.listed(given[name]) for name in LISTED if given[name]}
    parted = [name for name, values in lists.items() if len(values) > 1]
    if given["kernels"]:
        axes.append([[kernel] for kernel in given["kernels"]])
    if given["backend"]:
        axes.append([["--backend", each] for each in given["backend"]])
    axes += [[[f"--{name}", value] for value in lists[name]] for name in parted]
    rest = told(context, ("kernels", "backend", *parted))
    for parts in itertools.product(*axes):
        yield [*itertools.chain(*parts), *rest]


SUBMITTING = (
    click.Option(
        ["--site"],
        required=True,
        is_eager=True,
        callback=lambda context, option, name: entered(context, name),
        help="a site of `joulia sites`, or a .toml file",
    ),
    click.Option(["--nodes"], type=click.IntRange(1), default=1, help="nodes of the job (1)"),
    click.Option(["--time"], metavar="H:MM:SS", help="the job's time limit (the site's)"),
    click.Option(
        ["--exclusive/--shared"], default=True, help="the nodes alone, or with others (alone)"
    ),
    click.Option(["--array"], is_flag=True, help="a task of an array for each listed value"),
    click.Option(
        ["--at-once"], type=click.IntRange(1), default=10, help="tasks that run at once (10)"
    ),
    click.Option(
        ["--directive"], multiple=True, help="one more for the scheduler, as in --account=NAME"
    ),
    click.Option(["--dry-run"], is_flag=True, help="print the job's script, and submit nothing"),
    click.Option(["--follow/--no-follow"], default=True, help="wait for it and collect (yes)"),
)


def entered(context: click.Context, name: str) -> str:
    arguments.enter_site(context, name)
    return name


submit_ = click.Command(
    "submit",
    callback=submit,
    help=submit.__doc__,
    params=[*(each for each in measuring.run.params if each.name != "site"), *SUBMITTING],
)

COMMANDS = (sites, submit_)
