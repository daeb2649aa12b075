"""Power in comparisons: whether a backend draws another power than the baseline, and how sure."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from joulia.analysis import advice, compare, tables
from joulia.records.conditions import Conditions

from .results import noisy, record


def entries(records):
    (problem,) = compare.comparisons(records)
    return {e.label: e for e in problem.entries}


def powers(base, other, **options):
    """The power of numba against numpy's, from windows that take (seconds, watts)."""
    records = [
        record(
            name, seconds, energy=[s * w for s, w in zip(seconds, watts, strict=True)], **options
        )
        for name, (seconds, watts) in (("numpy", base), ("numba", other))
    ]
    (problem,) = compare.comparisons(records)
    return problem, next(e for e in problem.entries if e.backend == "numba").power_ratio


def test_the_same_power_is_said_only_where_the_interval_shows_it():
    """One core of a node, as in docs/power.md: other seconds, the same watts."""
    problem, ratio = powers((noisy(8.0), noisy(139.5)), (noisy(2.0), noisy(139.0)))
    assert ratio.verdict == "the same"
    assert ratio.ratio.low < 1.0 < ratio.ratio.high
    (line,) = tables.powers(problem)
    assert line.startswith("numba draws the same power as numpy (0.99")
    (advice_,) = advice.drawn(problem, problem.entries[0])
    assert advice_.startswith("It draws the same power as numpy (0.99")
    assert advice_.endswith("): joules follow seconds.")
    wide = [1.0, 1.2, 0.8, 1.1, 0.9, 1.15, 0.85, 1.05, 0.95]
    problem, ratio = powers((noisy(8.0), noisy(139.5, wide)), (noisy(2.0), noisy(139.0, wide)))
    assert ratio.verdict == "no clear difference"
    assert "draws a power not clearly other than numpy's (0.8" in tables.powers(problem)[0]


def test_more_cores_draw_more_power_and_joules_fall_less_than_seconds():
    """Twelve threads of docs/power.md: 8.4 times as fast at 1.5 times the power."""
    problem, ratio = powers((noisy(383.0), noisy(131.8)), (noisy(45.4), noisy(200.1)), threads=1)
    assert ratio.verdict == "more"
    assert ratio.ratio.value == pytest.approx(200.1 / 131.8, rel=0.01)
    assert ratio.ratio.low < 1.52 < ratio.ratio.high
    heads, cells = tables.rows(problem)
    row = dict(zip(heads, cells[0], strict=True))
    assert re.fullmatch(r"1\.52 \[1\.5\d, 1\.5\d\]", row["times the W"])
    assert row["power"].startswith("200 W ±")
    assert re.match(r"numba draws 1\.52 times the power of numpy \(1", tables.powers(problem)[0])
    assert advice.advise(problem).lines[3].endswith(": joules fall less than seconds.")
    flat = tables.flat(problem, problem.entries[0])
    assert flat["power_ratio"] == ratio.ratio.value
    assert flat["power_verdict"] == "more"
    less = powers((noisy(383.0), noisy(200.1)), (noisy(45.4), noisy(131.8)))[0]
    assert advice.advise(less).lines[3].endswith(": joules fall more than seconds.")


def test_power_is_compared_only_where_the_same_parts_were_measured():
    watts = (noisy(1.0), noisy(100.0))
    assert powers(watts, watts)[1].verdict == "the same"
    few = ([1.0, 1.1, 1.2], [100.0, 101.0, 102.0])
    assert powers(few, few)[1].verdict == "too few repeats"
    for changed in ({"source": "sampled"}, {"counted": ("rapl:package-0", "GPU-1:gpu")}):
        base, other = record("numpy", 1e-3, energy=0.1), record("numba", 1e-3, energy=0.1)
        other = replace(other, energy=replace(other.energy, **changed))
        assert entries([base, other])["numba"].power_ratio is None
    by_label = entries([record("numpy", 1e-3, energy=0.1), record("numba", 1e-3)])
    assert by_label["numba"].power_ratio is None
    void = record("numba", 1e-3, energy=[0.1] * 7)
    assert entries([record("numpy", 1e-3, energy=0.1), void])["numba"].power_ratio is None


