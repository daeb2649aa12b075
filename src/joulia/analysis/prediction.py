"""What more ranks would need: from what was measured here, the network's latency shown apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from joulia import registry
from joulia.analysis.terminal import Cell, Column, Grid
from joulia.analysis.units import quantity, seconds
from joulia.case import Case, Shape
from joulia.errors import JouliaError
from joulia.grid import Tile, decompose, extent, links, rank_at, tile_of
from joulia.kernel import Kernel
from joulia.parallel.levels import Share, shares
from joulia.parallel.network import Transport, hops
from joulia.records.parts import LevelCost
from joulia.records.record import Record


@dataclass(frozen=True)
class Prediction:
    """What `ranks` ranks would need for a step."""

    ranks: int
    shape: Shape
    compute_s: float
    exchange_s: float
    latency_s: float
    """Of the exchange, what its messages take however short they are."""
    efficiency: float
    levels: tuple[LevelCost, ...] = ()
    """Of a kernel with coarser grids, what each would cost, the finest first."""


def predict(
    records: Sequence[Record], up_to: int, shape_for: Callable[[Kernel, Shape, int], Shape]
) -> list[Prediction]:
    """Powers of two of ranks, from the time a cell takes and the transport measured here.

    `shape_for` gives the grid of a number of ranks from that of the fewest. JouliaError where no
    valid record of several ranks measured a transport.
    """
    valid = [r for r in records if r.status == "valid" and r.parallel and r.time]
    measured = [r for r in valid if r.case.ranks > 1 and r.parallel and r.parallel.latency_s]
    if not measured:
        raise JouliaError(
            "--predict needs a valid case on 2 or more ranks. Allowed: for example --ranks 1,2"
        )
    base = min(valid, key=lambda r: r.case.ranks)
    widest = max(measured, key=lambda r: r.case.ranks)
    kernel = registry.kernel(base.case.kernel).kernel
    predictions: list[Prediction] = []
    ranks = 1
    while ranks <= up_to:
        case = replace(base.case, shape=shape_for(kernel, base.case.shape, ranks))
        try:
            parts = decompose(case.shape, ranks, kernel.least(case.shape), kernel.units(case))
        except JouliaError:
            break
        predictions.append(at(kernel, case, parts, base, widest))
        ranks *= 2
    return predictions


def at(kernel: Kernel, case: Case, parts: Shape, base: Record, widest: Record) -> Prediction:
    """A case cut into parts, from the record of the fewest ranks and that of the most."""
    assert base.parallel is not None
    assert widest.parallel is not None
    transport, ranks = network(widest), math.prod(parts)
    per_cell = base.parallel.compute_s * base.case.ranks / math.prod(base.case.shape)
    levels: tuple[LevelCost, ...] = ()
    messages = sent = 0.0
    if base.parallel.levels:
        levels = by_level(kernel, case, parts, base, transport)
        compute = sum(level.compute_s for level in levels)
        messages = sum(level.messages for level in levels)
        sent = sum(level.bytes for level in levels)
    else:
        compute = per_cell * math.prod(fullest(kernel, case, parts).shape)
        if ranks > 1:
            messages, sent = like(widest, kernel, case, parts)
    messages += widest.parallel.collectives * hops(ranks)
    exchange = transport.seconds(messages, sent)
    ideal = per_cell * math.prod(case.shape) / ranks
    latency = messages * transport.latency_s
    efficiency = ideal / (compute + exchange)
    return Prediction(ranks, case.shape, compute, exchange, latency, efficiency, levels)


def like(record: Record, kernel: Kernel, case: Case, parts: Shape) -> tuple[float, float]:
    """Messages and bytes of the busiest rank, whose exchanges are those of a record: as many more
    as it has neighbours and cells towards them more."""
    parallel = record.parallel
    assert parallel is not None
    assert parallel.messages is not None
    assert parallel.bytes is not None
    before = surface(kernel, record.case, parallel.parts)
    now = surface(kernel, case, parts)
    return parallel.messages * now[0] / before[0], parallel.bytes * now[1] / before[1]


def by_level(
    kernel: Kernel, case: Case, parts: Shape, base: Record, transport: Transport
) -> tuple[LevelCost, ...]:
    """What each grid of a kernel with coarser ones would cost in a step.

    A grid that is cut takes its part of the time that it took on `base`, and a message to each
    neighbour for each of its exchanges; one that is whole takes all of that time on every rank, and
    the first of those a message to every other rank for each gathering. `base` says how computing
    is shared among grids by a step that was timed apart, and how long it takes by its windows.
    """
    assert base.parallel is not None
    known = base.parallel.levels
    before = costed_shares(kernel, base.case, base.parallel.parts, known)
    # A larger grid has more levels: they are like the coarsest but one, and the last stays last.
    more = len(kernel.coarser(case)) - len(kernel.coarser(base.case))
    middle = max(0, len(known) - 2)
    like_these = [*range(len(known) - 1), *[middle] * more, len(known) - 1]
    timed = sum(cost.compute_s for cost in known)
    scale = base.parallel.compute_s / timed if timed > 0.0 else 0.0
    now = costed_shares(kernel, case, parts, known)
    ranks, item = math.prod(parts), np.dtype(case.dtype).itemsize
    found = []
    for number, share in zip(like_these, now, strict=True):
        cost, was, own = known[number], before[number], share.of(0)
        cells, held = (math.prod(s.of(0).grid if s.whole else s.of(0).shape) for s in (share, was))
        messages, sent = 0, 0
        if share.gathered:
            messages = cost.gathers * (ranks - 1)
            sent = messages * math.prod(own.shape) * item
        elif not share.whole:
            corners = kernel.halo.corners and number == 0
            neighbours, faces = busiest(share, parts, corners=corners, width=cost.width)
            messages, sent = cost.exchanges * neighbours, cost.arrays * faces * item
        found.append(
            replace(
                cost,
                shape=own.grid,
                whole=share.whole,
                messages=messages,
                bytes=sent,
                exchange_s=transport.seconds(messages, sent),
                compute_s=scale * cost.compute_s * cells / held,
            )
        )
    return tuple(found)


def costed_shares(
    kernel: Kernel, case: Case, parts: Shape, costs: Sequence[LevelCost]
) -> list[Share]:
    """How ranks share each grid that has a cost of its own, the finest first.

    The finest has two costs where some of its exchanges fill less of the halo.
    """
    tiles = tuple(tile(kernel, case, parts, rank) for rank in range(math.prod(parts)))
    finest = Share(tiles, len(tiles) == 1)
    twice = len(costs) > 1 and costs[0].shape == costs[1].shape
    return [finest, *[finest] * twice, *shares(kernel, case, parts)]


def tile(kernel: Kernel, case: Case, parts: Shape, rank: int) -> Tile:
    return tile_of(
        case.shape, parts, rank, kernel.halo.width, kernel.wraps(case), kernel.units(case)
    )


def fullest(kernel: Kernel, case: Case, parts: Shape) -> Tile:
    """The tile with the most cells: the first."""
    return tile(kernel, case, parts, 0)


def surface(kernel: Kernel, case: Case, parts: Shape) -> tuple[int, int]:
    """Neighbours of the busiest rank that are other ranks, and values that leave for them."""
    tiles = tuple(tile(kernel, case, parts, rank) for rank in range(math.prod(parts)))
    share = Share(tiles, whole=False)
    return busiest(share, parts, corners=kernel.halo.corners, width=kernel.halo.width)


def busiest(share: Share, parts: Shape, *, corners: bool, width: int) -> tuple[int, int]:
    """The same of a grid that is cut, for one exchange of one array.

    Ranks at the ends of each axis and in its middle stand for all.
    """
    places = itertools.product(*(sorted({0, p // 2, p - 1}) for p in parts))
    most = (0, 0)
    for rank in {rank_at(place, parts) for place in places}:
        every = links(share.of(rank), parts, rank, corners, width)
        remote = [math.prod(extent(link.send)) for link in every if link.neighbour != rank]
        most = max(most[0], len(remote)), max(most[1], sum(remote))
    return most


def network(record: Record) -> Transport:
    """The network as a record of several ranks measured it."""
    parallel = record.parallel
    assert parallel is not None
    assert parallel.latency_s is not None
    assert parallel.bandwidth_bytes_per_s is not None
    return Transport(parallel.latency_s, parallel.bandwidth_bytes_per_s)


# ---- for people ----------------------------------------------------------------------------

PREDICTED = (
    Column("ranks"),
    Column("grid", drop=1),
    Column("compute", drop=2),
    Column("exchange", drop=3),
    Column("of it latency", drop=4),
    Column("time/step"),
    Column("efficiency"),
)


def prediction_table(predictions: Sequence[Prediction]) -> Grid:
    return Grid(PREDICTED, [predicted_row(p) for p in predictions])


def predicted_row(p: Prediction) -> list[Cell]:
    return [
        str(p.ranks),
        "x".join(map(str, p.shape)),
        seconds(p.compute_s),
        seconds(p.exchange_s),
        seconds(p.latency_s),
        seconds(p.compute_s + p.exchange_s),
        f"{p.efficiency:.0%}",
    ]


LEVELS = (
    Column("grid"),
    Column("ranks have", right=False),
    Column("exchanges", drop=3),
    Column("messages"),
    Column("bytes", drop=2),
    Column("compute"),
    Column("exchange"),
    Column("predicted"),
    Column("of it latency", drop=1),
)


def levels_table(record: Record) -> Grid:
    """What each grid of a kernel with coarser ones cost on several ranks, and what the network that
    its record measured predicts for its messages."""
    assert record.parallel is not None
    transport = network(record)
    return Grid(LEVELS, [level_row(level, transport) for level in record.parallel.levels])


def level_row(level: LevelCost, transport: Transport) -> list[Cell]:
    share = "all of it" if level.whole else "a part"
    return [
        "x".join(map(str, level.shape)),
        "all, gathered" if level.whole and level.messages else share,
        str(level.exchanges),
        str(level.messages),
        quantity(level.bytes, "B"),
        seconds(level.compute_s),
        seconds(level.exchange_s),
        seconds(transport.seconds(level.messages, level.bytes)),
        seconds(level.messages * transport.latency_s),
    ]


def assumptions(records: Sequence[Record]) -> str:
    """What a prediction rests on, in words."""
    record = max(
        (r for r in records if r.parallel and r.case.ranks > 1), key=lambda r: r.case.ranks
    )
    measured = network(record)
    latency = seconds(measured.latency_s)
    bandwidth = quantity(measured.bandwidth_bytes_per_s, "B/s")
    nodes = record.parallel.nodes if record.parallel else 1
    where = f"of {nodes} nodes" if nodes > 1 else "of this machine"
    return (
        "Predicted, not measured. Assumed: every rank computes a cell as quickly as here; a "
        f"message takes {latency} and its bytes {bandwidth}, as between two ranks {where}; "
        "nothing overlaps; no contention in a network."
    )
