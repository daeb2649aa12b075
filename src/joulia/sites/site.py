"""A site's file: nodes, launcher, modules, variables, queue, meters; read, checked, typed.

Files lie in the package and in the user's own folder (JOULIA_SITES, else `joulia/sites` in
XDG_CONFIG_HOME, else in ~/.config), which come first. A value without a source is refused: where
nobody says so, the source is `assumed: ...`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.case import WAITS
from joulia.errors import JouliaError, suggest
from joulia.parallel.launchers import BINDINGS, LAUNCHERS
from joulia.system.places import home
from joulia.system.toml import one_of, positive, read_toml, words

FOLDER = Path(__file__).parent / "files"
SCHEDULERS = ("slurm", "lsf", "pbs")
SITE = "JOULIA_SITE"
"""The variable in which a job, and every process of joulia in it, finds the site's name."""


@dataclass(frozen=True)
class Figure:
    """A number, and who says so."""

    value: float
    source: str


@dataclass(frozen=True)
class Choice:
    """A word, and who says so."""

    value: str
    source: str


@dataclass(frozen=True)
class Line:
    """A line of the job's script: what it is, why it is there, and who says so."""

    text: str
    why: str
    source: str


@dataclass(frozen=True)
class Site:
    """What a cluster has and how it wants to be asked. What is None, its file does not say."""

    name: str
    title: str
    path: Path
    scheduler: str
    """Who takes jobs: slurm, lsf or pbs."""
    nodes: Figure | None
    sockets: Figure | None
    """Of a node."""
    cores: Figure | None
    """Physical ones of a node."""
    memory_gib: Figure | None
    """Of a node, GiB."""
    gpus: Figure | None
    """Of a node."""
    gpu: Choice | None
    """Which GPU it is."""
    hpl_gflops_per_w: Figure | None
    """Of the whole machine in HPL, as submitted to the Green500, GFLOP/s a watt: a scale for its
    joules, to which component counters over a phase do not compare."""
    launcher: Choice
    """What starts ranks: one of `joulia.parallel.launchers.LAUNCHERS`."""
    binding: Choice
    """Who binds ranks to cores: the `launcher`, or `joulia`."""
    wait: Choice | None
    """How threads and ranks wait: one of `joulia.case.WAITS`."""
    profile: Choice | None
    """The machine profile of the estimate, where there is no meter."""
    time_limit: Choice | None
    """What a job gets where the user asks for nothing else, as H:MM:SS."""
    exclusive: Choice
    """Whether a job has its nodes for itself unless it asks for that: `yes` or `no`."""
    grid_source: str | None
    """Who says how much CO2e a kilowatt-hour is; the figure is read by `joulia.energy.carbon`."""
    directives: tuple[Line, ...]
    """For the scheduler, without its prefix (`#SBATCH`)."""
    setup: tuple[Line, ...]
    """Commands of the shell before anything else: modules."""
    variables: tuple[tuple[str, Line], ...]
    """Of the environment: a name, and a line whose text is the value."""
    options: tuple[Line, ...]
    """Of the launcher, beside those that joulia gives it."""
    meters: tuple[Line, ...]
    """Meters to expect on a node, by joulia's names."""

    def defaults(self) -> dict[str, str]:
        """What `--site` gives the options of a command where the user names nothing else."""
        chosen = {
            "launcher": self.launcher.value,
            "wait": self.wait and self.wait.value,
            "profile": self.profile and self.profile.value,
            "carbon": str(self.path) if self.grid_source else None,
        }
        return {name: value for name, value in chosen.items() if value}


def folders() -> list[Path]:
    """Where site files are looked for, the user's own first."""
    if own := os.environ.get("JOULIA_SITES"):
        return [Path(own), FOLDER]
    config = os.environ.get("XDG_CONFIG_HOME") or str(home() / ".config")
    return [Path(config) / "joulia" / "sites", FOLDER]


def files() -> dict[str, Path]:
    """All site files by name; the user's own stand before the package's of the same name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def load(name: str) -> Site:
    """The site of a name, or of a .toml file. JouliaError in one line where it is not one."""
    known = files()
    path = known.get(name, Path(name))
    if name not in known and path.suffix != ".toml":
        raise suggest("site", name, [*known, "a .toml file"])
    return parse(read_toml(path), path.absolute())


def active(environment: Mapping[str, str] | None = None) -> Site | None:
    """The site that JOULIA_SITE names; None where it names none."""
    name = (os.environ if environment is None else environment).get(SITE)
    return load(name) if name else None


def enter(name: str) -> Site:
    """This process and those it starts run at a site; its variables are set, save the user's."""
    site = load(name)
    os.environ[SITE] = str(site.path) if name.endswith(".toml") else name
    for variable, line in site.variables:
        os.environ.setdefault(variable, line.text)
    return site


