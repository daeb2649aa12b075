"""Meters: what reads joules. One module each, found by place.

A module supplies `open(root, clock) -> list[Meter]`; what is not there raises Unavailable with the
reason and the remedy. Nothing reads a clock or a file tree that it was not given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from joulia.errors import Unavailable

Answer = TypeVar("Answer")
Clock = Callable[[], float]
"""Seconds, never going back."""

KINDS = (
    "node", "platform", "module", "package", "dram", "gpus", "gpu", "battery", "part",
    "cross-check",
)  # fmt: skip
"""What a domain covers, from wide to narrow.

`node`: the whole node behind its power supply. `platform`: a whole system on chip (psys).
`module`: a superchip, processor and GPU. `package`: a processor socket. `dram`: its memory.
`gpus`: the GPU rail of a socket. `gpu`: one GPU. `battery`: everything that drains it.
`part`: lies inside another domain, or nobody knows in which: shown, never added up.
`cross-check`: what a site says of the node or the job, slowly and of its own scope: shown only.
"""

MOST_WATTS: Mapping[str, float] = {
    "node": 20_000.0,
    "platform": 5_000.0,
    "module": 4_000.0,
    "package": 1_000.0,
    "dram": 1_000.0,
    "gpus": 4_000.0,
    "gpu": 2_000.0,
    "battery": 1_000.0,
    "part": 20_000.0,
}
"""More than any of a kind draws: a reading above it is none.

The largest of their kind: a node of eight GPUs (NVIDIA states 14.3 kW for a DGX B200), a GB300
module (2.9 kW), sockets of 500 W (AMD EPYC 9965, Intel Xeon 6980P) that may take twice that for
a moment, 24 memory modules of 15 W, accelerators of 1.4 kW (AMD Instinct MI355X, NVIDIA B300).
"""


@dataclass(frozen=True)
class Domain:
    """One figure of a meter: what it covers and how finely it tells.

    `period_s` is the documented time between updates; the real one is inferred when measuring.
    `quantum_j` is one count in joules. `systematic_rel` bounds the gain error against an external
    meter, 95 %. `window_s` is the shortest window for its joules. `average_s` is how long sampled
    power is an average over, `looks_rel` the share of each period that the meter looks at. `number`
    is how many of its kind it may cover: what they can draw is as many times `MOST_WATTS`.
    """

    kind: str
    period_s: float
    quantum_j: float = 0.0
    systematic_rel: float = 0.0
    window_s: float = 0.0
    average_s: float = 0.0
    looks_rel: float = 1.0
    number: int = 1

    @property
    def most_w(self) -> float:
        """More than what it covers draws."""
        return self.number * MOST_WATTS.get(self.kind, MOST_WATTS["node"])

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
        """Cumulative joules by domain, never decreasing.

        Raises Unavailable on a failed read, `SomeFailed` where it is that of some domains only.
        """


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
    covers: tuple[tuple[str, str | None], ...] = ()
    """Other devices (UUID, PCI bus id) whose joules are in its own, as two dies of one card."""
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

    def only(self, names: Collection[str]) -> None:
        """Leave every other domain alone, where reading one costs time; before `start`."""

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


class SomeFailed(Unavailable):
    """A read that failed for some of its domains: the joules of the others, and each reason."""

    def __init__(self, values: dict[str, float], errors: dict[str, Unavailable]) -> None:
        super().__init__("; ".join(dict.fromkeys(error.reason for error in errors.values())))
        self.values = values
        self.errors = errors


def read_each(readers: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """What all of the readers tell, each asked even where another fails. Raises SomeFailed."""
    values: dict[str, float] = {}
    errors: dict[str, Unavailable] = {}
    for name, read in readers.items():
        try:
            values[name] = read()
        except Unavailable as error:
            errors[name] = error
    if errors:
        raise SomeFailed(values, errors)
    return values


def one_of(read: Callable[[], dict[str, float]], name: str) -> float:
    """What `read` tells of one domain, whichever others fail."""
    try:
        return read()[name]
    except SomeFailed as error:
        if name in error.errors:
            raise error.errors[name] from None
        return error.values[name]


def asked(name: str, call: Callable[[], Answer]) -> Answer:
    """What a meter answers. Whatever it raises is Unavailable, named: it ends this meter alone."""
    try:
        return call()
    except Unavailable:
        raise
    except Exception as error:  # a driver's library may fail in any way
        reason = f"{name}: {type(error).__name__}: {error}"
        raise Missing("broken", reason, "the other meters go on without it") from error


class Missing(Unavailable):
    """A meter that is not here.

    `state` is `absent`, `unreadable`, `masked` (by a container), `lost` (one part of several) or
    `broken` (an error that nobody foresaw).
    """

    def __init__(self, state: str, reason: str, remedy: str = "") -> None:
        plain = state not in ("unreadable", "masked")
        super().__init__(reason if plain else f"{state}: {reason}", remedy)
        self.state = state


class Lost(Base):
    """A part, such as one GPU of eight, that is there and tells nothing; named, never silent."""

    def __init__(self, name: str, reason: str, remedy: str = "") -> None:
        self.id = name
        self.domains = {}
        self.error = Missing("lost", reason, remedy)

    def read(self) -> dict[str, float]:
        raise self.error


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


DESCRIBED = ("device", "bus_id", "covers", "unattributable", "not_covered", "poll_s")
"""What is read from a meter without asking it, where it has it."""


def _opened(module: Any, root: Path, clock: Clock) -> list[Meter]:
    """A module's meters. What a plug-in's lack, or cannot tell, fails here, and nothing later."""
    found: list[Meter] = [*module.open(root, clock)]
    for meter in found:
        if not isinstance(meter.id, str) or not isinstance(meter.source, str):
            raise TypeError("its id and source are no text")
        for name in DESCRIBED:
            getattr(meter, name, None)
    return found


def is_cross_check(module: object) -> bool:
    """Whether a module's meters are shown beside the others and never counted."""
    return bool(getattr(module, "CROSS_CHECK", False))


def any_cross_check(names: Collection[str]) -> bool:
    """Whether a name among these is that of a cross-check."""
    from joulia import registry

    known = registry.meters()
    return any(is_cross_check(known[name]) for name in names if name in known)


def open_all(
    root: Path,
    clock: Clock,
    only: Collection[str] | None = None,
    *,
    devices: bool = False,
    cross_checks: bool = False,
) -> tuple[list[Meter], dict[str, Unavailable]]:
    """Every meter that is there, and the reason for each kind and each part that is not.

    `only` names the kinds to open; JouliaError where one does not exist. `devices` leaves out
    the kinds that measure nodes: it opens modules that say `OF_DEVICES`. Modules that declare
    `CROSS_CHECK` ask the site's services, which takes seconds: they are opened apart.
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
        if (only and name not in only) or cross_checks is not is_cross_check(module):
            continue
        if devices and not getattr(module, "OF_DEVICES", False):
            continue
        try:
            found = asked(name, partial(_opened, module, root, clock))
        except Unavailable as error:
            missing[name] = error
            continue
        missing |= {meter.id: meter.error for meter in found if isinstance(meter, Lost)}
        opened += [meter for meter in found if not isinstance(meter, Lost)]
    return opened, missing
