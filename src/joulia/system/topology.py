"""Which hardware threads share a core, a memory node, a package; and which of them ranks take.

As the kernel tells below a root (Documentation/ABI/stable/sysfs-devices-system-cpu and
sysfs-devices-node, Documentation/admin-guide/cputopology.rst): a hardware thread without a listing,
as on many virtual machines, counts as a core of its own.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joulia.system.conditions import CPU, quota_cores
from joulia.system.files import cores_of, number, text

LITTLE = 0.5
"""Cores below this share of the highest capacity are the slow kind. Little cores of Arm's pairs
have 250 to 490 of 1024 in the kernel's device trees; several clocks of one kind have 850 and more.
"""


@dataclass(frozen=True)
class Core:
    """A physical core, as far as this process may use it."""

    threads: tuple[int, ...]
    """Its hardware threads that may be used, in the order in which they are taken."""
    node: int
    """Its memory node."""
    package: int
    """Its package (socket)."""
    fast: bool = True
    """Whether it is of the fastest kind of cores that this machine has."""


@dataclass(frozen=True)
class Topology:
    """The cores that may be used, in the order in which they are taken."""

    cores: tuple[Core, ...]
    quota_cores: float | None = None
    """The CPU time that cgroups grant, in cores; None where they set no limit."""

    def holds(self, threads: int) -> bool:
        """Whether so many threads run at the same time: several on a core, none above the quota.

        If not, they take turns: that is what oversubscribed means.
        """
        every = sum(len(core.threads) for core in self.cores)
        return threads <= every and threads <= math.ceil(self.quota_cores or every)

    @property
    def fast_cores(self) -> int:
        """How many threads have a core of the fastest kind each, within the quota; at least 1."""
        fast = sum(core.fast for core in self.cores)
        return max(1, fast if self.quota_cores is None else min(fast, math.floor(self.quota_cores)))

    def __str__(self) -> str:
        every = sum(len(core.threads) for core in self.cores)
        within = "" if self.quota_cores is None else f" within a CPU quota of {self.quota_cores:g}"
        if every == len(self.cores):
            return f"{every} core{'s' * (every > 1)}{within}"
        return f"{every} hardware threads on {len(self.cores)} cores{within}"

    def physical(self, threads: Iterable[int]) -> frozenset[int]:
        """The physical cores that these hardware threads are on, by their first threads."""
        taken = set(threads)
        return frozenset(c.threads[0] for c in self.cores if not taken.isdisjoint(c.threads))


def read(lent: Sequence[int], root: Path = Path("/")) -> Topology:
    """The topology of the hardware threads that this process is lent, in their order."""
    node_of = {
        thread: int(folder.name.removeprefix("node"))
        for folder in (root / "sys/devices/system/node").glob("node[0-9]*")
        for thread in cores_of(text(folder / "cpulist") or "")
    }
    slow = _slow(lent, root)
    cores: list[Core] = []
    placed: set[int] = set()
    for thread in lent:
        if thread in placed:
            continue
        siblings = {thread, *_siblings(thread, root)} - placed
        mine = tuple(other for other in lent if other in siblings)
        placed.update(mine)
        package = number(root / CPU / f"cpu{thread}/topology/physical_package_id")
        node = node_of.get(thread, 0)
        cores.append(Core(mine, node, int(package or 0), fast=thread not in slow))
    return Topology(tuple(cores), quota_cores(root))


def _siblings(thread: int, root: Path) -> list[int]:
    """The hardware threads of a thread's core; the first of the names is that of Linux 5.3 on."""
    folder = root / CPU / f"cpu{thread}/topology"
    names = ("core_cpus_list", "thread_siblings_list")
    return cores_of(next(filter(None, (text(folder / name) for name in names)), ""))


def _slow(lent: Sequence[int], root: Path) -> set[int]:
    """The threads of slow cores: Intel's `cpu_atom`, or those of little capacity on Arm.

    Where only such ones are lent, they are the fastest kind that there is.
    """
    capacities = {thread: number(root / CPU / f"cpu{thread}/cpu_capacity") for thread in lent}
    most = max(filter(None, capacities.values()), default=0.0)
    slow = {thread for thread, capacity in capacities.items() if (capacity or most) < LITTLE * most}
    slow |= set(cores_of(text(root / "sys/devices/cpu_atom/cpus") or "")) & set(lent)
    return slow if len(slow) < len(lent) else set()


