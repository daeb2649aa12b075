"""Conditions: who disturbed a sample, what a GPU told, and waiting for quiet."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trees
from fake_nvml import FakeGpu, FakeNvml
from virtual import VirtualClock

from joulia.errors import JouliaError
from joulia.measure.conditions import Watch
from joulia.meters import nvml
from joulia.parallel.comm import OneRank
from joulia.records import store
from joulia.records.conditions import GpuConditions
from joulia.runner import quiet
from joulia.system import machine

UUID = "GPU-abc00000-0000-0000-0000-000000000000"


# ---- who used the cores --------------------------------------------------------------------


class Node:
    """A node with two cores under a root, a case on it that uses `own` of their time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = VirtualClock()
        self.own_s = 0.0
        self.user, self.idle, self.steal = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        self.tell()

    def tell(self) -> None:
        trees.proc_stat(self.root, *zip(self.user, self.idle, self.steal, strict=True))

    def run(
        self, seconds: float, *, own: float, others: Sequence[float], stolen: float = 0.0
    ) -> None:
        """`own` CPU seconds a second on core 0, of others on each core, of the hypervisor on 0."""
        self.clock.sleep(seconds)
        self.own_s += own * seconds
        for core, share in enumerate(others):
            used = share + (own if core == 0 else 0.0)
            lost = stolen if core == 0 else 0.0
            self.user[core] += used * seconds
            self.steal[core] += lost * seconds
            self.idle[core] += (1.0 - used - lost) * seconds
        self.tell()

    def watch(self, cores: Sequence[int] = (0, 1), comm: Any = None, **more: Any) -> Watch:
        watch = Watch(
            comm or OneRank(), ["node"] * (comm.size if comm else 1), None, cores,
            root=self.root, clock=self.clock, own=lambda: self.own_s, **more,
        )  # fmt: skip
        watch.bound, watch.usable = [0], list(cores)
        return watch


def sampled(node: Node, watch: Watch, loads: Sequence[dict[str, Any]], seconds: float) -> Any:
    for each in loads:
        watch.before()
        node.run(seconds, **each)
        watch.after()
    return watch.conditions()


QUIET = {"own": 0.97, "others": (0.02, 0.01)}
FIGHT = {"own": 0.39, "others": (0.61, 0.6)}


def test_a_slow_median_is_explained_by_other_programs(tmp_path: Path) -> None:
    """544 ms where 75 ms is right: another program had 61 % of the core."""
    node = Node(tmp_path)
    observed = sampled(node, node.watch(), [QUIET, FIGHT, QUIET, FIGHT, FIGHT], 0.5)
    assert observed.disturbed == (1, 3, 4)
    assert observed.others == pytest.approx([0.02, 0.61, 0.02, 0.61, 0.61], abs=0.02)
    assert (
        observed.note
        == "3 of 5 samples were disturbed: other programs used up to 61 % of the cores"
    )


def test_a_quiet_node_says_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path)
    observed = sampled(node, node.watch(), [QUIET] * 4, 0.5)
    assert (observed.disturbed, observed.note) == ((), None)
    assert max(observed.others) <= 0.05


def test_a_neighbour_on_a_core_that_the_case_might_use_disturbs(tmp_path: Path) -> None:
    """It takes memory bandwidth and turbo; a core that is not lent to us is not ours to watch."""
    node = Node(tmp_path)
    beside = {"own": 1.0, "others": (0.0, 1.0)}
    assert sampled(node, node.watch(), [beside] * 2, 0.5).disturbed == (0, 1)
    assert sampled(node, node.watch(cores=[0]), [beside] * 2, 0.5).disturbed == ()


def test_time_that_the_hypervisor_took(tmp_path: Path) -> None:
    node = Node(tmp_path)
    stolen = {"own": 0.7, "others": (0.0, 0.0), "stolen": 0.3}
    observed = sampled(node, node.watch(), [stolen] * 2, 0.5)
    assert observed.stolen == pytest.approx([0.3, 0.3], abs=0.02)
    assert observed.note == "2 of 2 samples were disturbed: the hypervisor took up to 30 %"


def test_others_and_the_hypervisor_disturb_together(tmp_path: Path) -> None:
    """Neither alone is above a tenth; each that has half of that and more is told."""
    node = Node(tmp_path)
    both = {"own": 0.8, "others": (0.08, 0.0), "stolen": 0.07}
    observed = sampled(node, node.watch(), [both] * 2, 1.0)
    assert observed.disturbed == (0, 1)
    assert observed.note == (
        "2 of 2 samples were disturbed: other programs used up to 8 % of the cores, "
        "the hypervisor took up to 7 %"
    )


