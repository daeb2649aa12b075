"""Checks that the suite makes and that a mutation must break."""

from __future__ import annotations

from pathlib import Path

import trees
from virtual import VirtualClock

from joulia.energy.accounting import Seen, User, account
from joulia.meters import occ, rapl


def wrapped_joules(folder: Path) -> float:
    """2 kJ over the end of a counter of 262 kJ."""
    clock = VirtualClock()
    trees.node(folder)
    trees.zone(folder, "intel-rapl:0", "package-0", uj=262_143_000_000)
    (meter,) = rapl.open(folder, clock)
    before = meter.read()["package-0"]
    clock.sleep(10.0)
    trees.set_uj(folder, "intel-rapl:0", 2_000_000_000 - 328_850)
    return meter.read()["package-0"] - before


def seen_by(meter: object, node: str = "n") -> list[Seen]:
    return [
        Seen(node, meter.id, name, domain.kind, meter.source)  # type: ignore[attr-defined]
        for name, domain in meter.domains.items()  # type: ignore[attr-defined]
    ]


def chip_watts(folder: Path) -> float:
    """Watts counted on an AC922 whose firmware tells no System: chips, memory, GPUs."""
    clock = VirtualClock()
    machine = trees.Ac922(folder)
    trees.put(machine.folder, {"energy1_enable": 0, "power1_enable": 0})
    machine.run(clock)
    (meter,) = occ.open(folder, clock)
    before = meter.read()
    clock.sleep(4.0)
    after = meter.read()
    counted = account(seen_by(meter), [User("n")]).counted
    return sum(after[seen.domain] - before[seen.domain] for seen in counted) / 4.0


CHIPS_W = sum(
    watts
    for label, watts in trees.AC922.items()
    if label != "System" and not label.endswith(("Vdd", "Vdn"))
)


def counted_twice() -> int:
    """How often a package counts that two ranks of a node tell of."""
    seen = [Seen("n", "n/rapl", "package-0", "package") for _ in range(2)]
    return len(account(seen, [User("n"), User("n")]).counted)