# ---- this process --------------------------------------------------------------------------

_own: list[int] = []


def bind(threads: Sequence[int]) -> None:
    """Bind this process to these hardware threads, and those of its OpenMP to one each, in order.

    For processes in which no OpenMP runs yet.
    """
    os.sched_setaffinity(0, threads)
    os.environ["OMP_PLACES"] = ",".join(f"{{{thread}}}" for thread in threads)
    _own[:] = threads


def own() -> list[int]:
    """The hardware threads that this process was bound to, in order, else those it may use.

    Once OpenMP runs, the thread that asks may use the first of them alone.
    """
    return list(_own) or sorted(os.sched_getaffinity(0))


def bound() -> list[int]:
    """The hardware threads that the threads of this process run on, all together, ascending."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    threads = {int(task.name) for task in Path("/proc/self/task").glob("[0-9]*")} or {0}
    cores: set[int] = set()
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it ended while the others were asked
            cores |= os.sched_getaffinity(thread)
    return sorted(cores)


# ---- which threads ranks take --------------------------------------------------------------


@dataclass(frozen=True)
class _Slot:
    """A hardware thread, and when it is taken: the first ones of fast cores before all others."""

    thread: int
    core: Core
    turn: tuple[int, bool]


def places(topology: Topology, ranks: int, threads: int) -> list[list[int]] | None:
    """The hardware threads of each rank of this node, ascending; None where there are too few.

    Every core has one thread before any has two, fast cores before slow ones. The threads of a rank
    stay within one memory node where all ranks fit so, else within a package; ranks spread evenly,
    and neighbours, which exchange the most, stay together.
    """
    slots = _slots(topology.cores, ranks * threads)
    if slots is None:
        return None
    for groups in (_by_node(slots), _by_package(slots)):
        counts = _shared_out(ranks, threads, groups)
        if counts is not None:
            break
    else:
        groups, counts = [slots], [ranks]
    taken: list[list[int]] = []
    for group, count in zip(groups, counts, strict=True):
        first = sorted(group, key=lambda slot: slot.turn)[: count * threads]
        earliest = {slot.thread for slot in first}
        chosen = [slot.thread for slot in group if slot.thread in earliest]  # core by core again
        taken += [sorted(chosen[i * threads : (i + 1) * threads]) for i in range(count)]
    return taken


def _slots(cores: Sequence[Core], count: int) -> list[_Slot] | None:
    """Slots core by core, of as few turns as hold so many threads; None where all hold fewer."""
    every = [
        _Slot(thread, core, (turn, not core.fast))
        for core in cores
        for turn, thread in enumerate(core.threads)
    ]
    for last in sorted({slot.turn for slot in every}):
        slots = [slot for slot in every if slot.turn <= last]
        if len(slots) >= count:
            return slots
    return None


def _by_package(slots: Sequence[_Slot]) -> list[list[_Slot]]:
    groups: dict[int, list[_Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.core.package, []).append(slot)
    return list(groups.values())


def _by_node(slots: Sequence[_Slot]) -> list[list[_Slot]]:
    """Those of one package stand together."""
    groups: dict[tuple[int, int], list[_Slot]] = {}
    for package in _by_package(slots):
        for slot in package:
            groups.setdefault((slot.core.package, slot.core.node), []).append(slot)
    return list(groups.values())


def _shared_out(ranks: int, threads: int, groups: Sequence[Sequence[_Slot]]) -> list[int] | None:
    """How many ranks each group takes, evenly over packages too; None where they do not fit."""
    room = [len(group) // threads for group in groups]
    if sum(room) < ranks:
        return None
    counts = [0] * len(groups)
    packages = [group[0].core.package for group in groups]
    of_package = dict.fromkeys(packages, 0)
    for _ in range(ranks):
        free = [i for i, most in enumerate(room) if counts[i] < most]
        least = min(free, key=lambda i: (counts[i], of_package[packages[i]]))
        counts[least] += 1
        of_package[packages[least]] += 1
    return counts
