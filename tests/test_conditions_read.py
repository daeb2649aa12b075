"""Conditions as readers of records see them: lines about disturbed cases, refused verdicts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulia.analysis import compare, record_table, tables
from joulia.records import store
from joulia.records.conditions import Conditions, GpuConditions
from joulia.records.record import Record
from joulia.report import page

from .results import record, write

FIRST = Path(__file__).parent / "data" / "records-of-0.1.0-first.jsonl"
UUID = "GPU-abc00000-0000-0000-0000-000000000000"


# ---- who reads -----------------------------------------------------------------------------

PLAIN = Conditions(
    disturbed=(), note=None, limit=0.1, others=(0.01,) * 9, stolen=(0.0,) * 9, load=0.5,
    governor="performance", turbo=True, smt=2, clock_before_hz=3e9, clock_hz=3e9,
    temperature_before_c=40.0, temperature_c=60.0, throttlings=0, package_limits_w=(200.0,),
    quota_cores=None, quota_throttled_s=0.0, huge_pages="madvise", memory_nodes="0",
    wait={"OMP_WAIT_POLICY": "active"},
)  # fmt: skip
DISTURBED = {"disturbed": tuple(range(9)), "note": "made up", "others": (0.61,) * 9}


def under(made: Record, **changes: Any) -> Record:
    return dataclasses.replace(made, conditions=dataclasses.replace(PLAIN, **changes))


def test_conditions_survive_json_and_older_records_have_none() -> None:
    gpu = GpuConditions(UUID, 1e9, None, 40.0, 60.0, 300.0, ("power cap",))
    original = under(record(), gpus=(gpu,), others=(None, 0.5), waited_s=3.0, quiet=True)
    assert Record.from_json(json.loads(json.dumps(original.to_json()))) == original
    assert {each.conditions for each in store.load(FIRST)} == {None}


def test_show_and_report_name_the_disturbed_cases_in_a_line() -> None:
    records = [
        under(record("numba"), **DISTURBED | {"others": (0.4,) * 9}),
        under(record("numba", kernel="euler"), **DISTURBED),
        under(record("numpy"), **DISTURBED | {"disturbed": tuple(range(5))}),
        under(record("julia")),
    ]
    line = (
        "3 cases were disturbed: other programs used up to 61 % of the cores "
        "(euler numba 32x32x32 float64 1r x 1t, heat numpy 64x64x64 float64 1r x 1t, "
        "heat numba 64x64x64 float64 1r x 1t)"
    )
    shape = "x".join(map(str, records[1].case.shape))
    line = line.replace("32x32x32", shape)
    assert [each for each in record_table.notes(records) if "disturbed" in each] == [line]
    assert line in page.build(records)
    assert "disturbed" not in "".join(record_table.notes([under(record())]))
    assert "disturbed" not in page.build([under(record()), under(record("numba", 5e-4))])


def test_figures_of_undisturbed_samples_are_told_apart() -> None:
    """The median of nine is not that of the four that the hypervisor disturbed."""
    few = {"disturbed": (0, 1, 2, 3), "others": (0.0,) * 9, "stolen": (0.2,) * 4 + (0.0,) * 5}
    records = [under(record("numba"), **DISTURBED), under(record("numpy"), **few)]
    case = "64x64x64 float64 1r x 1t"
    assert [each for each in record_table.notes(records) if "disturbed" in each] == [
        f"1 case was disturbed: other programs used up to 61 % of the cores (heat numba {case})",
        "1 case was disturbed in fewer than half of the samples: the hypervisor took up to 20 % of "
        f"the cores (heat numpy {case})",
    ]


def test_show_tells_who_was_held_back_and_throttled() -> None:
    records = [under(record(), quota_throttled_s=1.5, throttlings=3)]
    notes = record_table.notes(records)
    case = "(heat numpy 64x64x64 float64 1r x 1t)"
    assert f"1 case was held back by a CPU quota, for up to 1.5 s {case}" in notes
    assert f"1 case was throttled by the processor, up to 3 times {case}" in notes


UNLIKE = (
    ({"governor": "powersave"}, "governor performance | powersave"),
    ({"turbo": False}, "turbo on | off"),
    ({"smt": 1}, "threads a core 2 | 1"),
    ({"package_limits_w": (65.0,)}, "power limit 200 W | 65 W"),
    ({"quota_cores": 0.5}, "CPU quota none | 0.5 cores"),
    ({"huge_pages": "never"}, "huge pages madvise | never"),
    ({"wait": {}}, "OMP_WAIT_POLICY active | unset"),
)


def verdict(base: Record, other: Record) -> str:
    (problem,) = compare.comparisons([base, other])
    (entry,) = [e for e in problem.entries if not e.is_baseline]
    assert entry.time_difference is not None
    return entry.time_difference.verdict


@pytest.mark.parametrize(("changes", "difference"), UNLIKE)
def test_compare_refuses_a_verdict_over_unlike_conditions(
    changes: dict[str, Any], difference: str
) -> None:
    base, other = under(record("numpy")), under(record("numba", 5e-4), **changes)
    assert verdict(base, other) == f"conditions differ: {difference}"
    (problem,) = compare.comparisons([base, other])
    assert f"numba: no verdict, conditions differ: {difference}" in tables.notes(problem)
    assert "≠" in tables.markdown([problem], [])


def test_compare_refuses_a_disturbed_side_and_no_other() -> None:
    base, quick = under(record("numpy")), record("numba", 5e-4)
    assert verdict(base, under(quick)) == "better"
    assert verdict(base, quick) == "better"  # an older record: unknown is no difference
    assert verdict(base, under(quick, load=9.0, clock_hz=1e9)) == "better"
    assert verdict(base, under(quick, disturbed=(0, 1))) == "better"  # the median is of others
    assert verdict(base, under(quick, **DISTURBED)) == "conditions differ: numba was disturbed"


def test_compare_refuses_a_verdict_over_gpus_of_unlike_power_limits() -> None:
    """The same H100 at its 700 W, and capped by an administrator; unknown is no difference."""
    full, capped, silent = (
        {"gpus": (GpuConditions(UUID, 1.98e9, 1.98e9, 40.0, 60.0, limit, ()),)}
        for limit in (700.0, 350.0, None)
    )
    base, other = record("cupy"), record("numba:cuda", 5e-4)
    refused = "conditions differ: GPU power limit 700 W | 350 W"
    assert verdict(under(base, **full), under(other, **capped)) == refused
    assert verdict(under(base, **full), under(other, **full)) == "better"
    assert verdict(under(base, **full), under(other, **silent)) == "better"


def test_a_variable_of_julias_matters_to_julia_only() -> None:
    wait = {"wait": {"OMP_WAIT_POLICY": "active", "JULIA_THREAD_SLEEP_THRESHOLD": "1"}}
    assert verdict(under(record("numpy")), under(record("numba", 5e-4), **wait)) == "better"


# ---- the gate ------------------------------------------------------------------------------

TIMES = [1e-3 * (1 + 0.001 * (i % 5)) for i in range(12)]


@pytest.fixture
def gate(joulia: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[int, Any]]:
    def run(base: list[dict[str, Any]], head: list[dict[str, Any]]) -> tuple[int, Any]:
        paths = [
            write(tmp_path / f"{name}.jsonl", [under(record(time=[t] * 9), **c) for t, c in side])
            for name, side in (
                ("base", zip(TIMES, base, strict=True)),
                ("head", zip([0.8 * t for t in TIMES], head, strict=True)),
            )
        ]
        done = joulia("gate", *paths, "--json")
        (observed,) = [v for v in json.loads(done.stdout)["verdicts"] if v["metric"] == "time"]
        return done.returncode, observed

    return run


@pytest.mark.parametrize(("changes", "difference"), UNLIKE)
def test_the_gate_refuses_a_verdict_over_unlike_conditions(
    gate: Callable[..., Any], changes: dict[str, Any], difference: str
) -> None:
    """Head seems to be a fifth faster, and was measured under other conditions."""
    code, observed = gate([{}] * 12, [changes] * 12)
    assert (code, observed["verdict"]) == (3, "conditions differ")
    assert observed["reason"] == f"conditions differ: {difference}"


def test_the_gate_refuses_where_one_side_alone_was_disturbed(gate: Callable[..., Any]) -> None:
    code, observed = gate([DISTURBED] * 12, [{}] * 12)
    assert (code, observed["verdict"]) == (3, "conditions differ")
    assert observed["reason"] == "conditions differ: disturbed processes 100 % | 0 %"
    code, observed = gate([DISTURBED] * 12, [DISTURBED] * 12)
    assert (code, observed["verdict"]) == (0, "improvement")
    code, observed = gate([DISTURBED, {}] * 6, [{}, {}, DISTURBED] * 4)
    assert (code, observed["verdict"]) == (0, "improvement")