def test_short_samples_share_the_figure_of_a_spell(tmp_path: Path) -> None:
    """The gate's windows of 2 ms are shorter than a tick: together they are long enough."""
    node = Node(tmp_path)
    observed = sampled(node, node.watch(), [QUIET] * 20 + [FIGHT] * 25, 0.02)
    assert observed.disturbed == tuple(range(15, 45))  # 15 samples a spell; the second is mixed
    assert (
        observed.others[0] == observed.others[14] < 0.1 < observed.others[15] < observed.others[44]
    )
    few = sampled(node, node.watch(), [FIGHT] * 3, 0.02)
    assert (few.others, few.disturbed, few.note) == ((None,) * 3, (), None)


def test_where_nobody_tells_nothing_is_disturbed_and_nothing_is_quiet(tmp_path: Path) -> None:
    node = Node(tmp_path)
    (tmp_path / "proc/stat").unlink()
    node.tell = lambda: None  # type: ignore[method-assign]
    observed = sampled(node, node.watch(), [FIGHT] * 2, 0.5)
    assert (observed.others, observed.stolen, observed.disturbed) == (
        (None, None),
        (None, None),
        (),
    )


class Pair:
    """Rank 0 of two: what the other one gives stands ready."""

    rank, size = 0, 2

    def __init__(self, *other: Any) -> None:
        self.other = list(other)

    def allgather(self, value: Any) -> list[Any]:
        return [value, self.other.pop(0)(value)]


def test_the_time_of_all_own_ranks_of_a_node_is_no_disturbance(tmp_path: Path) -> None:
    """Both cores are busy, one with each rank: without the second's time it would be a stranger."""
    node = Node(tmp_path)

    def follower(watched: Any) -> Any:
        return dataclasses.replace(watched, leads=False)

    both = {"own": 0.95, "others": (0.0, 0.95)}
    observed = sampled(node, node.watch(comm=Pair(lambda cores: {1}, follower)), [both] * 2, 0.5)
    assert observed.disturbed == ()
    alone = sampled(node, node.watch(), [both] * 2, 0.5)
    assert alone.disturbed == (0, 1)


def test_facts_of_the_record_come_from_before_and_after_the_samples(tmp_path: Path) -> None:
    node = Node(trees.ac922_conditions(tmp_path))
    watch = node.watch()
    watch.before()
    node.run(0.5, **QUIET)
    trees.ac922_conditions(tmp_path, throttled=2)
    hot = {"sys/class/hwmon/hwmon3/temp2_input": 84_000}
    slow = {f"{trees.CPU}/cpu0/cpufreq/scaling_cur_freq": 2_300_000}
    trees.put(tmp_path, hot | slow)
    watch.after()
    observed = watch.conditions()
    assert (observed.temperature_before_c, observed.temperature_c, observed.throttlings) == (
        61.0,
        84.0,
        2,
    )
    assert (observed.clock_before_hz, observed.clock_hz) == (3.783e9, 2.3e9)
    assert (observed.governor, observed.turbo, observed.smt, observed.memory_nodes) == (
        "performance", True, 4, "0,8",
    )  # fmt: skip


