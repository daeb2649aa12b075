"""Wrong kernels are caught inside the run, and what crashes, hangs or grows becomes a record."""

from __future__ import annotations

import numpy as np
import pytest

from joulia.simulation import verify

from .conftest import require


@pytest.mark.parametrize("mutant", ["noop", "stale", "swapped", "flipped", "nohalo", "drifting"])
def test_a_mutated_kernel_is_invalid_and_publishes_no_time(mutant, measured, plugins):
    (record,) = measured(
        "heat", "-b", mutant, "--shape", "12x10x8", "--param", "cfl=0.2", env=plugins
    )
    assert record["status"] == "invalid", record
    assert record["time"] is None
    assert record["rates"] is None
    assert record["energy"] is None
    assert record["reasons"]


def test_a_kernel_that_stops_after_the_first_step_is_invalid(measured, plugins):
    """It conserves what it must, and every repeat ends alike: only a first step tells it apart."""
    (record,) = measured("tracer", "-b", "stale", "--shape", "9x8x10", env=plugins)
    assert record["status"] == "invalid", record
    assert any("the first step, again" in reason for reason in record["reasons"])


def test_the_same_bridge_without_a_mutation_is_valid(measured, plugins):
    (record,) = measured("heat", "-b", "slow", "--shape", "12x10x8", env=plugins)
    assert record["status"] == "valid", record["reasons"]


def test_a_nan_is_invalid_and_named(measured, plugins):
    (record,) = measured("heat", "-b", "nan", "--size", "tiny", env=plugins)
    assert record["status"] == "invalid"
    assert "field u is not finite" in record["reasons"][0]


def test_a_crash_is_a_record_with_the_tail_of_stderr_and_the_others_go_on(measured, plugins):
    records = measured("heat", "-b", "crash", "-b", "numpy", "--size", "tiny", env=plugins)
    by = {record["case"]["bridge"]: record for record in records}
    assert by["crash"]["status"] == "failed"
    assert by["crash"]["reasons"] == ["killed by SIGSEGV"]
    assert "the runtime said something before it fell" in by["crash"]["stderr"]
    assert by["numpy"]["status"] == "valid"


def test_a_hang_ends_at_the_time_out(measured, plugins):
    (record,) = measured("heat", "-b", "hang", "--size", "tiny", "--timeout", "3", env=plugins)
    assert record["status"] == "failed"
    (reason,) = record["reasons"]
    assert reason.startswith("no result within 3 s; rank 0 is in wait (hang.py:")
    assert record["duration_s"] < 10


def test_running_out_of_memory_is_a_failed_record(measured, plugins):
    (record,) = measured("heat", "-b", "hungry", "--size", "tiny", env=plugins)
    assert record["status"] == "failed"
    assert "MemoryError" in record["reasons"][0]


def test_a_rank_that_dies_takes_its_case_down_within_the_time_out(measured, plugins):
    records = measured(
        "heat", "-b", "lostrank", "-b", "numpy", "--size", "tiny", "--ranks", "2",
        "--timeout", "60", env=plugins,
    )  # fmt: skip
    by = {record["case"]["bridge"]: record for record in records}
    assert by["lostrank"]["status"] == "failed"
    assert by["lostrank"]["reasons"][0].startswith("rank 1: killed by SIGKILL")
    assert by["lostrank"]["duration_s"] < 50
    assert by["numpy"]["status"] == "valid"


def test_a_third_partys_kernel_runs_on_its_own_versions(measured, plugins):
    records = measured("cooling", "-b", "numpy", "-b", "numba", "--size", "tiny", env=plugins)
    by = {record["case"]["bridge"]: record for record in records}
    assert by["numpy"]["status"] == "valid", by["numpy"]["reasons"]
    assert by["numba"]["status"] == "skipped"
    assert "cooling_numba.py" in by["numba"]["reasons"][0]


def test_a_plug_in_that_does_not_import_is_named_and_harms_nothing(joulia, plugins):
    done = joulia("list", env=plugins)
    assert done.returncode == 0, done.stderr
    assert "a_module_that_does_not_exist" in done.stdout
    assert "hollow: joulia_example.hollow has no SUFFIX, devices, start, load, cache" in done.stdout
    assert "\ncooling " in done.stdout


def test_a_third_partys_julia_source_is_compiled_into_the_package(measured, plugins):
    require("julia")
    (record,) = measured("cooling", "-b", "julia", "--size", "tiny", env=plugins)
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["startup"]["cache"] == "cold"


@pytest.mark.parametrize("shape", [(0,), (200_001,), (70, 41, 53)])
def test_the_largest_difference_is_that_of_the_whole_array(shape: tuple[int, ...]) -> None:
    """Looked at by parts that stay in a cache: the last cell counts, a NaN anywhere shows."""
    host, other = np.ones(shape), np.full(shape, 1.25)
    assert verify.magnitude(host, other) == (0.25 if host.size else 0.0)
    if host.size:
        host.flat[-1] = -9.0
        assert verify.magnitude(host) == 9.0
        assert verify.magnitude(host, other) == 10.25
        host.flat[host.size // 2] = np.nan
        assert np.isnan(verify.magnitude(host))
