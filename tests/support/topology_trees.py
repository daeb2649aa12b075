"""Fake trees of processors: what kernels tell of cores, siblings, memory nodes and quotas.

Each names the listing that it imitates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trees import put

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def processors(
    root: Path,
    count: int,
    siblings: Callable[[int], str],
    package: Callable[[int], int] = lambda cpu: 0,
    nodes: Mapping[int, str] | None = None,
    names: Sequence[str] = ("core_cpus_list", "thread_siblings_list"),
) -> Path:
    files: dict[str, object] = {}
    for cpu in range(count):
        topology = f"{CPU}/cpu{cpu}/topology"
        files |= {f"{topology}/{name}": siblings(cpu) for name in names}
        files[f"{topology}/physical_package_id"] = package(cpu)
    files |= {f"{NODE}/node{node}/cpulist": cpus for node, cpus in (nodes or {}).items()}
    files[f"{NODE}/possible"] = "0-255"
    return put(root, files)


def ac922(root: Path) -> Path:
    """IBM AC922 as at Satori: 2 sockets of 20 cores with 4 threads, siblings 4k to 4k+3.

    As lscpu lists a POWER9 of two sockets (G. Samu, NUMA on POWER9, 2022: 0-63 and 64-127 on the
    nodes 0 and 8, there 16 cores a socket), with the memory of GPUs as nodes without processors
    (Documentation/powerpc/associativity.rst; nodes 252 to 255 of an AC922 with four V100). RHEL 7's
    kernel has the older name of the siblings alone.
    """
    return processors(
        root,
        160,
        lambda cpu: f"{cpu - cpu % 4}-{cpu - cpu % 4 + 3}",
        lambda cpu: 0 if cpu < 80 else 8,
        {0: "0-79", 8: "80-159", 252: "", 253: "", 254: "", 255: ""},
        names=("thread_siblings_list",),
    )


def epyc(root: Path) -> Path:
    """Two AMD EPYC of 64 cores with 2 threads, siblings i and i+128, four memory nodes a socket.

    As ECMWF's documentation of its Atos HPCF lists tasks ("HPC2020: Affinity": task 0 on 0,128 of
    node 0, task 127 on 127,255 of node 7).
    """
    nodes = {n: f"{16 * n}-{16 * n + 15},{128 + 16 * n}-{128 + 16 * n + 15}" for n in range(8)}
    return processors(
        root,
        256,
        lambda cpu: f"{cpu % 128},{cpu % 128 + 128}",
        lambda cpu: cpu % 128 // 64,
        nodes,
    )


def hybrid_laptop(root: Path) -> Path:
    """Intel Core i7-1260P: 4 P cores with two threads (0-7), 8 E cores with one (8-15).

    `cpu_core` and `cpu_atom` as arch/x86/events/intel/core.c makes them for hybrid processors
    (`init_hybrid_pmu`, attribute `cpus`).
    """
    processors(
        root,
        16,
        lambda cpu: f"{cpu - cpu % 2}-{cpu - cpu % 2 + 1}" if cpu < 8 else str(cpu),
        nodes={0: "0-15"},
    )
    return put(root, {"sys/devices/cpu_core/cpus": "0-7", "sys/devices/cpu_atom/cpus": "8-15"})


def big_little(root: Path) -> Path:
    """Rockchip RK3399: 4 Cortex-A53 (0-3) of capacity 485, 2 Cortex-A72 (4-5) of 1024.

    arch/arm64/boot/dts/rockchip/rk3399-base.dtsi, `capacity-dmips-mhz`, shown as `cpu_capacity`.
    """
    processors(root, 6, str, nodes={0: "0-5"})
    capacities = {f"{CPU}/cpu{cpu}/cpu_capacity": 485 if cpu < 4 else 1024 for cpu in range(6)}
    return put(root, capacities)


def quota(root: Path, limit: str) -> Path:
    """A container of a cgroup of version 2: `cpu.max` as in Documentation/admin-guide/cgroup-v2."""
    return put(root, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": limit})


def silent(root: Path) -> Path:
    """gVisor's runsc: a sysfs with the list of processors, without a topology or memory nodes.

    pkg/sentry/fsimpl/sys: `cpuN` are empty folders beside `online`, `possible` and `present`.
    """
    return put(root, {f"{CPU}/{name}": "0-3" for name in ("online", "possible", "present")})
