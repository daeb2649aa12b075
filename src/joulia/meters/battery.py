"""A laptop's battery while it drains: everything on the machine, but slow and coarse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Base, Clock, Domain, Missing, domain_id, read_each
from joulia.meters._files import number
from joulia.meters._sampled import Interrupted, ProcessSampler, Reader, Sampled, Sampling
from joulia.system.files import text

SUPPLIES = "sys/class/power_supply"
PERIOD_S = 5.0
"""Fuel gauges update every few seconds; no standard says how often."""
MAINS = ("Charging", "Full")
SYSTEMATIC_REL = 0.1
"""Gauges state no bound: assumed."""


def power_reader(folders: dict[str, list[str]]) -> Callable[[], dict[str, float]]:
    """Watts that the batteries give together; Interrupted as soon as the machine is on mains."""
    return partial(
        read_each,
        {name: partial(watts, [Path(folder) for folder in f]) for name, f in folders.items()},
    )


def watts(folders: Sequence[Path]) -> float:
    """Of two batteries one drains and the other waits: what waits gives nothing."""
    draining = [folder for folder in folders if text(folder / "status") == "Discharging"]
    if not draining or any(text(folder / "status") in MAINS for folder in folders):
        raise Interrupted("the machine went on mains power: the battery tells nothing")
    return sum(_drain(folder) for folder in draining)


def _drain(folder: Path) -> float:
    if (folder / "power_now").exists():
        return abs(number(folder / "power_now")) * 1e-6
    return abs(number(folder / "current_now") * 1e-6 * number(folder / "voltage_now") * 1e-6)


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """All batteries as one meter, while they drain."""
    batteries = [
        folder
        for folder in sorted((root / SUPPLIES).glob("*"))
        if text(folder / "type") == "Battery" and text(folder / "scope") != "Device"
    ]
    if not batteries:
        raise Missing("absent", "no battery")
    name = "+".join(folder.name for folder in batteries)
    names = {name: [str(folder) for folder in batteries]}
    most_w = {name: MOST_WATTS["battery"]}
    reader = Reader(power_reader(names), f"{__name__}:power_reader", [names], most_w)
    try:
        watts(batteries)
    except Interrupted:
        remedy = "unplug the machine to measure by it"
        raise Missing("absent", "the battery does not drain", remedy) from None
    except Unavailable as error:
        raise Missing("absent", error.reason, "this battery's driver tells no power") from None
    domains = {name: Domain("battery", PERIOD_S, 1e-6, SYSTEMATIC_REL)}
    return [Sampled(domain_id(root, "battery"), domains, sampling(reader, 1.0, clock))]
