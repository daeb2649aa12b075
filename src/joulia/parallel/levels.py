"""A kernel's coarser grids on ranks: cut like the tiles, then whole on every rank."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from joulia.bridge import Ops
from joulia.case import Case, Shape
from joulia.grid import Box, Link, Tile, coarsened, flatten, halves, tile_of
from joulia.kernel import Kernel
from joulia.parallel.comm import Comm, OneRank
from joulia.parallel.halo import HaloExchange, Level, Messages

LEVEL_HALO = 1
"""Cells around a coarser level's tile, which may itself have one cell an axis."""


def exchange_of(
    kernel: Kernel,
    case: Case,
    ops: Ops,
    tile: Tile,
    parts: Shape,
    comm: Comm,
    *,
    overlap: bool = True,
) -> HaloExchange:
    """A kernel's exchange on a tile, with its coarser levels: nothing overlaps on those."""
    corners, layout = kernel.halo.corners, kernel.cells(case)
    exchange = HaloExchange(ops, tile, parts, comm, corners=corners, overlap=overlap, layout=layout)
    if kernel.levels is not None and (corners or tile.halo > 1):
        exchange.thin = HaloExchange(ops, tile, parts, comm, overlap=overlap, width=1)
    exchange.levels = tuple(
        level(kernel, case, ops, share, parts, comm) for share in shares(kernel, case, parts)
    )
    exchange.thin.levels = exchange.levels
    return exchange


@dataclass(frozen=True)
class Share:
    """How ranks share a coarser level: by `tiles`, or each has it whole and computes it by itself.

    Where it is gathered first, `tiles` are the ranks' parts; on whole levels after that one, they
    are one tile.
    """

    tiles: tuple[Tile, ...]
    whole: bool

    def of(self, rank: int) -> Tile:
        """The part of a rank."""
        return self.tiles[rank if len(self.tiles) > 1 else 0]

    @property
    def gathered(self) -> bool:
        return self.whole and len(self.tiles) > 1


def shares(kernel: Kernel, case: Case, parts: Shape) -> list[Share]:
    """How ranks share each coarser level of a case, the finest of them first.

    A grid is cut as long as no finer cells of one of its cells lie on two ranks in the next. The
    first that could not be halved so, and all coarser ones, are whole on every rank.
    """
    halo, wraps, units = kernel.halo.width, kernel.wraps(case), kernel.units(case)
    tiles = [tile_of(case.shape, parts, r, halo, wraps, units) for r in range(math.prod(parts))]
    shapes = kernel.coarser(case)
    every: list[Share] = []
    for number, shape in enumerate(shapes):
        tiles = [replace(coarsened(tile, shape), halo=LEVEL_HALO) for tile in tiles]
        coarser = shapes[number + 1 :]
        whole = not coarser or not all(halves(tile, coarser[0]) for tile in tiles)
        every.append(Share(tuple(tiles), whole or len(tiles) == 1))
        if whole:
            tiles = [replace(tiles[0], start=(0,) * len(parts), stop=shape)]
    return every


def level(kernel: Kernel, case: Case, ops: Ops, share: Share, parts: Shape, comm: Comm) -> Level:
    """A coarser grid as this rank has it."""
    own = share.of(comm.rank)
    tile = own
    if share.whole:
        tile = replace(own, start=(0,) * len(parts), stop=own.grid)
        ranks: Comm = OneRank()
        exchange = HaloExchange(ops, tile, (1,) * len(parts), ranks, overlap=False)
    else:
        exchange = HaloExchange(ops, tile, parts, comm, overlap=False)
    values = np.full(tile.padded, np.nan, case.dtype)
    fields = {name: ops.array(values) for name in kernel.level_fields}
    others = None
    if share.gathered:
        boxes = [within(part, tile) for part in share.tiles]
        towards = (0,) * len(parts)
        links = [Link(towards, rank, boxes[comm.rank], box) for rank, box in enumerate(boxes)]
        del links[comm.rank]
        others = Messages(comm, ops, tile.padded, links, 1, case.dtype)
    return Level(exchange, fields, within(own, tile), others)


def within(part: Tile, tile: Tile) -> Box:
    """The cells of one tile as a box of the padded arrays of another."""
    return flatten(
        [
            (a - start + tile.halo, b - start + tile.halo)
            for a, b, start in zip(part.start, part.stop, tile.start, strict=True)
        ]
    )
