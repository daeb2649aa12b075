"""What a node tells of the conditions that figures are taken under: load, clocks, limits.

Everything is read below a root; what is not told, or cannot be read, is None and never 0.
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.system.files import cores_of, number, text

DISTURBED = 0.10
"""Share of the cores above which what others took disturbs a sample."""
SPELL_S = 0.3
"""Shares are told over at least this long: the kernel counts ticks of 10 ms."""
TICK_S = 0.01
"""The unit of /proc/stat, USER_HZ: 100 on every architecture that joulia runs on."""
MOST_CLOCKS = 16
"""Cores whose clock is read: each costs tens of microseconds."""

CPU = "sys/devices/system/cpu"
SENSORS = ("coretemp", "k10temp", "zenpower", "ibmpowernv", "cpu_thermal")
"""Drivers of hwmon whose temperatures are the processor's."""
EVENTS = ("powercap", "overtemp", "supply_fault", "overcurrent", "occ_reset")
"""Causes of throttling that POWER's cpufreq driver counts."""
WAITING = (
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "JULIA_THREAD_SLEEP_THRESHOLD",
)
"""Variables that say whether threads spin or sleep while they wait."""


# ---- who used the cores --------------------------------------------------------------------


@dataclass(frozen=True)
class CpuTime:
    """Seconds of some cores so far, added up: at work, taken by the hypervisor, and all."""

    busy: float
    stolen: float
    total: float


@dataclass(frozen=True)
class Shares:
    """Shares of some cores' time, 0 to 1: of other programs, and of the hypervisor."""

    others: float
    stolen: float

    @property
    def taken(self) -> float:
        return self.others + self.stolen


def cpu_time(root: Path, cores: Collection[int] | None = None) -> CpuTime | None:
    """The seconds of these cores (all of the node) so far; None where nobody tells."""
    wanted = {"cpu"} if cores is None else {f"cpu{core}" for core in cores}
    lines = [line.split() for line in (text(root / "proc/stat") or "").splitlines()]
    told = [line[1:9] for line in lines if line[:1] and line[0] in wanted]
    if not told or len(told) != len(wanted) or min(map(len, told)) < 5:
        return None
    if not all(tick.isdecimal() for line in told for tick in line):
        return None
    counts = [[float(tick) for tick in line] for line in told]
    # user nice system idle iowait irq softirq steal; older kernels tell fewer
    user, nice, system, idle, iowait, *more = (
        TICK_S * sum(column) for column in zip(*counts, strict=True)
    )
    irq, softirq, steal = (*more, 0.0, 0.0, 0.0)[:3]
    busy = user + nice + system + irq + softirq
    return CpuTime(busy, steal, busy + steal + idle + iowait)


def shares(before: CpuTime | None, after: CpuTime | None, own_s: float) -> Shares | None:
    """What others had between two moments in which this case used `own_s` CPU seconds."""
    if before is None or after is None or after.total <= before.total:
        return None
    total = after.total - before.total
    others = (after.busy - before.busy - own_s) / total
    stolen = (after.stolen - before.stolen) / total
    return Shares(min(1.0, max(0.0, others)), min(1.0, max(0.0, stolen)))


def load(root: Path) -> float | None:
    """The load average of the last minute."""
    return number(root / "proc/loadavg")


# ---- clocks, and what bounds them ----------------------------------------------------------


def governor(root: Path, cores: Sequence[int]) -> str | None:
    """What chooses the cores' clocks; joined by a plus where they differ."""
    governors = {text(root / CPU / f"cpu{core}/cpufreq/scaling_governor") for core in cores}
    return "+".join(sorted(filter(None, governors))) or None


def turbo(root: Path) -> bool | None:
    """Whether cores may run above their nominal clock."""
    if (off := number(root / CPU / "intel_pstate/no_turbo")) is not None:
        return off == 0.0
    boost = number(root / CPU / "cpufreq/boost")
    return None if boost is None else boost != 0.0


def smt(root: Path, cores: Sequence[int]) -> int | None:
    """Hardware threads a core that are switched on."""
    if not cores:
        return None
    siblings = text(root / CPU / f"cpu{cores[0]}/topology/thread_siblings_list")
    return len(cores_of(siblings or "")) or None


def clock_hz(root: Path, cores: Sequence[int]) -> float | None:
    """The median clock of the cores now, Hz."""
    few = cores[:MOST_CLOCKS]
    khz = [number(root / CPU / f"cpu{core}/cpufreq/scaling_cur_freq") for core in few]
    if any(khz):
        return 1e3 * statistics.median(filter(None, khz))
    blocks = re.findall(
        r"^processor\s*:\s*(\d+)$.*?^(?:cpu MHz|clock)\s*:\s*([\d.]+)",
        text(root / "proc/cpuinfo") or "",
        re.MULTILINE | re.DOTALL,
    )
    mhz = [float(clock) for core, clock in blocks if int(core) in few]
    return 1e6 * statistics.median(mhz) if mhz else None


