"""The columns of a comparison: one list behind table, Markdown, CSV, JSON and the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joulia.analysis.break_even import BreakEven
from joulia.analysis.compare import CONDITIONS_DIFFER, Difference, Entry
from joulia.analysis.power import PowerRatio
from joulia.analysis.uncertain import Uncertain
from joulia.analysis.units import digits, quantity

SURE = {
    "better": "",
    "worse": "",
    "no clear difference": " =",
    "too few repeats": " ?",
    CONDITIONS_DIFFER: " ≠",
}
SURE_OF_POWER = SURE | {"more": "", "less": "", "the same": " =", "no clear difference": " ?"}


def with_error(value: Uncertain | None, unit: str) -> str:
    if value is None:
        return ""
    text = quantity(value.value, unit).strip()
    if value.low is None or value.high is None or not value.value:
        return text
    error = (value.high - value.low) / 2.0 / abs(value.value)
    return f"{text} ±{short(error * 100)} %"


def short(value: float) -> str:
    """Two significant digits, no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"


def factor(difference: Difference | PowerRatio | None) -> str:
    if difference is None:
        return ""
    ratio = difference.ratio
    interval = ""
    if ratio.low is not None and ratio.high is not None:
        interval = f" [{digits(ratio.low)}, {digits(ratio.high)}]"
    signs = SURE_OF_POWER if isinstance(difference, PowerRatio) else SURE
    return f"{digits(ratio.value)}{interval}{signs[difference.verdict.partition(':')[0]]}"


def percent(value: Uncertain | None) -> str:
    return "" if value is None else f"{value.value:.0%}"


def estimated(estimate: Uncertain | None) -> str:
    if estimate is None:
        return ""
    text = f"≈ {quantity(estimate.value, 'J')}"
    if estimate.low is not None and estimate.high is not None:
        text += f" ({quantity(estimate.low, 'J')} to {quantity(estimate.high, 'J')})"
    return text


def startup(entry: Entry) -> str:
    cold = f" (cold {quantity(entry.cold_startup, 's')})" if entry.cold_startup is not None else ""
    return quantity(entry.startup, "s") + cold


def startup_energy(entry: Entry) -> str:
    cold = entry.cold_startup_energy
    return with_error(entry.startup_energy, "J") + (
        f" (cold {with_error(cold, 'J')})" if cold else ""
    )


def pays_off(break_even: BreakEven | None) -> str:
    """Steps until the backend has used less than the baseline, start-up included."""
    if break_even is None:
        return ""
    if break_even.steps is None:
        return break_even.kind
    low, high = break_even.steps.low, break_even.steps.high
    interval = ""
    if low is not None and high is not None:
        interval = f" [{steps(low)}, {steps(high)}]"
    return f"{break_even.kind} {steps(break_even.steps.value)}{interval} steps"


