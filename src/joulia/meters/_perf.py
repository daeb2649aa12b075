"""RAPL through perf events (`power/energy-pkg/`): 64-bit counts that need no root and never wrap.

perf_event_open(2) through ctypes, since Python has no wrapper. One event a package and kind, on
the cores that the kernel names in `cpumask`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import Missing
from joulia.system.files import text

PMU = "sys/bus/event_source/devices/power"
NUMBERS = {"x86_64": 298, "aarch64": 241, "ppc64le": 319}
"""perf_event_open's system call number."""
EVENTS = {"energy-pkg": "package", "energy-ram": "dram", "energy-psys": "platform"}
"""The kernel's name of an event, and what it covers."""

Opener = Callable[[int, int, int], int]
"""(type, config, cpu) -> file descriptor; OSError where it is not allowed."""


def open_event(kind: int, config: int, cpu: int) -> int:
    """A counting event on one core, for all processes."""
    size = 128
    attributes = (ctypes.c_char * size).from_buffer(bytearray(size))
    struct.pack_into("IIQ", attributes, 0, kind, size, config)
    libc = ctypes.CDLL(None, use_errno=True)
    number = NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(0, f"no perf events on {platform.machine()}")
    descriptor: int = libc.syscall(number, ctypes.byref(attributes), -1, cpu, -1, 0)
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return descriptor


@dataclass
class Event:
    """One open counter: `joules()` is cumulative."""

    name: str
    kind: str
    scale_j: float
    descriptor: int

    def joules(self) -> float:
        try:
            raw = os.read(self.descriptor, 8)
        except OSError as error:
            raise Unavailable(f"perf event {self.name}: {error.strerror}") from None
        if len(raw) != 8:
            raise Unavailable(f"perf event {self.name} gave {len(raw)} bytes")
        count: int = struct.unpack("=Q", raw)[0]
        return count * self.scale_j

    def close(self) -> None:
        os.close(self.descriptor)


def events(root: Path, opener: Opener) -> list[Event]:
    """The energy events of all packages. Raises Missing where there are none or none is allowed."""
    pmu = root / PMU
    kind = text(pmu / "type")
    cpus = text(pmu / "cpumask")
    if kind is None or cpus is None:
        raise Missing("absent", "no perf power events")
    counters: list[Event] = []
    for event, covers in EVENTS.items():
        code = text(pmu / "events" / event)
        if code is None:
            continue
        scale_j = float(text(pmu / "events" / f"{event}.scale") or 2.0**-32)
        seen: set[str] = set()
        for cpu in cpu_list(cpus):
            place = _place(root, cpu)
            if place in seen or (covers == "platform" and seen):
                continue
            seen.add(place)
            name = "psys" if covers == "platform" else f"{covers}-{place}"
            try:
                descriptor = opener(int(kind), int(code.partition("=")[2], 0), cpu)
            except OSError as error:
                for counter in counters:
                    counter.close()
                raise Missing(
                    "unreadable", f"perf events are not allowed ({error.strerror})"
                ) from None
            counters.append(Event(name, covers, scale_j, descriptor))
    if not counters:
        raise Missing("absent", "no perf power events")
    return counters


def cpu_list(ranges: str) -> list[int]:
    """The numbers in the kernel's list format: `0,18` or `0-3,8`."""
    numbers: list[int] = []
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _place(root: Path, cpu: int) -> str:
    """`0`, or `0-die-1` where a package has several dies that count apart."""
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    package = text(topology / "physical_package_id") or "0"
    die = text(topology / "die_id") or "0"
    return package if die == "0" else f"{package}-die-{die}"
