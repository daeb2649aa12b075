"""Ranks: who they are, and the collective operations that joulia needs, under MPI's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from joulia.system.threads import thread_ids
from joulia.system.waiting import sleep_until


class Comm(Protocol):
    """The few collective operations that joulia needs. All of them block on every rank."""

    rank: int
    size: int
    helpers: frozenset[int]
    """The threads that MPI keeps in this process for itself, by the kernel's ids."""

    def barrier(self) -> None: ...
    def max(self, value: float) -> float: ...
    def sum(self, value: float) -> float: ...
    def bcast(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""

    def allgather(self, value: Any) -> list[Any]:
        """Every rank's value in rank order, on every rank."""


class OneRank:
    """A single process: no MPI is imported."""

    rank = 0
    size = 1
    helpers: frozenset[int] = frozenset()

    def barrier(self) -> None:
        pass

    def max(self, value: float) -> float:
        return value

    def sum(self, value: float) -> float:
        return value

    def bcast(self, value: Any) -> Any:
        return value

    def allgather(self, value: Any) -> list[Any]:
        return [value]


class MPIRanks:
    """The ranks of a communicator through mpi4py: MPI's world, where none is given.

    MPI's own waiting keeps a core busy on every rank that waits, also where it yields. Where ranks
    are to be `passive`, they ask whether the others have come and sleep in between.
    """

    def __init__(self, world: Any = None, *, passive: bool = False) -> None:
        before = thread_ids()
        from mpi4py import MPI  # which starts MPI

        self.helpers = thread_ids() - before
        self.passive = passive

        self.mpi = MPI
        self.world = world or MPI.COMM_WORLD
        self.rank = self.world.Get_rank()
        self.size = self.world.Get_size()

    def barrier(self) -> None:
        self._meet()
        if not self.passive:
            self.world.Barrier()

    def _meet(self) -> None:
        """Passive ranks sleep until all are here: what follows then waits for nobody."""
        if self.passive:
            sleep_until(self.world.Ibarrier().Test)

    def wait_for(self, requests: Sequence[Any]) -> None:
        """Until these persistent requests are done."""
        if self.passive:
            sleep_until(lambda: self.mpi.Prequest.Testall(requests))
        else:
            self.mpi.Prequest.Waitall(requests)

    def send(self, buffer: Any, to: int) -> None:
        if self.passive:
            sleep_until(self.world.Isend(buffer, to).Test)
        else:
            self.world.Send(buffer, to)

    def receive(self, buffer: Any, source: int) -> None:
        if self.passive:
            sleep_until(self.world.Irecv(buffer, source).Test)
        else:
            self.world.Recv(buffer, source)

    def max(self, value: float) -> float:
        self._meet()
        return float(self.world.allreduce(value, op=self.mpi.MAX))

    def sum(self, value: float) -> float:
        self._meet()
        return float(sum(self.world.allgather(value)))

    def bcast(self, value: Any) -> Any:
        self._meet()
        return self.world.bcast(value, root=0)

    def allgather(self, value: Any) -> list[Any]:
        self._meet()
        return list(self.world.allgather(value))


def library() -> str:
    """mpi4py's MPI library in its own words, its first line."""
    from mpi4py import MPI

    return " ".join(MPI.Get_library_version().strip("\0").splitlines()[0].split())
