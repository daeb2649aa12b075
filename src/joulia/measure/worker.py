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


def run(
    case: Case, settings: Settings, comm: Comm, cores: list[int], *, start_only: bool
) -> Measured:
    """Measure; an absent backend and an unstable simulation are results, not failures."""
    from joulia.errors import Unavailable, Unstable
    from joulia.measure import beginning
    from joulia.measure.method import measure

    if case.ranks != comm.size:
        raise RuntimeError(
            f"started with {comm.size} ranks instead of {case.ranks}: mpiexec and mpi4py belong "
            "to different MPI libraries"
        )
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

    Without cores the launcher bound it: then to one hardware thread a core of what that gave.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    lent = os.sched_getaffinity(0)
    here = topology.read([core for core in cores or sorted(lent) if core in lent], root)
    local, size = (local_rank(), local_size(case.ranks)) if cores else (0, 1)
    places = topology.places(here, size, case.threads)
    if places is None or local >= size:
        return  # more threads than cores: bound, they would wait for one another
    topology.bind(places[local])


def local_rank() -> int:
    """This process's rank on its node, as the launcher tells before MPI starts."""
    names = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "PMI_RANK")
    return _number_of(names, 0)


def local_size(ranks: int) -> int:
    """The ranks on this node, as the launcher tells; all of them where it does not."""
    return _number_of(("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE"), ranks)


def _number_of(names: Sequence[str], otherwise: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)


if __name__ == "__main__":
    main()
