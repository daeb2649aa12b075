"""Cray EX and XC: the node's own counters in /sys/cray/pm_counters, readable by all, ten a second.

`energy` is the node with its accelerators, behind its power conversion; `cpu_energy` (which holds
`cpuN_energy`), `memory_energy` and `accelN_energy` lie inside it. One level is counted: the node,
or, where there is no `energy`, processors and memory. `freshness` counts the scans.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing, domain_id, read_each
from joulia.meters._counter import Accumulator
from joulia.meters._files import nothing, state
from joulia.system.files import text

FOLDER = "sys/cray/pm_counters"
SCAN_HZ = 10.0
"""Scans a second where `raw_scan_hz` tells none."""
STALE_S = 2.0
"""Counters whose `freshness` stood still for so long are not being scanned."""
QUANTUM_J = 1.0
SYSTEMATIC_REL = 0.05
"""HPE promises 2 % on some blades and states nothing of others: the bound found for NVML stays."""
KINDS = {"energy": "node", "cpu_energy": "package", "memory_energy": "dram"}
"""Everything else (`cpu0_energy`, `accel0_energy`, ...) lies inside these or beside them."""
SOCKETS = 4
"""The most whose processors are told in one figure: four GH200 in a node of Alps."""
TRIES = 3
"""A scan takes microseconds of each 100 ms: it hardly falls into a reading twice."""


class PmCounters(Base):
    """All energy counters of a node, as one scan left them."""

    def __init__(self, name: str, folder: Path, counters: list[str], clock: Clock) -> None:
        self.id = name
        self.folder = folder
        self.clock = clock
        period_s = 1.0 / scan_hz(folder)
        self.domains = {counter: domain(counter, period_s) for counter in counters}
        self.sums = {
            counter: Accumulator(counter, None, clock, self.domains[counter].most_w)
            for counter in counters
        }
        self.not_covered: tuple[str, ...] = ("rectifier loss", "cabinet cooling", "switches")
        if "energy" not in counters:
            self.not_covered += ("accelerators", "network card")
        self.scan: str | None = None
        self.scanned_at = clock()

    def read(self) -> dict[str, float]:
        lines = self._of_one_scan()
        return read_each({name: partial(self._joules, name, line) for name, line in lines.items()})

    def _joules(self, counter: str, line: str | None) -> float:
        return self.sums[counter].update(joules(self.folder / counter, line))

    def _of_one_scan(self) -> dict[str, str | None]:
        """What every counter's file holds, between two reads of the same `freshness`."""
        for _ in range(TRIES):
            before = self._freshness()
            lines = {counter: text(self.folder / counter) for counter in self.sums}
            if self._freshness() == before:
                break
        return lines

    def _freshness(self) -> str | None:
        """The number of the scan; Unavailable where there was none for some time."""
        scan, now = text(self.folder / "freshness"), self.clock()
        if scan is None or scan != self.scan:
            self.scan, self.scanned_at = scan, now
        elif now - self.scanned_at > STALE_S:
            stood = now - self.scanned_at
            raise Unavailable(f"pm_counters: freshness stood at {scan} for {stood:.0f} s")
        return scan


def domain(counter: str, period_s: float) -> Domain:
    kind = KINDS.get(counter, "part")
    number = SOCKETS if kind in ("package", "dram") else 1
    return Domain(kind, period_s, QUANTUM_J, SYSTEMATIC_REL, number=number)


def joules(file: Path, line: str | None) -> float:
    """The joules of a file's line such as `1360621494 J` or `81147367 J 1700061210920464 us`."""
    if line is None:
        raise Unavailable(f"cannot read {file}")
    match = re.fullmatch(r"(\d+) J(?: \d+ us)?", line)
    if match is None:
        raise Unavailable(f"{file} holds {line!r} instead of joules")
    return float(match[1])


def scan_hz(folder: Path) -> float:
    told = text(folder / "raw_scan_hz") or ""
    return float(told) if told.isdigit() and int(told) > 0 else SCAN_HZ


def open(root: Path, clock: Clock) -> list[PmCounters]:
    """The node's counters as one meter."""
    folder = root / FOLDER
    files = sorted(folder.glob("*energy"))
    if not files:
        raise nothing(root, "no Cray pm_counters", "HPE Cray EX and Cray XC nodes have them")
    counters = [file.name for file in files if state(file) == "found"]
    if not any(counter in KINDS for counter in counters):
        raise Missing("unreadable", "pm_counters", "an administrator can give read access")
    meter = PmCounters(domain_id(root, "pm_counters"), folder, counters, clock)
    meter.not_covered += tuple(f"{f.name} (unreadable)" for f in files if f.name not in counters)
    return [meter]
