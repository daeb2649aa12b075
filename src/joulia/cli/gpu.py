"""The command `joulia gpu`: all that is to be seen of a GPU, in parts of some minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia.cli import arguments
from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.setup.steps import Outcome, Step

RECORDS, PAGE, SUMMARY = "records.jsonl", "report.html", "summary.md"
RESERVE_S, RESERVE = 20.0, 0.2
"""Seconds of a part that are kept for the report; at most this share of it."""
RATES = ("--window", "0.2", "--repeats", "5", "--timeout", "240", "--no-joules")
"""How rates are measured: everything is verified and timed before anybody waits for a meter."""
JOULES_REPEATS = 3
"""Windows of a case with joules: on a GPU since Ampere each takes 6 s."""
GO_ON = 3
"""The exit code where steps are left for another part."""


@click.command()
@click.argument("kernels", nargs=-1)
@click.option(
    "--device",
    "-b",
    "backends",
    multiple=True,
    help="cupy, occa:cuda, ... (all of NVIDIA's GPUs); occa:opencl tries all this without a GPU",
)
@click.option("--minutes", type=arguments.POSITIVE, default=9.0, help="a part's length (9)")
@click.option("--size", help="tiny, small, medium or large (what fills a GPU)")
@click.option("--dtype", default="float64,float32", help="precisions (both)")
@click.option(
    "--window",
    type=arguments.POSITIVE,
    default=1.0,
    help="seconds a sample with joules, which a GPU's counter stretches to its needs (1)",
)
@click.option("--again", is_flag=True, help="begin anew: run also the steps that are done")
@click.option(
    "--occa", type=click.Path(path_type=Path), help="OCCA's source archive (fetched from PyPI)"
)
@click.option("--tests", type=click.Path(path_type=Path), help="joulia's tests (its source tree's)")
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results/gpu"),
    help="the folder of records, report, summary and logs (results/gpu)",
)
def gpu(minutes: float, again: bool, output: Path, **options: Any) -> int:
    """Build, test, calibrate and measure on a GPU, in parts; the same command goes on.

    KERNELS (all where none is named) on every backend of GPUs that is here, in both precisions:
    verified, timed, and with joules where there is a meter. What fails is named and ends nothing
    else. Exit code 0: all is done; 1: something failed; 3: the time is up, and steps are left.
    """
    from joulia.analysis.terminal import console
    from joulia.setup.steps import DONE, FAILED, Part

    steps = steps_of(output, **options)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JouliaError(f"cannot write {output}: {error.strerror}. Allowed: a folder") from None
    seconds = 60.0 * minutes
    part = Part(output, seconds - min(RESERVE_S, RESERVE * seconds))
    out = console(stderr=True)
    out.print(f"gpu: {len(steps)} steps, {minutes:g} minutes, {output}", markup=False)
    for outcome in part.outcomes(steps, again=again):
        out.print(f"gpu: {line(outcome)}", markup=False)
    written = write_report(output, [part.known[s.name] for s in steps if s.name in part.known])
    left = part.unfinished(steps)
    for path in written:
        click.echo(f"{path.stem.capitalize()}: {path}")
    if left:
        click.echo(f"Not finished: {', '.join(left)}; the same command goes on")
        return GO_ON
    states = {part.state(step) for step in steps}
    click.echo("Finished" + (": all steps are done" if states == {DONE} else ""))
    return 1 if FAILED in states else 0


def steps_of(
    output: Path,
    kernels: Sequence[str],
    backends: Sequence[str],
    size: str | None,
    dtype: str,
    window: float,
    occa: Path | None,
    tests: Path | None,
) -> list[Step]:
    """What is done, in the order of its worth. JouliaError for names that can never work."""
    from joulia import registry
    from joulia.case import DTYPES
    from joulia.errors import suggest
    from joulia.setup.steps import Step
    from joulia.system import cuda
    from joulia.system.interpreter import HOLDS_JOULIA, python

    named = [b.name for name in backends for b in registry.backend(name)]
    for kernel in kernels or registry.kernels():
        registry.kernel(kernel)
        if size and size not in registry.kernel(kernel).kernel.sizes:
            raise suggest("size", size, list(registry.kernel(kernel).kernel.sizes))
    dtypes = arguments.listed(dtype)
    for name in dtypes:
        if name not in DTYPES:
            raise suggest("dtype", name, list(DTYPES))
    if not named and (missing := cuda.missing()):
        raise JouliaError(f"{missing}. Allowed: --device occa:opencl, which needs no GPU")
    named = named or registry.gpu_backends()
    joulia = python("-m", "joulia")
    folder = tests or HOLDS_JOULIA.parent / "tests"
    # The other files need more packages than an environment for a GPU has.
    marked = [str(p) for p in sorted(folder.glob("test_*.py")) if "mark.gpu" in p.read_text()]

    def run(name: str, precision: str, how: Sequence[str]) -> Step:
        what = ["--size", size] if size else ["--preset", "gpu"]
        chosen = [part for backend in named for part in ("-b", backend)]
        command = [*joulia, "run", *kernels, *what, *chosen, "--dtype", precision, *how]
        return Step(
            f"{name} {precision}",
            (*command, "--output", str(output / RECORDS)),
            absent=meters_missing if how is joules else lambda: None,
            resumes=True,
            told=lambda log: f"{counts(output / RECORDS, precision, how is joules)}: {last(log)}",
        )

    joules = ["--window", f"{window:g}", "--repeats", f"{JOULES_REPEATS}"]
    source = ["--source", str(occa)] if occa else []
    build = Step("occa", (*joulia, "prepare", "occa", "--build-only", *source))
    every = [run("rates", precision, RATES) for precision in dtypes]
    for backend in named:
        options = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "-k", f"[{backend}"]
        command = python("-m", "pytest", *options, f"--rootdir={folder.parent}", *marked)
        every.append(
            Step(
                f"tests {backend}",
                tuple(command),
                absent=partial(untested, folder, marked, backend),
            )
        )
    calibration = Step(
        "calibration", (*joulia, "doctor", "--calibrate"), meters_missing, told=failed_checks
    )
    return [build, *every, calibration, *(run("joules", name, joules) for name in dtypes)]


def meters_missing() -> str | None:
    """Why nothing here tells joules, or None."""
    from joulia.energy.monitor import EnergyMonitor
    from joulia.parallel.comm import OneRank

    first = EnergyMonitor(OneRank(), everything=True)
    first.close()
    if first.active:
        return None
    return "no meter (`joulia doctor` says why)"


def untested(folder: Path, marked: Sequence[str], backend: str) -> str | None:
    """Why a backend's tests cannot run here, or None."""
    import importlib.util

    from joulia import registry

    if not (marked and (folder / "conftest.py").is_file()):
        return f"no tests of joulia's in {folder}"
    if importlib.util.find_spec("pytest") is None:
        return "pytest is not installed (pip install 'joulia[gpu-test]')"
    bridge, device, _ = registry.backend(backend)[0]
    missing = registry.device(bridge, device).missing
    return str(missing) if missing else None


