"""Fake file trees of machines, each after the listing or the kernel source that it names.

`real_machines` has those whose counters move as registers do.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from virtual import Curve, VirtualClock

BOOT = "11111111-2222-3333-4444-555555555555"


def put(root: Path, files: Mapping[str, object]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def node(root: Path, boot: str = BOOT) -> Path:
    """A node's name until it boots again (Linux, Documentation/admin-guide/sysctl/kernel.rst)."""
    return put(root, {"proc/sys/kernel/random/boot_id": boot})


def virtual_machine(root: Path) -> Path:
    """A guest of KVM: /proc/cpuinfo has the flag (Linux, X86_FEATURE_HYPERVISOR), and no zones."""
    return put(node(root), {"proc/cpuinfo": "flags\t\t: fpu hypervisor lahf_lm"})


def zone(
    root: Path, key: str, name: str, uj: int = 1_000_000, range_uj: int | None = 262_143_328_850
) -> Path:
    """A powercap zone such as `intel-rapl:0:0` (Linux, Documentation/power/powercap/powercap.rst).

    262143328850 uJ is the range of a register of 2^32 counts of 61 uJ, as servers and laptops list.
    """
    files: dict[str, object] = {"name": name, "energy_uj": uj, "enabled": 0}
    if range_uj is not None:
        files["max_energy_range_uj"] = range_uj
    return put(root / "sys/class/powercap" / key, files)


def intel(root: Path, packages: int = 1, dram: bool = True) -> Path:
    """An i7-8550U's package with core and dram (powercap, issue 3), once or several times.

    Memory has a range of its own: 65712999613 uJ, as Xeons list it (intel/powertelemetry, issue 3).
    Without `dram` it is an AMD processor: package and core (Linux 26096aed255f, "After").
    """
    node(root)
    for i in range(packages):
        # The eleventh is `intel-rapl:a` (procfs, testdata/fixtures, powercap: index 10).
        zone(root, f"intel-rapl:{i:x}", f"package-{i}")
        zone(root, f"intel-rapl:{i:x}:0", "core")
        if dram:
            zone(root, f"intel-rapl:{i:x}:1", "dram", range_uj=65_712_999_613)
    return root


def set_uj(root: Path, key: str, uj: int) -> None:
    """As a kernel does: the file holds the old or the new number, never half of one."""
    path = root / "sys/class/powercap" / key / "energy_uj"
    path.write_text(f"{uj}\n")


AC922 = {
    "System": 1641.0,
    "Chip 0": 190.0,
    "Chip 0 Vdd": 110.0,
    "Chip 0 Vdn": 25.0,
    "Chip 0 Memory": 60.0,
    "Chip 0 GPU": 500.0,
    "Chip 8": 180.0,
    "Chip 8 Vdd": 100.0,
    "Chip 8 Vdn": 22.0,
    "Chip 8 Memory": 55.0,
    "Chip 8 GPU": 490.0,
}
"""Watts by label of an AC922 of two sockets and four GPUs under load: labels of skiboot's
hw/occ-sensor.c; the node's 1641 W is Satori's average in its HPL run (Green500, November 2019)."""


