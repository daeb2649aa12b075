"""RAPL: the energy counters of Intel and AMD processors, through perf events or Linux' powercap.

Total = packages + DRAM. `core` and `uncore` lie inside the package. `psys` covers the platform and
replaces the sum. A package that shows through both MSR and MMIO is one package. The files have been
root-only since Linux 5.10 (CVE-2020-8694): joulia says so and how an administrator opens them, and
never changes a permission itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing, domain_id
from joulia.meters._counter import Accumulator
from joulia.meters._files import in_container, nothing, number, state
from joulia.meters._perf import Opener, events, open_event
from joulia.meters._rapl_gain import systematic_rel
from joulia.system.files import text

ZONES = "sys/class/powercap"
ZONE = re.compile(r"(intel-rapl[a-z-]*?):(\d+(?::\d+)*)")
PERIOD_S = 0.001
REMEDY = (
    "an administrator can allow perf events (sysctl kernel.perf_event_paranoid=0) or give a group "
    "read access at boot: in /etc/tmpfiles.d/rapl.conf the line "
    "'z /sys/class/powercap/intel-rapl:*/energy_uj 0440 root GROUP -'"
)


class Zone:
    """One powercap zone: a counter in microjoules that wraps at a range of its own."""

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self.file = folder / "energy_uj"
        top = text(folder / "max_energy_range_uj")
        range_j = int(top) * 1e-6 if top and top.isdigit() and int(top) > 0 else None
        self.sum = Accumulator(name, range_j, clock)

    def joules(self) -> float:
        return self.sum.update(number(self.file) * 1e-6)


class Rapl(Base):
    """All RAPL domains of a node. `readers` give joules by domain."""

    def __init__(
        self,
        name: str,
        readers: dict[str, Callable[[], float]],
        kinds: dict[str, str],
        quantum_j: float,
        sums: list[Accumulator],
        systematic: float,
    ) -> None:
        self.id = name
        self.readers = readers
        self.sums = sums
        self.domains = {
            domain: Domain(kind, PERIOD_S, quantum_j, systematic) for domain, kind in kinds.items()
        }
        polls = [s.poll_s for s in sums if s.poll_s is not None]
        self.poll_s = min(polls, default=None)
        uncovered = ["power supply loss", "network card", "disks and fans"]
        if "dram" not in kinds.values() and "platform" not in kinds.values():
            uncovered.insert(0, "DRAM (this processor counts none)")
        self.not_covered = tuple(uncovered)

    @property
    def wraps(self) -> int:
        return sum(s.wraps for s in self.sums)

    def read(self) -> dict[str, float]:
        # Every zone is read even where one fails, so that all of them go on from here.
        readings: dict[str, float] = {}
        errors: list[Unavailable] = []
        for domain, joules in self.readers.items():
            try:
                readings[domain] = joules()
            except Unavailable as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return readings


def open(root: Path, clock: Clock, opener: Opener | None = None) -> list[Rapl]:
    """The node's RAPL as one meter, through perf events where they are allowed."""
    # A tree that is not the system's has no perf events behind it.
    opener = opener or (open_event if root == Path("/") else None)
    if opener is not None:
        try:
            return [_from_perf(root, opener)]
        except Missing:
            pass
    return [_from_powercap(root, clock)]


def _from_perf(root: Path, opener: Opener) -> Rapl:
    counters = events(root, opener)
    return Rapl(
        domain_id(root, "rapl"),
        {event.name: event.joules for event in counters},
        {event.name: event.kind for event in counters},
        max(event.scale_j for event in counters),
        [],
        systematic_rel(root),
    )


def _from_powercap(root: Path, clock: Clock) -> Rapl:
    folder = root / ZONES
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        entries = []
    zones = {match[0]: path for path in entries if (match := ZONE.fullmatch(path.name))}
    if not zones:
        raise _no_zones(root, folder)
    readable: dict[str, Zone] = {}
    kinds: dict[str, str] = {}
    trouble: dict[str, str] = {}
    for key in sorted(zones, key=_order):
        name, kind = _identify(key, zones)
        if name is None or name in readable:
            continue  # the second view of a package that is already there
        how = state(zones[key] / "energy_uj") if zones[key].exists() else "masked"
        if how != "found":
            trouble[name or key] = how
            continue
        readable[name], kinds[name] = Zone(zones[key], name, clock), kind
    lost = {name: how for name, how in trouble.items() if name not in readable}
    if not any(kind in ("package", "platform") for kind in kinds.values()) or any(
        name.startswith("package") for name in lost
    ):
        # A node with one of two packages unreadable has no total.
        raise _closed(root, lost)
    return Rapl(
        domain_id(root, "rapl"),
        {name: zone.joules for name, zone in readable.items()},
        kinds,
        61e-6,
        [zone.sum for zone in readable.values()],
        systematic_rel(root),
    )


def _order(key: str) -> tuple[int, list[int]]:
    """MSR zones before their MMIO twins, numbers by value."""
    control, _, digits = key.partition(":")
    return (control != "intel-rapl", [int(part) for part in digits.split(":")])


def _identify(key: str, zones: dict[str, Path]) -> tuple[str | None, str]:
    """A zone's name, unique in the node, and what it covers."""
    name = text(zones[key] / "name")
    parent, _, index = key.rpartition(":")
    if name is None:
        # Its name is hidden with the rest: a top zone is a package for all that is known.
        return (f"package-{index}" if parent.count(":") == 0 else None), "package"
    if parent not in zones:
        if name.startswith("package"):
            return name, "package"
        return name, {"psys": "platform", "dram": "dram"}.get(name, "part")
    above = text(zones[parent] / "name") or parent
    return f"{above}-{name}", "dram" if name == "dram" else "part"


def _no_zones(root: Path, folder: Path) -> Missing:
    if folder.is_dir() and in_container(root):
        return Missing(
            "masked",
            "the container hides the RAPL counters",
            "run outside of the container, or have it started with /sys/devices/virtual/powercap "
            "visible (docker: --security-opt systempaths=unconfined)",
        )
    return nothing(
        root,
        "no RAPL counters",
        "on Intel and AMD processors: modprobe intel_rapl_msr; other processors have none",
    )


def _closed(root: Path, lost: dict[str, str]) -> Missing:
    if "masked" in lost.values():
        return Missing(
            "masked",
            "the container hides the RAPL counters",
            "run outside of the container, or have it started with /sys/devices/virtual/powercap "
            "visible (docker: --security-opt systempaths=unconfined)",
        )
    if "unreadable" in lost.values():
        return Missing("unreadable", "the RAPL counters are readable by root only", REMEDY)
    return Missing("absent", "RAPL zones without a package counter", "report this machine's tree")