# ---- reading -------------------------------------------------------------------------------


def parse(data: dict[str, Any], path: Path) -> Site:
    """A site from what its file holds. JouliaError names the file, the key and what is allowed."""
    if unknown := sorted(set(data) - ALLOWED):
        raise JouliaError(
            f"{path}: unknown key {unknown[0]}. Allowed: {', '.join(sorted(ALLOWED))}"
        )

    def figure(key: str) -> Figure | None:
        return _figure(_table(data[key], key, path), key, path) if key in data else None

    def choice(key: str) -> Choice | None:
        return _choice(_table(data[key], key, path), key, path) if key in data else None

    def required(key: str, *allowed: str) -> Choice:
        found = choice(key)
        if found is None:
            raise JouliaError(f"{path}: [{key}] is missing. Allowed: value and source")
        one_of({key: found.value}, key, allowed, path)
        return found

    wait = choice("wait")
    if wait is not None:
        one_of({"wait": wait.value}, "wait", WAITS, path)
    limit = choice("time_limit")
    if limit is not None:
        seconds(limit.value, f"{path}: time_limit")
    grid = data.get("grid")
    return Site(
        name=words(data, "name", path),
        title=words(data, "title", path),
        path=path,
        scheduler=one_of(data, "scheduler", SCHEDULERS, path),
        nodes=figure("nodes"),
        sockets=figure("sockets"),
        cores=figure("cores"),
        memory_gib=figure("memory_gib"),
        gpus=figure("gpus"),
        gpu=choice("gpu"),
        hpl_gflops_per_w=figure("hpl_gflops_per_w"),
        launcher=required("launcher", *LAUNCHERS),
        binding=required("binding", *BINDINGS),
        wait=wait,
        profile=choice("profile"),
        time_limit=limit,
        exclusive=required("exclusive", "yes", "no"),
        grid_source=words(_table(grid, "grid", path), "source", path, "grid.") if grid else None,
        directives=_lines(data, "directive", path),
        setup=_lines(data, "setup", path),
        variables=_variables(data, path),
        options=_lines(data, "launcher_option", path),
        meters=_lines(data, "meter", path),
    )


FIGURES = ("nodes", "sockets", "cores", "memory_gib", "gpus", "hpl_gflops_per_w")
CHOICES = ("gpu", "launcher", "binding", "wait", "profile", "time_limit", "exclusive")
LINES = ("directive", "setup", "variable", "launcher_option", "meter")
ALLOWED = {"name", "title", "scheduler", "grid", *FIGURES, *CHOICES, *LINES}


def _table(value: Any, key: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JouliaError(f"{path}: {key} = {value!r}. Allowed: a table with value and source")
    return value


def _figure(table: dict[str, Any], key: str, path: Path) -> Figure:
    within = f"{key}."
    return Figure(positive(table, "value", path, within), words(table, "source", path, within))


def _choice(table: dict[str, Any], key: str, path: Path) -> Choice:
    within = f"{key}."
    return Choice(words(table, "value", path, within), words(table, "source", path, within))


def _tables(data: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise JouliaError(f"{path}: {key} = {value!r}. Allowed: tables, each under [[{key}]]")
    return value


def _line(table: dict[str, Any], key: str, path: Path) -> Line:
    text, why, source = (words(table, part, path, f"{key}.") for part in ("text", "why", "source"))
    if "\n" in text + why + source:
        raise JouliaError(f"{path}: {key}.text = {text!r}. Allowed: one line each")
    return Line(text, why, source)


def _lines(data: dict[str, Any], key: str, path: Path) -> tuple[Line, ...]:
    return tuple(_line(table, key, path) for table in _tables(data, key, path))


def _variables(data: dict[str, Any], path: Path) -> tuple[tuple[str, Line], ...]:
    return tuple(
        (words(table, "name", path, "variable."), _line(table, "variable", path))
        for table in _tables(data, "variable", path)
    )


def seconds(text: str, where: str) -> int:
    """Seconds of H:MM:SS or M:SS; JouliaError, which begins with `where`, for anything else."""
    parts = text.split(":")
    well_formed = 2 <= len(parts) <= 3 and all(part.isdigit() for part in parts)
    if not well_formed or any(int(part) > 59 for part in parts[1:]):
        raise JouliaError(f"{where} {text} is not allowed. Allowed: H:MM:SS, as in 0:30:00")
    total = 0
    for part in parts:
        total = 60 * total + int(part)
    if total == 0:
        raise JouliaError(f"{where} {text} is not allowed. Allowed: more than no time")
    return total
