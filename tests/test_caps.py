"""Power limits and clocks as an axis: set, measured under, put back, on stand-ins and fake trees.

Nothing here writes below the machine's own /sys: every file is under a root of the test's, every
GPU is a stand-in.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trees
from fake_limits import LimitedNvml, seen
from fake_nvml import FakeGpu
from virtual import Curve, LocalSampler, VirtualClock
from windows import UUID, energy, window

from joulia.case import Case, Settings
from joulia.energy.result import energy_result
from joulia.errors import JouliaError
from joulia.meters import nvml
from joulia.records.parts import EndTimeError
from joulia.records.record import Measured, Record
from joulia.records.stats import summary
from joulia.records.store import load
from joulia.report import frontier_plots, page
from joulia.runner import caps, launch, limits, session
from joulia.runner.cases import Planned
from joulia.runner.limits import FILE, Left, Refused, Setting
from joulia.simulation import end_time
from joulia.simulation.solve import make_case
from joulia.system import cuda

from . import results

SUPPORT = Path(__file__).parent / "support"
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


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake machine, with a folder of its own for what is to be put back."""
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path / "cache"))
    stand_ins = os.pathsep.join([str(SUPPORT / "site"), str(SUPPORT)])
    monkeypatch.setenv("PYTHONPATH", stand_ins)
    return trees.node(tmp_path / "root")


# ---- a processor ---------------------------------------------------------------------------

SWEEP = (
    "frontier", "heat", "-b", "numpy", "--shape", "8x8x8", "--dtype", "float64", "--threads", "1",
    "--window", "0.02", "--repeats", "6",
)  # fmt: skip


def test_a_frontier_over_power_limits_measures_under_each_and_puts_back(
    root: Path, joulia: Callable[..., Any], tmp_path: Path
) -> None:
    powercap(root)
    file = tmp_path / "f.jsonl"
    done = joulia(*SWEEP, "--power-limit", "20,12.5", "-o", file)
    assert done.returncode == 0, done.stderr
    assert limits_of(root) == BEFORE
    assert not limits.left_file().exists()
    records = load(file)
    assert [r.case.power_limit_w for r in records] == [20.0, 12.5]
    # What the process that measured saw of the hardware, not what was asked for.
    assert [r.conditions.package_limits_w for r in records if r.conditions] == [(20.0,), (12.5,)]
    assert len({r.id for r in records}) == 2
    assert "numpy at 20 W" in done.stdout
    assert "numpy at 12.5 W" in done.stdout
    assert "8^3, fp64 on numpy: quickest at " in done.stdout
    html = file.with_suffix(".html").read_text()
    assert "--power-limit 20,12.5" in html, "the command that measures again"
    again = joulia(*SWEEP, "--power-limit", "12.5,20", "-o", file)
    assert again.stderr.count("(resumed)") == 2, again.stderr


def test_clocks_of_fast_and_of_efficient_cores(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpufreq(root)
    seen_khz = []

    def measured(case: Case, settings: Settings) -> Measured:
        files = sorted((root / POLICIES).glob("*/scaling_max_freq"))
        seen_khz.append([int(file.read_text()) for file in files])
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    cases = [capped(clock_mhz=mhz) for mhz in (1200.0, 4000.0)]
    with caps.holding(cases) as held:
        assert held is not None
        for case in cases:
            assert held.measured(case, Settings()).status == "valid"
    assert seen_khz == [[1_200_000, 1_200_000], [4_000_000, 3_500_000]]
    measured(cases[0], Settings())
    assert seen_khz[-1] == [4_700_000, 3_500_000], "as before"
    with pytest.raises(JouliaError, match=r"Allowed: 800 to 4700 MHz"):
        caps.Caps([capped(clock_mhz=700.0)])


def test_a_limit_that_something_else_changes_makes_the_case_fail(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """thermald, tuned or a vendor's daemon writes the same file."""
    powercap(root)

    def measured(case: Case, settings: Settings) -> Measured:
        (root / ZONE / "constraint_0_power_limit_uw").write_text("35000000\n")
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    case = capped(power_limit_w=10.0)
    with caps.holding([case]) as held:
        assert held is not None
        part = held.measured(case, Settings())
    assert part.status == "failed"
    assert "is 35000000, where 10000000 was set: something else changes it" in part.reasons[0]
    assert limits_of(root) == BEFORE


def test_a_zone_that_does_not_enforce_its_limit_does_meanwhile(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.put(powercap(root), {f"{ZONE}/enabled": 0})
    enforced = []

    def measured(case: Case, settings: Settings) -> Measured:
        enforced.append((root / ZONE / "enabled").read_text())
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    case = capped(power_limit_w=10.0)
    with caps.holding([case]) as held:
        assert held is not None
        held.measured(case, Settings())
    assert enforced == ["1\n"]
    assert (root / ZONE / "enabled").read_text() == "0\n"


# ---- what is not allowed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--power-limit", "20,29"), "--power-limit 29 is not allowed for numpy (package-0). "
         "Allowed: 1 to 28 W"),
        (("--power-limit", "0.5"), "Allowed: 1 to 28 W"),
        (("--power-limit", "much"), "--power-limit much is not allowed. Allowed: numbers above 0"),
        (("--power-limit", "-5"), "--power-limit -5 is not allowed. Allowed: numbers above 0"),
        (("--clock", "1200"), "this machine lets nobody set that of its processor (no policy"),
    ],
)  # fmt: skip
def test_what_the_hardware_does_not_allow_is_a_line_before_anything_is_measured(
    root: Path, joulia: Callable[..., Any], tmp_path: Path, arguments: tuple[str], message: str
) -> None:
    powercap(root)
    done = joulia(*SWEEP, *arguments, "-o", tmp_path / "f.jsonl")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "f.jsonl").exists()
    assert limits_of(root) == BEFORE


