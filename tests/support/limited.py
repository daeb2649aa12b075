"""Machines with limits to set, as fake trees; and a sweep over them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import trees

from joulia.case import Case
from joulia.simulation.solve import make_case

SUPPORT = Path(__file__).parent
ZONE = "sys/class/powercap/intel-rapl:0"
POLICIES = "sys/devices/system/cpu/cpufreq"


def powercap(root: Path) -> Path:
    """A laptop's package, with the files of Documentation/power/powercap/powercap.rst: 28 W for
    long, 44 W for 2.4 ms, thermal design power 15 W; and a meter, so that joules are measured."""
    meter = {"id": "n/fake", "watts": {"package-0": 20.0}}
    return trees.put(
        trees.node(root),
        {
            f"{ZONE}/name": "package-0",
            f"{ZONE}/enabled": 1,
            f"{ZONE}/constraint_0_name": "long_term",
            f"{ZONE}/constraint_0_power_limit_uw": 28_000_000,
            f"{ZONE}/constraint_0_time_window_us": 27_983_872,
            f"{ZONE}/constraint_0_max_power_uw": 15_000_000,
            f"{ZONE}/constraint_1_name": "short_term",
            f"{ZONE}/constraint_1_power_limit_uw": 44_000_000,
            f"{ZONE}/constraint_1_time_window_us": 2_440,
            f"{ZONE}/constraint_1_max_power_uw": 0,
            f"{ZONE}:0/name": "core",
            f"{ZONE}:0/constraint_0_power_limit_uw": 0,
            "run/joulia/fake-meter.json": json.dumps(meter),
        },
    )


def cpufreq(root: Path) -> Path:
    """Two policies of Documentation/admin-guide/pm/cpufreq.rst: fast cores and efficient ones."""
    clocks = {"policy0": (800_000, 4_700_000), "policy4": (600_000, 3_500_000)}
    return trees.put(
        trees.node(root),
        {
            f"{POLICIES}/{policy}/{name}": value
            for policy, (low, high) in clocks.items()
            for name, value in (
                ("scaling_max_freq", high), ("scaling_min_freq", low),
                ("cpuinfo_max_freq", high), ("cpuinfo_min_freq", low),
            )
        },
    )  # fmt: skip


def limits_of(root: Path) -> list[int]:
    """What the package's two limits are now; 0 where a file is just being written."""
    names = ("constraint_0_power_limit_uw", "constraint_1_power_limit_uw")
    return [int((root / ZONE / name).read_text() or 0) for name in names]


BEFORE = [28_000_000, 44_000_000]


def capped(**limited: float) -> Case:
    """A processor's case under limits."""
    return replace(make_case("heat"), **limited)  # type: ignore[arg-type]


SWEEP = (
    "frontier", "heat", "-b", "numpy", "--shape", "8x8x8", "--dtype", "float64", "--threads", "1",
    "--window", "0.02", "--repeats", "6",
)  # fmt: skip
"""A frontier of one choice, to which a test adds limits and a file."""


def begin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a fake machine, for this process and those that it starts.

    With a folder of its own for what is to be put back, and NVML's stand-in.
    """
    monkeypatch.setenv("JOULIA_ROOT", str(folder / "root"))
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SUPPORT / "site"), str(SUPPORT)]))
    return trees.node(folder / "root")
