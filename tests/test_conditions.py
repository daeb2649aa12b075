"""Conditions: what a node tells, who disturbed a sample, and what follows for those who read."""

from __future__ import annotations

import dataclasses
import json
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

from joulia.analysis import compare, record_table, tables
from joulia.errors import JouliaError
from joulia.measure.conditions import Watch
from joulia.meters import nvml
from joulia.parallel.comm import OneRank
from joulia.records import store
from joulia.records.parts import Conditions, GpuConditions
from joulia.records.record import Record
from joulia.report import page
from joulia.runner import quiet
from joulia.system import conditions, machine

from .results import record, write

FIRST = Path(__file__).parent / "data" / "records-of-0.1.0-first.jsonl"
UUID = "GPU-abc00000-0000-0000-0000-000000000000"


# ---- what a node tells ---------------------------------------------------------------------


def test_an_ac922(tmp_path: Path) -> None:
    root = trees.ac922_conditions(tmp_path)
    assert conditions.governor(root, range(4)) == "performance"
    assert conditions.turbo(root) is True
    assert conditions.smt(root, [0, 1]) == 4
    assert conditions.clock_hz(root, range(4)) == 3.783e9
    assert conditions.temperature_c(root) == 61.0  # the disk is hotter, but no processor
    assert conditions.throttlings(root) == 0
    assert conditions.throttlings(trees.ac922_conditions(tmp_path, throttled=2)) == 2
    assert conditions.package_limits_w(root) == ()
    assert conditions.huge_pages(root) == "always"
    assert conditions.memory_nodes(root) == "0,8"
    assert conditions.load(root) == 3.14


def test_a_laptop_that_saves_power(tmp_path: Path) -> None:
    root = trees.laptop_conditions(tmp_path)
    assert conditions.governor(root, [0, 1]) == "powersave"
    assert conditions.turbo(root) is False
    assert conditions.smt(root, [0]) == 2
    assert conditions.clock_hz(root, [0, 1]) == 1.0e9
    assert conditions.temperature_c(root) == 47.0
    assert conditions.throttlings(root) == 7
    assert conditions.package_limits_w(root) == (28.0,)
    assert conditions.huge_pages(root) == "madvise"


def test_clocks_from_cpuinfo_where_there_is_no_cpufreq(tmp_path: Path) -> None:
    """A virtual machine on x86, and a POWER9 as /proc/cpuinfo writes it."""
    x86 = "".join(f"processor\t: {n}\ncpu MHz\t\t: {2400.5 + n}\n\n" for n in range(4))
    trees.put(tmp_path, {"proc/cpuinfo": x86})
    assert conditions.clock_hz(tmp_path, [2]) == 2402.5e6
    power = "processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 3783.000000MHz\n"
    trees.put(tmp_path, {"proc/cpuinfo": power})
    assert conditions.clock_hz(tmp_path, [0]) == 3783e6


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    """Unknown is None, never 0 and never off."""
    assert conditions.cpu_time(tmp_path) is None
    readers = (
        conditions.load, conditions.turbo, conditions.temperature_c, conditions.throttlings,
        conditions.quota_cores, conditions.quota_throttled_s, conditions.huge_pages,
        conditions.memory_nodes,
    )  # fmt: skip
    assert [reader(tmp_path) for reader in readers] == [None] * len(readers)
    assert conditions.governor(tmp_path, [0]) is None
    assert conditions.smt(tmp_path, [0]) is None
    assert conditions.clock_hz(tmp_path, [0]) is None
    assert conditions.waiting({}) == {}


def test_half_a_core_in_a_container(tmp_path: Path) -> None:
    """Version 2: Docker with --cpus=0.5, the limit in the cgroup above the process's own."""
    pod = "sys/fs/cgroup/system.slice/docker-1.scope"
    trees.put(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/docker-1.scope/init",
            f"{pod}/cpu.max": "50000 100000",
            f"{pod}/init/cpu.max": "max 100000",
            f"{pod}/init/cpu.stat": "usage_usec 9000000\nnr_throttled 7\nthrottled_usec 1500000",
        },
    )
    assert conditions.quota_cores(tmp_path) == 0.5
    assert conditions.quota_throttled_s(tmp_path) == 1.5


@pytest.mark.parametrize(("quota", "cores"), [(-1, None), (250_000, 2.5)])
def test_a_quota_of_version_1(tmp_path: Path, quota: int, cores: float | None) -> None:
    """Kubernetes on an older kernel; -1 is no limit. The path is the host's, not its own."""
    group = "sys/fs/cgroup/cpu,cpuacct"
    trees.put(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/kubepods/x\n4:cpu,cpuacct:/kubepods/x\n0::/kubepods/x",
            f"{group}/cpu.cfs_quota_us": quota,
            f"{group}/cpu.cfs_period_us": 100_000,
            f"{group}/cpu.stat": "nr_periods 10\nnr_throttled 1\nthrottled_time 20000000",
        },
    )
    assert conditions.quota_cores(tmp_path) == cores
    assert conditions.quota_throttled_s(tmp_path) == pytest.approx(0.02)


def test_how_threads_wait_is_kept() -> None:
    environment = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0", "PATH": "/bin"}
    assert conditions.waiting(environment) == {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}


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
    assert "(quiet after 0 s)" in output
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
        under(record("numpy"), **DISTURBED),
        under(record("julia")),
    ]
    line = (
        "3 cases were disturbed: other programs used up to 61 % of the cores "
        "(numba euler 32x32x32, numpy heat 64x64x64, numba heat 64x64x64)"
    )
    shape = "x".join(map(str, records[1].case.shape))
    line = line.replace("32x32x32", shape)
    assert [each for each in record_table.notes(records) if "disturbed" in each] == [line]
    assert line in page.build(records)
    assert "disturbed" not in "".join(record_table.notes([under(record())]))
    assert "disturbed" not in page.build([under(record()), under(record("numba", 5e-4))])


def test_show_tells_who_was_held_back_and_throttled() -> None:
    records = [under(record(), quota_throttled_s=1.5, throttlings=3)]
    notes = record_table.notes(records)
    assert "1 case was held back by a CPU quota, for up to 1.5 s (numpy heat 64x64x64)" in notes
    assert "1 case was throttled by the processor, up to 3 times (numpy heat 64x64x64)" in notes


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