class Ac922:
    """The hwmon folder of an AC922, as `ls` lists it ("Hwmon sensors in P9", OpenPOWER).

    `powerN` and `energyN` with labels that end in a blank, counters in uJ every 40 ms, APSS
    channels at the end. `update(t)` writes what the sensors tell at t. Without `energy` it is
    RHEL 7's kernel, whose ibmpowernv driver has no such type.
    """

    def __init__(
        self, root: Path, *, energy: bool = True, swing: float = 0.0, boot: str = BOOT
    ) -> None:
        self.root = node(root, boot)
        self.folder = root / "sys/class/hwmon/hwmon3"
        self.curves = {
            label: Curve(watts, swing * watts, 0.13, phase=len(label))
            for label, watts in AC922.items()
        }
        self.energy = energy
        self.files: dict[str, int] = {}
        put(
            root,
            {"sys/class/hwmon/hwmon0/name": "nvme", "sys/class/hwmon/hwmon3/name": "ibmpowernv"},
        )
        for i, label in enumerate([*self.curves, "APSS 0", "APSS 1"], 1):
            # The driver pads labels with blanks.
            put(self.folder, {f"power{i}_label": f"{label} ", f"power{i}_input": 7_000_000})
            if energy:
                put(self.folder, {f"energy{i}_label": f"{label} ", f"energy{i}_input": 5})
        self.update(0.0)

    def update(self, t: float) -> None:
        for i, curve in enumerate(self.curves.values(), 1):
            self._replace(f"power{i}_input", round(curve.watts(t) * 1e6))
            if self.energy:
                self._replace(f"energy{i}_input", round(curve.joules(t) * 1e6) + 1000)

    def _replace(self, name: str, number: int) -> None:
        # One write of constant length: a reader sees the old or the new number.
        if name not in self.files:
            self.files[name] = os.open(self.folder / name, os.O_WRONLY)
        os.pwrite(self.files[name], f"{number:>24d}\n".encode(), 0)

    def run(self, clock: VirtualClock, period_s: float = 0.04, phase_s: float = 0.0) -> None:
        """Update on a virtual clock."""
        clock.every(period_s, lambda: self.update(clock.now), first=phase_s)


def grace(root: Path, hopper: bool = True, device: bool = True) -> Path:
    """Grace's sensors, each an ACPI power meter with a name: `hwmonN/device/power1_oem_info`.

    Names and places are those that DCGM's DcgmSystemMonitor and Alumet's plug-in grace-hopper read.
    """
    node(root)
    names = ["Grace Power Socket 0", "CPU Power Socket 0", "SysIO Power Socket 0"]
    watts = [180, 120, 40]
    if hopper:
        names, watts = ["Module Power Socket 0", *names], [600, *watts]
    for i, (name, power) in enumerate(zip(names, watts, strict=True), 2):
        folder = root / f"sys/class/hwmon/hwmon{i}"
        put(
            folder / "device" if device else folder,
            {
                "name": "power_meter",
                "power1_oem_info": name,
                "power1_average": power * 1_000_000,
                "power1_average_interval": 50,
            },
        )
    return root


def battery(
    root: Path,
    status: str = "Discharging",
    power: bool = True,
    name: str = "BAT0",
    watts: float = 12.5,
) -> Path:
    """A battery in uW (a ThinkPad's, xmobar, issue 315), or in uA and uV (a Dell's, cnx, PR 31)."""
    node(root)
    files: dict[str, object] = {"type": "Battery", "status": status, "present": 1}
    files |= (
        {"power_now": round(watts * 1e6)}
        if power
        else {"current_now": round(watts / 12.6 * 1e6), "voltage_now": 12_600_000}
    )
    put(root / "sys/class/power_supply" / name, files)
    put(root, {"sys/class/power_supply/AC/type": "Mains", "sys/class/power_supply/AC/online": 0})
    return root


def perf(
    root: Path,
    cores: Sequence[tuple[int, int, int]] = ((0, 0, 0), (18, 1, 0)),
    events: Sequence[str] = ("energy-pkg", "energy-ram"),
) -> Path:
    """The power PMU (Linux, arch/x86/events/rapl.c): events, their scale, and the cores to read on.

    `cores` are (core, package, die), those of `cpumask`: one a package, or one a die.
    """
    pmu = "sys/bus/event_source/devices/power"
    mask = ",".join(str(cpu) for cpu, _, _ in cores)
    files: dict[str, object] = {f"{pmu}/type": 23, f"{pmu}/cpumask": mask}
    for event in events:
        files[f"{pmu}/events/{event}"] = f"event=0x{PERF_CODES[event]:02x}"
        files[f"{pmu}/events/{event}.scale"] = "2.3283064365386962890625e-10"
        files[f"{pmu}/events/{event}.unit"] = "Joules"
    for cpu, package, die in cores:
        topology = f"sys/devices/system/cpu/cpu{cpu}/topology"
        files |= {f"{topology}/physical_package_id": package, f"{topology}/die_id": die}
    return put(node(root), files)


