"""Grams of CO2e: joules times the intensity of a grid that the user names. Unset by default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.errors import JouliaError
from joulia.records.parts import Carbon
from joulia.system.toml import positive, read_toml, words

J_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Intensity:
    """Where electricity comes from: grams of CO2e a kilowatt-hour, who says so, for which year."""

    g_per_kwh: float
    site: str | None
    source: str
    year: int | None

    def of(self, joules: float) -> float:
        """Grams of CO2e."""
        return joules / J_PER_KWH * self.g_per_kwh

    def note(self, joules_per_step: float) -> Carbon:
        """What a record says of it."""
        return Carbon("g/step", self.of(joules_per_step), **vars(self))


def load(given: str) -> Intensity:
    """A figure in g/kWh, or a file (TOML: name, g_per_kwh, source, year; a site's has [grid])."""
    try:
        figure = float(given)
    except ValueError:
        return _of_file(Path(given))
    if not 0 < figure < float("inf"):
        raise JouliaError(f"--carbon {given}. Allowed: a positive figure in g/kWh, or a site file")
    return Intensity(figure, None, "given by the user", None)


def _of_file(path: Path) -> Intensity:
    if path.suffix != ".toml":
        raise JouliaError(f"--carbon {path}. Allowed: a positive figure in g/kWh, or a site file")
    data = read_toml(path)
    within = "grid." if isinstance(data.get("grid"), dict) else ""
    return of_table(data["grid"] if within else data, path, within)


def of_table(data: dict[str, Any], path: Path, within: str = "") -> Intensity:
    """An intensity from a table of a file. JouliaError in one line where it is none."""
    name, source = (words(data, key, path, within) for key in ("name", "source"))
    year = positive(data, "year", path, within)
    return Intensity(positive(data, "g_per_kwh", path, within), name, source, int(year))
