"""Ranks that have nothing to do leave their cores to those that have."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from mpi4py import MPI

from joulia.parallel.comm import MPIRanks

NAPS_S = (1e-4, 2e-3)
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
        self.mpi = SimpleNamespace(Prequest=requests)

    def barrier(self) -> None:
        wait_for_all(self.world)

    def allgather(self, value: Any) -> list[Any]:
        own = pickle.dumps(value)
        sizes = np.empty(self.size, np.intc)
        sleep_until(self.world.Iallgather(np.array([len(own)], np.intc), sizes).Test)
        every = bytearray(sizes.sum())
        sleep_until(self.world.Iallgatherv(own, [every, sizes, MPI.BYTE]).Test)
        stream = io.BytesIO(every)
        return [pickle.load(stream) for _ in range(self.size)]

    def max(self, value: float) -> float:
        return float(max(self.allgather(value)))

    def bcast(self, value: Any) -> Any:
        return self.allgather(value)[0]

    def sum(self, value: float) -> float:
        return float(sum(self.allgather(value)))
