"""RAPL: the energy counters of Intel and AMD processors, through perf events or Linux' powercap.

Total = packages + DRAM. `core` and `uncore` lie inside the package. `psys` (`psys-1` on a second
board) covers the platform and replaces the sum. Zones are numbered in hexadecimal. A package that
shows through both MSR and MMIO is one package. The files have been root-only since Linux 5.10
(CVE-2020-8694): joulia says so and how an administrator opens them, and never changes a permission
itself.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from joulia.meters import MOST_WATTS, Base, Clock, Domain, Missing, asked, domain_id, read_each
from joulia.meters._counter import Accumulator
from joulia.meters._files import in_container, nothing, number, state
from joulia.meters._perf import Event, Opener, events, open_event
from joulia.meters._rapl_gain import systematic_rel
from joulia.system.files import text

ZONES = "sys/class/powercap"
ZONE = re.compile(r"intel-rapl(?:-[a-z]+)?(?::[0-9a-f]+)+")
"""The kernel numbers zones with %x (drivers/powercap/powercap_sys.c): the eleventh is `:a`."""
TOP = ((r"package-\d+(-die-\d+)?", "package"), (r"psys(-\d+)?", "platform"), (r"dram", "dram"))
"""Zones at the top by their names, as drivers/powercap/intel_rapl_common.c gives them."""
PACKAGE = re.compile(TOP[0][0])
PERIOD_S = 0.001
REMEDY = (
    "an administrator can allow perf events (sysctl kernel.perf_event_paranoid=0) or give a group "
    "read access at boot: in /etc/tmpfiles.d/rapl.conf the line "
    "'z /sys/class/powercap/intel-rapl:*/energy_uj 0440 root GROUP -'"
)


class Zone:
    """One powercap zone: a counter in microjoules that wraps at a range of its own."""

    def __init__(self, folder: Path, name: str, clock: Clock, most_w: float) -> None:
        self.file = folder / "energy_uj"
        top = text(folder / "max_energy_range_uj")
        range_j = int(top) * 1e-6 if top and top.isdigit() and int(top) > 0 else None
        self.sum = Accumulator(name, range_j, clock, most_w)

    def joules(self) -> float:
        return self.sum.read(lambda: number(self.file) * 1e-6)


class Rapl(Base):
    """All RAPL domains of a node. `readers` give joules by domain; `lost` are not read, and why."""

    def __init__(
        self,
        name: str,
        readers: dict[str, Callable[[], float]],
        kinds: dict[str, str],
        quantum_j: float,
        sums: list[Accumulator],
        systematic: float,
        lost: Sequence[str] = (),
    ) -> None:
        self.id = name
        self.readers = readers
        self.sums = sums
        self.domains = {
            domain: Domain(kind, PERIOD_S, quantum_j, systematic) for domain, kind in kinds.items()
        }
        polls = [s.poll_s for s in sums if s.poll_s is not None]
        self.poll_s = min(polls, default=None)
        told = {"dram", "platform"} & {*kinds.values()} or any("dram" in name for name in lost)
        memory = [] if told else ["DRAM (this processor counts none)"]
        self.not_covered = (
            *lost, *memory, "power supply loss", "network card", "disks and fans"
        )  # fmt: skip

    @property
    def wraps(self) -> int:
        return sum(s.wraps for s in self.sums)

    def read(self) -> dict[str, float]:
        return read_each(self.readers)


def open(root: Path, clock: Clock, opener: Opener | None = None) -> list[Rapl]:
    """The node's RAPL as one meter, through perf events where they are allowed."""
    # A tree that is not the system's has no perf events behind it.
    opener = opener or (open_event if root == Path("/") else None)
    if opener is not None:
        with contextlib.suppress(Missing):
            return [asked("perf events", partial(_from_perf, root, clock, opener))]
    return [_from_powercap(root, clock)]


def _from_perf(root: Path, clock: Clock, opener: Opener) -> Rapl:
    counters = events(root, opener)
    sums = {c.name: Accumulator(c.name, None, clock, MOST_WATTS[c.kind]) for c in counters}

    def joules(event: Event) -> float:
        return sums[event.name].update(event.joules())

    return Rapl(
        domain_id(root, "rapl"),
        {event.name: partial(joules, event) for event in counters},
        {event.name: event.kind for event in counters},
        max(event.scale_j for event in counters),
        list(sums.values()),
        systematic_rel(root),
    )


def _from_powercap(root: Path, clock: Clock) -> Rapl:
    folder = root / ZONES
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        entries = []
    zones = {
        path.name: path
        for path in entries
        if path.name.startswith("intel-rapl") and ":" in path.name
    }
    if not zones:
        raise _no_zones(root, folder)
    if unknown := [key for key in zones if not ZONE.fullmatch(key)]:
        raise _unknown(f"RAPL zone {unknown[0]}")
    readable: dict[str, Zone] = {}
    kinds: dict[str, str] = {}
    trouble: dict[str, str] = {}
    lost_kinds: dict[str, str] = {}
    for key in sorted(zones, key=_order):
        name, kind = _identify(key, zones)
        if name is None or name in readable:
            continue  # the second view of a package that is already there
        how = state(zones[key] / "energy_uj") if zones[key].exists() else "masked"
        if how != "found":
            trouble[name or key], lost_kinds[name or key] = how, kind
            continue
        readable[name] = Zone(zones[key], name, clock, MOST_WATTS[kind])
        kinds[name] = kind
    lost = {name: how for name, how in trouble.items() if name not in readable}
    if not any(kind in ("package", "platform") for kind in kinds.values()) or any(
        PACKAGE.fullmatch(name) for name in lost
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
        [f"{name} ({how})" for name, how in lost.items() if lost_kinds[name] != "part"],
    )


def _order(key: str) -> tuple[int, list[int]]:
    """MSR zones before their MMIO twins, numbers by value."""
    control, *digits = key.split(":")
    return (control != "intel-rapl", [int(part, 16) for part in digits])


def _identify(key: str, zones: dict[str, Path]) -> tuple[str | None, str]:
    """A zone's name, unique in the node, and what it covers."""
    name = text(zones[key] / "name")
    parent, _, index = key.rpartition(":")
    if name is None:
        # Its name is hidden with the rest: a top zone is a package for all that is known.
        return (f"package-{int(index, 16)}" if parent.count(":") == 0 else None), "package"
    if parent not in zones:
        kind = next((kind for pattern, kind in TOP if re.fullmatch(pattern, name)), None)
        if kind is None:
            raise _unknown(f"RAPL zone {key}, called {name!r}")
        return name, kind
    above = text(zones[parent] / "name") or parent
    return f"{above}-{name}", "dram" if name == "dram" else "part"


def _unknown(what: str) -> Missing:
    """A zone that is not understood is no zone that may be left out of a sum."""
    return Missing(
        "absent", f"{what}: it is not known what it covers", "report this machine's zones"
    )


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
