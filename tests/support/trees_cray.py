"""/sys/cray/pm_counters as HPE's Cray EX nodes show it."""

from __future__ import annotations

from pathlib import Path

from trees import node, put
from virtual import VirtualClock

LUMI_G = {
    "energy": (1_360_621_494, 2_000),
    "cpu_energy": (301_415_913, 250),
    "memory_energy": (81_147_367, 71),
    "accel0_energy": (212_365_101, 380),
    "accel1_energy": (211_887_020, 370),
    "accel2_energy": (213_004_411, 390),
    "accel3_energy": (210_600_982, 360),
}
"""Joules since the blade's start, and watts, of a node with four MI250X."""


class CrayEx:
    """/sys/cray/pm_counters of a node with accelerators. `update(t)` writes the scan at t.

    Names are those of a listing of LUMI (BSC-ES/autosubmit issue 1385) and of docs-csm's "User
    Access to Compute Node Power Data"; lines with and without a time those of Frontier and of
    geopm's CNLIOGroupTest.
    """

    def __init__(self, root: Path, *, times: bool = True) -> None:
        self.folder = node(root) / "sys/cray/pm_counters"
        self.times = times
        self.watts: dict[str, int] = {}
        """Of counters that draw other watts than `LUMI_G` lists."""
        self.dead: str | None = None
        """A counter whose file is empty."""
        put(self.folder, {"raw_scan_hz": 10, "version": 3, "generation": 1, "startup": 17})
        put(self.folder, {"cpu0_temp": self.line(48, "C"), "power_cap": self.line(0, "W")})
        self.update(0.0)

    def line(self, number: int, unit: str, t: float = 0.0) -> str:
        at = f" {1_700_061_210_920_464 + round(t * 1e6)} us" if self.times else ""
        return f"{number} {unit}{at}"

    def update(self, t: float) -> None:
        files: dict[str, object] = {"freshness": 5_212_345 + round(t * 10)}
        for name, (joules, listed) in LUMI_G.items():
            watts = self.watts.get(name, listed)
            files[name] = "" if name == self.dead else self.line(joules + round(watts * t), "J", t)
            files[name.replace("energy", "power")] = self.line(watts, "W", t)
        put(self.folder, files)

    def run(self, clock: VirtualClock) -> None:
        """Scan on a virtual clock."""
        clock.every(0.1, lambda: self.update(clock.now))
