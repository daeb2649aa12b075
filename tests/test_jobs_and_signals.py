"""What surrounds a run: a scheduler's leftovers, signals, what OCCA says before it aborts."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from joulia.case import Settings
from joulia.parallel import launchers
from joulia.runner import launch
from joulia.simulation.solve import make_case

from .conftest import require

JOULIA = (sys.executable, "-m", "joulia")
TINY = ("--size", "tiny", "--window", "0.005", "--repeats", "2", "--no-ceiling")

# ---- jobs of schedulers --------------------------------------------------------------------

LEFTOVERS = {
    "slurm": {
        "SLURM_JOB_ID": "17", "SLURM_NNODES": "2", "SLURM_NODELIST": "node[1-2]",
        "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_TASKS_PER_NODE": "1(x2)",
    },
    "lsf": {
        "LSB_JOBID": "17", "LSB_HOSTS": "node1 node1", "LSB_MCPU_HOSTS": "node1 2",
        "LSF_BINDIR": "/opt/lsf/bin",
    },
    "pbs": {
        "PBS_JOBID": "17.server", "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_NODEFILE": "/var/spool/pbs/aux/17.server",
    },
    "alps": {"ALPS_APP_PE": "0", "ALPS_APP_ID": "17"},
    "a site's choice": {"HYDRA_LAUNCHER": "slurm", "I_MPI_HYDRA_BOOTSTRAP": "slurm"},
}  # fmt: skip
"""Variables as a container inside a job has them, or a shell that kept a job's environment."""


@pytest.fixture
def no_scheduler(tmp_path_factory, monkeypatch):
    """A PATH without the commands of schedulers, which may be installed here."""
    theirs = {name for _, commands in launchers.SCHEDULERS.values() for name in commands}
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    path = []
    for folder in folders:
        if not any((folder / name).exists() for name in theirs):
            path.append(folder)
            continue
        path.append(tmp_path_factory.mktemp("others"))
        for command in folder.iterdir():
            if command.name not in theirs:
                (path[-1] / command.name).symlink_to(command)
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))


@pytest.mark.parametrize("job", LEFTOVERS)
@pytest.mark.usefixtures("no_scheduler")
def test_mpiexec_starts_ranks_where_a_job_left_its_variables(job, tmp_path, monkeypatch):
    for name, value in LEFTOVERS[job].items():
        monkeypatch.setenv(name, value)
    command = launchers.mpiexec(2, 1).command
    done = subprocess.run(
        [*command, "echo", "rank"],
        env=launch.environment(make_case("heat", ranks=2), Settings(), tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "rank\nrank\n", done.stderr


@pytest.mark.usefixtures("no_scheduler")
def test_a_record_says_which_variables_its_launcher_did_not_see(measured):
    (got,) = measured("heat", "-b", "numpy", *TINY[:2], "--ranks", "2", env=LEFTOVERS["slurm"])
    assert got["status"] == "valid", got["reasons"]
    assert got["parallel"]["launcher"].endswith(", without the variables of SLURM")


@pytest.mark.usefixtures("no_scheduler")
def test_variables_stay_where_the_schedulers_launcher_is(tmp_path, monkeypatch):
    for name in ("srun", "scontrol"):
        (tmp_path / name).write_text('#!/bin/sh\ntest "$3" != 18\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert launchers.absent() == ["slurm"]
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert launchers.absent() == []
    env = launch.environment(make_case("heat"), Settings(), tmp_path)
    assert env["SLURM_JOB_ID"] == "17"
    monkeypatch.setenv("SLURM_JOB_ID", "18")  # it has ended, and a shell kept its variables
    assert launchers.absent() == ["slurm"]
    assert launchers.detect() == "mpiexec"


def test_a_run_that_an_outer_mpiexec_starts_twice_is_refused_in_one_line(tmp_path):
    path = tmp_path / "r.jsonl"
    done = subprocess.run(
        [*launchers.mpiexec(2, 1).command, *JOULIA, "run", "heat", "-b", "numpy", *TINY]
        + ["--output", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("joulia")]
    assert len(said) == 1, done.stderr
    assert "started this 2 times. Allowed: once, without it" in said[0]
    assert "Traceback" not in done.stderr
    assert not path.exists()


def test_a_batch_script_is_no_outer_job_and_a_step_of_several_tasks_is(monkeypatch):
    for name in [name for pair in launchers.OUTER for name in pair]:
        monkeypatch.delenv(name, raising=False)
    for name, value in (("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")):
        monkeypatch.setenv(name, value)
    assert launchers.outer_job() == (0, 1)
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert launchers.outer_job() == (3, 4)


# ---- signals, and what OCCA says -----------------------------------------------------------

COUNTING = """
import pathlib, signal, sys, time
got = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: got.append(number))
pathlib.Path(sys.argv[1]).touch()
while not got:
    time.sleep(0.01)
time.sleep(0.3)
print(*map(int, got))
sys.exit(7)
"""
"""A program that tidies up when it is told to end."""


def metering(folder: Path, **options: Any) -> subprocess.Popen[str]:
    """`joulia meter` around a program that waits for a signal, once the program runs."""
    ready, out = folder / "ready", folder / "meter.json"
    meter = subprocess.Popen(
        [*JOULIA, "meter", "-o", str(out), "--", sys.executable, "-c", COUNTING, str(ready)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    deadline = time.monotonic() + 60
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return meter


def told(meter: subprocess.Popen[str], folder: Path) -> str:
    """The signals that the program got; joulia waited for it and told what it measured."""
    out, err = meter.communicate(timeout=60)
    assert meter.returncode == 7, err
    assert re.search(r"^\d+\.\d+ s", err, re.MULTILINE), err
    result = json.loads((folder / "meter.json").read_text())
    assert result["exit_code"] == 7
    assert result["seconds"] > 0.3
    return out.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_meter_passes_a_signal_on_and_tells_what_it_measured(number, tmp_path):
    meter = metering(tmp_path, start_new_session=True)
    meter.send_signal(number)
    assert told(meter, tmp_path) == str(int(number))


def test_a_key_that_interrupts_reaches_the_metered_program_once(tmp_path):
    """The terminal sends it to the program itself: a second one would end it the hard way."""
    keyboard, terminal = pty.openpty()
    meter = metering(
        tmp_path,
        stdin=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.write(keyboard, b"\x03")
    assert told(meter, tmp_path) == str(int(signal.SIGINT))
    os.close(keyboard)
    os.close(terminal)


def test_a_terminal_that_is_gone_is_told_to_the_metered_program(tmp_path):
    """`ssh -t HOST joulia meter ...`: the kernel tells the session's first process alone."""
    keyboard, terminal = pty.openpty()
    meter = metering(
        tmp_path,
        stdin=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    os.close(keyboard)
    assert told(meter, tmp_path) == str(int(signal.SIGHUP))


def test_what_occa_says_before_it_aborts_is_the_reason(measured, tmp_path):
    require("occa:serial")
    (got,) = measured(
        "heat", "-b", "occa:serial", *TINY[:2], env={"OCCA_CXXFLAGS": "-no-such-flag"}
    )
    assert got["status"] == "failed"
    assert re.match(
        r"killed by SIGABRT: OCCA: Error compiling \[\w+\], Command: \[.* -no-such-flag ",
        got["reasons"][0],
    ), got["reasons"]
    assert any("unrecognized" in line or "unknown" in line for line in got["stderr"]), got["stderr"]
    assert not any("libpython" in line for line in got["stderr"])
