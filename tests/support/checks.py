"""Checks that the suite makes and that a mutation must break."""

from __future__ import annotations

from pathlib import Path

import real_machines
import trees
from fake_nvml import FakeGpu
from real_machines import Register
from virtual import Curve, LocalSampler, VirtualClock
from windows import energy, gpus, measured, window, written_energy

from joulia.energy.accounting import Seen, User, account
from joulia.meters import hwmon, occ, rapl


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


def threadripper_watts(folder: Path) -> float:
    """Watts of a Threadripper 1950X of two dies."""
    clock = VirtualClock(3.0)
    real_machines.Powercap(folder, clock, real_machines.threadripper_1950x())
    monitor = energy(clock, list(rapl.open(folder, clock)))
    monitor.infer_periods()
    window(monitor, clock, 1.0)
    return float(measured(monitor)["watts"])


def watts_across_a_reset(folder: Path) -> float | None:
    """Watts of 5 s at 150 W in which a counter of 17 kJ begins at 0 again; None if it is void."""
    clock = VirtualClock()
    register = Register(Curve(150.0), start_j=17_000.0)
    real_machines.Powercap(folder, clock, {"intel-rapl:0": ("package-0", register)})
    monitor = energy(clock, list(rapl.open(folder, clock)))
    before = monitor.read()
    register.reset(0.0)
    clock.sleep(5.0)
    monitor.window(before, monitor.read())
    data, _ = written_energy(monitor, 1)
    return None if data is None else float(data["watts"])


def superchip_watts(folder: Path) -> float:
    """Watts of a GH200 at 600 W, of which Grace 180 W, whose driver tells no power by scope."""
    clock = VirtualClock(2.0)
    gpu = FakeGpu("GPU-1", name="NVIDIA GH200 480GB", curve=Curve(600.0), instant=False)
    opened = [*gpus(clock, gpu), *hwmon.open(trees.grace(folder), clock, LocalSampler)]
    monitor = energy(clock, opened, device="GPU-1")
    window(monitor, clock, 6.0)
    return float(measured(monitor)["watts"])
