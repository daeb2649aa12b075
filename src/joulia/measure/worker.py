"""The process of one case (one of several, under MPI): `python -m joulia.measure.worker JOB.json`.

The job names the case, the settings and the file for the result. Threads and affinity are fixed
before any runtime is imported; the parent set the environment.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from joulia.case import Case, Settings
from joulia.records.codec import to_json
from joulia.records.record import Measured
from joulia.system import memory, topology
from joulia.system.guard import die_with_parent

if TYPE_CHECKING:
    from joulia.parallel.comm import Comm


def main() -> None:
    job_path = Path(sys.argv[1])
    job = json.loads(job_path.read_text())
    die_with_parent()

    case = Case.from_json(job["case"])
    pin(case, job["pin"])
    memory.keep()
    if case.on_gpu:
        from joulia.system import cuda

        cuda.claim(local_rank())

    from joulia.parallel.comm import MPIRanks, OneRank

    comm: Comm = OneRank() if case.ranks == 1 else MPIRanks(passive=case.wait == "passive")
    tell_whereabouts(job_path.parent, comm.rank)
    try:
        settings = Settings.from_json(job["settings"])
        require_ranks(case, comm, job["launcher"])
        result = run(case, settings, comm, job["pin"], start_only=job.get("start_only", False))
    except BaseException as error:
        # One rank's failure is the case's failure: say which, then take the others down.
        traceback.print_exc()
        where = f"rank {comm.rank}: " if comm.size > 1 else ""
        line = " ".join(str(error).split())
        result = Measured("failed", (f"{where}{type(error).__name__}: {line}",))
        deliver(job_path.parent / f"failed-{comm.rank}.json", result)
        sys.stderr.flush()
        if isinstance(comm, MPIRanks):
            comm.world.Abort(1)
        raise SystemExit(1) from None
    if comm.rank == 0:
        if result.parallel:
            result = replace(result, parallel=replace(result.parallel, launcher=job["launcher"]))
        deliver(job_path.parent / "result.json", result)


def require_ranks(case: Case, comm: Comm, launcher: str | None) -> None:
    """RuntimeError where ranks do not know of one another: each would be the first of one."""
    if case.ranks != comm.size:
        from joulia.parallel.comm import library

        raise RuntimeError(
            f"{launcher} started {comm.size} ranks instead of {case.ranks}: it does not speak to "
            f"mpi4py's library, {library()}; --launcher names another, SLURM_MPI_TYPE how srun "
            "tells ranks of each other"
        )


def run(
    case: Case, settings: Settings, comm: Comm, cores: list[int], *, start_only: bool
) -> Measured:
    """Measure; an absent backend and an unstable simulation are results, not failures."""
    from joulia.errors import Unavailable, Unstable
    from joulia.measure import beginning
    from joulia.measure.method import measure

    try:
        if start_only:
            return beginning.start_only(case, settings, comm)
        return measure(case, settings, comm, cores)
    except Unavailable as error:
        return Measured("skipped", (str(error),))
    except Unstable as error:
        return Measured("invalid", (str(error),))


def deliver(path: Path, result: Measured) -> None:
    """Whole or not at all: the parent may look at any moment."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(to_json(result)))
    partial.replace(path)


def tell_whereabouts(folder: Path, rank: int) -> None:
    """On SIGUSR1, write where this rank is: the parent asks ranks that hang."""
    import faulthandler
    import signal

    stack = (folder / f"rank-{rank}.stack").open("w")
    faulthandler.register(signal.SIGUSR1, file=stack, all_threads=False)
    (folder / f"rank-{rank}.pid").write_text(str(os.getpid()))


def pin(case: Case, cores: list[int], root: Path = Path("/")) -> None:
    """Bind this rank to its share of the cores that the job may use, and OpenMP's threads within.

    Without cores the launcher bound it: then to one hardware thread a core of what that gave. Where
    that is enough for all ranks of the node, the launcher bound nobody, and they share it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    lent = os.sched_getaffinity(0)
    here = topology.read([core for core in cores or sorted(lent) if core in lent], root)
    local, size = local_rank(), local_size(case.ranks)
    if not cores and len(here.cores) < size * case.threads:
        local, size = 0, 1
    places = topology.places(here, size, case.threads)
    if places is None or local >= size:
        return  # more threads than cores: bound, they would wait for one another
    topology.bind(places[local])


def local_rank() -> int:
    """This process's rank on its node, as the launcher tells before MPI starts."""
    names = (
        "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "JSM_NAMESPACE_LOCAL_RANK",
        "SLURM_LOCALID", "PMI_RANK",
    )  # fmt: skip
    return _number_of(names, 0)


def local_size(ranks: int) -> int:
    """The ranks on this node, as the launcher tells; all of them where it does not."""
    names = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "JSM_NAMESPACE_LOCAL_SIZE")
    return _number_of(names, tasks_here() or ranks)


def tasks_here() -> int | None:
    """The tasks of this Slurm step on this node, of `2(x3),1`: two on each of three, one on one."""
    counts: list[int] = []
    for part in os.environ.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        count, _, times = part.partition("(x")
        if count.isdigit():
            counts += [int(count)] * int(times.rstrip(")") or 1)
    node = os.environ.get("SLURM_NODEID", "")
    return counts[int(node)] if node.isdigit() and int(node) < len(counts) else None


def _number_of(names: Sequence[str], otherwise: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)


if __name__ == "__main__":
    main()
