"""Start-up in joules: metered by phase, in more processes where one is too short, and compared."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trees
from virtual import VirtualClock
from windows import Steady, energy

from joulia.analysis.compare import comparisons
from joulia.analysis.export import row
from joulia.analysis.tables import as_csv, as_json
from joulia.case import Case, Settings
from joulia.energy.starts import MOST_STARTS, StartMeter, starts_needed, startup_energy
from joulia.records.codec import from_json, to_json
from joulia.records.record import Measured, Record
from joulia.records.starts import MeteredPhase, MeteredStart, PhaseEnergy, StartupEnergy
from joulia.report import figures
from joulia.runner import launch
from joulia.runner.starts import with_joules
from joulia.simulation.solve import make_case

from .results import record

# ---- metering --------------------------------------------------------------------------------


def start(clock: VirtualClock, meter: Steady) -> MeteredStart | str:
    """At rest 20 W; import 1 s at 40 W, fields 0.5 s at 10 W, load 2 s at 90 W, a step of 3 ms."""
    meter.watts = 20.0
    monitor = energy(clock, [meter])
    starting = StartMeter(monitor)
    for part, seconds, watts in (
        ("import", 1.0, 40.0), ("fields", 0.5, 10.0), ("load", 2.0, 90.0),
        ("first_call", 0.003, 100.0),
    ):  # fmt: skip
        meter.watts = watts
        clock.sleep(seconds)
        starting.after(part)
    meter.watts = 20.0
    metered = starting.start("warm")
    assert monitor.idles == [], "the windows' idle is another: the runtime is there by then"
    return metered


def test_every_phase_has_its_joules() -> None:
    clock = VirtualClock()
    metered = start(clock, Steady(clock, period_s=0.01))
    assert isinstance(metered, MeteredStart)
    data = startup_energy([metered], 0.02)
    # This meter counts a whole period at the power of its end.
    assert data.total.joules == pytest.approx(40.0 + 5.0 + 180.0 + 0.3, abs=1.0)
    assert data.phases["import"].joules == pytest.approx(40.0, abs=0.4)
    assert data.phases["load"].joules == pytest.approx(180.0, abs=1.0)
    assert data.phases["load"].uncertainty_rel == pytest.approx(0.05 + 0.005, rel=0.2)
    first = data.phases["first_call"]
    assert first.joules is None
    assert first.reason is not None
    assert first.reason.startswith("too short: 0.003 s in 1 start against an update period of 0.01")
    assert data.starts == 1
    assert data.source == "counter"


def test_a_failed_read_leaves_the_case_and_says_why() -> None:
    clock = VirtualClock()
    meter = Steady(clock)
    monitor = energy(clock, [meter])
    starting = StartMeter(monitor)
    clock.sleep(1.0)
    meter.fail = True
    starting.after("import")
    meter.fail = False
    clock.sleep(1.0)
    starting.after("load")
    assert "it died" in str(starting.start("warm"))


def test_without_a_meter_nothing_is_waited_for() -> None:
    clock = VirtualClock()
    starting = StartMeter(energy(clock, []))
    starting.after("import")
    assert starting.start("warm") == "no meter on this machine"
    assert clock.now == 0.0


# ---- more starts -----------------------------------------------------------------------------


def one(joules: float, period_s: float = 0.1, cache: str = "warm") -> MeteredStart:
    """A second long."""
    lag = 0.5 * joules * period_s
    phase = MeteredPhase(joules, 1.0, lag, lag, 0.0, 0.0)
    return MeteredStart(cache, "counter", period_s, {"import": phase}, phase)


def begun(first: MeteredStart) -> Measured:
    made = record(startup=1.0)
    return Measured("valid", startup=made.startup, start=first)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of every further start; each takes a little more than the one before."""
    asked: list[Settings] = []

    def again(case: Case, settings: Settings, *, start_only: bool) -> Measured:
        assert start_only
        asked.append(settings)
        cache = "cold" if settings.cold else "warm"
        return Measured("valid", start=one(10.0 + len(asked), cache=cache))

    monkeypatch.setattr(launch, "measured", again)
    return asked


CASE = make_case("heat", "numpy", size="tiny")


def test_a_start_that_is_too_short_is_repeated(started: list[Settings]) -> None:
    """NVML's counter from Ampere on (0.1 s) and a start of a second: 4.1 % of one, 2 % of five."""
    startup = with_joules(CASE, Settings(), begun(one(10.0)))
    assert startup is not None
    assert startup.energy is not None
    assert len(started) == 4
    assert startup.energy.starts == 5
    assert startup.energy.samples == (10.0, 11.0, 12.0, 13.0, 14.0)
    assert startup.energy.total.joules == pytest.approx(12.0)
    assert startup.energy.total.uncertainty_rel == pytest.approx(0.95 * 0.1 / math.sqrt(5.0))
    assert startup.energy_reason is None
    assert not any(settings.cold for settings in started)


