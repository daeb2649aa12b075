"""`joulia gate --base REV -- COMMAND`: two revisions of any git project, and a command on each."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.gate.compare import Verdict
    from joulia.gate.runs import Terms


def revisions(
    options: dict[str, Any], words: tuple[str, ...], about: dict[str, Any]
) -> list[Verdict]:
    """Verdicts from two revisions, checked out, built, run in turn and cleaned away."""
    from joulia.cli.gate_work import at_work, commits_of, save
    from joulia.gate import builds, checkouts, commands
    from joulia.gate.compare import Command

    terms = terms_of(options, about)
    if not words:
        raise JouliaError("no command. Allowed: joulia gate --base REV -- COMMAND [ARGUMENT]...")
    if options["what"]:
        raise JouliaError(
            f"{options['what'][0]} goes with kernels of joulia, not with a COMMAND. Allowed: "
            "joulia gate --base REV [--head REV] -- COMMAND"
        )
    if not options["base"]:
        raise JouliaError("nothing to compare with. Allowed: joulia gate --base REV -- COMMAND")
    figures = options["figures"]
    if figures and (figures.is_absolute() or ".." in figures.parts or not figures.parts):
        raise JouliaError(
            f"--figures {figures} is not allowed. Allowed: a file or asv's results "
            "directory in the checkout, as in out.json"
        )
    root = builds.repository(Path.cwd(), allowed="a folder of the project to judge")
    commits = commits_of(root, options)
    command = Command(words)
    budget = options["pairs"], 60.0 * options["budget"], repeats_of(options["repeats"])
    plan = commands.Plan(command, terms, *budget)
    about |= {"base": commits[0], "head": commits[1], "interleaved": True}
    about |= {"command": shlex.join(words), "budget_pairs": options["pairs"]}
    if options["build"]:
        about["build"] = options["build"]
    with at_work() as (folder, tell):
        sides = {}
        for side, commit in zip(builds.SIDES, commits, strict=True):
            tell(f"checking out {side} {commit[:12]}")
            sides[side] = checkouts.check_out(root, side, commit, folder)
            about[f"{side}_subject"] = sides[side].subject
        for checkout in sides.values():
            if options["build"]:
                tell(f"building {checkout.name}")
                checkouts.build(checkout, options["build"])
        tell("warming caches")
        with commands.Runner(
            folder, command, options["timeout"], figures, options["machine"],
            metered=terms.judged("energy"),
        ) as runner:  # fmt: skip
            verdicts, base, head = commands.duel(sides["base"], sides["head"], plan, runner, tell)
    save(options["save"], base, head)
    return verdicts


def repeats_of(text: str | None) -> int | None:
    """How often the command runs in a turn; None where nobody says it."""
    if text is None:
        return None
    if not (text.isdecimal() and 1 <= int(text) <= 10_000):
        raise JouliaError(f"--repeats {text} is not allowed. Allowed: a number from 1 to 10000")
    return int(text)


def files(
    options: dict[str, Any], paths: list[Path], about: dict[str, Any]
) -> list[Verdict] | None:
    """Verdicts from two files of runs; None where the first holds something else."""
    from joulia.gate import runs, show
    from joulia.gate.compare import Command

    base = runs.load(paths[0])
    if not base:
        return None
    head = runs.load(paths[1])
    if not head:
        raise JouliaError(f"{paths[1]} holds no runs. Allowed: what `joulia gate --save` wrote")
    terms = terms_of(options, about)
    runs.require_comparable(base, head)
    terms.require_known(base, head)
    click.echo(show.NOT_IN_TURN, err=True)
    comparisons = max(1, terms.compared(base, head))
    return runs.judge(Command(head[0].command), base, head, terms, comparisons)


def terms_of(options: dict[str, Any], about: dict[str, Any]) -> Terms:
    """What is judged, and the smallest changes that count."""
    from joulia.gate import compare, runs

    limits = compare.thresholds(options["threshold"], runs.THRESHOLDS, any_name=True)
    about |= {f"threshold_{name}": limit for name, limit in limits.items()}
    return runs.Terms(limits, options["metric"])