def under(watts, limited=True, **figures):
    """A record of numpy under a limit that was asked for, or only seen."""
    made = record(**figures)
    seen = Conditions(**dict.fromkeys((f.name for f in fields(Conditions)), None) | {
        "disturbed": (), "others": (), "stolen": (), "limit": 0.1, "wait": {}, "gpus": (),
        "package_limits_w": (watts,),
    })  # fmt: skip
    case = replace(made.case, power_limit_w=watts if limited else None)
    return replace(made, case=case, conditions=seen)


def test_limits_that_were_asked_for_are_compared_and_others_refuse_a_verdict():
    records = [under(250.0, time=1e-3, energy=0.2), under(150.0, time=1.2e-3, energy=0.17)]
    by_label = entries(records)
    assert by_label["numpy at 250 W"].is_baseline
    slower = by_label["numpy at 150 W"]
    assert slower.power_ratio.verdict == "less"
    assert slower.energy_difference.verdict == "better"
    base = under(250.0, limited=False, backend="numpy", time=1e-3, energy=0.2)
    other = under(150.0, limited=False, backend="numba", time=1.2e-3, energy=0.17)
    refused = entries([base, other])["numba"].power_ratio
    assert refused.verdict == "conditions differ: power limit 250 W | 150 W"


# ---- docs/power.md -------------------------------------------------------------------------

PAGE = Path(__file__).parents[1] / "docs" / "power.md"


def of_page(title):
    """A table of the page by its first heading: rows of a name and of numbers by heading."""
    lines = PAGE.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {title} |"))
    heads = cells(lines[start])[1:]
    rows = {}
    for line in itertools.takewhile(lambda text: text.startswith("|"), lines[start + 2 :]):
        name, *values = cells(line)
        rows[name] = dict(zip(heads, map(float, values), strict=True))
    return rows


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is in the source tree only")
@pytest.mark.parametrize(
    ("title", "joules", "unit"),
    [("program", "kJ", 1e3), ("threads", "kJ", 1e3), ("limit, W", "J", 1)],
)
def test_the_figures_of_the_page_agree_with_each_other(title, joules, unit):
    """Watts are joules over seconds, ratios those of the columns: as far as digits are shown."""
    table = of_page(title)
    first = next(iter(table.values()))
    for row in table.values():
        assert row["W"] == pytest.approx(unit * row[joules] / row["s"], rel=2e-3)
        ratios = {
            "times the seconds": row["s"] / first["s"],
            "times as fast": first["s"] / row["s"],
            "times the joules": row[joules] / first[joules],
            "times fewer joules": first[joules] / row[joules],
            "times the watts": row["W"] / first["W"],
        }
        for head, ratio in ratios.items():
            if head in row:
                assert row[head] == pytest.approx(ratio, rel=5e-3), head


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is in the source tree only")
def test_what_the_page_says_of_its_recordings_joulia_would_say():
    """From windows with a noise of half a per cent at the page's seconds and watts."""

    def said(table, name, base):
        pair = [(noisy(row["s"]), noisy(row["W"])) for row in (table[base], table[name])]
        return powers(*pair)[1].verdict

    one_core, threads, limits = (of_page(title) for title in ("program", "threads", "limit, W"))
    assert {said(one_core, name, "Julia, optimised") for name in one_core} == {"the same"}
    assert {said(threads, n, "1") for n in threads if n != "1"} == {"more"}
    assert {said(limits, watts, "250") for watts in limits if watts != "250"} == {"less"}
    assert min(limits, key=lambda watts: limits[watts]["s"]) == "250"
    assert min(limits, key=lambda watts: limits[watts]["J"]) == "150"
    for beside, least in ((100.0, "175"), (300.0, "200")):
        node = {watts: row["J"] + beside * row["s"] for watts, row in limits.items()}
        assert min(node, key=node.__getitem__) == least
