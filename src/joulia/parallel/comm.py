"""Ranks: who they are, and the collective operations that joulia needs, under MPI's names."""

from __future__ import annotations

import socket
from typing import Any, Protocol


class Comm(Protocol):
    """The few collective operations that joulia needs. All of them block on every rank."""

    rank: int
    size: int

    def barrier(self) -> None: ...
    def max(self, value: float) -> float: ...
    def sum(self, value: float) -> float: ...
    def bcast(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""

    def allgather(self, value: Any) -> list[Any]:
        """Every rank's value in rank order, on every rank."""

    @property
    def leads_node(self) -> bool:
        """Whether this is the one rank of its node that reads the node's meters."""


class OneRank:
    """A single process: no MPI is imported."""

    rank = 0
    size = 1
    leads_node = True
    node = socket.gethostname()

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
    """The ranks of a communicator through mpi4py: MPI's world, where none is given."""

    def __init__(self, world: Any = None) -> None:
        from mpi4py import MPI

        self.mpi = MPI
        self.world = world or MPI.COMM_WORLD
        self.rank = self.world.Get_rank()
        self.size = self.world.Get_size()
        local = self.world.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank = local.Get_rank()
        self.local_size = local.Get_size()

    @property
    def leads_node(self) -> bool:
        return bool(self.local_rank == 0)

    def barrier(self) -> None:
        self.world.Barrier()

    def max(self, value: float) -> float:
        return float(self.world.allreduce(value, op=self.mpi.MAX))

    def sum(self, value: float) -> float:
        return float(sum(self.world.allgather(value)))

    def bcast(self, value: Any) -> Any:
        return self.world.bcast(value, root=0)

    def allgather(self, value: Any) -> list[Any]:
        return list(self.world.allgather(value))
