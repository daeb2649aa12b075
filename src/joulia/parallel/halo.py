"""How the tiles of ranks exchange halos."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from joulia.arrays import Arrays
from joulia.bridge import Ops
from joulia.case import Shape
from joulia.grid import Box, Layout, Link, Tile, is_empty, links, slices, split
from joulia.parallel.comm import Comm
from joulia.parallel.dots import COLLECTIVES, dots


class HaloExchange:
    """Fills the halos of a tile from its neighbours; see `joulia.kernel.Exchange`.

    Neighbours on this rank are copied in place. To other ranks, all fields of a direction go in
    one message from packed buffers, through persistent requests that are started before the core
    is computed and completed after it. `width` fills only so many cells of the halo. `seconds` adds
    up the time spent in packing and waiting, on coarser levels too; where `timed`, `computing_s`
    adds up what is computed on its own boxes.
    """

    def __init__(
        self,
        ops: Ops,
        tile: Tile,
        parts: Shape,
        comm: Comm,
        *,
        corners: bool = False,
        overlap: bool = True,
        layout: Layout = Layout(),  # noqa: B008 -- frozen
        width: int | None = None,
    ) -> None:
        width = tile.halo if width is None else width
        every = [layout.faces(link) for link in links(tile, parts, comm.rank, corners, width)]
        self.ops = ops
        self.tile = tile
        self.comm = comm
        self.overlap = overlap
        self.interior = tile.interior
        self.local = [link for link in every if link.neighbour == comm.rank]
        self.remote = [link for link in every if link.neighbour != comm.rank]
        copies = [(_opposite(every, link).send, link.receive) for link in self.local]
        self.shape = layout.shape(tile.padded)
        self.copy = ops.copier(self.shape, copies)
        cut = [(False, False)] * len(parts)
        for link in self.remote:
            for axis, t in enumerate(link.towards):
                low, high = cut[axis]
                cut[axis] = (low or t < 0, high or t > 0)
        self.core, self.shell = split(tile.interior, cut, width)
        self.messages: dict[tuple[int, str], Messages] = {}
        self.levels: tuple[Level, ...] = ()
        self.thin = self
        self.width = width
        self.timed = False
        self.reset_costs()

    def reset_costs(self) -> None:
        """Nothing has been exchanged yet, here and on coarser levels."""
        self.exchange_s = self.computing_s = 0.0
        self.exchanges = self.filled = self.gathers = self.collectives = 0
        self.sent_messages = self.sent_bytes = 0
        for other in self.others():
            other.reset_costs()

    def others(self) -> list[HaloExchange]:
        """What fills fewer cells of the same halo, and coarser levels."""
        thin = [] if self.thin is self else [self.thin]
        return [*thin, *(level.exchange for level in self.levels)]

    @property
    def seconds(self) -> float:
        return self.exchange_s + sum(other.exchange_s for other in self.others())

    def sent(self) -> tuple[int, int]:
        """Messages and bytes that this rank sent, on all levels."""
        every = [self, *self.others()]
        return sum(e.sent_messages for e in every), sum(e.sent_bytes for e in every)

    def dots(self, *pairs: tuple[Any, Any]) -> list[float]:
        inside = slices(self.interior)
        self.ops.synchronize()
        began = time.perf_counter()
        host = [(self.ops.host(x)[inside], self.ops.host(y)[inside]) for x, y in pairs]
        sums = dots(self.comm, host, math.prod(self.tile.grid))
        self.exchange_s += time.perf_counter() - began
        self.collectives += COLLECTIVES
        return sums

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        boxes = self._boxes(arrays)
        return self._timed(boxes) if self.timed else boxes

    def _timed(self, boxes: Iterator[Box]) -> Iterator[Box]:
        self.ops.synchronize()
        for box in boxes:
            began = time.perf_counter()
            yield box
            self.ops.synchronize()
            self.computing_s += time.perf_counter() - began

    def _boxes(self, arrays: tuple[Any, ...]) -> Iterator[Box]:
        if self.remote:
            self.ops.synchronize()  # waiting for the device is not exchange
        self.exchanges += bool(arrays)
        self.filled += len(arrays)
        began = time.perf_counter()
        if not self.remote or not arrays:
            self._copy_local(arrays)
            self.exchange_s += time.perf_counter() - began
            yield self.interior
            return
        messages = self._messages(arrays)
        messages.last = arrays
        self.sent_messages += len(messages.outgoing)
        self.sent_bytes += messages.bytes
        messages.start(arrays)
        self._copy_local(arrays)
        if self.overlap and not is_empty(self.core):
            self.exchange_s += time.perf_counter() - began
            yield self.core
            began = time.perf_counter()
            messages.finish(arrays)
            self.exchange_s += time.perf_counter() - began
            yield from self.shell
        else:
            messages.finish(arrays)
            self.exchange_s += time.perf_counter() - began
            yield self.interior

    def boxes(self) -> list[Box]:
        """Every box that it may hand out."""
        parts = [self.core, *self.shell] if self.remote and not is_empty(self.core) else []
        return [self.interior, *parts]

    def _copy_local(self, arrays: tuple[Any, ...]) -> None:
        for array in arrays:
            self.copy(array)

    def _messages(self, arrays: Sequence[Any]) -> Messages:
        dtype = self.ops.dtype(arrays[0])
        key = (len(arrays), dtype)
        if key not in self.messages:
            self.messages[key] = Messages(
                self.comm, self.ops, self.shape, self.remote, len(arrays), dtype
            )
        return self.messages[key]

    def packing(self) -> float:
        """Bytes per second at which the slowest kind of message is packed and unpacked; 0 if none.

        Nothing is sent.
        """
        return min((messages.packing() for messages in self.messages.values()), default=0.0)


def _opposite(every: list[Link], link: Link) -> Link:
    """The link on the other side: where the grid wraps onto one rank, its cells fill this halo."""
    towards = tuple(-t for t in link.towards)
    return next(other for other in every if other.towards == towards)


@dataclass(frozen=True)
class Level:
    """A coarser grid on a rank; see `joulia.kernel.Level`.

    Where every rank has all of it, `exchange` moves nothing between ranks, and `others` are the
    links to all other ranks, whose parts this one takes.
    """

    exchange: HaloExchange
    fields: Arrays
    part: Box
    others: Messages | None

    def gather(self, array: Any) -> None:
        costs = self.exchange
        costs.gathers += 1
        if self.others is None:
            return
        costs.ops.synchronize()
        began = time.perf_counter()
        self.others.start([array])
        self.others.finish([array])
        costs.exchange_s += time.perf_counter() - began
        costs.sent_messages += len(self.others.outgoing)
        costs.sent_bytes += self.others.bytes


class Messages:
    """Packed buffers and persistent requests for a number of fields, one message a direction."""

    def __init__(
        self, comm: Any, ops: Ops, shape: Shape, remote: list[Link], fields: int, dtype: str
    ) -> None:
        self.ops = ops
        self.last: Sequence[Any] = ()
        self.comm = comm
        self.outgoing = [ops.parcel(shape, link.send, fields, dtype) for link in remote]
        self.incoming = [ops.parcel(shape, link.receive, fields, dtype) for link in remote]
        self.bytes = sum(parcel.nbytes for parcel in self.outgoing)
        self.incoming_bytes = sum(parcel.nbytes for parcel in self.incoming)
        tag = {towards: i for i, towards in enumerate(_directions(len(remote[0].towards)))}
        self.receives = [
            comm.world.Recv_init(
                parcel.message, link.neighbour, tag[tuple(-t for t in link.towards)]
            )
            for parcel, link in zip(self.incoming, remote, strict=True)
        ]
        self.sends = [
            comm.world.Send_init(parcel.message, link.neighbour, tag[link.towards])
            for parcel, link in zip(self.outgoing, remote, strict=True)
        ]

    def start(self, arrays: Sequence[Any]) -> None:
        for parcel in self.outgoing:
            parcel.pack(arrays)
        # Buffers must hold what is sent, and what was received before must be unpacked.
        self.ops.synchronize()
        self.comm.mpi.Prequest.Startall([*self.receives, *self.sends])

    def finish(self, arrays: Sequence[Any]) -> None:
        self.comm.wait_for(self.receives)
        for parcel in self.incoming:
            parcel.unpack(arrays)
        self.comm.wait_for(self.sends)

    def packing(self, rounds: int = 5) -> float:
        """Bytes per second at which the arrays sent last are packed and unpacked, sending nothing.

        A value is read and written when it is packed, and again when it is unpacked. What is
        unpacked is what the halo of these arrays holds already.
        """
        best = float("inf")
        for _ in range(rounds):
            self.ops.synchronize()
            began = time.perf_counter()
            for parcel in [*self.outgoing, *self.incoming]:
                parcel.pack(self.last)
            for parcel in self.incoming:
                parcel.unpack(self.last)
            self.ops.synchronize()
            best = min(best, time.perf_counter() - began)
        return 2.0 * (self.bytes + 2.0 * self.incoming_bytes) / best


def _directions(dims: int) -> list[Shape]:
    return list(itertools.product((-1, 0, 1), repeat=dims))