def temperature_c(root: Path) -> float | None:
    """The hottest of the processor's sensors, degrees Celsius."""
    millidegrees = [
        number(file)
        for folder in (root / "sys/class/hwmon").glob("hwmon*")
        if text(folder / "name") in SENSORS
        for file in folder.glob("temp*_input")
    ] or [
        number(zone / "temp")
        for zone in (root / "sys/class/thermal").glob("thermal_zone*")
        if re.search(r"pkg|cpu|soc", text(zone / "type") or "")
    ]
    return max((1e-3 * value for value in millidegrees if value is not None), default=None)


def throttlings(root: Path) -> int | None:
    """How often the processor was throttled since the machine was started."""
    files = [
        *(root / CPU).glob("cpu[0-9]*/thermal_throttle/*_throttle_count"),
        *(
            file
            for cause in EVENTS
            for file in (root / CPU / "cpufreq").glob(f"policy*/throttle_stats/{cause}")
        ),
    ]
    counts = [count for file in files if (count := number(file)) is not None]
    return round(sum(counts)) if counts else None


def package_limits_w(root: Path) -> tuple[float, ...]:
    """The power that each processor package may draw for long, W; empty where nobody tells."""
    zones = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*"))
    microwatts = [
        number(zone / "constraint_0_power_limit_uw")
        for zone in zones
        if (text(zone / "name") or "").startswith("package")
    ]
    return tuple(1e-6 * value for value in microwatts if value is not None)


# ---- what the system grants ----------------------------------------------------------------


def cgroups(root: Path) -> Iterator[tuple[Path, bool]]:
    """The folders of this process's cgroup and of those above it; whether they are version 2.

    Inside a container the path may be the host's, which is not there: its own then is the root.
    """
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        if line.count(":") < 2:
            continue
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = (controllers, "cpu,cpuacct", "cpu") if controllers else ("", "unified")
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            inner = [part for part in path.split("/") if part not in ("", "..")]
            for depth in range(len(inner), -1, -1):
                yield top.joinpath(*inner[:depth]), not controllers


def quota_cores(root: Path) -> float | None:
    """The CPU time that cgroups grant, in cores; None where they set no limit."""
    limits = []
    for folder, second in cgroups(root):
        if second:
            quota, _, period = (text(folder / "cpu.max") or "max").partition(" ")
            words = (quota, period or "100000")  # "max": no limit
            granted, every = (float(word) if word.isdecimal() else None for word in words)
        else:
            granted, every = (number(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
        if granted and every and granted > 0.0:
            limits.append(granted / every)
    return min(limits, default=None)


def quota_throttled_s(root: Path) -> float | None:
    """Seconds so far in which the quota held the threads of this process's cgroup back."""
    for folder, second in cgroups(root):
        name, unit = ("throttled_usec", 1e-6) if second else ("throttled_time", 1e-9)
        counted = re.search(rf"^{name} (\d+)$", text(folder / "cpu.stat") or "", re.MULTILINE)
        if counted:
            return unit * float(counted[1])
    return None


def huge_pages(root: Path) -> str | None:
    """Where the kernel uses transparent huge pages: `always`, `madvise` or `never`."""
    enabled = text(root / "sys/kernel/mm/transparent_hugepage/enabled") or ""
    chosen = re.search(r"\[(\w+)\]", enabled)
    return chosen[1] if chosen else None


def memory_nodes(root: Path) -> str | None:
    """The memory nodes that this process may use, as a list: `0-1`."""
    status = text(root / "proc/self/status") or ""
    allowed = re.search(r"^Mems_allowed_list:\s*(\S+)", status, re.MULTILINE)
    return allowed[1] if allowed else None


def waiting(environment: Mapping[str, str]) -> dict[str, str]:
    """How threads wait, as far as the environment says."""
    return {name: environment[name] for name in WAITING if name in environment}


# ---- all of it -----------------------------------------------------------------------------


def facts(root: Path, cores: Sequence[int]) -> dict[str, Any]:
    """What holds while a case or a command runs, by the names of `records.conditions`."""
    return {
        "load": load(root),
        "governor": governor(root, cores),
        "turbo": turbo(root),
        "smt": smt(root, cores),
        "package_limits_w": package_limits_w(root),
        "quota_cores": quota_cores(root),
        "huge_pages": huge_pages(root),
        "memory_nodes": memory_nodes(root),
        "wait": waiting(os.environ),
    }
