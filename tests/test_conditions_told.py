"""Conditions that a node tells: an AC922, a laptop, containers, a machine that tells nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import trees

from joulia.system import conditions, topology

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
    """As Linux' arch/x86/kernel/cpu/proc.c and arch/powerpc/kernel/setup-common.c write it."""
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


NONSENSE = (b"", b"nonsense", b"\xff\xfe\n", b"-1", b"1 2", b"0-x", b"nan", b"inf", b"100 0",
            b"x 100", b"0::", b"cpu0 1 2 x 4 5\ncpu 1 2 3 4 5\ncpu1 1 2 3 4 5")  # fmt: skip


def test_a_file_that_holds_nonsense_tells_nothing_and_stops_nothing(tmp_path: Path) -> None:
    """As what containers put in the place of /proc and /sys (lxcfs, gVisor) may: each file in turn,
    and whatever else the node tells is still told."""
    trees.laptop_conditions(trees.ac922_conditions(tmp_path))
    trees.proc_stat(tmp_path, (1.0, 2.0, 0.0), (1.0, 2.0, 0.0))
    first, second = "sys/fs/cgroup/cpu", "sys/fs/cgroup/user.slice"
    granted = {"cpu.cfs_quota_us": 50_000, "cpu.cfs_period_us": 100_000}
    siblings = {f"{trees.CPU}/cpu{n}/topology/core_cpus_list": "0-1" for n in range(2)}
    trees.put(tmp_path, {f"{first}/{name}": value for name, value in granted.items()} | siblings)
    trees.put(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu:/x\n0::/user.slice",
            f"{second}/cpu.max": "50000 100000",
            f"{second}/cpu.stat": "throttled_usec 1500000",
            "proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2400.5\n",
        },
    )

    def told() -> dict[str, object]:
        return conditions.facts(tmp_path, [0, 1]) | {
            "cpu": conditions.cpu_time(tmp_path, [0, 1]),
            "all": conditions.cpu_time(tmp_path),
            "clock": conditions.clock_hz(tmp_path, [0, 1]),
            "temperature": conditions.temperature_c(tmp_path),
            "throttlings": conditions.throttlings(tmp_path),
            "throttled": conditions.quota_throttled_s(tmp_path),
            "topology": topology.read([0, 1], tmp_path),
        }

    whole = told()
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        content = file.read_bytes()
        for nonsense in NONSENSE:
            file.write_bytes(nonsense)
            changed = {name for name, value in told().items() if value != whole[name]}
            assert len(changed) <= 3, (file, nonsense, changed)
        file.write_bytes(content)


def test_half_a_core_in_a_container(tmp_path: Path) -> None:
    """Version 2: Docker with --cpus=0.5, the limit in the cgroup above the process's own.

    Names and units are those of Documentation/admin-guide/cgroup-v2.rst (`cpu.max`, `cpu.stat`).
    """
    pod = "sys/fs/cgroup/system.slice/docker-1.scope"
    trees.put(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/docker-1.scope/init",
            "sys/fs/cgroup/system.slice/cpu.max": "400000 100000",
            f"{pod}/cpu.max": "50000 100000",
            f"{pod}/init/cpu.max": "max 100000",
            f"{pod}/init/cpu.stat": "usage_usec 9000000\nnr_throttled 7\nthrottled_usec 1500000",
        },
    )
    assert conditions.quota_cores(tmp_path) == 0.5
    assert conditions.quota_throttled_s(tmp_path) == 1.5


@pytest.mark.parametrize(("quota", "cores"), [(-1, None), (250_000, 2.5)])
def test_a_quota_of_version_1(tmp_path: Path, quota: int, cores: float | None) -> None:
    """Kubernetes on an older kernel; -1 is no limit. The path is the host's, not its own.

    Documentation/scheduler/sched-bwc.rst names the files.
    """
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
