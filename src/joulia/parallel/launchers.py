"""How ranks are started: mpiexec of MPICH or Open MPI, srun and jsrun inside an allocation."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from joulia.errors import JouliaError, Unavailable, suggest
from joulia.system.interpreter import python
from joulia.system.machine import usable_topology

LAUNCHERS = ("auto", "mpiexec", "srun", "jsrun")

BINDINGS = ("launcher", "joulia")
"""Who binds ranks to cores: what starts them, or each rank itself."""

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

MPI_TYPES = {
    "Open MPI": ("pmix", "pmi2"),
    "MPICH": ("pmi2", "cray_shasta", "pmix"),
}
"""How srun can tell ranks of each other, by the family of mpi4py's library, best first: MPICH and
what is made of it speak Slurm's PMI-2, Open MPI from version 5 only PMIx."""

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
    remote: bool = False
    """Whether others than its children run the ranks: it must be asked to end them."""


def choose(
    ranks: int,
    threads: int,
    wanted: str = "auto",
    *,
    binding: str = "launcher",
    on_gpu: bool = False,
    options: Sequence[str] = (),
) -> Launcher:
    """The launcher for a job: the scheduler's own inside an allocation, else mpiexec.

    srun is left alone where it cannot start mpi4py's library and nobody asked for it by name. The
    `binding` is that of BINDINGS; `on_gpu` gives each rank a GPU, where the launcher deals them
    out; `options` are a site's, put before the program. Raises
    Unavailable where there is none, JouliaError for a name that is none.
    """
    if wanted not in LAUNCHERS:
        raise suggest("launcher", wanted, list(LAUNCHERS))
    name = detect() if wanted == "auto" else wanted
    if name == "srun" and wanted == "auto":
        try:
            launcher = srun(ranks, threads, binding)
        except Unavailable as error:
            launcher = mpiexec(ranks, threads, binding)
            launcher = replace(launcher, name=f"{launcher.name}, since {error.reason}")
    elif name == "jsrun":
        launcher = jsrun(ranks, threads, binding, on_gpu=on_gpu)
    else:
        launcher = {"mpiexec": mpiexec, "srun": srun}[name](ranks, threads, binding)
    return replace(launcher, command=(*launcher.command, *options))


def detect() -> str:
    """srun in a Slurm allocation, jsrun in an LSF one, where the command is there; else mpiexec."""
    if "SLURM_JOB_ID" in os.environ and "slurm" not in absent():
        return "srun"
    if "LSB_JOBID" in os.environ and shutil.which("jsrun"):
        return "jsrun"
    return "mpiexec"


def absent() -> list[str]:
    """The schedulers whose variables are set while none of their commands is here, or no job.

    So it is in a container inside a job, and in a shell that kept a job's environment. An mpiexec
    that believes the variables would wait for the scheduler for ever.
    """
    return [
        name
        for name, (prefixes, commands) in SCHEDULERS.items()
        if any(key.startswith(prefixes) for key in os.environ)
        and not (any(map(shutil.which, commands)) and (name != "slurm" or in_slurm_job()))
    ]


def in_slurm_job() -> bool:
    """Whether Slurm knows the job that SLURM_JOB_ID names; taken for granted without scontrol."""
    job, scontrol = os.environ.get("SLURM_JOB_ID"), shutil.which("scontrol")
    return job is None or scontrol is None or _known(scontrol, job)