def test_what_compiled_is_repeated_with_empty_caches(started: list[Settings]) -> None:
    with_joules(CASE, Settings(), begun(one(10.0, cache="cold")))
    assert [settings.cold for settings in started] == [True] * 4


def test_starts_that_found_other_caches_are_left_out(
    started: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        launch, "measured", lambda *given, **more: Measured("valid", start=one(9.0, cache="cold"))
    )
    startup = with_joules(CASE, Settings(), begun(one(10.0)))
    assert startup is not None
    assert startup.energy is not None
    assert startup.energy.total.joules is None
    assert startup.energy_reason == "1 of 5 starts found their caches like the first"


def test_long_starts_are_not_repeated_and_hopeless_ones_neither(started: list[Settings]) -> None:
    assert starts_needed(one(10.0, period_s=0.001), 0.02) == 1
    with_joules(CASE, Settings(), begun(one(10.0, period_s=0.001)))
    startup = with_joules(CASE, Settings(), begun(one(10.0, period_s=1.0)))
    assert started == []
    assert startup is not None
    assert startup.energy_reason == f"it takes 417 starts, and at most {MOST_STARTS} are tried"
    assert startup.energy is not None
    assert startup.energy.total.joules is None


def test_who_measures_again_and_again_starts_once_a_record(started: list[Settings]) -> None:
    """`joulia run --no-resume`, as the gate calls it 40 times a side."""
    startup = with_joules(CASE, Settings(), begun(one(10.0)), most=1)
    assert started == []
    assert startup is not None
    assert startup.energy_reason == "it takes 5 starts, and at most 1 are tried"


def test_a_fresh_process_tells_the_joules_of_its_start_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = {"id": "n/fake", "watts": {"package-0": 50.0}}
    trees.put(trees.node(tmp_path), {"run/joulia/fake-meter.json": json.dumps(meter)})
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    part = launch.measured(CASE, Settings(energy_tolerance=0.5), start_only=True)
    assert part.status == "valid", part.reasons
    assert part.time is None
    assert part.start is not None
    total = part.start.total
    assert total.joules == pytest.approx(50.0 * total.seconds, rel=0.05)
    assert set(part.start.phases) == {"import", "load", "first_call"}


# ---- records, comparisons, report ------------------------------------------------------------


def with_start(made: Record, joules: float | None, rel: float = 0.1) -> Record:
    assert made.startup is not None
    total = PhaseEnergy(joules, rel if joules else None, None if joules else "too short")
    data = StartupEnergy("J", "counter", 1, (joules or 0.0,), {}, total)
    return replace(made, startup=replace(made.startup, energy=data))


def pair(metered: bool) -> list[Record]:
    """Julia takes 5 s longer to start and 1 J a step less."""
    base = record("numpy", 10e-3, energy=2.0, startup=1.0, idle_w=[50.0, 50.0])
    quick = record("julia", 1e-3, energy=1.0, startup=6.0, idle_w=[50.0, 50.0])
    return [with_start(base, 60.0), with_start(quick, 460.0 if metered else None)]


def entry(records: list[Record]) -> Any:
    (problem,) = comparisons(records)
    return next(e for e in problem.entries if e.backend == "julia")


def test_break_even_in_joules_is_measured() -> None:
    """400 J more to start, 1 J a step less: about 400 steps."""
    measured = entry(pair(True)).break_even_energy
    assert measured.kind == "after"
    assert measured.steps.value == pytest.approx(400.0, rel=0.01)
    assert 320.0 < measured.steps.low < 400.0 < measured.steps.high < 480.0
    bounded = entry(pair(False)).break_even_energy
    assert bounded.steps.high - bounded.steps.low > 10 * (measured.steps.high - measured.steps.low)


def test_joules_stand_where_the_seconds_of_start_up_are() -> None:
    problems = comparisons(pair(True))
    (told,) = json.loads(as_json(problems, ()))["problems"]
    julia = next(e for e in told["entries"] if e["backend"] == "julia")
    assert (julia["startup_j"], julia["startup_j_low"]) == (460.0, pytest.approx(414.0))
    assert "startup_j" in as_csv(problems).splitlines()[0]
    assert row(pair(True)[1])["startup_j"] == 460.0
    assert row(pair(False)[1])["startup_j"] is None
    assert {plot.kind for plot in figures.startup(problems)} == {"startup", "startup-joules"}
    assert {plot.kind for plot in figures.startup(comparisons([record()]))} == {"startup"}


def test_a_record_keeps_them_and_older_ones_load() -> None:
    made = pair(True)[1]
    written = json.loads(json.dumps(to_json(made)))
    assert from_json(Record, written) == made
    del written["startup"]["energy"], written["startup"]["energy_reason"]
    older = from_json(Record, written)
    assert older.startup is not None
    assert older.startup.energy is None
