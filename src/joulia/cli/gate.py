"""The command `joulia gate`."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from joulia.cli import arguments
from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.gate.compare import Verdict

SHORT = ("0.002", "200")
"""Window in seconds and repeats without a meter: many windows shorter than a scheduler's slice."""
LONG = ("1", "9")
"""The same where joules are read: meters need long windows."""


COMMAND = "joulia.gate.command"
OF_KERNELS = (
    "backend", "size", "shape", "dtype", "ranks", "threads", "wait", "param", "window",
)  # fmt: skip
OF_COMMANDS = ("build", "figures", "metric")


class GateCommand(click.Command):
    """What stands behind `--` is a command of the user's, and no argument of the gate's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


@click.command(cls=GateCommand)
@click.argument("what", nargs=-1, metavar="[KERNEL... | BASE.jsonl HEAD.jsonl | -- COMMAND]")
@click.option("--base", help="the revision to compare with: a commit, branch or tag")
@click.option("--head", help="the revision to judge (HEAD, in a clean tree)")
@click.option("--threshold", help="smallest change that counts (time=3%,energy=5%)")
@click.option("--build", help="with a COMMAND: what the shell runs in each checkout first")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    help="with a COMMAND: the file of figures that it writes (or asv's results directory), by its "
    "place in the checkout",
)
@click.option(
    "--metric",
    multiple=True,
    help="with a COMMAND: what to judge: time, cpu, memory, energy, figures or one's name (all)",
)
@arguments.BACKEND
@arguments.SIZE
@arguments.SHAPE
@click.option("--dtype", help="float64, float32, or both as a list (float64)")
@click.option("--ranks", help="MPI ranks; a list sweeps (1)")
@click.option("--threads", default="1", help="threads a rank (1: shared cores disturb least)")
@arguments.WAIT
@arguments.PARAM
@click.option("--window", help="seconds a sample (0.002; 1 where a meter reads joules)")
@click.option(
    "--repeats",
    help="samples a process (200; 9 where a meter reads joules), or runs of a COMMAND in its turn "
    "(as many as take 1 s, 20 at most, or what meters need)",
)
@click.option("--pairs", type=click.IntRange(6, 1000), default=40, help="most pairs a case (40)")
@click.option(
    "--budget",
    type=arguments.POSITIVE,
    default=60.0,
    help="minutes after which no further pair begins (60)",
)
@arguments.timeout("process")
@arguments.MACHINE
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.option("--markdown", type=arguments.NewFile(), help="write a comment to FILE")
@click.option(
    "--save", type=click.Path(path_type=Path), help="keep the records: FOLDER/{base,head}.jsonl"
)
def gate(**options: Any) -> int:
    """Did a change make anything slower or hungrier?

    With --base, builds two revisions and measures their cases in turn; with a COMMAND as well, two
    revisions of any git project, on which it runs in turn. With two results files of
    `joulia run --no-resume` or of --save, compares what they hold. Exit codes: 0 fine, 1
    regression, 2 bad input, 3 inconclusive, 4 failed or nothing measured.
    """
    context = click.get_current_context()
    command = context.meta.get(COMMAND)
    require_apart(context, command)
    try:
        return judge(options, command)
    except (JouliaError, click.ClickException):
        raise
    except Exception:
        # Python's own exit code for a crash is 1, which here means a regression.
        traceback.print_exc()
        return 4


def require_apart(context: click.Context, command: tuple[str, ...] | None) -> None:
    """JouliaError for options of kernels beside a command, and for options of commands without."""
    others, why = (
        (OF_COMMANDS, "goes with a COMMAND, behind --")
        if command is None
        else (OF_KERNELS, "goes with kernels of joulia, not with a COMMAND")
    )
    for name in others:
        if name == "metric" and not context.params["base"]:
            continue  # two files may hold runs of a command
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise JouliaError(f"--{name} {why}")


def judge(options: dict[str, Any], command: tuple[str, ...] | None) -> int:
    """Compare, tell, and the exit code."""
    from joulia import registry
    from joulia.gate import compare, show

    about: dict[str, Any] = {}
    if command is not None:
        from joulia.cli import gate_command

        verdicts = gate_command.revisions(options, command, about)
    else:
        # Imported now: a checkout that changes while the gate runs does not reach it.
        registry.kernels()
        verdicts = (revisions if options["base"] else files)(options, about)
    if options["markdown"]:
        write(options["markdown"], show.markdown(verdicts, about))
    if options["as_json"]:
        click.echo(json.dumps(show.as_json(verdicts, about)))
    else:
        show.table(verdicts, about)
    return compare.exit_code(verdicts)


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None


def files(options: dict[str, Any], about: dict[str, Any]) -> list[Verdict]:
    """Verdicts from two results files."""
    from joulia.cli import gate_command
    from joulia.gate import compare, show
    from joulia.records import store

    if len(options["what"]) != 2 or options["head"]:
        raise JouliaError(
            "nothing to compare. Allowed: joulia gate --base REV [--head REV] [KERNEL...], "
            "joulia gate --base REV [--head REV] -- COMMAND, or joulia gate BASE.jsonl HEAD.jsonl"
        )
    paths = [Path(name) for name in options["what"]]
    about |= {"base": str(paths[0]), "head": str(paths[1]), "interleaved": False}
    if (verdicts := gate_command.files(options, paths, about)) is not None:
        return verdicts
    if options["metric"]:
        raise JouliaError("--metric goes with runs of a COMMAND, and these are records of cases")
    limits = thresholds(options, about)
    base, head = (store.load(path) for path in paths)
    for path, records in zip(paths, (base, head), strict=True):
        if not records:
            raise JouliaError(f"{path} holds no record. Allowed: files that `joulia run` wrote")
    click.echo(show.NOT_IN_TURN, err=True)
    return compare.verdicts(base, head, limits)


def thresholds(options: dict[str, Any], about: dict[str, Any]) -> dict[str, float]:
    """The smallest changes that count, of cases."""
    from joulia.gate import compare

    limits = compare.thresholds(options["threshold"])
    about |= {"threshold_time": limits["time"], "threshold_energy": limits["energy"]}
    return limits


def revisions(options: dict[str, Any], about: dict[str, Any]) -> list[Verdict]:
    """Verdicts from two revisions, built, measured in turn and cleaned away."""
    from joulia.cli.gate_work import at_work, commits_of, save
    from joulia.gate import builds, measure

    limits = thresholds(options, about)
    root = builds.repository(Path.cwd())
    builds.require_joulia(root)
    commits = commits_of(root, options)
    window, repeats = SHORT if not metered() else LONG
    method = ["--window", options["window"] or window, "--repeats", options["repeats"] or repeats]
    plan = measure.Plan(
        selection(options), method, limits, options["pairs"], 60.0 * options["budget"]
    )
    about |= {"base": commits[0], "head": commits[1], "interleaved": True}
    about |= {"window_s": method[1], "repeats": method[3], "budget_pairs": options["pairs"]}
    with at_work() as (folder, tell):
        sides = {}
        for side, commit in zip(builds.SIDES, commits, strict=True):
            tell(f"building {side} {commit[:12]}")
            sides[side] = builds.build(root, side, commit, folder)
            about[f"{side}_subject"] = sides[side].subject
        tell("looking for cases, warming caches")
        runner = measure.Runner(folder, options["timeout"], options["machine"])
        verdicts, base, head = measure.duel(sides["base"], sides["head"], plan, runner, tell)
    save(options["save"], base, head)
    return verdicts


def metered() -> bool:
    """Whether this machine has a meter, so that windows must be long."""
    from joulia import meters
    from joulia.system.clock import raw_clock

    return bool(meters.open_all(meters.root(), raw_clock)[0])


def selection(options: dict[str, Any]) -> list[str]:
    """The cases asked for, as arguments of `joulia run`."""
    chosen = [*options["what"]]
    for name in ("size", "shape", "dtype", "ranks", "threads", "wait"):
        if options[name]:
            chosen += [f"--{name}", options[name]]
    for name in ("backend", "param"):
        chosen += [text for value in options[name] for text in (f"--{name}", value)]
    return chosen


COMMANDS = (gate,)