@cache
def _known(scontrol: str, job: str) -> bool:
    done = subprocess.run(
        [scontrol, "show", "job", job],
        capture_output=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode == 0


def misleading() -> tuple[str, ...]:
    """What variables begin with that no mpiexec here must see."""
    named = [key for key in NAMED if _cannot_start(os.environ.get(key, ""))]
    return (*named, *(prefix for name in absent() for prefix in SCHEDULERS[name][0]))


def _cannot_start(scheduler: str) -> bool:
    name = scheduler.lower()
    _, commands = SCHEDULERS.get(name, ((), ()))
    if name == "slurm" and "SLURM_JOB_ID" not in os.environ:
        return True  # on a login node, say: srun would ask for nodes, and wait
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


def srun(ranks: int, threads: int, binding: str = "launcher") -> Launcher:
    """A core a thread where they last: Slurm's CPUs are hardware threads, and it fills cores.

    All nodes are taken to be like this one.
    """
    command = _require("srun")
    options = ["--ntasks", str(ranks), "--cpus-per-task", str(threads)]
    binds = binding == "launcher"
    options.append("--cpu-bind=cores" if binds else "--cpu-bind=none")
    count = nodes()
    options += ["--nodes", str(min(ranks, count))]
    if math.ceil(ranks / count) * threads <= len(usable_topology().cores):
        options.append("--threads-per-core=1")
    kind, said = mpi_type(command)
    options += [f"--mpi={kind}"] * bool(kind)
    return Launcher(f"srun{said}", (command, *options, "--kill-on-bad-exit=1"), binds, remote=True)


def mpi_type(command: str) -> tuple[str | None, str]:
    """What `srun --mpi=` is to be for mpi4py's library, and what a record says of it.

    None where the user's SLURM_MPI_TYPE says it, or where no mpi4py is here to be asked. A type
    that srun lists and cannot load (a PMIx that is not installed) is passed over. Unavailable where
    none is left: srun would start every rank alone.
    """
    if own := os.environ.get("SLURM_MPI_TYPE"):
        return None, f" (SLURM_MPI_TYPE={own})"
    library = mpi_library()
    family = mpi_family(library) if library else None
    if family is None:
        return None, ""
    listed = mpi_types(command)
    for kind in MPI_TYPES[family]:
        if kind in listed and loads(command, kind):
            return kind, f" --mpi={kind}"
    raise Unavailable(
        f"srun has none of {', '.join(MPI_TYPES[family])}, which mpi4py's {family} needs",
        "--launcher mpiexec starts ranks inside the allocation; or build mpi4py on the site's MPI",
    )


@cache
def mpi_library() -> str | None:
    """mpi4py's library in its own words, asked without starting MPI; None where none is here."""
    script = (
        "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; "
        "print(' '.join(MPI.Get_library_version().strip(chr(0)).split()))"
    )
    done = subprocess.run(
        python("-c", script),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip() or None if done.returncode == 0 else None


def mpi_family(library: str) -> str | None:
    """Whose process manager's language a library speaks: Open MPI's, or MPICH's."""
    if re.search(r"Open ?MPI|Spectrum", library, re.IGNORECASE):
        return "Open MPI"
    if re.search(r"MPICH|MVAPICH|Intel\(R\) MPI", library, re.IGNORECASE):
        return "MPICH"
    return None


@cache
def mpi_types(command: str) -> frozenset[str]:
    """What `srun --mpi=list` names. Slurm up to 20.11 says it on stderr, each after `srun: `."""
    done = subprocess.run(
        [command, "--mpi=list"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return frozenset(re.findall(r"[\w./-]+", done.stdout + done.stderr)) - {"srun"}


@cache
def loads(command: str, kind: str) -> bool:
    """Whether srun starts a task by a type that it lists, in the allocation at hand."""
    done = subprocess.run(
        [command, f"--mpi={kind}", "--ntasks=1", "--nodes=1", "true"],
        capture_output=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode == 0


def jsrun(ranks: int, threads: int, binding: str = "launcher", *, on_gpu: bool = False) -> Launcher:
    """One resource set a rank: its cores, bound to them, and its GPU. Cores are physical ones.

    Without a number of sets a host jsrun would fill the first host. GPUs are seen in a set only
    where it asks for them, and Spectrum MPI takes device memory only where it is told so. Source:
    IBM's page of the jsrun command, and the user guide of Summit.
    """
    options = ["--nrs", str(ranks)]
    if hosts := len(lsf_slots()):
        options += ["--rs_per_host", str(math.ceil(ranks / hosts))]
    options += ["--tasks_per_rs", "1", "--cpu_per_rs", str(threads)]
    options += ["--gpu_per_rs", "1", "--smpiargs=-gpu"] if on_gpu else []
    binds = binding == "launcher"
    options.append(f"--bind=packed:{threads}" if binds else "--bind=none")
    return Launcher("jsrun", (_require("jsrun"), *options), binds, remote=True)


def lsf_slots() -> dict[str, int]:
    """The slots of an LSF job on each of its hosts; empty outside of one.

    LSB_DJOB_HOSTFILE names a file with a line a slot, LSB_MCPU_HOSTS says `hostA 4 hostB 4`. A host
    with one slot before others with more is the one that runs the script, where jsrun starts
    nothing (CORAL's launch nodes).
    """
    slots: dict[str, int] = {}
    if file := os.environ.get("LSB_DJOB_HOSTFILE"):
        with contextlib.suppress(OSError):
            for host in Path(file).read_text().split():
                slots[host] = slots.get(host, 0) + 1
    if not slots:
        words = os.environ.get("LSB_MCPU_HOSTS", "").split()
        pairs = zip(words[::2], words[1::2], strict=False)
        slots = {host: int(count) for host, count in pairs if count.isdigit()}
    first, *others = list(slots) or [""]
    if others and slots[first] == 1 and min(slots[other] for other in others) > 1:
        del slots[first]
    return slots


def nodes() -> int:
    """The nodes of the job at hand, as its scheduler's variables tell; 1 outside of one."""
    told = os.environ.get("SLURM_JOB_NUM_NODES", "")
    if told.isdigit() and int(told) > 1:
        return int(told)
    file = hosts_file()
    hosts = len(set(Path(file).read_text().split())) if file else 0
    return max(1, hosts, len(lsf_slots()))


def hosts_file() -> str | None:
    """The file with the hosts of an LSF or PBS job of several hosts, for an mpiexec without theirs.

    MPICH's knows these queues by their variables; PyPI's Open MPI was built without them.
    """
    for name in ("LSB_DJOB_HOSTFILE", "PBS_NODEFILE"):
        path = os.environ.get(name)
        if path and Path(path).is_file() and len(set(Path(path).read_text().split())) > 1:
            return path
    return None


def mpiexec(ranks: int, threads: int, binding: str = "joulia") -> Launcher:
    """The mpiexec beside this interpreter (PyPI's MPICH or Open MPI), else the one on PATH.

    Whatever the binding is to be, joulia's ranks bind themselves.
    """
    beside = Path(sys.executable).parent / "mpiexec"
    command = str(beside) if beside.is_file() else _require("mpiexec")
    options = ["-n", str(ranks)]
    left_out = "".join(f", without the variables of {name.upper()}" for name in absent())
    if not is_open_mpi(command):
        return Launcher(f"mpiexec (MPICH){left_out}", (command, *options))
    # joulia binds ranks and checks their number against the cores itself.
    options += ["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE"]
    if file := hosts_file():
        options += ["--hostfile", file]
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
