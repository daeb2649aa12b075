"""Threads are counted, not believed: the CPU time of each is held against the case."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from joulia.measure.threads import Count, ThreadTimes, computing, failures, farthest
from joulia.parallel.comm import OneRank
from joulia.system import threads

from .conftest import require

Measured = Callable[..., list[dict[str, Any]]]


# ---- the clocks ----------------------------------------------------------------------------


def busy(seconds: float) -> None:
    """Use CPU time without the interpreter's lock, so that others can do so at the same time."""
    block, ended = bytes(1 << 20), time.thread_time() + seconds
    while time.thread_time() < ended:
        hashlib.sha256(block)


def test_each_thread_has_a_clock_of_nanoseconds() -> None:
    ready, go, done, leave = (threading.Event() for _ in range(4))

    def work() -> None:
        ready.set()
        go.wait()
        busy(0.005)
        done.set()
        leave.wait()

    worker = threading.Thread(target=work)
    worker.start()
    ready.wait()
    before = threads.cpu_seconds()
    go.set()
    done.wait()
    after = threads.cpu_seconds()
    leave.set()
    worker.join()
    assert before
    assert after
    assert worker.native_id is not None
    assert 0.005 <= after[worker.native_id] - before[worker.native_id] < 0.05


def test_a_system_without_tasks_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As macOS, which has no /proc: nothing is counted, and nobody is accused."""
    monkeypatch.setattr(threads, "TASKS", tmp_path / "none")
    assert threads.cpu_seconds() is None
    times = counting(1)
    times.before()
    times.after(1)
    assert times.counted() is None
    assert failures([Count(None)], 2, {}) == []
    assert farthest([Count(None)], 2) is None


# ---- who computes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("microseconds", "wanted", "number"),
    [
        # CPU time a step as seen: heat 4x4x4 and 64x64x64, GNU's default and passive
        ((43.63, 43.51), 2, 2),
        ((184.96, 119.86), 2, 2),
        ((436.12, 397.04), 2, 2),
        # Julia with its listener for signals and the threads of its collector
        ((33.24, 31.99, 0.0, 0.0, 0.0), 2, 2),
        # a collector of garbage at work now and then
        ((5460.0, 5335.0, 12.0, 11.0), 2, 2),
        # OMP_THREAD_LIMIT=1, also beside a thread that polls meters
        ((15.16,), 2, 1),
        ((15.16, 0.01), 2, 1),
        ((50000.0, 0.4), 2, 1),
        # a rank that spins for another's halo a hundred times as long as its team works
        ((3000.0, 12.0), 2, 2),
        # a thread too many: a library's own, on a core that it shares
        ((50.0, 48.0), 1, 2),
        ((40.0, 39.0, 12.0), 2, 3),
        # POWER9, all 160 hardware threads
        ((90.0,) * 160, 160, 160),
        ((90.0,) * 159, 160, 159),
    ],
)
def test_threads_that_used_cpu_time_compute(
    microseconds: tuple[float, ...], wanted: int, number: int
) -> None:
    steps = 200
    assert computing([1e-6 * steps * each for each in microseconds], wanted, steps) == number


def counting(
    wanted: int,
    *,
    hands_out: bool = False,
    apart: frozenset[int] = frozenset(),
    helpers: frozenset[int] = frozenset(),
) -> Any:
    comm = OneRank()
    comm.helpers = apart
    case = SimpleNamespace(threads=wanted, on_gpu=False)
    ops = SimpleNamespace(hands_out=hands_out, pool=None, helpers=helpers)
    run: Any = SimpleNamespace(case=case, ops=ops, feed=None)
    return ThreadTimes(run, comm)


def test_a_pool_that_a_runtime_starts_by_itself_is_seen() -> None:
    """A case of one thread whose library computes on a second one, as XLA's pools do."""
    ready, go, done, leave = (threading.Event() for _ in range(4))

    def work() -> None:
        ready.set()
        go.wait()
        busy(0.01)
        done.set()
        leave.wait()

    worker = threading.Thread(target=work)
    worker.start()
    ready.wait()
    assert worker.native_id is not None
    own = frozenset({worker.native_id})
    every = [counting(1), counting(1, hands_out=True)]
    every += [counting(1, apart=own), counting(1, helpers=own)]
    for times in every:
        times.before()
    go.set()
    busy(0.01)
    done.wait()
    for times in every:
        times.after(1)
    leave.set()
    worker.join()
    assert [times.counted() for times in every] == [2, 1, 1, 1]