def counts(path: Path, dtype: str, joules: bool) -> str:
    """How a step's cases ended, each as it last did: `12 valid, 1 failed`."""
    from joulia.records import store

    records = store.load(path) if path.is_file() else []
    mine = [r for r in records if r.case.dtype == dtype and r.settings.joules == joules]
    every = Counter({r.case: r.status for r in mine}.values())
    return ", ".join(f"{number} {status}" for status, number in sorted(every.items())) or "none"


def failed_checks(log: str) -> str:
    """The meters' checks that failed; else the last line."""
    return "; ".join(line for line in log.splitlines() if line.startswith("fail ")) or last(log)


def last(log: str) -> str:
    from joulia.setup.steps import last_line

    return last_line(log)


def line(outcome: Outcome) -> str:
    return f"{outcome.name}: {outcome.state} after {outcome.seconds:g} s: {outcome.told}"


def write_report(folder: Path, outcomes: Sequence[Outcome]) -> list[Path]:
    """The summary, and the report where there is a record; the paths of what was written."""
    from joulia.analysis import tables
    from joulia.analysis.compare import comparisons
    from joulia.records import store
    from joulia.report import page

    cells = [[o.name, o.state, f"{o.seconds:g}", o.told] for o in outcomes]
    parts = ["# A GPU's proof\n", tables.markdown_table(["step", "state", "s", "says"], cells)]
    written = [folder / SUMMARY]
    records = store.load(folder / RECORDS) if (folder / RECORDS).is_file() else []
    if records:
        problems = comparisons(records)
        parts.append("\n" + tables.markdown(problems, []))
        page.write(folder / PAGE, page.build(records))
        written.append(folder / PAGE)
    (folder / SUMMARY).write_text("\n".join(parts) + "\n")
    return written


COMMANDS = (gpu,)
