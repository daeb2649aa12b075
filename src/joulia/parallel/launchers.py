"""How ranks are started: mpiexec of MPICH or Open MPI, srun and jsrun inside an allocation."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joulia.errors import JouliaError, Unavailable, suggest
from joulia.system.machine import usable_topology

LAUNCHERS = ("auto", "mpiexec", "srun", "jsrun")

SCHEDULERS = {
    "slurm": (("SLURM_",), ("srun",)),
    "lsf": (("LSB_", "LSF_"), ("blaunch", "jsrun")),
    "pbs": (("PBS_",), ("pbsdsh", "pbs_tmrsh")),
    "alps": (("ALPS_",), ("aprun",)),
    "sge": (("SGE_", "PE_HOSTFILE"), ("qrsh",)),
}
"""What schedulers' variables begin with, and the commands that start processes in their jobs."""

NAMED = tuple(
    f"{maker}HYDRA_{what}" for maker in ("", "I_MPI_") for what in ("LAUNCHER", "BOOTSTRAP", "RMK")
)
"""Variables in which sites name a scheduler for MPICH's and Intel's mpiexec."""

OUTER = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
"""Rank and size of the job that this process is a rank of. Slurm's SLURM_NTASKS is not among them:
a batch script, which runs once, has it too."""


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


def absent() -> list[str]:
    """The schedulers whose variables are set while none of their commands is here.

    So it is in a container inside a job, and in a shell that kept a job's environment. An mpiexec
    that believes the variables would wait for the scheduler for ever.
    """
    return [
        name
        for name, (prefixes, commands) in SCHEDULERS.items()
        if any(key.startswith(prefixes) for key in os.environ)
        and not any(map(shutil.which, commands))
    ]


def misleading() -> tuple[str, ...]:
    """What variables begin with that no mpiexec here must see."""
    named = [key for key in NAMED if _cannot_start(os.environ.get(key, ""))]
    return (*named, *(prefix for name in absent() for prefix in SCHEDULERS[name][0]))


def _cannot_start(scheduler: str) -> bool:
    _, commands = SCHEDULERS.get(scheduler.lower(), ((), ()))
    return bool(commands) and not any(map(shutil.which, commands))


def outer_job() -> tuple[int, int]:
    """The rank of this process, and how many there are, where another launcher started it."""
    for rank, size in OUTER:
        if os.environ.get(rank, "").isdigit() and os.environ.get(size, "").isdigit():
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


def require_one_process() -> None:
    """JouliaError where this is one of several ranks: each would measure, all at the same time."""
    _, size = outer_job()
    if size > 1:
        raise JouliaError(
            f"an outer mpiexec, srun or jsrun started this {size} times. Allowed: once, without "
            f"it; joulia starts ranks itself: --ranks {size}"
        )


def srun(ranks: int, threads: int) -> Launcher:
    """A core a thread where they last: Slurm's CPUs are hardware threads, and it fills cores.

    All nodes are taken to be like this one.
    """
    options = ["--ntasks", str(ranks), "--cpus-per-task", str(threads), "--cpu-bind=cores"]
    nodes = max(1, int(os.environ.get("SLURM_JOB_NUM_NODES", "1")))
    if math.ceil(ranks / nodes) * threads <= len(usable_topology().cores):
        options.append("--threads-per-core=1")
    return Launcher("srun", (_require("srun"), *options, "--kill-on-bad-exit=1"), binds=True)


def jsrun(ranks: int, threads: int) -> Launcher:
    """One resource set a rank: its cores, bound to them. What jsrun counts are physical cores."""
    options = ("--nrs", str(ranks), "--tasks_per_rs", "1", "--cpu_per_rs", str(threads))
    return Launcher("jsrun", (_require("jsrun"), *options, f"--bind=packed:{threads}"), binds=True)


def mpiexec(ranks: int, threads: int) -> Launcher:
    """The mpiexec beside this interpreter (PyPI's MPICH or Open MPI), else the one on PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    command = str(beside) if beside.is_file() else _require("mpiexec")
    options = ["-n", str(ranks)]
    left_out = "".join(f", without the variables of {name.upper()}" for name in absent())
    if not is_open_mpi(command):
        return Launcher(f"mpiexec (MPICH){left_out}", (command, *options))
    # joulia binds ranks and checks their number against the cores itself.
    options += ["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-run-as-root")
    return Launcher(f"mpiexec (Open MPI){left_out}", (command, *options))


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