def test_reasons_name_both_numbers_and_the_remedy() -> None:
    limited = {"OMP_THREAD_LIMIT": "1", "KMP_HW_SUBSET": ""}
    assert failures([Count(2), Count(1)], 2, limited) == [
        "rank 1: 1 thread computed where the case has 2: unset OMP_THREAD_LIMIT=1, or run it with "
        "--threads 1"
    ]
    (many,) = failures([Count(3)], 2, {})
    assert many.startswith("3 threads computed where the case has 2: run it with --threads 3, or")
    (few,) = failures([Count(1, again=1)], 2, {})
    assert "lift what limits them" in few
    assert failures([Count(1, again=2)], 2, limited) == []  # its grid had no work for two
    assert farthest([Count(2), Count(1)], 2) == 1


# ---- real cases ----------------------------------------------------------------------------


def numbers(records: list[dict[str, Any]]) -> list[tuple[str, int, int | None]]:
    assert {record["status"] for record in records} == {"valid"}, [r["reasons"] for r in records]
    return [
        (record["case"]["bridge"], record["case"]["threads"], record["conditions"]["threads"])
        for record in records
    ]


@pytest.mark.parametrize("shape", ["4x4x4", "1x40x300"])
def test_threads_of_every_backend_are_counted_at_any_size(measured: Measured, shape: str) -> None:
    require("occa:openmp")
    backends = [text for name in ("numpy", "numba", "occa:serial") for text in ("-b", name)]
    alone = numbers(measured("heat", *backends, "--shape", shape, "--threads", "1"))
    assert [(wanted, counted) for _, wanted, counted in alone] == [(1, 1)] * 3


@pytest.mark.parametrize("wait", ["default", "active", "passive"])
def test_threads_that_wait_are_counted(measured: Measured, wait: str) -> None:
    require("occa:openmp")
    asked = ["stream", "-b", "numba", "-b", "occa:openmp", "--shape", "9", "--threads", "2"]
    records = numbers(measured(*asked, "--wait", wait, "--oversubscribe"))
    assert records == [("numba", 2, 2), ("occa", 2, 2)]


@pytest.mark.parametrize("kernel", ["stream", "heat"])
def test_threads_of_julia_are_counted_where_the_grid_feeds_them(
    measured: Measured, kernel: str
) -> None:
    """Its threads get 16384 elements a piece: those of stream's tiny arrays are one."""
    require("julia")
    asked = (kernel, "-b", "julia", "--size", "tiny", "--threads", "2", "--oversubscribe")
    assert numbers(measured(*asked)) == [("julia", 2, {"stream": 1, "heat": 2}[kernel])]


JULIA = """
from joulia.parallel.comm import OneRank
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case
from joulia.system.threads import cpu_seconds
run = set_up(make_case("heat", "julia", shape=(64, 64, 64), threads=2), OneRank())
run.steps(20)
before = cpu_seconds()
run.steps(500)
grown = {thread: seconds - before.get(thread, 0.0) for thread, seconds in cpu_seconds().items()}
busiest = sorted(grown, key=grown.get)[-2:]
print(len(run.ops.helpers) > 0, any(thread in run.ops.helpers for thread in busiest))
"""


def test_julias_collector_of_garbage_is_none_of_the_threads_that_compute() -> None:
    require("julia")
    done = subprocess.run([sys.executable, "-c", JULIA], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_limit_on_threads_makes_the_case_invalid(measured: Measured) -> None:
    require("occa:openmp")
    asked = ["heat", "-b", "numba", "-b", "occa:openmp", "--size", "tiny", "--threads", "2"]
    records = measured(*asked, "--oversubscribe", env={"OMP_THREAD_LIMIT": "1"})
    reason = "1 thread computed where the case has 2: unset OMP_THREAD_LIMIT=1, or run it with"
    for record in records:
        assert record["status"] == "invalid"
        assert record["reasons"] == [f"{reason} --threads 1"]
        assert (record["time"], record["conditions"]["threads"]) == (None, 1)
    assert len(records) == 2


def test_a_layer_of_numba_that_hands_work_out_is_counted_without_its_main_thread(
    measured: Measured,
) -> None:
    """And a number of Numba's own, lowered in a user's profile, is overruled."""
    asked = ("stream", "-b", "numba", "--size", "tiny", "--threads", "2", "--oversubscribe")
    mine = {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "1"}
    assert numbers(measured(*asked, env=mine)) == [("numba", 2, 2)]
