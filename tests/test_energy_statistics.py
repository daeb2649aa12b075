"""What joules are sure of: coverage on simulated meters, windows in running work, net, gain."""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trees
from fake_nvml import FakeGpu
from virtual import Curve, LocalSampler, VirtualClock
from windows import UUID, Steady, energy, gpus, measured, window

from joulia.case import Settings
from joulia.energy import uncertainty
from joulia.energy.monitor import CATCH_UP
from joulia.energy.rest import window_of
from joulia.measure.method import measure
from joulia.meters import _rapl_gain, hwmon, rapl
from joulia.parallel.comm import OneRank
from joulia.simulation.run import Run
from joulia.simulation.solve import make_case

ROOT = Path(__file__).parents[1]
needs_checkout = pytest.mark.skipif(
    not (ROOT / "docs" / "studies").is_dir(), reason="needs the checkout, not the installed wheel"
)


@pytest.fixture(scope="module")
def study() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs/studies"))  # as when it is run from the command line
    return importlib.import_module("energy_coverage")


# ---- the study, smaller ----------------------------------------------------------------------


@needs_checkout
@pytest.mark.parametrize(
    "kind",
    ["run, counter", "run, power averaged", "meter, ", "GPU that looks", "net, ", "start-up"],
)
def test_intervals_hold_the_truth_in_95_per_cent(study: ModuleType, kind: str) -> None:
    found = [
        each
        for name, row in study.rows().items()
        if name.startswith(kind)
        for each in study.coverage(name, row, 20).found
    ]
    assert len(found) >= 25
    assert sum(each.holds for each in found) >= 0.95 * len(found)


@needs_checkout
def test_the_study_can_fail(study: ModuleType) -> None:
    """What joulia did before, on the same trials: the lag of earlier power is not given back."""
    rows = study.rows()
    for name in (
        "*without work before the window, 3 before*",
        "*averaged, taken for a period of 1 s, without work before, 3 before*",
        "*the same in one window, 50 ms*",
    ):
        assert study.coverage(name, rows[name], 40).holds < 0.8, name
    biased = study.coverage("bias", rows["*without work before the window, 0 before*"], 100).found
    assert sum(each.error for each in biased) / len(biased) < -0.01


@needs_checkout
def test_the_table_in_the_documentation_is_the_study_s(study: ModuleType) -> None:
    page = (ROOT / "docs" / "energy.md").read_text()
    rows = study.rows()
    told = re.findall(r"^\| ([^|]+) \| \d+", page, re.MULTILINE)
    assert told == list(rows)
    for name in ("run, counter of 0.1 s, 0.3 before", "*without work before the window, 3 before*"):
        assert study.coverage(name, rows[name], study.TRIALS).line(name) in page
    for line in page.splitlines():
        if line.endswith("% |") and not line.startswith("| *"):
            assert float(line.rstrip(" %|").rpartition("|")[2]) >= 95.0, line


# ---- windows begin in running work -----------------------------------------------------------


