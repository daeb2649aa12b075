"""The command `joulia gate`."""

from __future__ import annotations

import json
import signal
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia.cli import arguments
from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.gate.compare import Verdict

SHORT = ("0.002", "200")
"""Window in seconds and repeats without a meter: many windows shorter than a scheduler's slice."""
LONG = ("1", "9")
"""The same where joules are read: meters need long windows."""


@click.command()
@click.argument("what", nargs=-1, metavar="[KERNEL...] | BASE.jsonl HEAD.jsonl")
@click.option("--base", help="the revision to compare with: a commit, branch or tag")
@click.option("--head", help="the revision to judge (HEAD, in a clean tree)")
@click.option("--threshold", help="smallest change that counts (time=3%,energy=5%)")
@arguments.BACKEND
@arguments.SIZE
@arguments.SHAPE
@click.option("--dtype", help="float64, float32, or both as a list (float64)")
@click.option("--ranks", help="MPI ranks; a list sweeps (1)")
@click.option("--threads", default="1", help="threads a rank (1: shared cores disturb least)")
@arguments.WAIT
@arguments.PARAM
@click.option("--window", help="seconds a sample (0.002; 1 where a meter reads joules)")
@click.option("--repeats", help="samples a process (200; 9 where a meter reads joules)")
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

    With --base, builds two revisions and measures their cases in turn. With two results files of
    `joulia run --no-resume`, compares what they hold. Exit codes: 0 fine, 1 regression, 2 bad
    input, 3 inconclusive, 4 failed or nothing measured.
    """
    try:
        return judge(options)
    except (JouliaError, click.ClickException):
        raise
    except Exception:
        # Python's own exit code for a crash is 1, which here means a regression.
        traceback.print_exc()
        return 4


def judge(options: dict[str, Any]) -> int:
    """Compare, tell, and the exit code."""
    from joulia import registry
    from joulia.gate import compare, show

    # Imported now: a checkout that changes while the gate runs does not reach it.
    registry.kernels()

    limits = compare.thresholds(options["threshold"])
    about: dict[str, Any] = {"threshold_time": limits["time"], "threshold_energy": limits["energy"]}
    if options["base"]:
        verdicts = revisions(options, limits, about)
    else:
        verdicts = files(options, limits, about)
    if options["markdown"]:
        write(options["markdown"], show.markdown(verdicts, about))
    if options["as_json"]:
        click.echo(json.dumps(show.as_json(verdicts, about)))
    else:
        show.table(verdicts)
    return compare.exit_code(verdicts)


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None


def files(
    options: dict[str, Any], limits: dict[str, float], about: dict[str, Any]
) -> list[Verdict]:
    """Verdicts from two results files."""
    from joulia.gate import compare
    from joulia.records import store

    if len(options["what"]) != 2 or options["head"]:
        raise JouliaError(
            "nothing to compare. Allowed: joulia gate --base REV [--head REV] [KERNEL...], or "
            "joulia gate BASE.jsonl HEAD.jsonl"
        )
    paths = [Path(name) for name in options["what"]]
    base, head = (store.load(path) for path in paths)
    for path, records in zip(paths, (base, head), strict=True):
        if not records:
            raise JouliaError(f"{path} holds no record. Allowed: files that `joulia run` wrote")
    about |= {"base": str(paths[0]), "head": str(paths[1]), "interleaved": False}
    click.echo(
        "joulia: these records were not measured in turn: what changed on the machine between the "
        "two files counts as a change of the code",
        err=True,
    )
    return compare.verdicts(base, head, limits)


def revisions(
    options: dict[str, Any], limits: dict[str, float], about: dict[str, Any]
) -> list[Verdict]:
    """Verdicts from two revisions, built, measured in turn and cleaned away."""
    from rich.progress import Progress, TimeElapsedColumn

    from joulia.analysis.terminal import console
    from joulia.cli.progress import bar_column, name_column
    from joulia.gate import builds, measure

    root = builds.repository(Path.cwd())
    commits = [builds.resolve(root, options[side] or "HEAD") for side in builds.SIDES]
    if options["head"] is None:
        builds.require_clean(root)
    window, repeats = SHORT if not metered() else LONG
    method = ["--window", options["window"] or window, "--repeats", options["repeats"] or repeats]
    plan = measure.Plan(
        selection(options), method, limits, options["pairs"], 60.0 * options["budget"]
    )
    about |= {"base": commits[0], "head": commits[1], "interleaved": True}
    about |= {"window_s": method[1], "repeats": method[3], "budget_pairs": options["pairs"]}
    err = console(stderr=True)
    columns = (name_column(), bar_column(err), TimeElapsedColumn())
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            Progress(
                *columns, console=err, transient=True, expand=True, disable=not err.is_terminal
            ) as progress,
            builds.workshop() as folder,
        ):
            task = progress.add_task("")

            def tell(what: str, done: int | None = None, of: int | None = None) -> None:
                progress.update(task, description=what, completed=done, total=of)

            sides = {}
            for side, commit in zip(builds.SIDES, commits, strict=True):
                tell(f"building {side} {commit[:12]}")
                sides[side] = builds.build(root, side, commit, folder)
                about[f"{side}_subject"] = sides[side].subject
            tell("looking for cases, warming caches")
            runner = measure.Runner(folder, options["timeout"], options["machine"])
            verdicts, base, head = measure.duel(sides["base"], sides["head"], plan, runner, tell)
    except KeyboardInterrupt:
        click.echo("joulia: interrupted; the two builds are removed", err=True)
        raise SystemExit(130) from None
    if options["save"]:
        for side, records in zip(builds.SIDES, (base, head), strict=True):
            measure.save(options["save"] / f"{side}.jsonl", records)
    return verdicts


def _interrupt(number: int, frame: Any) -> None:
    """A polite kill cleans up like Ctrl-C."""
    raise KeyboardInterrupt


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
