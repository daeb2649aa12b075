"""The columns of a comparison: one list behind table, Markdown, CSV, JSON and the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joulia.analysis.break_even import BreakEven
from joulia.analysis.compare import Difference, Entry
from joulia.analysis.uncertain import Uncertain
from joulia.analysis.units import quantity

SURE = {"better": "", "worse": "", "no clear difference": " =", "too few repeats": " ?"}


def with_error(figure: Uncertain | None, unit: str) -> str:
    if figure is None:
        return ""
    text = quantity(figure.value, unit).strip()
    if figure.low is None or figure.high is None or not figure.value:
        return text
    error = (figure.high - figure.low) / 2.0 / abs(figure.value)
    return f"{text} ±{short(error * 100)} %"


def short(value: float) -> str:
    """Two significant digits, no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"


def factor(difference: Difference | None) -> str:
    if difference is None:
        return ""
    ratio = difference.ratio
    interval = ""
    if ratio.low is not None and ratio.high is not None:
        interval = f" [{digits(ratio.low)}, {digits(ratio.high)}]"
    return f"{digits(ratio.value)}{interval}{SURE[difference.verdict]}"


def digits(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def percent(figure: Uncertain | None) -> str:
    return "" if figure is None else f"{figure.value:.0%}"


def estimated(figure: Uncertain | None) -> str:
    if figure is None:
        return ""
    text = f"≈ {quantity(figure.value, 'J')}"
    if figure.low is not None and figure.high is not None:
        text += f" ({quantity(figure.low, 'J')} to {quantity(figure.high, 'J')})"
    return text


def startup(one: Entry) -> str:
    cold = f" (cold {quantity(one.cold_startup, 's')})" if one.cold_startup is not None else ""
    return quantity(one.startup, "s") + cold


def pays_off(found: BreakEven | None) -> str:
    """Steps until the backend has used less than the baseline, start-up included."""
    if found is None:
        return ""
    if found.steps is None:
        return found.kind
    low, high = found.steps.low, found.steps.high
    interval = ""
    if low is not None and high is not None:
        interval = f" [{steps(low)}, {steps(high)}]"
    return f"{found.kind} {steps(found.steps.value)}{interval} steps"


def steps(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{math.ceil(value):,}".replace(",", "\u202f") if value < 1e7 else f"{value:.1e}"


def spread_out(name: str, figure: Uncertain | None) -> dict[str, float | None]:
    """value, _low and _high of a figure; None also for infinity, which JSON cannot hold."""
    values = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    finite = [v if v is not None and math.isfinite(v) else None for v in values]
    return dict(zip((name, f"{name}_low", f"{name}_high"), finite, strict=True))


def sorting(figure: Uncertain | None) -> float | str:
    return "" if figure is None else float(figure.value)


def crossing(found: BreakEven | None) -> float | str:
    if found is None:
        return ""
    if found.steps is not None:
        return float(found.steps.value)
    return 0.0 if found.kind == "always" else 1e300


@dataclass(frozen=True)
class Column:
    """A column of a comparison: its heading, and what it has of an entry.

    `cell` is the text, `by` what the page sorts by, `plain` the values of CSV and JSON by name.
    `when` says of all entries of a table whether there is anything to show.
    """

    title: str
    cell: Callable[[Entry], str]
    by: Callable[[Entry], float | str]
    plain: Callable[[Entry], dict[str, Any]]
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True


def metered(entries: Sequence[Entry]) -> bool:
    return any(e.energy for e in entries)


def of_figure(
    title: str,
    name: str,
    pick: Callable[[Entry], Uncertain | None],
    text: Callable[[Uncertain | None], str],
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """A figure with its interval."""
    return Column(
        title,
        lambda e: text(pick(e)),
        lambda e: sorting(pick(e)),
        lambda e: spread_out(name, pick(e)),
        when,
    )


def of_difference(
    title: str,
    name: str,
    pick: Callable[[Entry], Difference | None],
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """How many times better than the baseline."""

    def plain(e: Entry) -> dict[str, Any]:
        found = pick(e)
        return {
            **spread_out(f"{name}_ratio", found.ratio if found else None),
            f"{name}_p": found.p if found else None,
            f"{name}_verdict": found.verdict if found else None,
        }

    return Column(
        title,
        lambda e: factor(pick(e)),
        lambda e: sorting(found.ratio if (found := pick(e)) else None),
        plain,
        when,
    )


def of_break_even(
    title: str,
    name: str,
    pick: Callable[[Entry], BreakEven | None],
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """After how many steps the start has paid off."""

    def plain(e: Entry) -> dict[str, Any]:
        found = pick(e)
        told = {f"{name}_break_even": found.kind if found else None}
        return told | spread_out(f"{name}_break_even_steps", found.steps if found else None)

    return Column(title, lambda e: pays_off(pick(e)), lambda e: crossing(pick(e)), plain, when)


COLUMNS = (
    Column(
        "backend",
        lambda e: e.label + (" (baseline)" if e.is_baseline else ""),
        lambda e: e.label,
        lambda e: {
            "backend": e.backend,
            "ranks": e.record.case.ranks,
            "threads": e.record.case.threads,
            "baseline": e.is_baseline,
        },
    ),
    of_figure(
        "time/step", "time_s_per_step", lambda e: e.time, lambda f: with_error(f, "s")
    ),
    of_difference("times as fast", "time", lambda e: e.time_difference),
    of_figure(
        "of bound", "fraction_of_bound", lambda e: e.fraction, percent,
        lambda entries: any(e.fraction for e in entries),
    ),
    of_figure(
        "J/step", "energy_j_per_step", lambda e: e.energy, lambda f: with_error(f, "J"), metered
    ),
    of_difference("times less J", "energy", lambda e: e.energy_difference, metered),
    of_figure("power", "power_w", lambda e: e.power, lambda f: with_error(f, "W"), metered),
    of_figure(
        "J s", "energy_delay_j_s", lambda e: e.delay_product,
        lambda f: with_error(f, "J s"), metered,
    ),
    of_figure(
        "updates/J", "updates_per_joule", lambda e: e.updates_per_joule,
        lambda f: with_error(f, ""), metered,
    ),
    of_figure(
        "≈ J/step (modelled)", "estimate_j_per_step", lambda e: e.estimate,
        estimated, lambda entries: any(e.estimate for e in entries),
    ),
    Column(
        "start-up",
        startup,
        lambda e: e.startup,
        lambda e: {"startup_s": e.startup, "cold_startup_s": e.cold_startup},
    ),
    of_break_even("pays off in time after", "time", lambda e: e.break_even_time),
    of_break_even("pays off in J after", "energy", lambda e: e.break_even_energy, metered),
)  # fmt: skip
"""All that a comparison tells of an entry: the one list behind table, Markdown, CSV and page."""


def columns(entries: Sequence[Entry]) -> list[Column]:
    """Those with something to show; estimates have one of their own."""
    return [column for column in COLUMNS if column.when(entries)]
