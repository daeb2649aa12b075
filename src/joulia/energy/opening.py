"""Which meters a rank reads: those of its node, and that of its own GPU; and what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from joulia import meters
from joulia.energy.accounting import Seen
from joulia.errors import Unavailable
from joulia.meters import Clock, Meter, _gpu, asked
from joulia.parallel.comm import Comm

LOST = ("lost", "broken")
"""States of what is there and is not measured, which a total says that it leaves out."""


def own_meters(
    comm: Comm, node: str, device: str | None, opened: Sequence[Meter], root: Path, clock: Clock
) -> tuple[list[Meter], dict[str, Unavailable]]:
    """The meter of this rank's own GPU, where no meter that its node has `opened` holds it.

    Each rank sees its own GPU only where a job's tasks are fenced in (Slurm's --gpus-per-task). Of
    ranks that share one the lowest reads it.
    """
    shown = comm.allgather((node, gpus_of(opened)))
    gpus = {uuid: bus for name, part in shown if name == node for uuid, bus in part.items()}
    own: list[Meter] = []
    missing: dict[str, Unavailable] = {}
    if device is not None and not _named(device, gpus):
        found, missing = meters.open_all(root, clock, devices=True)
        own = [meter for meter in found if _named(device, gpus_of([meter]))]
    lower = comm.allgather([meter.id for meter in own])[: comm.rank]
    taken = {name for names in lower for name in names}
    return [meter for meter in own if meter.id not in taken], missing


def gpus_of(opened: Sequence[Meter]) -> dict[str, str | None]:
    """The GPUs whose joules these meters hold, with their PCI bus ids."""
    gpus: dict[str, str | None] = {}
    for meter in opened:
        if device := getattr(meter, "device", None):
            gpus |= {device: getattr(meter, "bus_id", None), **dict(getattr(meter, "covers", ()))}
    return gpus


def _named(device: str, gpus: Mapping[str, str | None]) -> bool:
    """Whether a device is one of these GPUs."""
    try:
        return bool(_gpu.match(device, gpus))
    except Unavailable:
        return False


def reasons(
    comm: Comm, missing: Mapping[str, Unavailable]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """What no rank could open and why; and of what is lost, the reasons. The same on every rank."""
    own = {name: (getattr(error, "state", ""), error.reason) for name, error in missing.items()}
    parts = comm.allgather(own)
    told = {name: why for part in reversed(parts) for name, why in part.items()}
    lost = [reason for _, (state, reason) in sorted(told.items()) if state in LOST]
    return {name: reason for name, (_, reason) in told.items()}, tuple(lost)


def seen(node: str, meter: Meter) -> list[Seen]:
    """The domains of a meter, as the node's reader tells them."""
    try:
        domains = asked(meter.id, partial(meters.domains, meter))
    except Unavailable:
        return []
    return [
        Seen(
            node,
            meter.id,
            name,
            domain.kind,
            meter.source,
            domain.lag_s,
            domain.quantum_j,
            domain.systematic_rel,
            domain.window_s,
            domain.looks_rel,
            domain.most_w,
            device=getattr(meter, "device", None),
            bus_id=getattr(meter, "bus_id", None),
            covers=getattr(meter, "covers", ()),
            unattributable=getattr(meter, "unattributable", None),
            not_covered=getattr(meter, "not_covered", ()),
        )
        for name, domain in domains.items()
    ]
