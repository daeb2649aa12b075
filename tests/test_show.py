"""The table of a run and what stands below it."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from joulia.analysis import record_table, scaling, terminal
from joulia.records.parts import DeviceUse, Feed, Gpu
from joulia.records.record import Record

from .results import record

NO_DRIVER = "no NVIDIA driver; install it"


def printed(records: list[Record]) -> str:
    out = Console(width=200)
    with out.capture() as captured:
        terminal.draw(out, record_table.table(records))
    return captured.get()


def skipped(backend: str, reason: str, **more: object) -> Record:
    return record(backend, None, status="skipped", reason=reason, **more)  # type: ignore[arg-type]


def test_what_was_skipped_is_told_once_a_reason_and_has_no_row() -> None:
    records = [
        record("numba", 1e-3),
        *[skipped(b, NO_DRIVER, ranks=n) for b in ("numba:cuda", "occa:cuda") for n in (1, 2)],
        skipped("julia", "no Julia found"),
    ]
    assert "cuda" not in printed(records)
    lines = record_table.notes(records)
    assert f"skipped: numba:cuda, occa:cuda (4 cases): {NO_DRIVER}" in lines
    assert "skipped: julia (1 case): no Julia found" in lines


def test_a_failed_case_keeps_its_row_and_its_reason_stands_below() -> None:
    failed = record("numba:cuda", None, status="failed", reason="the GPU stopped answering")
    assert printed([failed]).splitlines()[1].split()[:3] == ["failed", "heat", "numba:cuda"]
    because = f"failed: {record_table.label(failed.case)}: the GPU stopped answering"
    assert because in record_table.notes([failed])
    assert not record_table.skips([failed])


def test_a_feed_is_told_with_its_idle_share_its_bytes_and_where_they_lie() -> None:
    feed = Feed(2_100_000, 4.2e9, 0.382, file_bytes=1 << 28, idle=0.012)
    told = replace(record("numba", 1e-3), feed=feed)
    (line,) = (line for line in record_table.notes([told]) if "idled" in line)
    assert line == (
        f"{record_table.label(told.case)}: the device idled for its input 38% of the time, 12.0 mJ "
        "a step; 2.10 MB a step, read at 4.20 GB/s from a file of 268 MB, which lies in memory: no "
        "disk's rate"
    )
    larger = replace(feed, file_bytes=told.machine.memory_bytes, idle=None)
    assert record_table.fed(larger, told.machine) == (
        "the device idled for its input 38% of the time; 2.10 MB a step, read at 4.20 GB/s"
    )
    assert not any("idled" in line for line in record_table.notes([record("numba", 1e-3)]))


def test_names_are_cut_only_as_far_as_they_can_be_told_apart() -> None:
    names = [f"emulator 2 x 128, ticket 0.{n}" for n in (1, 2, 5)]
    column = terminal.Column("kernel", right=False, least=20)
    grid = terminal.Grid([column], [[name] for name in names])
    assert terminal.tight(grid, 0) == len(names[0])
    assert terminal.tight(terminal.Grid([column], [["x" * 30 + "a"], ["y" * 30]]), 0) == 20
    alike = terminal.Grid([column], [["x" * 50 + "a"], ["x" * 50 + "b"]])
    assert terminal.tight(alike, 0) == 20, "too long to be told apart"


def test_bounds_name_cores_and_gpus() -> None:
    lines = record_table.bounds(
        [
            record("numba", 1e-3, threads=2, fraction=0.5),
            record("numba:cuda", 1e-4, fraction=0.5),
            record("numba:cuda", 1e-4, ranks=2, fraction=0.5),
        ]
    )
    assert [line.partition(":")[0] for line in lines] == [
        "Bound for 2 cores",
        "Bound for 1 GPU",
        "Bound for 2 GPUs",
    ]


def test_a_fraction_above_its_bound_is_explained() -> None:
    above = record_table.bounds([record("numba", 1e-3, fraction=1.73)])
    assert [line.partition(":")[0] for line in above] == [
        "Bound for 1 core",
        "Above 100 % of a bound",
    ]
    assert not [
        line for line in record_table.bounds([record("numba", fraction=1.0)]) if "Above" in line
    ]


def test_the_row_itself_says_why_a_fraction_is_above_100_percent() -> None:
    bare = record("numba", 1e-3, fraction=1.2)
    assert bare.rates is not None
    assert record_table.of_bound(bare.rates) == "120% cache"
    flops = replace(bare.rates, ceiling_bytes_per_s=None, ceiling_flops_per_s=1.0)
    assert record_table.of_bound(flops) == "120% !", "no cache computes: a defect"
    assert record_table.of_bound(replace(flops, fraction_of_bound=0.8)) == "80%"


def test_ranks_that_share_a_gpu_and_a_gpu_that_idles_are_named() -> None:
    measured = record("numba:cuda", 1e-4, ranks=2, energy=1.0)
    assert measured.parallel is not None
    assert measured.energy is not None
    devices = {
        "GPU-1": DeviceUse(0.63, 0.0, 0.37, "utilisation", 30.0, 0.12),
        "GPU-2": DeviceUse(0.999, 0.0, 0.001, "utilisation", 30.0, 0.0),
    }
    measured = replace(
        measured,
        parallel=replace(measured.parallel, gpus=(Gpu("GPU-1", "Tesla V100", (7, 0), (0, 1)),)),
        energy=replace(measured.energy, devices=devices),
    )
    lines = record_table.notes([measured])
    case = record_table.label(measured.case)
    assert f"{case}: 2 ranks share Tesla V100 GPU-1" in lines
    assert (
        f"{case}: GPU-1 did nothing for 37% of the time (by its utilisation), 120 mJ a step"
    ) in lines
    assert not [line for line in lines if "GPU-2" in line]


def test_packing_is_shown_against_the_triad() -> None:
    alone = record("numba", 1e-3).parallel
    assert alone is not None
    packed = replace(alone, packing_bytes_per_s=12.0e9)
    assert scaling.packing(replace(packed, packing_of_triad=0.48)) == "12.0 GB/s (48%)"
    assert scaling.packing(packed) == "12.0 GB/s"
    assert scaling.packing(alone) == ""


def test_points_without_an_efficiency_say_why_below_the_table() -> None:
    failed = record("numba", None, ranks=2, status="failed", reason="rank 1 was killed")
    crowded = record("numba", 1e-3, ranks=8)  # on 4 cores
    points = scaling.points([record("numba", 1e-3), failed, crowded], weak=False)
    assert scaling.notes(points) == [
        f"failed: {record_table.label(failed.case)}: rank 1 was killed",
        f"valid: {record_table.label(crowded.case)}: more threads than cores: no efficiency",
    ]
