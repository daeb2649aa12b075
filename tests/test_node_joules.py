"""Joules of a processor's case and of a GPU's side by side: of the same parts, or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import trees
from fake_nvml import FakeGpu
from virtual import Curve, VirtualClock
from windows import UUID, Steady, energy, gpus, measured, window

from joulia.analysis import advice, crossover, node, ranksum, tables
from joulia.analysis.compare import comparisons
from joulia.energy.accounting import Seen, User, account
from joulia.records import store
from joulia.records.stats import summary

from .results import record, write
from .test_energy_accounting import GPUS, gpu, occ, rapl

FAKE = Path(__file__).parent / "support" / "fake_cupy"

# ---- what lies beside what counts ----------------------------------------------------------------


def beside(seen: list[Seen], device: str | None = None) -> list[str]:
    return [domain.meter for domain in account(seen, [User("a", device)]).unused]


def test_gpus_that_nobody_uses_lie_beside_packages_and_other_gpus():
    two = [*rapl("a"), gpu("a", GPUS[0]), gpu("a", GPUS[1], bus=2)]
    assert beside(two) == GPUS[:2]
    assert beside(two, GPUS[0]) == [GPUS[1]]
    assert beside(two[:-1], GPUS[0]) == []
    again = replace(two[-1], meter="another", source="sampled")
    assert beside([*two, again], GPUS[0]) == [GPUS[1]], "two meters of one GPU"


def test_what_may_hold_the_gpus_already_has_none_beside_it():
    assert beside([*occ("a"), gpu("a", GPUS[0])]) == [], "the node's own meter"
    assert beside([*rapl("a", psys=True), gpu("a", GPUS[0])]) == [], "psys, on some boards"
    of_another = [*rapl("a"), gpu("b", GPUS[0])]
    assert beside(of_another) == []


def test_an_idle_gpu_is_told_where_the_windows_are_long_enough_for_its_counter():
    clock = VirtualClock()
    idle = FakeGpu(UUID, name="NVIDIA H100 80GB HBM3", period_s=0.1, curve=Curve(60.0))
    monitor = energy(clock, [Steady(clock), *gpus(clock, idle)])
    window(monitor, clock, 10.0)
    data = measured(monitor, steps=100)
    assert data["median"] == pytest.approx(10.0, rel=1e-3), "100 W of the processor alone"
    assert data["unused"]["median"] == pytest.approx(6.0, rel=0.02)
    assert data["unused_domains"] == [f"{UUID}:gpu"]
    window(monitor, clock, 0.2)
    short = measured(monitor, steps=100)
    assert short["unused"] is None
    assert short["unused_domains"] == []
    assert "windows too short for their counters (joulia run --window" in short["unused_reason"]


# ---- real runs, on meters that make their joules up ----------------------------------------------

ON_STUB = "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0"
"""The GPU of the stand-in for the driver."""


@pytest.fixture(scope="module")
def records(commands, stub, tmp_path_factory):
    """heat on NumPy and on a stand-in for CuPy: a processor of 50 W beside a GPU of 60 W."""
    tmp = tmp_path_factory.mktemp("node")
    meters = [
        {"id": "boot/rapl", "watts": {"package-0": 50.0}},
        {"id": ON_STUB, "watts": {"gpu": 60.0}, "kind": "gpu", "device": ON_STUB},
    ]
    trees.put(trees.node(tmp / "root"), {"run/joulia/fake-meter.json": json.dumps(meters)})
    env = os.environ | {
        "JOULIA_ROOT": str(tmp / "root"), "LD_LIBRARY_PATH": str(stub),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(FAKE), os.environ.get("PYTHONPATH")])),
        "JOULIA_CACHE_DIR": str(tmp / "cache"),
    }  # fmt: skip
    path = tmp / "r.jsonl"
    how = ["--repeats", "6", "--window", "0.2", "--energy-tolerance", "50", "--no-ceiling"]
    what = ["heat", "-b", "numpy", "-b", "cupy", "--shape", "8x9x10,16x18x20"]
    done = commands.run(["run", *what, *how, "--output", str(path)], env, None, 300.0)
    assert done.returncode == 0, done.stdout + done.stderr
    return store.load(path)


def test_a_processors_record_keeps_the_joules_of_the_idle_gpu_apart(records):
    for each in records:
        assert each.status == "valid", each.reasons
        watts = {"numpy": 50.0, "cupy:cuda": 110.0}[each.case.backend]
        assert each.energy is not None, each.energy_reason
        assert each.energy.watts == pytest.approx(watts, rel=0.1)
        if each.case.backend == "numpy":
            assert each.energy.unused_domains == (f"{ON_STUB}:gpu",)
            both = sum(node.whole(each.energy)) / sum(each.energy.samples)
            assert both == pytest.approx(110.0 / 50.0, rel=0.1)
        else:
            assert (each.energy.unused, each.energy.unused_reason) == (None, None)


def test_processor_and_gpu_are_compared_by_the_joules_of_the_same_parts(records, joulia, tmp_path):
    for problem in comparisons(records, "numpy"):
        other = next(e for e in problem.entries if not e.is_baseline)
        base, gpus_own = problem.baseline.record.energy, other.record.energy
        of_both = ranksum.ratio(node.whole(base), gpus_own.samples)
        assert other.energy_difference.ratio.value == of_both.value
        assert of_both.value > 2.0 * ranksum.ratio(base.samples, gpus_own.samples).value
        assert other.power_ratio is None
        assert problem.baseline.node_energy.value > 2.1 * problem.baseline.energy.value
        (told,) = tables.coverage(problem)
        assert told == (
            f"cupy:cuda and numpy: joules of {ON_STUB}:gpu, rapl:package-0 on both sides (numpy "
            f"leaves {ON_STUB}:gpu idle)"
        )
    file = write(tmp_path / "r.jsonl", records)
    table = joulia("compare", file, "--baseline", "numpy", "--markdown").stdout
    assert "J/step (node)" in table
    assert "on both sides" in table
    over = json.loads(joulia("compare", file, "--over", "size", "--json").stdout)["crossovers"]
    assert {(c["metric"], c["first"], c["second"]) for c in over} >= {
        (metric, "cupy:cuda", "numpy") for metric in ("time", "energy")
    }


def test_joules_of_other_parts_have_no_ratio_and_nobody_is_thriftiest(records):
    without = [
        replace(r, energy=replace(r.energy, unused=None, unused_domains=(), unused_reason="short"))
        for r in records
    ]
    for problem in comparisons(without, "numpy"):
        other = next(e for e in problem.entries if not e.is_baseline)
        assert other.time_difference is not None
        assert other.energy_difference is None
        assert other.break_even_energy is None
        (told,) = tables.coverage(problem)
        assert told.startswith(
            f"no ratio of joules: cupy:cuda's hold {ON_STUB}:gpu as well; of the GPUs beside numpy "
            "nothing is known: short"
        )
        assert advice.advise(problem).thrifty is None
    metrics = {pair.metric for pair in crossover.pairs(comparisons(without))}
    assert metrics == {"time"}


def test_another_start_of_the_node_is_the_same_node(records):
    first = next(r for r in records if r.case.backend == "numpy")
    later = replace(first.energy, counted=("another-boot/rapl:package-0",))
    assert node.same([first.energy, later])
    assert not node.same([first.energy, replace(later, counted=("x/rapl:package-1",))])


def test_two_nodes_and_one_have_the_same_parts(records):
    """A total over two nodes names each part twice; more ranks may still pay, in joules as well."""
    first = next(r for r in records if r.case.backend == "numpy").energy
    counted = (*first.counted, *(f"other/{name.partition('/')[2]}" for name in first.counted))
    assert node.alike([first, replace(first, counted=counted)]) is not None


# ---- at which size the GPU pays ------------------------------------------------------------------

SIZES = ("tiny", "small", "medium")


def at_all_sizes(backend, seconds, watts, idle=0.0, **more):
    """Records whose costs go as cells**power with (factor, power), at constant watts."""
    made = []
    for size in SIZES:
        one = record(backend, 1.0, size=size, energy=1.0, **more)
        cells = one.work.updates
        step = seconds[0] * cells ** seconds[1]
        one = record(backend, step, size=size, energy=step * watts, **more)
        counted = ("rapl:package-0", *(["GPU-1:gpu"] if one.case.on_gpu else []))
        unused = summary([idle * step * (s / one.time.median) for s in one.time.samples])
        apart = {"unused": unused, "unused_domains": ("GPU-1:gpu",)} if idle else {}
        made.append(replace(one, energy=replace(one.energy, counted=counted, **apart)))
    return made


def test_the_size_from_which_a_gpu_pays_in_time_and_in_joules():
    """A call costs the GPU 50 us, whatever it computes: in joules of the node it pays later.

    Against both cores: 1e-9 n (150 + 50 W) = 5e-5 n**0.1 (50 + 250 W), for the node's joules.
    """
    cores = [*at_all_sizes("numba", (2e-9, 1.0), 100.0, 50.0),
             *at_all_sizes("numba", (1e-9, 1.0), 150.0, 50.0, threads=2)]  # fmt: skip
    device = at_all_sizes("cupy:cuda", (5e-5, 0.1), 300.0)
    found = {(p.labels, p.metric): p for p in crossover.pairs(comparisons([*cores, *device]))}
    beside_gpu = {labels for labels, _ in found if "cupy:cuda" in labels}
    assert beside_gpu == {("cupy:cuda", "numba 1 x 2")}, "the whole processor, not a part of it"
    capped = [replace(r, case=replace(r.case, power_limit_w=100.0)) for r in cores]
    pairs = crossover.pairs(comparisons([*capped, *device]))
    assert not [p for p in pairs if "cupy:cuda" in p.labels], "a limit on one side alone"
    cells = {}
    for metric in ("time", "energy"):
        (crossing,) = found[("cupy:cuda", "numba 1 x 2"), metric].crossings
        assert (crossing.below, crossing.above) == ("numba 1 x 2", "cupy:cuda")
        cells[metric] = crossing.cells.value
    assert cells["time"] == pytest.approx(5e4 ** (1 / 0.9), rel=1e-6)
    assert cells["energy"] == pytest.approx((5e4 * 300.0 / 200.0) ** (1 / 0.9), rel=1e-6)
