"""Limits are put back whatever ends a run, its guard, or both; on fake trees, by real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from limited import BEFORE, SWEEP, ZONE, begin, capped, limits_of, powercap

from joulia.case import Case, Settings
from joulia.errors import JouliaError
from joulia.records.record import Measured
from joulia.runner import caps, launch, limits
from joulia.runner.limits import FILE, Left, Setting


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return begin(tmp_path, monkeypatch)


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
