"""Grams of CO2e: joules times the intensity of a grid that the user names. Unset by default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from joulia.energy.estimate import positive, read_toml
from joulia.errors import JouliaError
from joulia.records.parts import Carbon

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
    """A figure in g/kWh, or a site file (TOML: name, g_per_kwh, source, year)."""
    try:
        figure = float(given)
    except ValueError:
        return _site(Path(given))
    if not 0 < figure < float("inf"):
        raise JouliaError(f"--carbon {given}. Allowed: a positive figure in g/kWh, or a site file")
    return Intensity(figure, None, "given by the user", None)


def _site(path: Path) -> Intensity:
    if path.suffix != ".toml":
        raise JouliaError(f"--carbon {path}. Allowed: a positive figure in g/kWh, or a site file")
    data = read_toml(path)
    for key in ("name", "source"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise JouliaError(f"{path}: {key} is missing. Allowed: text")
    year = positive(data, "year", path)
    return Intensity(positive(data, "g_per_kwh", path), data["name"], data["source"], int(year))
