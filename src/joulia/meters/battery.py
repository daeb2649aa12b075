"""A laptop's battery while it drains: everything on the machine, but slow and coarse."""

from __future__ import annotations

from collections.abc import Callable
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
SYSTEMATIC_REL = 0.1
"""Gauges state no bound: assumed."""


def power_reader(folders: dict[str, str]) -> Callable[[], dict[str, float]]:
    """Watts that each battery gives; Interrupted as soon as the machine is on mains."""

    def watts(folder: Path) -> float:
        if text(folder / "status") != "Discharging":
            raise Interrupted("the machine went on mains power: the battery tells nothing")
        if (folder / "power_now").exists():
            return abs(number(folder / "power_now")) * 1e-6
        return abs(number(folder / "current_now") * 1e-6 * number(folder / "voltage_now") * 1e-6)

    return partial(
        read_each, {name: partial(watts, Path(folder)) for name, folder in folders.items()}
    )


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """All batteries as one meter, while they drain."""
    batteries = {
        folder.name: folder
        for folder in sorted((root / SUPPLIES).glob("*"))
        if text(folder / "type") == "Battery" and text(folder / "scope") != "Device"
    }
    if not batteries:
        raise Missing("absent", "no battery")
    if any(text(folder / "status") != "Discharging" for folder in batteries.values()):
        raise Missing("absent", "the battery does not drain", "unplug the machine to measure by it")
    names = {name: str(folder) for name, folder in batteries.items()}
    most_w = dict.fromkeys(names, MOST_WATTS["battery"])
    reader = Reader(power_reader(names), f"{__name__}:power_reader", [names], most_w)
    try:
        reader.local()
    except Unavailable as error:
        raise Missing("absent", error.reason, "this battery's driver tells no power") from None
    domains = {name: Domain("battery", PERIOD_S, 1e-6, SYSTEMATIC_REL) for name in names}
    return [Sampled(domain_id(root, "battery"), domains, sampling(reader, 1.0, clock))]
