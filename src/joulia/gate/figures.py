"""Figures of a command's own: JSON lines that it prints, files of asv and other tools.

Each becomes a metric of the gate. A name that comes several times in a run has several samples, of
which the best stands for the run, as everywhere in the gate: what disturbs a run makes it worse.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.analysis.series import of_asv
from joulia.errors import JouliaError

BETTER = ("lower", "higher")
PYPERF_UNITS = {"second": "s", "byte": "B", "integer": ""}
"""pyperf's words for units (pyperf, `Benchmark.get_unit`)."""
FORMATS = (
    'lines such as {"name": "step", "value": 1.5, "unit": "s"}, what `pytest '
    "--benchmark-json=FILE` writes, what pyperf's `-o FILE` does, or asv's results directory"
)


@dataclass(frozen=True)
class Figure:
    """One figure of one run, in a unit of the command's own."""

    value: float
    unit: str = ""
    better: str = "lower"
    """`lower`, or `higher` where more is better."""

    def best(self, other: Figure) -> Figure:
        """The better of two samples of one figure."""
        return max(self, other, key=lambda figure: figure.value * self.sign)

    @property
    def sign(self) -> float:
        return 1.0 if self.better == "higher" else -1.0


Named = tuple[str, Figure]


def printed(text: str) -> dict[str, Figure]:
    """The figures among what a command printed; every other line is its own affair.

    JouliaError for a line that has `name` and `value` and is no figure all the same.
    """
    return together(_lines(text))


def written(path: Path) -> dict[str, Figure]:
    """The figures of a file, whichever of the formats it is in, or of asv's results directory.

    JouliaError where it has none.
    """
    if path.is_dir():
        named = list(_asv(path))
        if not named:
            raise JouliaError(f"{path.name} holds no figures of asv's. Allowed: {FORMATS}")
        return together(named)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise JouliaError(
            f"cannot read the figures in {path.name}: {error.strerror}. Allowed: a file that the "
            "command writes at each run, by its place in the checkout"
        ) from None
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if isinstance(data, dict) and isinstance(data.get("benchmarks"), list):
        named = list(_benchmarks(data, path.name))
    else:
        named = list(_lines(text))
    if not named:
        raise JouliaError(f"{path.name} holds no figures. Allowed: {FORMATS}")
    return together(named)


def together(named: Sequence[Named] | Iterator[Named]) -> dict[str, Figure]:
    """The best sample of each figure. JouliaError where two samples are not of one kind."""
    figures: dict[str, Figure] = {}
    for name, figure in named:
        known = figures.setdefault(name, figure)
        if (known.unit, known.better) != (figure.unit, figure.better):
            raise JouliaError(
                f"the figure {name} comes in two kinds: {kind(known)}, and {kind(figure)}. "
                "Allowed: one unit and one `better` for a name"
            )
        figures[name] = known.best(figure)
    return figures


def kind(figure: Figure) -> str:
    """Its unit and which way is better, in words."""
    return f"{figure.unit or 'no unit'}, {figure.better} is better"


def _lines(text: str) -> Iterator[Named]:
    for line in text.splitlines():
        if not line.lstrip().startswith("{"):
            continue
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict) and {"name", "value"} <= data.keys():
            yield figure_of(data["name"], data["value"], data.get("unit"), data.get("better"))


def figure_of(name: Any, value: Any, unit: Any = None, better: Any = None) -> Named:
    """A figure from what JSON holds; JouliaError, in one line, where it is none."""
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise JouliaError(f"a figure's name is {name!r}. Allowed: a text of a line")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and math.isfinite(value)):
        raise JouliaError(f"the figure {name} has the value {value!r}. Allowed: a finite number")
    if not (unit is None or isinstance(unit, str)):
        raise JouliaError(f"the figure {name} has the unit {unit!r}. Allowed: a text, as in s")
    if better is not None and better not in BETTER:
        raise JouliaError(f"the figure {name} has better {better!r}. Allowed: lower or higher")
    return name, Figure(float(value), unit or "", better or "lower")


def _asv(folder: Path) -> Iterator[Named]:
    """What asv kept of this turn: `track_*` in their own units, times in seconds, and so on."""
    for _, series, point in of_asv(folder):
        yield figure_of(series.name, point.value, series.unit)


def _benchmarks(data: dict[str, Any], name: str) -> Iterator[Named]:
    """Of a file of pytest-benchmark or pyperf, which both hold a list of benchmarks."""
    try:
        for benchmark in data["benchmarks"]:
            if "stats" in benchmark:
                yield figure_of(benchmark["fullname"], benchmark["stats"]["min"], "s")
            else:
                yield from _pyperf(benchmark, data.get("metadata", {}))
    except (KeyError, TypeError, AttributeError):
        raise JouliaError(
            f"{name} has benchmarks as neither pytest-benchmark nor pyperf writes them. "
            f"Allowed: {FORMATS}"
        ) from None


def _pyperf(benchmark: dict[str, Any], common: dict[str, Any]) -> Iterator[Named]:
    """The values of every run; what all benchmarks have in common stands at the top of the file."""
    about = {**common, **benchmark.get("metadata", {})}
    unit = PYPERF_UNITS[about.get("unit", "second")]
    for run in benchmark["runs"]:
        for value in run.get("values", ()):  # runs that only calibrate have none
            yield figure_of(about["name"], value, unit)
