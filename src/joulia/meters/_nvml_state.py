"""What an NVIDIA GPU tells of its clocks, temperature and limits, beside its joules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joulia.meters import nvml

CLOCK_SM, TEMPERATURE_GPU = 1, 0
THROTTLES = {
    0x002: "application clocks",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "temperature (software)",
    0x040: "temperature (hardware)",
    0x080: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability voltage",
}
"""What holds a GPU's clocks down, by the bits of nvmlClocksThrottleReasons without idle (0x1)."""


@dataclass(frozen=True)
class State:
    """What a GPU tells of itself now: Hz, degrees Celsius, W; None where it does not tell."""

    uuid: str
    clock_hz: float | None
    temperature_c: float | None
    power_limit_w: float | None
    throttles: tuple[str, ...] | None


def state_reader(device: str, library: Any = None) -> Callable[[], State] | None:
    """Reads the state of the GPU with this UUID or PCI bus id; None where NVML does not show it."""
    try:
        library = library or nvml.load()
        handle = nvml.handle_of(library, device)
        uuid = nvml.describe(library, handle).uuid
    except Exception:  # a driver's library may fail in any way: the run goes on without it
        return None

    def number(name: str, unit: float, *arguments: int) -> float | None:
        try:
            return unit * float(getattr(library, name)(handle, *arguments))
        except Exception:
            return None  # a failed read is never 0, and an older binding has not every function

    def read() -> State:
        bits = number("nvmlDeviceGetCurrentClocksThrottleReasons", 1.0)
        return State(
            uuid,
            number("nvmlDeviceGetClockInfo", 1e6, CLOCK_SM),
            number("nvmlDeviceGetTemperature", 1.0, TEMPERATURE_GPU),
            number("nvmlDeviceGetEnforcedPowerLimit", 1e-3),
            None
            if bits is None
            else tuple(reason for bit, reason in THROTTLES.items() if int(bits) & bit),
        )

    return read