def test_work_runs_before_the_first_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least an update period of it, in every repeat, and its steps are verified as well."""
    meter = {"id": "n/fake", "watts": {"package-0": 50.0}, "period_s": 0.01}
    trees.put(trees.node(tmp_path), {"run/joulia/fake-meter.json": json.dumps(meter)})
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    events: list[tuple[str, float]] = []

    from joulia.energy.monitor import EnergyMonitor
    from joulia.system.clock import raw_clock

    read, step, reset = EnergyMonitor.read, Run.step, Run.reset

    def logged(name: str, call: Any) -> Any:
        def wrapper(self: Any) -> Any:
            events.append((name, raw_clock()))
            return call(self)

        return wrapper

    monkeypatch.setattr(EnergyMonitor, "read", logged("read", read))
    monkeypatch.setattr(Run, "step", logged("step", step))
    monkeypatch.setattr(Run, "reset", logged("reset", reset))
    case = make_case("heat", "numpy", size="tiny")
    part = measure(case, Settings(window_s=0.2, repeats=2, energy_tolerance=0.5), OneRank())
    assert part.status == "valid", part.reasons
    names = [name for name, _ in events]
    for number in range(2):
        resets = [i for i, name in enumerate(names) if name == "reset"]
        start = resets[number]
        first = names.index("read", start)
        steps = [at for name, at in events[start:first] if name == "step"]
        assert len(steps) >= 2
        assert events[first][1] - steps[0] >= 0.01
    assert part.verify is not None
    assert all(check.passed for check in part.verify.invariants.values())


def test_a_counter_slower_than_the_window_is_not_waited_for() -> None:
    """ACPI power meters average over up to 300 s."""
    clock = VirtualClock()
    monitor = energy(clock, [Steady(clock, period_s=300.0)])
    assert monitor.lead_s(2.0) == 0.0
    monitor.spread_phases(2.0)
    assert clock.now == 0.0
    assert energy(clock, [Steady(clock, period_s=0.1)]).lead_s(2.0) == pytest.approx(CATCH_UP * 0.1)


def test_windows_begin_at_phases_spread_over_the_period() -> None:
    clock = VirtualClock(17.23)
    monitor = energy(clock, [Steady(clock, period_s=0.1)])
    phases = []
    for _ in range(9):
        monitor.spread_phases(5.0)
        phases.append(clock.now % 0.1)
        clock.sleep(5.0)
    ends = sorted(phases)
    gaps = [b - a for a, b in zip(ends, [*ends[1:], ends[0] + 0.1], strict=True)]
    assert max(gaps) < 0.02, "nine phases leave no gap of a looking time"


# ---- rest on both sides ----------------------------------------------------------------------


def test_a_command_s_burst_at_its_end_is_counted() -> None:
    """50 W, and 500 W in the last 50 ms: the counter tells of them after the command is over."""
    clock = VirtualClock(10.0)
    curve = Curve(50.0, extra_w=450.0, on_s=20.0, off_s=20.05)
    gpu = FakeGpu(UUID, name="NVIDIA A100-SXM4-40GB", curve=curve, period_s=0.1, phase_s=0.03)
    monitor = energy(clock, gpus(clock, gpu), device=UUID)
    monitor.infer_periods()
    monitor.idle()
    began = clock.now
    _, work = window_of(monitor, lambda: clock.sleep(20.05 - clock.now))
    monitor.keep(work)
    data = measured(monitor)
    truth = curve.joules(20.05) - curve.joules(began)
    # At worst an update period of the rest; the burst's 22.5 J are all in.
    assert data["median"] == pytest.approx(truth, abs=5.0)
    assert data["end_points_rel"] < 0.01
    plain = energy(VirtualClock(began), [])
    assert plain.lead_s(5.0) == 0.0, "no meter, no waiting"


def test_rest_that_was_not_measured_voids_the_command() -> None:
    clock = VirtualClock()
    meter = Steady(clock)
    monitor = energy(clock, [meter])
    meter.fail = True
    monitor.idle()
    meter.fail = False
    _, work = window_of(monitor, lambda: clock.sleep(2.0))
    assert work == "the power at rest around the work was not measured (it died)"


def test_a_mean_lag_is_taken_out_of_either_end() -> None:
    """Both ends known: half an update period's energy at either, nothing of the mean power."""
    part = uncertainty.Part(1000.0, 0.1, 0.0, 0.0, ends_w=(10.0, 30.0))
    spread = uncertainty.spread([part], 1.0)
    assert spread.ends_rel == pytest.approx((0.5 + 1.5) / 1000.0)
    assert spread.sigma_rel == pytest.approx((0.25 + 2.25) ** 0.5 / 3.0**0.5 / 1000.0)


# ---- what a meter lags, looks at, and gains --------------------------------------------------


def test_an_average_s_period_is_its_length_and_its_refreshing(tmp_path: Path) -> None:
    """An ACPI power meter of an ordinary server (Linux, drivers/hwmon/acpi_power_meter.c)."""
    folder = "sys/class/hwmon/hwmon2"
    trees.put(
        trees.node(tmp_path),
        {
            f"{folder}/name": "power_meter",
            f"{folder}/power1_average": 213_000_000,
            f"{folder}/power1_average_interval": 1000,
        },
    )
    (meter,) = hwmon.open(tmp_path, VirtualClock(), LocalSampler)
    (domain,) = meter.domains.values()
    assert domain.lag_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("name", "doubt"),
    [("NVIDIA H100 80GB HBM3", True), ("NVIDIA H200", True), ("Tesla V100-SXM2-32GB", False)],
)
def test_one_window_of_a_sensor_that_looks_at_a_part_says_so(name: str, doubt: bool) -> None:
    clock = VirtualClock(3.0)
    monitor = energy(clock, gpus(clock, FakeGpu(UUID, name=name)), device=UUID)
    window(monitor, clock, 6.0)
    assert any("one window" in flag for flag in measured(monitor)["flags"]) is doubt
    window(monitor, clock, 6.0)
    data = measured(monitor)
    assert not any("one window" in flag for flag in data["flags"])
    assert (data["phases_rel"] is not None) is doubt


