"""Ranks that have nothing to do leave their cores to those that have."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from mpi4py import MPI

from joulia.parallel.comm import MPIRanks

NAPS_S = (2e-5, 2e-3)
"""The first time that a rank sleeps, and the longest."""


def sleep_until(there: Callable[[], bool]) -> None:
    """MPI's own waiting keeps a core busy on every rank that waits."""
    nap, longest = NAPS_S
    while not there():
        time.sleep(nap)
        nap = min(1.5 * nap, longest)


def wait_for_all(comm: MPI.Intracomm) -> None:
    """A barrier that sleeps."""
    sleep_until(comm.Ibarrier().Test)


def _wait_all(requests: Sequence[MPI.Prequest]) -> None:
    sleep_until(lambda: MPI.Prequest.Testall(requests))


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
