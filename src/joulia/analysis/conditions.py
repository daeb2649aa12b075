"""Conditions in a line: which cases were disturbed, and in what the conditions of two differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from joulia.analysis.labels import label
from joulia.case import Settings
from joulia.records.conditions import Conditions
from joulia.records.parts import SHORT, Timing
from joulia.records.record import Record
from joulia.system.conditions import WAITING

NAMED = 4
"""Cases that a line names; the others are counted."""


def notes(records: Sequence[Record]) -> list[str]:
    """What disturbed or held back which cases, a line a kind; empty where all was quiet."""
    medians = [r for r in records if median_disturbed(r)]
    samples = [r for r in records if not median_disturbed(r)]
    fewer = "disturbed in fewer than half of the samples: "
    too_short = [(shortened(r.time, r.settings), r) for r in records if r.time]
    return [
        *line(medians, "disturbed: other programs used up to {:.0%} of the cores", others),
        *line(medians, "disturbed: the hypervisor took up to {:.0%} of the cores", stolen),
        *line(samples, fewer + "other programs used up to {:.0%} of the cores", others),
        *line(samples, fewer + "the hypervisor took up to {:.0%} of the cores", stolen),
        *line(records, "held back by a CPU quota, for up to {:.2g} s", held_back),
        *line(records, "throttled by the processor, up to {:.0f} times", throttlings),
        *worst_first("measured in windows up to {:.0f} times shorter than asked for", too_short),
    ]


def line(records: Sequence[Record], what: str, amount: Callable[[Conditions], float]) -> list[str]:
    """The cases with an amount of something, the worst first; no line where there is none."""
    known = [(amount(r.conditions), r) for r in records if r.conditions and r.time]
    return worst_first(what, known)


def worst_first(what: str, amounts: Sequence[tuple[float, Record]]) -> list[str]:
    """A line of the amounts that are not 0; none where all are."""
    concerned = sorted((a for a in amounts if a[0] > 0.0), key=lambda a: -a[0])
    if not concerned:
        return []
    labels = [label(record.case) for _, record in concerned]
    names = list(dict.fromkeys(labels))[:NAMED]
    more = len(concerned) - sum(name in names for name in labels)
    rest = [f"and {more} more"] if more else []
    count = f"{len(concerned)} cases were" if len(concerned) > 1 else "1 case was"
    worst = what.format(concerned[0][0]).replace("%", " %")
    return [f"{count} {worst} ({', '.join([*names, *rest])})"]


def others(conditions: Conditions) -> float:
    return conditions.disturbing(conditions.others)


def stolen(conditions: Conditions) -> float:
    return conditions.disturbing(conditions.stolen)


def held_back(conditions: Conditions) -> float:
    return conditions.quota_throttled_s or 0.0


def throttlings(conditions: Conditions) -> float:
    return float(conditions.throttlings or 0)


def shortened(time: Timing, settings: Settings) -> float:
    """How many times shorter than asked for the shortest window was; 0 where it was not much so."""
    shortest = min(time.samples) * time.steps_per_sample
    return settings.window_s / shortest if shortest < SHORT * settings.window_s else 0.0


# ---- two sides -----------------------------------------------------------------------------


def differences(
    base: Sequence[Record], other: Sequence[Record], apart: Collection[str] = ()
) -> list[str]:
    """In which conditions that matter two sides differ: `governor powersave | performance`.

    What one side does not tell is unknown, and no difference; nor is what is `apart`.
    """
    sides = [[facts(record) for record in side if record.conditions] for side in (base, other)]
    return differing(sides[0], sides[1], apart)


def differing(
    base: Sequence[Mapping[str, str]],
    other: Sequence[Mapping[str, str]],
    apart: Collection[str] = (),
) -> list[str]:
    """The same of what is known of each record or run of the two sides, in words by name."""
    sides = (base, other)
    lines = []
    for name in dict.fromkeys(name for side in sides for each in side for name in each):
        values = [sorted({each[name] for each in side if name in each}) for side in sides]
        if name not in apart and all(values) and values[0] != values[1]:
            lines.append(f"{name} {'+'.join(values[0])} | {'+'.join(values[1])}")
    return lines


def facts(record: Record) -> dict[str, str]:
    """What matters of a record's conditions, as far as it is known, in words by name."""
    known = record.conditions
    assert known is not None
    # A limit that was asked for is part of the case: what is compared, not a condition of it.
    apart = LIMITS if record.case.power_limit_w is not None else ()
    words = {name: word for name, word in told(known).items() if name not in apart}
    if record.case.cores > 1:
        words["wait"] = record.case.wait
    return words | {
        name: known.wait.get(name, "unset") for name in WAITING if matters(name, record)
    }


LIMITS = ("power limit", "GPU power limit")


def told(known: Conditions) -> dict[str, str]:
    """What conditions say of the machine, as far as it is known, in words by name."""
    limits = sorted({gpu.power_limit_w for gpu in known.gpus if gpu.power_limit_w is not None})
    words = {
        "governor": known.governor,
        "turbo": None if known.turbo is None else ("off", "on")[known.turbo],
        "threads a core": None if known.smt is None else str(known.smt),
        "power limit": _watts(known.package_limits_w),
        "GPU power limit": _watts(limits),
        "CPU quota": f"{known.quota_cores:g} cores" if known.quota_cores else "none",
        "huge pages": known.huge_pages,
    }
    return {name: word for name, word in words.items() if word is not None}


def matters(variable: str, record: Record) -> bool:
    """Julia's matter to Julia alone, and none where the case's own policy sets them."""
    julias = variable.startswith("JULIA_")
    return record.case.wait == "default" and (record.case.bridge == "julia" or not julias)


def _watts(limits: Sequence[float]) -> str | None:
    return ", ".join(f"{limit:g} W" for limit in limits) or None


def disturbed_share(record: Record) -> float:
    """The share of a record's samples that others disturbed, 0 to 1."""
    known = record.conditions
    return len(known.disturbed) / len(known.others) if known and known.others else 0.0


def median_disturbed(record: Record) -> bool:
    """Whether a record's figure is that of samples that others disturbed, half of them or more."""
    return disturbed_share(record) >= 0.5
