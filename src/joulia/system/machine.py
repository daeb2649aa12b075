"""What machine this is: facts for the record, read without a runtime."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from joulia.case import digest
from joulia.errors import JouliaError
from joulia.system import topology
from joulia.system.files import cores_of, text
from joulia.system.places import cache_dir


@dataclass(frozen=True)
class Machine:
    """The machine, as far as figures depend on it."""

    id: str
    """Names the machine that figures may be compared on: by its name, where it was given one, else
    by its hardware. Another host name, fewer cores to use or a little less memory change nothing;
    two of a kind, as nodes of a cluster, are one."""
    hostname: str
    """Its name in the network."""
    arch: str
    """x86_64, aarch64, ppc64le, ..."""
    cpu: str
    """The processor's name."""
    cores: int
    """Cores that joulia may use, as the system counts them: hardware threads."""
    memory_bytes: int
    """Main memory, B."""
    last_level_cache_bytes: int
    """The largest data cache of a core, B."""
    os: str
    """The operating system."""
    os_release: str | None = None
    """The kernel's release: a fact, not part of the id."""
    calibration: dict[str, object] | None = None
    """Date and verdicts of the last `joulia doctor --calibrate`."""
    name: str | None = None
    """What the user called it (`--machine`)."""
    physical_cores: int | None = None
    """Physical cores that those are on."""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.hostname


ARM_CORES = {
    ("0x41", "0xd0c"): "Arm Neoverse-N1",
    ("0x41", "0xd40"): "Arm Neoverse-V1",
    ("0x41", "0xd49"): "Arm Neoverse-N2",
    ("0x41", "0xd4f"): "Arm Neoverse-V2",
    ("0x41", "0xd84"): "Arm Neoverse-V3",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1a",
}
"""Arm's processors tell numbers: those of servers (arch/arm64/include/asm/cputype.h) by name."""


@cache
def cpu_model(root: Path = Path("/")) -> str:
    """The processor's name, as the system tells it."""
    cpuinfo = text(root / "proc/cpuinfo")
    if cpuinfo is None:
        return platform.processor() or platform.machine()
    told = {
        key: match[1].strip()
        for key in ("model name", "cpu", "Processor", "CPU implementer", "CPU part")
        if (match := re.search(rf"^{key}\s*:\s*(.+)$", cpuinfo, re.MULTILINE))
    }
    if "CPU part" in told:
        maker, part = told.get("CPU implementer", "unknown"), told["CPU part"]
        return ARM_CORES.get((maker, part), f"Arm, implementer {maker}, part {part}")
    return next(iter(told.values()), platform.machine())


def usable_cores() -> list[int]:
    """The cores that this process may use (affinity, not the machine's count), as ranks take them.

    `JOULIA_CORES` names all of them or some, in another order: a run on few cores would otherwise
    take the first ones, and so would a second run beside it.
    """
    if hasattr(os, "sched_getaffinity"):
        lent = sorted(os.sched_getaffinity(0))
    else:
        lent = list(range(os.cpu_count() or 1))
    chosen = os.environ.get("JOULIA_CORES")
    if not chosen:
        return lent
    parts = chosen.split(",")
    if len(set(parts)) < len(parts) or not set(parts) <= {str(core) for core in lent}:
        raise JouliaError(
            f"JOULIA_CORES={chosen} is not allowed. Allowed: some of "
            f"{','.join(map(str, lent))}, each once, separated by commas"
        )
    return [int(part) for part in parts]


def usable_topology() -> topology.Topology:
    """Those cores, and what they share."""
    return _topology(tuple(usable_cores()))


@cache
def _topology(lent: tuple[int, ...]) -> topology.Topology:
    return topology.read(lent)


@cache
def last_level_cache_bytes(root: Path = Path("/")) -> int:
    """The largest data cache of core 0 in bytes; 32 MiB where the system does not tell."""
    sizes = []
    for index in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*"):
        size = re.fullmatch(r"(\d+)([KM])", text(index / "size") or "")
        if size:
            sizes.append(int(size[1]) * {"K": 1 << 10, "M": 1 << 20}[size[2]])
    return max(sizes, default=32 << 20)


def memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def present_cores(root: Path = Path("/")) -> int:
    """All logical cores of the machine, also those that this process may not use, or that sleep."""
    listed = text(root / "sys/devices/system/cpu/present")
    return len(cores_of(listed or "")) or os.cpu_count() or 1


def hardware(root: Path = Path("/")) -> dict[str, Any]:
    """What tells one machine from another, whatever of it this process is lent.

    Of the memory the next power of two: what the kernel keeps for itself changes with its version,
    and what is left lies below what is built in.
    """
    return {
        "arch": platform.machine(),
        "cpu": cpu_model(root),
        "cores": present_cores(root),
        "memory_bytes": 1 << (memory_bytes() - 1).bit_length(),
        "last_level_cache_bytes": last_level_cache_bytes(root),
        "os": platform.system(),
    }


@cache
def describe(name: str | None = None) -> Machine:
    """This machine, as records tell it, by the name that the user gives it."""
    built = hardware()
    identity = digest(built)
    facts = built | {"cores": len(usable_cores()), "memory_bytes": memory_bytes()}
    physical = len(usable_topology().cores)
    return Machine(
        digest({"name": name}) if name else identity,
        socket.gethostname(),
        **facts,
        # The kernel's release changes with every update; it is a fact, not part of the identity.
        os_release=platform.release(),
        calibration=calibration(identity),  # of the hardware, whatever it is called
        name=name,
        physical_cores=physical,
    )


def calibration_file(identity: str) -> Path:
    """Where `joulia doctor --calibrate` keeps its verdicts about a machine's meters."""
    return cache_dir() / "calibration" / f"{identity}.json"


def calibration(identity: str) -> dict[str, Any] | None:
    """Date and verdicts of the last calibration of this machine's meters; None where never."""
    try:
        kept: dict[str, Any] = json.loads(calibration_file(identity).read_text())
    except (OSError, ValueError):
        return None
    return kept
