"""Meters: what reads joules. One module each, found by place.

A module supplies `open(root, clock) -> list[Meter]`; what is not there raises Unavailable with the
reason and the remedy. Nothing reads a clock or a file tree that it was not given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joulia.errors import Unavailable

Clock = Callable[[], float]
"""Seconds, never going back."""

KINDS = ("node", "platform", "module", "package", "dram", "gpus", "gpu", "battery", "part")
"""What a domain covers, from wide to narrow.

`node`: the whole node behind its power supply. `platform`: a whole system on chip (psys).
`module`: a superchip, processor and GPU. `package`: a processor socket. `dram`: its memory.
`gpus`: the GPU rail of a socket. `gpu`: one GPU. `battery`: everything that drains it.
`part`: lies inside another domain, or nobody knows in which: shown, never added up.
"""


@dataclass(frozen=True)
class Domain:
    """One figure of a meter: what it covers and how finely it tells.

    `period_s` is the documented time between updates; the real one is inferred when measuring.
    `quantum_j` is one count in joules. `systematic_rel` bounds the gain error against an external
    meter, 95 %. `window_s` is the shortest window for its joules. `average_s` is how long sampled
    power is an average over, `looks_rel` the share of each period that the meter looks at.
    """

    kind: str
    period_s: float
    quantum_j: float = 0.0
    systematic_rel: float = 0.0
    window_s: float = 0.0
    average_s: float = 0.0
    looks_rel: float = 1.0

    @property
    def lag_s(self) -> float:
        """How long ago the oldest power in the figure can be."""
        return self.period_s + self.average_s


class Meter(Protocol):
    """A cumulative energy meter of a node or of a device."""

    id: str
    """Unique in the world: two ranks that hold the same id see the same joules."""
    source: str
    """How it measures: `counter`, `sampled` or `fake`."""

    def read(self) -> dict[str, float]:
        """Cumulative joules by domain, never decreasing. Raises Unavailable on a failed read."""


class Base:
    """What a meter of this package has besides `id`, `source` and `read()`; the defaults."""

    id: str = ""
    source: str = "counter"
    device: str | None = None
    """The UUID of the device that it measures; None for a node's meter."""
    bus_id: str | None = None
    """The device's PCI bus id."""
    domains: Mapping[str, Domain]
    not_covered: tuple[str, ...] = ()
    unattributable: str | None = None
    """Why its joules belong to no single user of the device; None where they do."""
    poll_s: float | None = None
    """Read at least this often, or a wrap is missed; None where nothing wraps within days."""

    @property
    def wraps(self) -> int:
        """Wraps of its counters seen so far."""
        return 0

    def read(self) -> dict[str, float]:
        raise NotImplementedError

    def check(self) -> dict[str, float]:
        """Cumulative joules by domain, measured in a second way; empty where there is none."""
        return {}

    def active_s(self) -> float | None:
        """Seconds so far in which the device computed; None where nobody tells."""
        return None

    def start(self, busy: Collection[int]) -> None:
        """Begin to sample, on a core that is not among the `busy` ones where there is one."""

    def period_s(self) -> float:
        """Of a meter that samples, the mean time between its samples so far; else 0."""
        return 0.0

    def cost_s(self) -> float:
        """Processor seconds that the meter used beside this process so far."""
        return 0.0

    def close(self) -> None:
        """End what `start` began."""


def domains(meter: Meter) -> Mapping[str, Domain]:
    """A meter's domains; a plug-in that declares none is taken for a package, updated at 10 Hz."""
    declared: Mapping[str, Domain] | None = getattr(meter, "domains", None)
    if declared is not None:
        return declared
    return {name: Domain("package", 0.1) for name in meter.read()}


class Missing(Unavailable):
    """A meter that is not here; `state` is `absent`, `unreadable` or `masked` (by a container)."""

    def __init__(self, state: str, reason: str, remedy: str = "") -> None:
        super().__init__(reason if state == "absent" else f"{state}: {reason}", remedy)
        self.state = state


def root() -> Path:
    """The file tree that meters read: JOULIA_ROOT (fake trees in tests), else the system's."""
    return Path(os.environ.get("JOULIA_ROOT", "/"))


def node_id(root: Path) -> str | None:
    """The node's name, unique in the world until it boots again; None where it tells none."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip() or None
    except OSError:
        return None


def domain_id(root: Path, path: str) -> str:
    """A meter's id: the node and the meter's place in it."""
    import socket

    return f"{node_id(root) or socket.gethostname()}/{path}"


def open_all(
    root: Path, clock: Clock, only: Collection[str] | None = None
) -> tuple[list[Meter], dict[str, Unavailable]]:
    """Every meter that is there, and the reason for each kind that is not.

    `only` names the kinds to open; JouliaError where one does not exist.
    """
    from joulia import registry
    from joulia.errors import suggest

    known = registry.meters()
    for name in only or ():
        if name not in known:
            raise suggest("meter", name, list(known))
    opened: list[Meter] = []
    missing: dict[str, Unavailable] = {}
    for name, module in known.items():
        if only and name not in only:
            continue
        try:
            opened += module.open(root, clock)
        except Unavailable as error:
            missing[name] = error
    return opened, missing