PERF_CODES = {
    "energy-cores": 1,
    "energy-pkg": 2,
    "energy-ram": 3,
    "energy-gpu": 4,
    "energy-psys": 5,
}


def near(value: float, truth: float, relative: float) -> bool:
    return math.isclose(value, truth, rel_tol=relative)


def proc_stat(root: Path, *cores: tuple[float, float, float], first: int = 0) -> Path:
    """/proc/stat of cores with (user, idle, steal) seconds each, and their sum before them.

    In hundredths of a second, in the order of Linux, Documentation/filesystems/proc.rst.
    """

    def line(name: str, user: float, idle: float, steal: float) -> str:
        ticks = [round(100.0 * seconds) for seconds in (user, 0, 0, idle, 0, 0, 0, steal, 0, 0)]
        return " ".join([name, *map(str, ticks)])

    whole = [sum(column) for column in zip(*cores, strict=True)]
    lines = [line("cpu ", *whole)]
    lines += [line(f"cpu{number}", *core) for number, core in enumerate(cores, first)]
    # The old or the new file, never half of one: a run may read it at any moment.
    partial = root / "proc/.stat"
    put(root, {"proc/.stat": "\n".join([*lines, "intr 7 0 0", "ctxt 9"])})
    partial.replace(root / "proc/stat")
    return root


CPU = "sys/devices/system/cpu"


def ac922_conditions(root: Path, throttled: int = 0) -> Path:
    """What an AC922 tells: powernv's driver, SMT4 (four siblings a core), two memory nodes.

    Names as in Linux, drivers/cpufreq/powernv-cpufreq.c (`throttle_stats`) and ibmpowernv.c.
    """
    policy = f"{CPU}/cpufreq/policy0/throttle_stats"
    return put(
        root,
        {
            **{f"{CPU}/cpu{n}/cpufreq/scaling_governor": "performance" for n in range(4)},
            **{f"{CPU}/cpu{n}/cpufreq/scaling_cur_freq": 3_783_000 for n in range(4)},
            f"{CPU}/cpufreq/boost": 1,
            f"{CPU}/cpu0/topology/thread_siblings_list": "0-3",
            **{f"{policy}/{name}": 0 for name in ("powercap", "supply_fault", "overcurrent")},
            f"{policy}/overtemp": throttled,
            f"{policy}/turbo_stat": 12_345,
            "sys/class/hwmon/hwmon3/name": "ibmpowernv",
            "sys/class/hwmon/hwmon3/temp1_input": 38_000,
            "sys/class/hwmon/hwmon3/temp2_input": 61_000,
            "sys/class/hwmon/hwmon0/name": "nvme",
            "sys/class/hwmon/hwmon0/temp1_input": 77_000,
            "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
            "proc/self/status": "Name:\tpython\nMems_allowed:\t1,00000101\nMems_allowed_list:\t0,8",
            "proc/loadavg": "3.14 2.00 1.00 2/345 6789",
        },
    )


def laptop_conditions(root: Path) -> Path:
    """A laptop with intel_pstate on powersave, its turbo switched off, two threads a core.

    Names as in Linux, Documentation/admin-guide/pm/intel_pstate.rst, drivers/thermal/intel
    (`x86_pkg_temp`) and Documentation/power/powercap/powercap.rst.
    """
    return put(
        root,
        {
            f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": 800_000,
            f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave",
            f"{CPU}/cpu1/cpufreq/scaling_cur_freq": 1_200_000,
            f"{CPU}/intel_pstate/no_turbo": 1,
            f"{CPU}/cpu0/topology/thread_siblings_list": "0,4",
            f"{CPU}/cpu0/thermal_throttle/core_throttle_count": 3,
            f"{CPU}/cpu0/thermal_throttle/package_throttle_count": 4,
            "sys/class/thermal/thermal_zone0/type": "iwlwifi_1",
            "sys/class/thermal/thermal_zone0/temp": 99_000,
            "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp",
            "sys/class/thermal/thermal_zone1/temp": 47_000,
            "sys/class/powercap/intel-rapl:0/name": "package-0",
            "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw": 28_000_000,
            "sys/class/powercap/intel-rapl:0:0/name": "core",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        },
    )
