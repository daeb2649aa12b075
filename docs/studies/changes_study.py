"""Does `joulia changes` find steps, and only those that are there? On recorded noise.

`python docs/studies/changes_study.py [SERIES]` prints the table of docs/tracking.md. The noise is
that of gate_noise.json: the best sample of 60 processes a backend of heat, one after another on a
busy machine. Each trial is a series of 60 commits, one process each, drawn as single processes
(`alone`: commits measured on different days) or as runs of ten neighbours (`in runs`: what the
machine did meanwhile, it did to all ten). A step is put between the eighth commit and the eighth
from the end, and joulia's own functions decide, one of ten series, at a threshold of 2 %. Beside
it, what asv's own step detection (asv publish) says of the same series.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joulia.analysis.changes import Step, steps

COMMITS = 60
SERIES = 10
THRESHOLD = 0.02
NEAR = 5
"""Commits from the true place within which a step counts as found."""
Values = NDArray[np.float64]


def noises() -> dict[str, Values]:
    """Seconds a step by backend, in the order in which they were measured."""
    noise = json.loads((Path(__file__).parent / "gate_noise.json").read_text())
    return {name: np.array(processes)[:, 0] for name, processes in noise["processes"].items()}


def drawn(rng: np.random.Generator, noise: Values, run: int) -> Values:
    """A series of runs of neighbours."""
    starts = rng.integers(0, len(noise) - run + 1, COMMITS // run)
    found: Values = (starts[:, None] + np.arange(run)).ravel()
    return noise[found.astype(int)]


def stepped(rng: np.random.Generator, values: Values, size: float) -> tuple[Values, int]:
    """The series with a step, and at which commit."""
    at = int(rng.integers(8, COMMITS - 8))
    return values * np.where(np.arange(COMMITS) < at, 1.0, 1.0 + size), at


def asv_places(values: Values) -> list[int]:
    """Where asv draws steps of more than the threshold, as it does for its list of regressions."""
    from asv.step_detect import detect_steps

    parts = detect_steps(list(values))
    return [
        right[0]
        for left, right in itertools.pairwise(parts)
        if max(left[2], right[2]) / min(left[2], right[2]) - 1.0 > THRESHOLD
    ]


def near(places: Sequence[int], at: int) -> bool:
    return any(abs(place - at) <= NEAR for place in places)


def trial(
    rng: np.random.Generator, noise: Values, run: int, size: float
) -> tuple[list[Step], list[int], int]:
    """What joulia finds, what asv finds, and the true place."""
    values, at = stepped(rng, drawn(rng, noise, run), size)
    return steps(list(values), THRESHOLD, SERIES), asv_places(values), at


def row(name: str, noise: Values, run: int, size: float, trials: int) -> str:
    rng = np.random.default_rng(20)
    found = held = false = asv_found = asv_false = 0
    for _ in range(trials):
        ours, theirs, at = trial(rng, noise, run, size)
        hits = [step for step in ours if size and near([step.index], at)]
        found += bool(hits)
        held += any(step.first <= at <= step.last for step in hits)
        false += len(ours) > len(hits)
        asv_found += bool(size) and near(theirs, at)
        asv_false += any(not size or not near([place], at) for place in theirs)
    told = (
        f"{found / trials:.1%} | {held / found:.0%}"
        if found
        else ("- | -" if not size else "0.0% | -")
    )
    asv = f"{asv_found / trials:.1%}" if size else "-"
    kind = "alone" if run == 1 else "in runs"
    return (
        f"| heat, {name}, {kind} | {size:.0%} | {trials} | {told} | {false / trials:.1%} | {asv} | "
        f"{asv_false / trials:.1%} |"
    )


def main(trials: int) -> None:
    print(
        "| noise | step | series | found | its range holds it | a step that is none | asv finds | "
        "asv: a step that is none |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, noise in noises().items():
        for run in (1, 10):
            for size in (0.0, 0.05, 0.10, 0.20):
                print(row(name, noise, run, size, trials), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
