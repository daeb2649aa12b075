"""Numbers with their units, as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def seconds(value: float) -> str:
    return quantity(value, "s")


def digits(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def quantity(value: float, unit: str) -> str:
    """Three significant digits with an SI prefix: 12.3 ms, 4.56 GB."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    prefixes = {-4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}
    power = max(-4, min(4, math.floor(math.log10(abs(value)) / 3)))
    scaled = value / 1000.0**power
    digits = max(0, 2 - math.floor(math.log10(abs(scaled))))
    return f"{scaled:.{digits}f} {prefixes[power]}{unit}"


def spread(median: float, interval: Sequence[float] | None) -> str:
    if interval is None:
        return "too few repeats"
    low, high = ((bound / median - 1.0) * 100.0 for bound in interval)
    return f"{low:+.1f} % {high:+.1f} %"