def steps(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{math.ceil(value):,}".replace(",", "\u202f") if value < 1e7 else f"{value:.1e}"


def spread_out(name: str, value: Uncertain | None) -> dict[str, float | None]:
    """value, _low and _high of a figure; None also for infinity, which JSON cannot hold."""
    values = (value.value, value.low, value.high) if value else (None, None, None)
    finite = [v if v is not None and math.isfinite(v) else None for v in values]
    return dict(zip((name, f"{name}_low", f"{name}_high"), finite, strict=True))


def sorting(value: Uncertain | None) -> float | str:
    return "" if value is None else float(value.value)


def crossing(break_even: BreakEven | None) -> float | str:
    if break_even is None:
        return ""
    if break_even.steps is not None:
        return float(break_even.steps.value)
    return 0.0 if break_even.kind == "always" else 1e300


@dataclass(frozen=True)
class Column:
    """A column of a comparison: its heading, and what it has of an entry.

    `cell` is the text, `by` what the page sorts by, `plain` the values of CSV and JSON by name.
    `drop` is the order in which columns go where a terminal is narrow, as in `terminal.Column`.
    `when` says of all entries of a table whether there is anything to show.
    """

    title: str
    cell: Callable[[Entry], str]
    by: Callable[[Entry], float | str]
    plain: Callable[[Entry], dict[str, Any]]
    drop: int = 0
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True


def metered(entries: Sequence[Entry]) -> bool:
    return any(e.energy for e in entries)


def of_figure(
    title: str,
    name: str,
    pick: Callable[[Entry], Uncertain | None],
    text: Callable[[Uncertain | None], str],
    drop: int = 0,
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """A figure with its interval."""
    return Column(
        title,
        lambda e: text(pick(e)),
        lambda e: sorting(pick(e)),
        lambda e: spread_out(name, pick(e)),
        drop,
        when,
    )


def of_difference(
    title: str,
    name: str,
    pick: Callable[[Entry], Difference | PowerRatio | None],
    drop: int = 0,
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """How many times better than the baseline; of power, how many times as much."""

    def plain(e: Entry) -> dict[str, Any]:
        difference = pick(e)
        return {
            **spread_out(f"{name}_ratio", difference.ratio if difference else None),
            f"{name}_p": difference.p if difference else None,
            f"{name}_verdict": difference.verdict if difference else None,
        }

    return Column(
        title,
        lambda e: factor(pick(e)),
        lambda e: sorting(difference.ratio if (difference := pick(e)) else None),
        plain,
        drop,
        when,
    )


def of_break_even(
    title: str,
    name: str,
    pick: Callable[[Entry], BreakEven | None],
    drop: int = 0,
    when: Callable[[Sequence[Entry]], bool] = lambda entries: True,
) -> Column:
    """After how many steps the start has paid off."""

    def plain(e: Entry) -> dict[str, Any]:
        break_even = pick(e)
        cells = {f"{name}_break_even": break_even.kind if break_even else None}
        return cells | spread_out(
            f"{name}_break_even_steps", break_even.steps if break_even else None
        )

    return Column(
        title, lambda e: pays_off(pick(e)), lambda e: crossing(pick(e)), plain, drop, when
    )


def source_lines(entry: Entry) -> dict[str, Any]:
    """The source that ran, its own lines of code, and those with its share of helpers."""
    counted = entry.record.source_lines
    return {
        "source": counted.file if counted else None,
        "source_own_lines": counted.own if counted else None,
        "source_lines": entry.lines,
    }


def idle_share(entry: Entry) -> float | None:
    """The largest share of the windows in which a GPU that it uses had no work."""
    devices = entry.record.energy.devices if entry.record.energy else {}
    return max((use.idle_share for use in devices.values()), default=None)


COLUMNS = (
    Column(
        "backend",
        lambda e: e.label + (" (baseline)" if e.is_baseline else ""),
        lambda e: e.label,
        lambda e: {
            "backend": e.backend,
            "ranks": e.record.case.ranks,
            "threads": e.record.case.threads,
            "wait": e.record.case.wait,
            "baseline": e.is_baseline,
        },
    ),
    of_figure(
        "time/step", "time_s_per_step", lambda e: e.time, lambda f: with_error(f, "s")
    ),
    of_difference("times as fast", "time", lambda e: e.time_difference),
    Column(
        "lines",
        lambda e: "" if e.lines is None else f"{e.lines:.0f}",
        lambda e: "" if e.lines is None else e.lines,
        source_lines,
        drop=15,
        when=lambda entries: any(e.lines is not None for e in entries),
    ),
    of_figure(
        "of bound", "fraction_of_bound", lambda e: e.fraction, percent, 10,
        lambda entries: any(e.fraction for e in entries),
    ),
    of_figure(
        "J/step", "energy_j_per_step", lambda e: e.energy, lambda f: with_error(f, "J"), 14, metered
    ),
    of_figure(
        "J/step (node)", "node_energy_j_per_step", lambda e: e.node_energy,
        lambda f: with_error(f, "J"), 13, lambda entries: any(e.node_energy for e in entries),
    ),
    of_difference("times less J", "energy", lambda e: e.energy_difference, 12, metered),
    of_figure("power", "power_w", lambda e: e.power, lambda f: with_error(f, "W"), 4, metered),
    of_difference("times the W", "power", lambda e: e.power_ratio, 5, metered),
    Column(
        "GPU idle",
        lambda e: "" if (share := idle_share(e)) is None else f"{share:.0%}",
        lambda e: "" if (share := idle_share(e)) is None else share,
        lambda e: {"gpu_idle_share": idle_share(e)},
        drop=3,
        when=lambda entries: any(idle_share(e) is not None for e in entries),
    ),
    of_figure(
        "J s", "energy_delay_j_s", lambda e: e.delay_product,
        lambda f: with_error(f, "J s"), 2, metered,
    ),
    of_figure(
        "updates/J", "updates_per_joule", lambda e: e.updates_per_joule,
        lambda f: with_error(f, ""), 1, metered,
    ),
    of_figure(
        "≈ J/step (modelled)", "estimate_j_per_step", lambda e: e.estimate,
        estimated, 9, lambda entries: any(e.estimate for e in entries),
    ),
    Column(
        "start-up",
        startup,
        lambda e: e.startup,
        lambda e: {"startup_s": e.startup, "cold_startup_s": e.cold_startup},
        drop=8,
    ),
    Column(
        "start-up J",
        startup_energy,
        lambda e: sorting(e.startup_energy),
        lambda e: {
            **spread_out("startup_j", e.startup_energy),
            **spread_out("cold_startup_j", e.cold_startup_energy),
        },
        drop=7,
        when=lambda entries: any(e.startup_energy or e.cold_startup_energy for e in entries),
    ),
    of_break_even("pays off in time after", "time", lambda e: e.break_even_time, 11),
    of_break_even("pays off in J after", "energy", lambda e: e.break_even_energy, 6, metered),
)  # fmt: skip
"""All that a comparison tells of an entry: the one list behind table, Markdown, CSV and page."""


def columns(entries: Sequence[Entry]) -> list[Column]:
    """Those with something to show; estimates have one of their own."""
    return [column for column in COLUMNS if column.when(entries)]
