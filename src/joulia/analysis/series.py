"""Series over commits: from asv's results, and from folders of records."""

from __future__ import annotations

import itertools
import json
import math
import re
import statistics
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joulia.analysis.labels import label
from joulia.errors import JouliaError
from joulia.records import store
from joulia.records.record import Record
from joulia.system.git import git

INSTALL = "pip install 'joulia[asv]'"


@dataclass(frozen=True)
class Point:
    """What one commit costs; `order` sorts commits, `versions` are those of what it ran on."""

    commit: str
    order: tuple[float, str]
    value: float
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Series:
    """One figure of one machine over commits, the oldest first; smaller is better.

    `metric` is `time` (s), `energy` (J) or `other`; `unit` as the source names it.
    """

    name: str
    metric: str
    unit: str
    machine: str
    points: tuple[Point, ...]

    @property
    def values(self) -> list[float]:
        return [point.value for point in self.points]


COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
Key = tuple[str, ...]
Measured = tuple[Key, Series, Point]
"""What tells series apart, the series without its points, and one of them."""


def load(path: Path, repository: Path) -> tuple[list[Series], list[str]]:
    """All series below `path`, and what a reader must know of them, a line each.

    `path` is asv's results directory, a folder of results files, or one. Commits of records are in
    the order in which `repository` has them. JouliaError where there is nothing to read.
    """
    if path.is_dir() and (path / "results" / "benchmarks.json").is_file():
        path = path / "results"
    if path.is_dir() and (path / "benchmarks.json").is_file():
        # What is nothing has no relative change.
        return joined((one for one in of_asv(path) if one[2].value > 0.0), statistics.median), []
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise JouliaError(
            f"{path} has no results. Allowed: asv's results directory (with benchmarks.json), a "
            "folder of files that `joulia run` wrote, or one such file"
        )
    records = [record for file in files for record in store.load(file)]
    valid = [record for record in records if record.status == "valid"]
    known = [record for record in valid if record.commit]
    notes = []
    if len(known) < len(valid):
        notes.append(f"{len(valid) - len(known)} valid records name no commit and are left out")
    if not known:
        raise JouliaError(f"{path}: no valid record names a commit. Allowed: records of a checkout")
    dates = commit_dates({str(record.commit) for record in known}, repository)
    if dates is None:
        notes.append(
            f"{repository} does not know every commit: they are in the order in which they were "
            "measured (--repository names another)"
        )
    return joined(of_records(known, dates or {}), best), notes


def joined(
    measured: Iterable[Measured], together: Callable[[Sequence[float]], float]
) -> list[Series]:
    """Points by series; several of one commit become one, by `together`."""
    series: dict[Key, Series] = {}
    points: dict[Key, dict[str, list[Point]]] = {}
    for key, bare, point in measured:
        series.setdefault(key, bare)
        points.setdefault(key, {}).setdefault(point.commit, []).append(point)
    whole = []
    for key, by_commit in points.items():
        each = [
            replace(same[0], value=together([p.value for p in same])) for same in by_commit.values()
        ]
        whole.append(replace(series[key], points=tuple(sorted(each, key=lambda p: p.order))))
    return whole


def best(values: Sequence[float]) -> float:
    """Of one commit's processes: disturbances only add time; joules err little from one to next."""
    return min(values)


def of_records(records: Sequence[Record], dates: dict[str, float]) -> Iterator[Measured]:
    """The best time and the median joules of each record."""
    for record in records:
        commit = str(record.commit)
        order = (dates.get(commit.rstrip("+"), 0.0), record.started_at)
        versions = tuple(
            sorted((k, v) for k, v in record.software.items() if v and k not in ("joulia", "code"))
        )
        settings = json.dumps(record.settings.to_json() | {"timeout_s": None}, sort_keys=True)
        machine = record.machine.label
        common = (record.case.label, record.machine.id, settings)
        if record.time:
            bare = Series(label(record.case), "time", record.time.unit, machine, ())
            point = Point(commit, order, min(record.time.samples), versions)
            yield (*common, "time"), bare, point
        if record.energy and record.energy.median > 0.0:
            name = f"{label(record.case)} ({record.energy.source})"
            bare = Series(name, "energy", record.energy.unit, machine, ())
            point = Point(commit, order, record.energy.median, versions)
            yield (*common, "energy", record.energy.source), bare, point


def commit_dates(commits: set[str], repository: Path) -> dict[str, float] | None:
    """Seconds since 1970 at which each was committed; None where one is not known there."""
    names = sorted({commit.rstrip("+") for commit in commits})
    if not all(COMMIT.fullmatch(name) for name in names):
        return None  # a stranger's file would hand git options
    try:
        told = git(repository, "show", "--no-patch", "--format=%H %ct", *names, "--")
    except (OSError, subprocess.SubprocessError):
        return None
    by_name = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    return {name: float(by_name[name]) for name in names} if by_name.keys() >= set(names) else None


def of_asv(folder: Path) -> Iterator[Measured]:
    """Every finite figure that asv kept; of times with samples the best, else asv's median."""
    try:
        from asv import util
        from asv.benchmarks import Benchmarks
        from asv.results import iter_results
    except ImportError:
        raise JouliaError(f"asv's results need asv. Allowed: {INSTALL}") from None
    try:
        known = util.load_json(str(folder / "benchmarks.json"), api_version=Benchmarks.api_version)
    except (OSError, ValueError, util.UserError) as error:
        raise JouliaError(f"cannot read {folder / 'benchmarks.json'}: {error}") from None
    for result in iter_results(str(folder)):
        for name in sorted(result.get_result_keys(known)):
            yield from of_benchmark(result, name, str(known[name].get("unit") or ""))


def of_benchmark(result: Any, name: str, unit: str) -> Iterator[Measured]:
    """The figures of one of asv's benchmarks at one commit, one for each set of parameters."""
    axes = result.get_result_params(name)
    values = result.get_result_value(name, axes)
    samples = result.get_result_samples(name, axes)
    metric = metric_of(unit)
    machine, environment = str(result.params["machine"]), str(result.env_name)
    order = (result.date / 1000.0, result.commit_hash)
    for chosen, value, drawn in zip(itertools.product(*axes), values, samples, strict=True):
        if value is None or not math.isfinite(value):
            continue
        told = f"({', '.join(text.strip(chr(39)) for text in chosen)})" if chosen else ""
        figure = min(drawn) if metric == "time" and drawn else value
        bare = Series(f"{name}{told}", metric, unit, machine, ())
        yield (name, told, machine, environment), bare, Point(result.commit_hash, order, figure)


def metric_of(unit: str) -> str:
    """`time` for seconds, `energy` for joules, by asv's unit: `seconds`, `s/step`, `J`, ..."""
    first = unit.partition("/")[0]
    return {"s": "time", "seconds": "time", "J": "energy", "joules": "energy"}.get(first, "other")