def test_windows_that_differ_by_phase_widen_the_interval() -> None:
    clock = VirtualClock()
    meter = Steady(clock)
    meter.domains["package-0"] = _looking(meter)
    monitor = energy(clock, [meter])
    for watts in (100.0, 140.0, 100.0, 80.0, 100.0):
        meter.watts = watts
        window(monitor, clock, 5.0)
    data = measured(monitor)
    assert data["phases_rel"] == pytest.approx(0.4, abs=0.01)
    assert data["uncertainty_rel"] > 0.4
    assert any("the load repeats about as often" in flag for flag in data["flags"])


def _looking(meter: Steady) -> Any:
    from dataclasses import replace

    return replace(meter.domains["package-0"], looks_rel=0.25)


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        # Linux' /proc/cpuinfo of a Xeon E5-2680 v3 (Haswell-EP) and a Xeon 8160 (Skylake-SP).
        ("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 63", _rapl_gain.MEASURED_REL),
        ("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85", _rapl_gain.MEASURED_REL),
        # E5-2670 (Sandy Bridge-EP), E5-2697 v2 (Ivy Bridge-EP).
        ("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 45", _rapl_gain.MODELLED_REL),
        ("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 62", _rapl_gain.MODELLED_REL),
        # Atom C2758 (Avoton, a server's).
        ("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 77", _rapl_gain.MODELLED_REL),
        # EPYC 7502 (Zen 2), Hygon C86.
        ("vendor_id\t: AuthenticAMD\ncpu family\t: 23\nmodel\t\t: 49", _rapl_gain.MODELLED_REL),
        ("vendor_id\t: HygonGenuine\ncpu family\t: 24\nmodel\t\t: 1", _rapl_gain.MODELLED_REL),
        ("", _rapl_gain.MODELLED_REL),
    ],
)
def test_modelled_rapl_has_the_wider_gain(tmp_path: Path, cpuinfo: str, expected: float) -> None:
    trees.put(trees.intel(tmp_path), {"proc/cpuinfo": cpuinfo})
    (meter,) = rapl.open(tmp_path, VirtualClock())
    assert {domain.systematic_rel for domain in meter.domains.values()} == {expected}


# ---- net -------------------------------------------------------------------------------------


def test_net_knows_what_both_idle_windows_do_not() -> None:
    """Work that takes a third more than rest: gross to a few per cent, net to some ten."""
    rng = random.Random(4)
    clock = VirtualClock()
    meter = Steady(clock, 75.0, period_s=0.1)
    meter.domains["package-0"] = _without_gain(meter)
    monitor = energy(clock, [meter])
    monitor.random = rng
    monitor.idle()
    meter.watts = 100.0
    for _ in range(9):
        clock.sleep(rng.uniform(0.2, 0.3))
        window(monitor, clock, 3.07)
    meter.watts = 75.0
    monitor.idle()
    data = measured(monitor)
    low, high = data["net_ci95"]
    net = data["net"]["median"]
    assert low < 25.0 * 3.07 < high
    relative = 0.5 * (high - low) / net
    assert data["uncertainty_rel"] < 0.04
    assert 0.1 < relative < 0.25
    twice = relative_net(monitor)
    assert twice == pytest.approx(relative, rel=0.35), "more repeats do not average idle out"


def relative_net(monitor: Any) -> float:
    """The same with every repeat twice."""
    monitor.windows *= 2
    data = measured(monitor)
    low, high = data["net_ci95"]
    return float(0.5 * (high - low) / data["net"]["median"])


def _without_gain(meter: Steady) -> Any:
    from dataclasses import replace

    return replace(meter.domains["package-0"], systematic_rel=0.0)
