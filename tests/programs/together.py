"""Ranks in one process, one after another: what starts them and what waits costs next to nothing.

`together(4, f)` calls `f(comm)` for each of four ranks, each in a greenlet that runs until it has
to wait. Messages travel as late as MPI may take them: a buffer is read when its receiver waits, and
until then holds NaN. Where nobody can go on, that is said instead of waiting for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet


@dataclass
class Request:
    """A persistent request: a buffer, and the way (source, destination, tag) that it goes."""

    ranks: Ranks
    buffer: np.ndarray
    way: tuple[int, int, int]
    sends: bool
    active: bool = False

    def start(self) -> None:
        assert not self.active, f"a request of {self.way} is started again before it is done"
        self.active = True
        if self.sends:
            self.ranks.sent.setdefault(self.way, []).append(self)
        else:
            self.buffer.fill(np.nan)

    def complete(self) -> bool:
        """Whether it is done; what is received is taken from the sender's buffer now."""
        waiting = self.ranks.sent.get(self.way)
        if self.active and not self.sends and waiting:
            sender = waiting.pop(0)
            assert self.buffer.nbytes == sender.buffer.nbytes, f"sizes of {self.way} differ"
            self.buffer[...] = sender.buffer
            self.active = sender.active = False
        return not self.active


class Ranks:
    """What ranks that run one after another share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent: dict[tuple[int, int, int], list[Request]] = {}
        self.told: dict[int, list[Any]] = {}


class Rank:
    """One of them, as `joulia.parallel.comm.MPIRanks` is one of MPI's."""

    helpers: frozenset[int] = frozenset()

    def __init__(self, ranks: Ranks, rank: int) -> None:
        self.ranks, self.rank, self.size = ranks, rank, ranks.size
        self.meetings = 0
        self.world = SimpleNamespace(Recv_init=self.receiving, Send_init=self.sending)
        self.mpi = SimpleNamespace(Prequest=SimpleNamespace(Startall=start_all))

    def receiving(self, buffer: np.ndarray, source: int, tag: int) -> Request:
        return Request(self.ranks, contiguous(buffer), (source, self.rank, tag), sends=False)

    def sending(self, buffer: np.ndarray, to: int, tag: int) -> Request:
        return Request(self.ranks, contiguous(buffer), (self.rank, to, tag), sends=True)

    def wait_for(self, requests: Sequence[Request]) -> None:
        wait_until(lambda: all(request.complete() for request in requests))

    def allgather(self, value: Any) -> list[Any]:
        self.meetings += 1
        here = self.ranks.told.setdefault(self.meetings, [None] * self.size + [0])
        here[self.rank] = value
        here[-1] += 1
        wait_until(lambda: here[-1] == self.size)
        self.ranks.told.pop(self.meetings, None)
        return list(here[:-1])

    def barrier(self) -> None:
        self.allgather(None)

    def max(self, value: float) -> float:
        return max(map(float, self.allgather(value)))

    def sum(self, value: float) -> float:
        return sum(map(float, self.allgather(value)))

    def bcast(self, value: Any) -> Any:
        return self.allgather(value)[0]


def contiguous(buffer: np.ndarray) -> np.ndarray:
    """What MPI takes."""
    assert buffer.flags.c_contiguous
    assert buffer.flags.writeable
    return buffer


def start_all(requests: Sequence[Request]) -> None:
    for request in requests:
        request.start()


def wait_until(done: Callable[[], bool]) -> None:
    while not done():
        getcurrent().parent.switch(done)


def together(size: int, function: Callable[[Rank], Any]) -> list[Any]:
    """What `function` returns for each rank's communicator."""
    ranks = Ranks(size)
    running = [greenlet(function) for _ in range(size)]
    waits: list[Callable[[], bool]] = [lambda: True] * size
    results: list[Any] = [None] * size
    started: set[int] = set()
    while any(not each.dead for each in running):
        able = [rank for rank in range(size) if not running[rank].dead and waits[rank]()]
        assert able, "every rank waits for another"
        for rank in able:
            first = () if rank in started else (Rank(ranks, rank),)
            started.add(rank)
            answer = running[rank].switch(*first)
            if running[rank].dead:
                results[rank] = answer
            else:
                waits[rank] = answer
    return results