def test_a_virtual_machine_has_nothing_to_limit(root: Path, joulia: Callable[..., Any]) -> None:
    trees.virtual_machine(root)
    done = joulia(*SWEEP, "--power-limit", "20")
    assert done.returncode == 2
    assert "no package with constraint_0_power_limit_uw below" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_user_who_may_not_is_told_what_the_administrator_can_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel's file that is writable by root only, as powercap's and cpufreq's are."""
    file = powercap(root) / ZONE / "constraint_0_power_limit_uw"
    opened: list[str] = []

    def refused(path: Path, text: str) -> None:
        opened.append(str(path))
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="chgrp GROUP") as caught:
        limits.put(Setting(FILE, str(file), 10_000_000))
    assert f"cannot set {file}: Permission denied; run joulia as root" in str(caught.value)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Refused, match="the firmware locks it"):
        limits.put(Setting(FILE, str(file), 10_000_000))
    assert opened == [str(file)] * 2


# ---- ends ----------------------------------------------------------------------------------


def until(happened: Callable[[], Any], what: str) -> Any:
    """Wait for something that other processes do."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        if got := happened():
            return got
        time.sleep(0.01)
    raise AssertionError(f"in vain waited for: {what}")


def guard_of(pid: int) -> int | None:
    """The guard that a process started."""
    for child in launch.descendants(pid):
        if b"limits_guard" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    return None


@pytest.fixture
def running(root: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A frontier in the middle of a long case under a limit."""
    powercap(root)
    command = [*SWEEP, "--power-limit", "10", "--window", "30", "-o", str(tmp_path / "f.jsonl")]
    process = subprocess.Popen(
        [sys.executable, "-m", "joulia", *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: limits_of(root) == [10_000_000] * 2, "the limit")
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_whatever_ends_the_run_the_limits_are_put_back(
    running: subprocess.Popen[bytes], root: Path, number: signal.Signals
) -> None:
    assert limits.left_file().exists()
    running.send_signal(number)
    running.wait(60)
    until(lambda: not limits.left_file().exists(), "the guard")
    assert limits_of(root) == BEFORE


def test_a_run_and_its_guard_killed_the_next_joulia_puts_back_in_a_line(
    running: subprocess.Popen[bytes], root: Path, joulia: Callable[..., Any]
) -> None:
    guard = guard_of(running.pid)
    assert guard is not None
    os.kill(guard, signal.SIGTERM)  # what ends a whole job does not end it before the run
    assert joulia("frontier", "heat", "-b", "nobody").stderr.count("\n") == 1, "no line: it lives"
    running.kill()
    os.kill(guard, signal.SIGKILL)
    running.wait(60)
    until(lambda: not Path(f"/proc/{guard}/cmdline").is_file(), "the guard's end")
    if limits_of(root) == BEFORE:
        pytest.skip("the guard was quicker than its end")
    done = joulia("frontier", "heat", "-b", "nobody")
    assert limits_of(root) == BEFORE
    first, second = done.stderr.splitlines()
    assert first.startswith("joulia: limits that a run changed which was killed (process ")
    assert f"are back: {root / ZONE}/constraint_0_power_limit_uw = 28000000" in first
    assert "unknown backend 'nobody'" in second
    assert not limits.left_file().exists()


def test_a_guard_killed_alone_ends_the_run_which_then_puts_back_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    powercap(root)
    case = capped(power_limit_w=10.0)

    def measured(case: Case, settings: Settings) -> Measured:
        assert held.guard is not None
        held.guard.kill()
        held.guard.wait()
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    held = caps.Caps([case])
    assert held.measured(case, Settings()).status == "valid", "its limit held: it is not lost"
    with pytest.raises(JouliaError, match="the process that puts limits back ended"):
        held.measured(case, Settings())
    assert limits_of(root) == [10_000_000] * 2
    with pytest.warns(caps.NotBack, match=r"are back: .* = 28000000"):
        held.close()
    assert limits_of(root) == BEFORE
    assert not limits.left_file().exists()


def test_two_runs_at_a_time_do_not_take_each_others_limits_for_the_old_ones(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    powercap(root)
    monkeypatch.setattr(launch, "measured", lambda case, settings: Measured("valid"))
    case = capped(power_limit_w=10.0)
    with caps.holding([case]) as held:
        assert held is not None
        held.measured(case, Settings())
        second = caps.Caps([case])
        with pytest.raises(JouliaError, match="another joulia on this machine"):
            second.measured(case, Settings())
        second.close()
        third = caps.Caps([case])
        assert limits_of(root) == [10_000_000] * 2
    assert limits_of(root) == BEFORE
    third.measured(case, Settings())  # it was started while the first one's limit held
    third.close()
    assert limits_of(root) == BEFORE


def test_what_cannot_be_put_back_stays_in_the_file_and_is_named(root: Path) -> None:
    powercap(root)
    gone = Setting(FILE, str(root / "sys/gone/limit"), 7)
    kept = Setting(FILE, str(root / ZONE / "constraint_0_power_limit_uw"), 28_000_000)
    (root / ZONE / "constraint_0_power_limit_uw").write_text("9000000\n")
    file = limits.left_file()
    Left(123, "2026-01-01T00:00:00+00:00", (gone, kept)).write(file)
    line = limits.recover()
    assert line is not None
    assert "(process 123, 2026-01-01T00:00:00+00:00) are not back: cannot set" in line
    assert limits_of(root) == BEFORE
    assert Left.parse(file.read_text()).settings == (gone,)
    (root / "sys/gone").mkdir()
    assert "are back" in str(limits.recover())
    assert limits.recover() is None
    file.write_text("{")
    assert f"cannot read {file}" in str(limits.recover())


# ---- a GPU ---------------------------------------------------------------------------------

TRACE = {
    250.0: (26.674534, 6065.03), 225.0: (27.281091, 5815.52), 200.0: (28.313233, 5394.75),
    175.0: (29.454168, 5059.21), 150.0: (32.412885, 4830.30), 125.0: (40.209291, 4969.59),
    100.0: (53.866498, 5327.10),
}  # fmt: skip
"""Seconds and joules by power limit: ResNet-50 on one V100, `tests/profile_data/V100+resnet50+gpu0.
csv` of github.com/ml-energy/zeus (Apache-2.0; 2023-07-07)."""


@pytest.fixture
def v100(root: Path, monkeypatch: pytest.MonkeyPatch) -> LimitedNvml:
    """A stand-in GPU that this process and the guard see; the driver shows it as well."""
    trees.put(root, {"run/fake-gpus.json": json.dumps([{"uuid": UUID, "curve": {"mean_w": 40.0}}])})
    library = LimitedNvml(VirtualClock(), [FakeGpu(UUID)], root)
    shown = cuda.Gpu(UUID, "Tesla V100-PCIE-16GB", "0000:01:00.0", (7, 0), 1 << 34, 6 << 20)
    monkeypatch.setattr(cuda, "survey", lambda: cuda.Survey((12, 4), (shown,)))
    monkeypatch.setattr(limits, "nvml_library", lambda: library)
    return library


def on_gpu(**limited: float) -> Case:
    case, _ = end_time.ends_at(make_case("heat", shape=(16, 16, 16)), 0.25)
    return replace(case, bridge="numba", device="cuda", on_gpu=True, **limited)  # type: ignore[arg-type]


def as_the_trace_tells(case: Case, settings: Settings, library: LimitedNvml) -> Measured:
    """A case whose steps take the trace's seconds and joules under the limit that holds now.

    Its joules are counted by joulia's own meter, from the stand-in's counter.
    """
    seconds, joules = TRACE[seen(library)[0] / 1e3]
    clock = VirtualClock()
    gpu = FakeGpu(UUID, curve=Curve(joules / seconds))
    meters = nvml.open(Path("/"), clock, LimitedNvml(clock, [gpu], library.file.parents[1]))
    meters[0].sampler = LocalSampler(meters[0].sampler.reader, 0.05, clock)  # type: ignore[attr-defined]
    monitor = energy(clock, meters, device=UUID)
    monitor.idle()
    for factor in results.NOISE:
        window(monitor, clock, factor * seconds)
    monitor.idle()
    data, reason = energy_result(monitor, 1)
    assert data is not None, reason
    made = results.record("numba", [factor * seconds for factor in results.NOISE])
    assert made.time is not None
    steps = end_time.ends_at(case, 0.25)[1]
    per_step = summary([sample / steps for sample in made.time.samples])
    joules_a_step = summary([sample / steps for sample in data.samples])
    return Measured(
        "valid",
        time=replace(made.time, **vars(per_step)),
        energy=replace(data, **vars(joules_a_step)),
        work=made.work, rates=made.rates, startup=made.startup, parallel=made.parallel,
        verify=made.verify, solution=EndTimeError(0.25, steps, "u", "", 1e-3),
    )  # fmt: skip


@pytest.fixture
def swept(v100: LimitedNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Record]:
    """The trace's limits, measured through a session."""
    monkeypatch.setattr(
        launch, "measured", lambda case, settings: as_the_trace_tells(case, settings, v100)
    )
    planned = [Planned(on_gpu(power_limit_w=watts)) for watts in TRACE]
    with caps.holding([entry.case for entry in planned]) as held:
        outcomes = session.outcomes(planned, Settings(until=0.25), tmp_path / "f.jsonl", caps=held)
        return [outcome.record for outcome in outcomes]


def test_on_a_v100_250_w_is_quickest_and_150_w_takes_the_fewest_joules(
    swept: list[Record], v100: LimitedNvml
) -> None:
    assert [record.status for record in swept] == ["valid"] * len(TRACE), swept[0].reasons
    ((_, words),) = frontier_plots.words(swept)
    assert words[-1] == (
        "16^3, fp64 on numba:cuda: quickest at 250 W, 26.7 s and 6.07 kJ; fewest joules at 150 W, "
        "4.83 kJ: 1.26 times fewer joules for 1.22 times the time; at 100 W takes 5.33 kJ again."
    )
    assert "for 26.7 s: 16^3, fp64 on numba:cuda at 250 W." in words[0]
    assert "for 4.83 kJ: 16^3, fp64 on numba:cuda at 150 W." in words[1]
    html = page.build(swept)
    assert "fewest joules at 150 W" in html
    assert html.count('data-plot="limits"') == 1
    assert seen(v100) == (250_000, 0), "as before"


def test_a_gpus_clock_is_locked_for_a_case_and_reset(
    v100: LimitedNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    under = []

    def measured(case: Case, settings: Settings) -> Measured:
        under.append(seen(v100))
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    cases = [on_gpu(power_limit_w=200.0), on_gpu(clock_mhz=1005.0), on_gpu(clock_mhz=1380.0)]
    with caps.holding(cases) as held:
        assert held is not None
        for case in cases:
            held.measured(case, Settings())
    assert under == [(200_000, 0), (250_000, 1005), (250_000, 1380)]
    assert seen(v100) == (250_000, 0)


def test_a_gpus_ranges_are_its_drivers(v100: LimitedNvml) -> None:
    with pytest.raises(JouliaError, match=rf"numba:cuda \({UUID}\). Allowed: 100 to 250 W"):
        caps.Caps([on_gpu(power_limit_w=300.0)])
    with pytest.raises(JouliaError, match="Allowed: 135 to 1380 MHz"):
        caps.Caps([on_gpu(clock_mhz=1500.0)])


def test_only_root_may_limit_a_gpu_and_nothing_is_measured_or_lost(
    v100: LimitedNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    v100.permits = False
    monkeypatch.setattr(launch, "measured", None)
    planned = [Planned(on_gpu(power_limit_w=150.0))]
    file = tmp_path / "f.jsonl"
    kept = results.record("numpy", 1e-3)
    results.write(file, [kept])
    with (
        warnings.catch_warnings(),
        pytest.raises(JouliaError, match="Insufficient Permissions: only root may set") as caught,
        caps.holding([entry.case for entry in planned]) as held,
    ):
        list(session.outcomes(planned, Settings(until=0.25), file, caps=held))
    assert f"nvidia-smi -i {UUID} -pl WATTS" in str(caught.value)
    assert load(file) == [kept]
    assert not limits.left_file().exists()