# ---- GPUs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [UUID, "0000:01:00.0"])
def test_a_gpu_at_its_power_cap(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A V100 limited to 200 W that grows hot; named by its UUID or by its PCI bus id."""
    gpu = FakeGpu(UUID, bus_id="0000:01:00.0", clock_mhz=1380, limit_mw=200_000)
    library = FakeNvml(VirtualClock(), [gpu])
    monkeypatch.setattr(nvml, "load", lambda: library)
    watch = Watch(OneRank(), ["node"], device)
    watch.before()
    gpu.clock_mhz, gpu.celsius, gpu.throttle = 1005, 83, 0x1 | 0x4 | 0x20
    watch.after()
    (observed,) = watch.conditions().gpus
    throttles = ("power cap", "temperature (software)")
    assert observed == GpuConditions(UUID, 1380e6, 1005e6, 41.0, 83.0, 200.0, throttles)


def test_what_a_gpu_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu(UUID, clock_mhz=None, celsius=None, limit_mw=None, throttle=None)
    monkeypatch.setattr(nvml, "load", lambda: FakeNvml(VirtualClock(), [gpu]))
    watch = Watch(OneRank(), ["node"], UUID)
    watch.before()
    watch.after()
    assert watch.conditions().gpus == (GpuConditions(UUID, None, None, None, None, None, None),)


# ---- real runs -----------------------------------------------------------------------------

REAL = ("run", "heat", "-b", "numpy", "--size", "small", "--threads", "1", "--no-ceiling")
REAL += ("--window", "0.4", "--repeats", "2", "--no-resume")


def run_real(joulia: Callable[..., Any], output: Path, *more: str, **given: Any) -> tuple[Any, str]:
    done = joulia(*REAL, *more, "-o", output, **given)
    assert done.returncode == 0, done.stderr
    (measured,) = store.load(output)
    assert measured.conditions is not None
    return measured.conditions, done.stdout + done.stderr


def test_a_real_run_beside_a_busy_loop_on_its_core_is_marked(
    joulia: Callable[..., Any], tmp_path: Path
) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(busy.pid, {machine.usable_cores()[0]})
        observed, output = run_real(joulia, tmp_path / "r.jsonl", env={"COLUMNS": "400"})
    finally:
        busy.kill()
        busy.wait()
    assert observed.disturbed == (0, 1)
    assert min(observed.others) > 0.2  # half of the core that both want
    assert "1 case was disturbed: other programs used up to" in output


@contextmanager
def idle_machine(root: Path) -> Iterator[Path]:
    """A tree whose /proc/stat tells of cores that nobody else uses, in real time."""
    stop = threading.Event()
    cores = max(machine.usable_cores()) + 1

    def tell() -> None:
        trees.proc_stat(root, *[(1.0, 100.0 + time.monotonic(), 0.0)] * cores)

    def keep() -> None:
        while not stop.wait(0.02):
            tell()

    tell()
    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield root
    finally:
        stop.set()
        thread.join()


def test_a_real_run_on_an_idle_machine_says_nothing(
    joulia: Callable[..., Any], tmp_path: Path
) -> None:
    with idle_machine(tmp_path / "root") as root:
        observed, output = run_real(
            joulia, tmp_path / "r.jsonl", "--quiet-for", "0.3", env={"JOULIA_ROOT": str(root)}
        )
    assert observed.others == (0.0, 0.0)
    assert (observed.disturbed, observed.note) == ((), None)
    assert "disturbed" not in output
    assert "quiet after 0 s" in output
    assert observed.quiet is True
    assert 0.3 <= observed.waited_s < 60.0


# ---- waiting for quiet ---------------------------------------------------------------------


def wait(node: Node, seconds: float, loads: Callable[[float], dict[str, Any]]) -> quiet.Wait:
    def sleep(some: float) -> None:
        node.run(some, **loads(node.clock()))

    return quiet.wait_for_quiet(
        seconds, root=node.root, clock=node.clock, sleep=sleep, own=lambda: 0.0
    )


def busy_until(end: float) -> Callable[[float], dict[str, Any]]:
    cores = len(machine.usable_cores())
    return lambda now: {"own": 0.0, "others": (0.9 if now < end else 0.01,) * cores}


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: [0, 1])
    monkeypatch.setattr(quiet, "usable_cores", lambda: [0, 1])


def test_a_run_waits_until_a_build_beside_it_is_done(tmp_path: Path, two_cores: None) -> None:
    waited = wait(Node(tmp_path), 5.0, busy_until(20.0))
    assert waited == quiet.Wait(25.0, True, pytest.approx(0.01))
    assert str(waited) == "quiet after 25 s"


def test_a_run_does_not_wait_for_ever(tmp_path: Path, two_cores: None) -> None:
    waited = wait(Node(tmp_path), 5.0, busy_until(1e9))
    assert (waited.seconds, waited.quiet) == (quiet.LONGEST_S, False)
    assert str(waited) == (
        "not quiet within 600 s: others used 90 % of the cores; measured all the same"
    )


def test_quiet_cannot_be_waited_for_where_nobody_tells(
    joulia: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(JouliaError, match="--quiet-for is not allowed here"):
        quiet.wait_for_quiet(1.0, root=tmp_path, sleep=lambda s: None)
    done = joulia(*REAL, "--quiet-for", "0", "-o", tmp_path / "r.jsonl")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
