"""`joulia meter -- COMMAND` and `joulia doctor --calibrate`."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trees
from fake_nvml import FakeGpu, FakeNvml
from virtual import Curve, LocalSampler, VirtualClock

from joulia.energy.accounting import Seen
from joulia.energy.monitor import EnergyMonitor
from joulia.errors import JouliaError
from joulia.meters import Base, Domain, nvml
from joulia.parallel.comm import OneRank
from joulia.setup import calibrate, doctor
from joulia.system import machine

SUPPORT = Path(__file__).parent / "support"


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(SUPPORT / "site"), str(SUPPORT)]),
        "JOULIA_ROOT": str(root),
        "JOULIA_CACHE_DIR": str(root / "cache"),
    }
    return subprocess.run(
        [sys.executable, "-m", "joulia", *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def metered(tmp_path: Path) -> Path:
    meter = {"id": "n/fake", "watts": {"package-0": 50.0, "package-1": 30.0}, "period_s": 0.005}
    gpus = [{"uuid": "GPU-abc", "curve": {"mean_w": 250.0}}]
    return trees.put(
        trees.node(tmp_path),
        {"run/joulia/fake-meter.json": json.dumps(meter), "run/fake-gpus.json": json.dumps(gpus)},
    )


def test_a_command_is_measured_by_domain(metered: Path) -> None:
    out = metered / "out.json"
    done = command(
        metered, "meter", "--energy-tolerance", "5", "--carbon", "300", "-o", str(out),
        "--", sys.executable, "-c", "import time; print('mine'); time.sleep(0.6)",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "mine\n", "the command's output stays its own"
    result = json.loads(out.read_text())
    total = result["total"]
    assert result["seconds"] == pytest.approx(total["window_s"], abs=0.2)
    error = total["uncertainty_rel"]
    assert total["median"] == pytest.approx(330.0 * total["window_s"], rel=error)
    watts = {domain["domain"]: domain["watts"] for domain in result["domains"]}
    assert watts["package-1"] == pytest.approx(30.0, rel=0.05)
    assert watts["gpu"] == pytest.approx(250.0, rel=0.12)
    assert result["carbon"]["median"] == pytest.approx(total["median"] / 3.6e6 * 300.0)
    for text in ("package-0", "GPU-abc", "not covered", "CO2e", "in the total"):
        assert text in done.stderr


def test_a_command_too_short_for_a_figure_gets_none(metered: Path) -> None:
    out = metered / "out.json"
    done = command(metered, "meter", "-o", str(out), "--", "true")
    assert done.returncode == 0
    result = json.loads(out.read_text())
    assert result["total"] is None
    assert "too short" in result["reason"] or "stood still" in result["reason"]
    assert all(domain["joules"] is None for domain in result["domains"] if domain["too_short"])


def test_a_meter_that_dies_while_the_command_runs_leaves_the_others(metered: Path) -> None:
    """No total, with the reason; and what the other meters told."""
    # Ten reads tell its update period, two its idle power, one is before the command.
    meter = {"id": "n/fake", "watts": {"package-0": 50.0}, "fails_after": 13}
    trees.put(metered, {"run/joulia/fake-meter.json": json.dumps(meter)})
    out = metered / "out.json"
    done = command(
        metered, "meter", "--energy-tolerance", "10", "-o", str(out), "--", sys.executable,
        "-c", "import time; time.sleep(1.0)",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["total"] is None
    assert "the fake meter n/fake died" in result["reason"]
    (gpu,) = result["domains"]
    assert gpu["watts"] == pytest.approx(250.0, rel=0.12)


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -TERM $$", 143)])
def test_the_exit_code_is_the_commands(tmp_path: Path, script: str, code: int) -> None:
    done = command(trees.virtual_machine(tmp_path), "meter", "sh", "-c", script)
    assert done.returncode == code
    assert "No joules: no meter on this machine" in done.stderr
    assert "measure on the bare machine" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["meter", "--", "no-such-program"], "no-such-program: command not found"),
        (["meter"], "no command"),
        (["meter", "--only", "rappl", "true"], "did you mean 'rapl'"),
        (["meter", "--energy-tolerance", "0", "true"], "--energy-tolerance"),
        (["meter", "--carbon", "-3", "true"], "--carbon"),
        (["doctor", "--calibrate"], "no meter to calibrate"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = command(trees.virtual_machine(tmp_path), *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr


class Machine:
    """A node whose package takes `idle` or `busy` watts, its core a part of them."""

    def __init__(self, core: float = 0.6) -> None:
        self.clock = VirtualClock()
        self.busy = False
        self.core = core
        self.joules = 0.0
        self.clock.every(0.001, self.tick)

    def tick(self) -> None:
        self.joules += (100.0 if self.busy else 40.0) * 0.001

    @contextmanager
    def load(self) -> Iterator[None]:
        self.busy = True
        yield
        self.busy = False

    def energy(self, meter: Base | None = None) -> EnergyMonitor:
        opened: Any = ([meter or PackageMeter(self)], {})
        return EnergyMonitor(
            OneRank(), clock=self.clock, sleep=self.clock.sleep, opened=opened, everything=True
        )


class PackageMeter(Base):
    def __init__(self, owner: Machine) -> None:
        self.id = "n/rapl"
        self.owner = owner
        self.domains = {
            "package-1": Domain("package", 0.001, 1e-6, 0.05),
            "package-1-core": Domain("part", 0.001, 1e-6, 0.05),
        }

    def read(self) -> dict[str, float]:
        joules = self.owner.joules
        return {"package-1": joules, "package-1-core": self.owner.core * joules}


def verdicts(checks: list[calibrate.Verdict]) -> dict[str, str]:
    return {check.check: check.verdict for check in checks}


def test_a_sound_meter_passes() -> None:
    node = Machine()
    assert verdicts(calibrate.calibrate(node.energy, node.load)) == {
        "sleep and spin": "pass",
        "linear in time": "pass",
        "counter and sampled power": "skip",
        "neighbouring windows add up": "pass",
        "parts of package-1": "pass",
        "update period of package-1": "pass",
    }


def test_a_meter_that_does_not_feel_the_load_fails() -> None:
    node = Machine()

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    assert verdicts(calibrate.calibrate(node.energy, nothing))["sleep and spin"] == "fail"


def test_parts_above_their_whole_fail() -> None:
    node = Machine(core=1.2)
    by_check = verdicts(calibrate.calibrate(node.energy, node.load))
    assert by_check["parts of package-1"] == "fail"


def test_energy_that_is_not_linear_fails() -> None:
    node = Machine()

    class Drifting(PackageMeter):
        def read(self) -> dict[str, float]:
            factor = 1.0 + 0.05 * node.clock.now
            return {name: factor * joules for name, joules in super().read().items()}

    by_check = verdicts(calibrate.calibrate(lambda: node.energy(Drifting(node)), node.load))
    assert by_check["linear in time"] == "fail"


def test_readers_that_disagree_fail() -> None:
    node = Machine()
    count = iter(range(10))

    class Scaled(PackageMeter):
        def __init__(self, owner: Machine) -> None:
            super().__init__(owner)
            self.factor = 1.0 + 0.1 * next(count)

        def read(self) -> dict[str, float]:
            return {name: self.factor * joules for name, joules in super().read().items()}

    by_check = verdicts(calibrate.calibrate(lambda: node.energy(Scaled(node)), node.load))
    assert by_check["neighbouring windows add up"] == "fail"


def test_a_slow_counter_fails() -> None:
    node = Machine()

    class Slow(PackageMeter):
        def read(self) -> dict[str, float]:
            step = 1.0
            return {name: joules - joules % step for name, joules in super().read().items()}

    by_check = verdicts(calibrate.calibrate(lambda: node.energy(Slow(node)), node.load))
    assert by_check["update period of package-1"] == "fail"


@pytest.mark.parametrize(("power_gain", "verdict"), [(1.02, "pass"), (1.1, "fail")])
def test_counter_against_samples(power_gain: float, verdict: str) -> None:
    clock = VirtualClock(1.0)
    gpu = FakeGpu("GPU-abc", curve=Curve(200.0, 30.0), power_gain=power_gain)

    def make() -> EnergyMonitor:
        gpu_meters: Any = nvml.open(Path("/"), clock, FakeNvml(clock, [gpu]), LocalSampler)
        return EnergyMonitor(
            OneRank(), clock=clock, sleep=clock.sleep, opened=(gpu_meters, {}), everything=True
        )

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    by_check = verdicts(calibrate.calibrate(make, nothing))
    assert by_check["counter and sampled power"] == verdict
    assert by_check["sleep and spin"] == "skip"


def test_a_window_that_is_void_ends_the_calibration() -> None:
    node = Machine()

    class Dead(PackageMeter):
        def read(self) -> dict[str, float]:
            return {"package-1": 1.0, "package-1-core": 1.0}

    with pytest.raises(JouliaError, match="stood still"):
        calibrate.calibrate(lambda: node.energy(Dead(node)), node.load)


@pytest.mark.parametrize(
    ("part", "whole", "inside"),
    [
        (("package-10-core", "part"), ("package-1", "package"), False),
        (("package-1-core", "part"), ("package-1", "package"), True),
        (("Chip 0 Vdd", "part"), ("Chip 0", "package"), True),
        (("Chip 0", "package"), ("System", "node"), True),
        (("Chip 0 Vdd", "part"), ("System", "node"), False),
        (("package-0", "package"), ("psys", "platform"), True),
    ],
)
def test_which_lies_in_which(part: tuple[str, str], whole: tuple[str, str], inside: bool) -> None:
    assert calibrate.lies_in(Seen("n", "m", *part), Seen("n", "m", *whole)) is inside


def test_verdicts_are_kept_in_the_machines_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path))
    identity = machine.describe().id
    assert machine.calibration(identity) is None
    calibrate.keep([calibrate.Verdict("linear in time", "fail", "12 % off")])
    kept = machine.calibration(identity)
    assert kept is not None
    assert kept["passed"] is False
    assert kept["verdicts"][0]["detail"] == "12 % off"
    machine.describe.cache_clear()
    assert machine.describe().calibration == kept
    assert machine.describe().id == identity
    machine.describe.cache_clear()


def test_the_real_load_works() -> None:
    used = 0.0
    for seconds in (0.5, 2.0, 8.0):  # on a busy machine it gets little of a core at first
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with calibrate.spin():
            time.sleep(seconds)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime
        if used > 0.1:
            break
    assert used > 0.1


def test_doctor_goes_on_where_a_meter_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Undeclared:
        """A plug-in's meter without domains, whose reads fail: nobody knows what it covers."""

        id, source = "odd", "counter"

        def read(self) -> dict[str, float]:
            raise ZeroDivisionError("in a driver")

    monkeypatch.setattr(
        doctor.meters, "open_all", lambda *given, **more: ([] if more else [Undeclared()], {})
    )
    assert doctor.energy_meters()["odd"]["detail"] == "odd: ZeroDivisionError: in a driver"


def test_doctor_tells_each_meter_and_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.battery(trees.Ac922(tmp_path).root, "Charging")
    (tmp_path / "sys/class/powercap").mkdir(parents=True)
    (tmp_path / "sys/class/powercap/intel-rapl:0").symlink_to("gone")
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    states = doctor.energy_meters()
    assert states[f"{trees.BOOT}/ibmpowernv"]["state"] == "ok"
    assert "counter, System, Chip 0" in states[f"{trees.BOOT}/ibmpowernv"]["detail"]
    assert (states["rapl"]["state"], states["rapl"]["cause"]) == ("missing", "masked")
    assert "docker" in states["rapl"]["remedy"]
    assert states["battery"]["cause"] == "absent"
    assert "unplug" in states["battery"]["remedy"]
