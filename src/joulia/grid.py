"""Tiles of a Cartesian grid: decomposition, index boxes, the regions that neighbours exchange."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from types import EllipsisType

from joulia.case import Shape
from joulia.errors import JouliaError

Box = tuple[int, ...]
"""Index ranges into a padded array, flattened: (z0, z1, y0, y1, x0, x1), upper ends excluded."""


@dataclass(frozen=True)
class Tile:
    """The part `start <= index < stop` of a global grid, with `halo` cells on every side.

    Arrays of a tile have the shape `padded`; the cell `start` lies at index `halo`. `periodic`
    says per axis whether the grid wraps around; where it does, coordinates may exceed it.
    """

    grid: Shape
    start: Shape
    stop: Shape
    halo: int
    periodic: tuple[bool, ...]

    @cached_property
    def shape(self) -> Shape:
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @cached_property
    def padded(self) -> Shape:
        return tuple(n + 2 * self.halo for n in self.shape)

    @cached_property
    def interior(self) -> Box:
        """The cells that the tile owns, as a box of the padded array."""
        return flatten((self.halo, self.halo + n) for n in self.shape)

    def widened(self, width: int) -> Tile:
        """The tile grown by `width` cells, stopping at walls."""
        return Tile(
            self.grid,
            tuple(
                a - width if p else max(0, a - width)
                for a, p in zip(self.start, self.periodic, strict=True)
            ),
            tuple(
                b + width if p else min(n, b + width)
                for b, n, p in zip(self.stop, self.grid, self.periodic, strict=True)
            ),
            self.halo,
            self.periodic,
        )


def flatten(ranges: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> Box:
    return tuple(itertools.chain.from_iterable(ranges))


def pairs(box: Box) -> list[tuple[int, int]]:
    return list(zip(box[::2], box[1::2], strict=True))


def slices(box: Box) -> tuple[slice | EllipsisType, ...]:
    """The index of a box in an array; axes inside a cell, where it has some, are taken whole."""
    *outer, last = (slice(a, b) for a, b in pairs(box))
    return (*outer, ..., last)


def extent(box: Box) -> Shape:
    return tuple(b - a for a, b in pairs(box))


def grow(box: Box, width: int) -> Box:
    """The box with `width` more cells on each side (fewer where negative)."""
    return flatten([(a - width, b + width) for a, b in pairs(box)])


def is_empty(box: Box) -> bool:
    return any(b <= a for a, b in pairs(box))


def factorisations(n: int, dims: int) -> Iterator[Shape]:
    if dims == 1:
        yield (n,)
        return
    for first in range(1, n + 1):
        if n % first == 0:
            for rest in factorisations(n // first, dims - 1):
                yield (first, *rest)


def thinnest(grid: Shape, parts: Shape, align: Shape | None = None) -> Shape:
    """The cells of the thinnest tile along each axis; 0 where there are more parts than units."""
    units = align or (1,) * len(grid)
    return tuple(n // a // p * a for n, p, a in zip(grid, parts, units, strict=True))


def decompose(grid: Shape, ranks: int, least: Shape, align: Shape | None = None) -> Shape:
    """Ranks per axis with the least exchanged surface in the fullest tile.

    Ties go to cuts of the slowest axis, whose faces are contiguous in memory. Every tile keeps at
    least `least` cells of each axis (the halo, or all), or JouliaError says what fits. Cuts fall on
    multiples of `align` cells of an axis, which divide its extent.
    """
    best: tuple[float, Shape] | None = None
    units = align or (1,) * len(grid)
    for parts in factorisations(ranks, len(grid)):
        thin = thinnest(grid, parts, units)
        if any(n < m for n, m in zip(thin, least, strict=True)):
            continue
        tile = [math.ceil(n // a / p) * a for n, p, a in zip(grid, parts, units, strict=True)]
        cells = math.prod(tile)
        surface = sum(2 * cells / t for t, p in zip(tile, parts, strict=True) if p > 1)
        tie = tuple(-p for p in parts)
        if best is None or (surface, tie) < (best[0], tuple(-p for p in best[1])):
            best = (surface, parts)
    if best is None:
        shape, smallest = ("x".join(map(str, cells)) for cells in (grid, least))
        raise JouliaError(
            f"{ranks} ranks do not fit the grid {shape}: each needs at least {smallest} cells"
            f"{cut_between(units)}. Allowed: fewer ranks or a larger --shape"
        )
    return best[1]


def cut_between(align: Shape) -> str:
    """In words, where cuts may fall; empty where they may fall anywhere."""
    if max(align) == 1:
        return ""
    return f", cut between blocks of {'x'.join(map(str, align))} cells"


def divide(
    grid: Shape, ranks: int, least: Shape, given: Shape | None, align: Shape | None = None
) -> Shape:
    """Ranks per axis: those given, checked, else the best ones; see `decompose`."""
    if given is None:
        return decompose(grid, ranks, least, align)
    text = "x".join(map(str, given))
    if len(given) != len(grid) or math.prod(given) != ranks:
        raise JouliaError(
            f"--decompose {text} is not allowed for {ranks} ranks on {len(grid)} axes. Allowed: "
            f"{len(grid)} numbers whose product is {ranks}"
        )
    thin = thinnest(grid, given, align)
    for n, cells, m, axis in zip(grid, thin, least, "zyx"[-len(grid) :], strict=True):
        if cells < m:
            allowed = f"at least {m} each" if m < n else f"no cut along {axis}"
            raise JouliaError(
                f"--decompose {text} leaves a rank {cells} of {n} cells along {axis}"
                f"{cut_between(align) if align else ''}. Allowed: {allowed}"
            )
    return given


def coordinates(rank: int, parts: Shape) -> Shape:
    """The place of a rank in the grid of ranks, slowest axis first."""
    place = []
    for p in reversed(parts):
        place.append(rank % p)
        rank //= p
    return tuple(reversed(place))


def rank_at(place: Shape, parts: Shape) -> int:
    rank = 0
    for c, p in zip(place, parts, strict=True):
        rank = rank * p + c
    return rank


def tile_of(
    grid: Shape,
    parts: Shape,
    rank: int,
    halo: int,
    periodic: tuple[bool, ...],
    align: Shape | None = None,
) -> Tile:
    """The tile of a rank; the first tiles of an axis take the units that do not divide evenly."""
    units = align or (1,) * len(grid)
    axes = list(zip(grid, parts, coordinates(rank, parts), units, strict=True))
    return Tile(
        grid,
        tuple(_cut(n, p, c, unit) for n, p, c, unit in axes),
        tuple(_cut(n, p, c + 1, unit) for n, p, c, unit in axes),
        halo,
        periodic,
    )


def _cut(n: int, parts: int, c: int, unit: int) -> int:
    """The first of n cells that belongs to part c, a multiple of `unit`."""
    units = n // unit
    return unit * ((units // parts) * c + min(c, units % parts))


def halves(tile: Tile, coarse: Shape) -> bool:
    """Whether each cell of a coarser grid has its finer ones all in the tile, or all outside."""
    shared = zip(tile.grid, coarse, tile.start, tile.stop, strict=True)
    return not any(start % (n // m) or stop % (n // m) for n, m, start, stop in shared)


def coarsened(tile: Tile, coarse: Shape) -> Tile:
    """The cells of a coarser grid that a tile's own cells make up."""
    factors = [n // m for n, m in zip(tile.grid, coarse, strict=True)]
    return replace(
        tile,
        grid=coarse,
        start=tuple(a // f for a, f in zip(tile.start, factors, strict=True)),
        stop=tuple(b // f for b, f in zip(tile.stop, factors, strict=True)),
    )


@dataclass(frozen=True)
class Link:
    """What crosses one side (or edge, or corner) of a tile: `send` leaves, `receive` is filled.

    `towards` is the offset of the neighbour that gets `send`; `receive` lies on the same side.
    """

    towards: Shape
    neighbour: int
    send: Box
    receive: Box


def links(
    tile: Tile, parts: Shape, rank: int, corners: bool, width: int | None = None
) -> list[Link]:
    """The links of a rank: faces, and edges and corners where a kernel asks for them.

    They fill `width` cells of the halo, all of it where none is given.
    """
    place = coordinates(rank, parts)
    all_links = []
    for towards in itertools.product((-1, 0, 1), repeat=len(parts)):
        faces = sum(map(abs, towards))
        if faces == 0 or (faces > 1 and not corners):
            continue
        there = []
        for c, t, p, wraps in zip(place, towards, parts, tile.periodic, strict=True):
            if not wraps and not 0 <= c + t < p:
                break
            there.append((c + t) % p)
        else:
            h, wide = tile.halo, tile.halo if width is None else width
            axes = list(zip(towards, tile.shape, strict=True))
            send = flatten([_strip(t, h, n, wide, inside=True) for t, n in axes])
            receive = flatten([_strip(t, h, n, wide, inside=False) for t, n in axes])
            all_links.append(Link(towards, rank_at(tuple(there), parts), send, receive))
    return all_links


def _strip(towards: int, halo: int, n: int, width: int, *, inside: bool) -> tuple[int, int]:
    """The strip of a width at one end of an axis: inside the tile, or just outside it."""
    if towards == 0:
        return halo, halo + n
    end = halo if towards < 0 else halo + n
    return (end, end + width) if inside == (towards < 0) else (end - width, end)


def split(interior: Box, cut: list[tuple[bool, bool]], halo: int) -> tuple[Box, list[Box]]:
    """The core that needs no remote halo, and the shell around it, as disjoint boxes.

    `cut` tells per axis whether the lower and the upper neighbour is another rank.
    """
    ranges = pairs(interior)
    shell: list[Box] = []
    for axis, (low, high) in enumerate(cut):
        a, b = ranges[axis]
        inner = (a + halo if low else a, b - halo if high else b)
        if inner[0] >= inner[1]:
            return (0,) * len(interior), [interior]
        shell += [
            flatten([*ranges[:axis], part, *ranges[axis + 1 :]])
            for part in ((a, inner[0]), (inner[1], b))
            if part[0] < part[1]
        ]
        ranges[axis] = inner
    return flatten(ranges), shell


@dataclass(frozen=True)
class Layout:
    """What one cell of a field holds: a number, or an element's nodes with several components.

    An element has the axes [component][k][j][i], with `nodes` nodes an axis, the outermost ones on
    its faces. They lie before the last axis of the grid, [z][y][component][k][j][i][x], so that
    neighbouring elements are neighbours in memory.
    """

    components: tuple[str, ...] = ()
    nodes: int = 0

    def cell(self, dims: int) -> Shape:
        """The axes inside a cell of a grid of `dims` axes."""
        return (len(self.components), *(self.nodes,) * dims) if self.components else ()

    def shape(self, grid: Shape) -> Shape:
        """The shape of an array over a grid of cells."""
        return (*grid[:-1], *self.cell(len(grid)), grid[-1])

    def faces(self, link: Link) -> Link:
        """The link between elements, cut to the nodes on the face in which they meet."""
        if not self.components:
            return link
        back = tuple(-t for t in link.towards)
        return replace(
            link, send=self._face(link.send, link.towards), receive=self._face(link.receive, back)
        )

    def _face(self, box: Box, towards: Shape) -> Box:
        n = self.nodes
        nodes = [(0, n) if t == 0 else (0, 1) if t < 0 else (n - 1, n) for t in towards]
        *outer, last = pairs(box)
        return flatten([*outer, (0, len(self.components)), *nodes, last])
