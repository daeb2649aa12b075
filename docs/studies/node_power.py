"""When do joules follow seconds? From public recordings of whole nodes, integrated anew.

`python docs/studies/node_power.py CLONE/power/saved` prints the tables of docs/power.md; CLONE
is a clone of github.com/paugier/nbabel (GPL-2: its files are not copied here). It needs h5py.

Each recording holds a node's power, 50 times a second, and a table of when each run began and
ended. Joules are the trapezoidal integral between these moments, with power interpolated linearly
at both; watts are joules over seconds. Runs of 4 s that only sleep tell the node at rest: the lower
quartile of their power, because what ran before reaches into some of them.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SLEEP = "sleep"
ONE_CORE = "16k_taurus-12.lyon.grid5000.fr_2021-02-04_22-04-51"
NODES = (
    ONE_CORE,
    "16k_taurus-15.lyon.grid5000.fr_2021-02-03_10-20-15",
    "16k_taurus-15.lyon.grid5000.fr_2021-02-07_09-42-05",
    "16k_taurus-15.lyon.grid5000.fr_2021-02-08_09-39-55",
)
"""Recordings of the same runs on one core, on two nodes and three days."""
THREADS = (
    "parallel_julia_16k_taurus-15.lyon.grid5000.fr_2021-02-06_23-45-53",
    "parallel_pythran_16k_taurus-15.lyon.grid5000.fr_2021-02-06_23-12-07",
    "parallel_julia_16k_taurus-7.lyon.grid5000.fr_2021-01-25_21-55-59",
)


@dataclass(frozen=True)
class Run:
    """One run: what ran, on how many threads, seconds and joules."""

    name: str
    threads: int
    seconds: float
    joules: float
    low_w: float

    @property
    def watts(self) -> float:
        return self.joules / self.seconds


def runs(folder: Path, recording: str) -> list[Run]:
    """The runs of a recording, each with its joules."""
    import h5py

    with h5py.File(folder / f"{recording}.h5") as file:
        times, watts = np.asarray(file["times"]), np.asarray(file["watts"])
    order = np.argsort(times)
    times, watts = times[order], watts[order]
    with (folder / f"{recording}.csv").open() as table:
        rows = list(csv.DictReader(table))
    return [run(row, times, watts) for row in rows]


def run(row: dict[str, str], times: np.ndarray, watts: np.ndarray) -> Run:
    """One row of a recording's table with the joules between its start and its end."""
    ends = float(row["timestamp_start"]), float(row["timestamp_end"])
    inside = (times > ends[0]) & (times < ends[1])
    at = np.concatenate([[ends[0]], times[inside], [ends[1]]])
    joules = float(np.trapezoid(np.interp(at, times, watts), at))
    name = row["implementation"]
    low_w = float(np.percentile(watts[inside], 25))
    return Run(name, int(row.get("nb_threads") or 1), ends[1] - ends[0], joules, low_w)


def means(every: list[Run]) -> list[Run]:
    """The mean of each program's runs, the quickest first."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for each in every:
        if not each.name.startswith(SLEEP):
            groups.setdefault((each.name, each.threads), []).append(each)
    averaged = [
        Run(*key, float(np.mean([r.seconds for r in group])),
            float(np.mean([r.joules for r in group])), 0.0)
        for key, group in groups.items()
    ]  # fmt: skip
    return sorted(averaged, key=lambda r: r.seconds)


def rest_w(every: list[Run]) -> float:
    """The node at rest, W."""
    return float(np.median([each.low_w for each in every if each.name.startswith(SLEEP)]))


def line(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


def one_core(folder: Path) -> None:
    every = runs(folder, ONE_CORE)
    rest = rest_w(every)
    base = means(every)[0]
    print(f"\n{ONE_CORE}: at rest {rest:.1f} W")
    for each in means(every):
        of_rest = rest * each.seconds / each.joules
        ratios = each.seconds / base.seconds, each.joules / base.joules, each.watts / base.watts
        line(each.name, f"{each.seconds:.1f}", f"{each.joules / 1e3:.2f}", f"{each.watts:.1f}",
             *(f"{ratio:.3f}" for ratio in ratios), f"{of_rest:.0%}")  # fmt: skip


def nodes(folder: Path) -> None:
    print("\nnodes and days")
    for recording in NODES:
        every = runs(folder, recording)
        rest = rest_w(every)
        watts = {each.name: each.watts for each in means(every)}
        compiled = [
            watts[name]
            for name in ("c++ nbabel.org", "fortran nbabel.org", "julia optimized", "numba",
                         "pythran")
        ]  # fmt: skip
        mean, pypy = float(np.mean(compiled)), watts["pypy map-improvements"]
        line(recording, f"{rest:.1f}", f"{mean:.1f}", f"{min(compiled):.1f}-{max(compiled):.1f}",
             f"{pypy:.1f}", f"{(pypy - rest) / (mean - rest):.2f}")  # fmt: skip


def threads(folder: Path) -> None:
    for recording in THREADS:
        every = runs(folder, recording)
        first, *_ = sorted(means(every), key=lambda r: r.threads)
        print(f"\n{recording}: at rest {rest_w(every):.1f} W")
        for each in sorted(means(every), key=lambda r: r.threads):
            line(each.threads, f"{each.seconds:.1f}", f"{each.joules / 1e3:.2f}",
                 f"{each.watts:.1f}", f"{first.seconds / each.seconds:.2f}",
                 f"{each.watts / first.watts:.2f}",
                 f"{first.joules / each.joules:.2f}")  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    one_core(folder)
    nodes(folder)
    threads(folder)


if __name__ == "__main__":
    main()
