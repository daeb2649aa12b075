"""How ranks are started: mpiexec of MPICH or Open MPI, srun and jsrun inside an allocation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joulia.errors import Unavailable, suggest

LAUNCHERS = ("auto", "mpiexec", "srun", "jsrun")


@dataclass(frozen=True)
class Launcher:
    """A launcher's name, its command line up to the program, and whether it binds ranks itself."""

    name: str
    command: tuple[str, ...]
    binds: bool = False


def choose(ranks: int, threads: int, wanted: str = "auto") -> Launcher:
    """The launcher for a job: the scheduler's own inside an allocation, else mpiexec.

    Raises Unavailable where there is none, JouliaError for a name that is none.
    """
    if wanted not in LAUNCHERS:
        raise suggest("launcher", wanted, list(LAUNCHERS))
    if wanted == "auto":
        wanted = detect()
    return {"mpiexec": mpiexec, "srun": srun, "jsrun": jsrun}[wanted](ranks, threads)


def detect() -> str:
    """srun in a Slurm allocation, jsrun in an LSF one, where the command is there; else mpiexec."""
    if "SLURM_JOB_ID" in os.environ and shutil.which("srun"):
        return "srun"
    if "LSB_JOBID" in os.environ and shutil.which("jsrun"):
        return "jsrun"
    return "mpiexec"


def srun(ranks: int, threads: int) -> Launcher:
    options = ("--ntasks", str(ranks), "--cpus-per-task", str(threads), "--cpu-bind=cores")
    return Launcher("srun", (_require("srun"), *options, "--kill-on-bad-exit=1"), binds=True)


def jsrun(ranks: int, threads: int) -> Launcher:
    """One resource set a rank: its cores, bound to them."""
    options = ("--nrs", str(ranks), "--tasks_per_rs", "1", "--cpu_per_rs", str(threads))
    return Launcher("jsrun", (_require("jsrun"), *options, f"--bind=packed:{threads}"), binds=True)


def mpiexec(ranks: int, threads: int) -> Launcher:
    """The mpiexec beside this interpreter (PyPI's MPICH or Open MPI), else the one on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    command = str(beside) if beside.is_file() else _require("mpiexec")
    options = ["-n", str(ranks)]
    if not is_open_mpi(command):
        return Launcher("mpiexec (MPICH)", (command, *options))
    # joulia binds ranks and checks their number against the cores itself.
    options += ["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-run-as-root")
    return Launcher("mpiexec (Open MPI)", (command, *options))


def _require(name: str) -> str:
    path = shutil.which(name)
    if not path:
        raise Unavailable(f"no {name} found", "pip install 'joulia[mpich]', or load a site's MPI")
    return path


@cache
def is_open_mpi(command: str) -> bool:
    output = subprocess.run(
        [command, "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    ).stdout
    return "Open MPI" in output or "OpenRTE" in output or "prte" in output.lower()
