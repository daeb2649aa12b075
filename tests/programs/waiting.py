"""Ranks that have nothing to do leave their cores to those that have."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from mpi4py import MPI

from joulia.parallel.comm import MPIRanks

NAP_S = 2e-5


def wait_for_all(comm: MPI.Intracomm) -> None:
    """A barrier that sleeps: MPI's own keeps a core busy on every rank that waits."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(NAP_S)


def _wait_all(requests: Sequence[MPI.Prequest]) -> None:
    while not MPI.Prequest.Testall(requests):
        time.sleep(NAP_S)


class PatientRanks(MPIRanks):
    """Ranks that sleep until all have come: tests have more ranks than there are cores."""

    def __init__(self, world: MPI.Intracomm) -> None:
        super().__init__(world)
        requests = SimpleNamespace(Startall=MPI.Prequest.Startall, Waitall=_wait_all)
        self.mpi = SimpleNamespace(Prequest=requests, MAX=MPI.MAX)

    def barrier(self) -> None:
        wait_for_all(self.world)

    def max(self, value: float) -> float:
        self.barrier()
        return super().max(value)

    def bcast(self, value: Any) -> Any:
        self.barrier()
        return super().bcast(value)

    def allgather(self, value: Any) -> list[Any]:
        self.barrier()
        return super().allgather(value)

    def sum(self, value: float) -> float:
        return float(sum(self.allgather(value)))
