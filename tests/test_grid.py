"""Decomposition, tiles, links and the split into core and shell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulia.bridge import FEW, rows
from joulia.errors import JouliaError
from joulia.grid import Layout, Tile, decompose, links, slices, split, tile_of

shapes = st.lists(st.integers(4, 17), min_size=1, max_size=3).map(tuple)


@given(shapes, st.integers(1, 8), st.integers(0, 2))
def test_tiles_cover_the_grid_once_and_keep_room_for_the_halo(shape, ranks, halo):
    try:
        parts = decompose(shape, ranks, (max(1, halo),) * len(shape))
    except JouliaError:
        return
    assert math.prod(parts) == ranks
    seen = np.zeros(shape, int)
    for rank in range(ranks):
        tile = tile_of(shape, parts, rank, halo, (True,) * len(shape))
        assert all(n >= max(1, halo) for n in tile.shape)
        seen[tuple(slice(a, b) for a, b in zip(tile.start, tile.stop, strict=True))] += 1
    assert (seen == 1).all()


def test_decomposition_has_the_least_surface_and_prefers_contiguous_faces():
    assert decompose((64, 64, 64), 2, (1, 1, 1)) == (2, 1, 1)
    assert decompose((64, 64, 64), 4, (1, 1, 1)) == (4, 1, 1)
    assert decompose((64, 64, 64), 16, (1, 1, 1)) == (4, 4, 1)
    assert decompose((8, 8, 1024), 4, (1, 1, 1)) == (1, 1, 4)
    assert decompose((8, 16, 16), 4, (8, 1, 1)) == (1, 4, 1)


def test_ranks_that_would_own_less_than_a_halo_are_refused():
    with pytest.raises(JouliaError, match="16 ranks do not fit the grid 4x3"):
        decompose((4, 3), 16, (1, 1))


@given(shapes, st.integers(1, 6), st.booleans())
def test_links_fill_every_halo_cell_with_the_cell_that_belongs_there(shape, ranks, corners):
    """A global index field exchanged by hand: halos hold what the periodic grid holds there."""
    halo = 1
    try:
        parts = decompose(shape, ranks, (max(1, halo),) * len(shape))
    except JouliaError:
        return
    wraps = (True,) * len(shape)
    tiles = [tile_of(shape, parts, r, halo, wraps) for r in range(ranks)]
    index = np.arange(math.prod(shape)).reshape(shape)
    fields = []
    for tile in tiles:
        field = np.full(tile.padded, -1)
        inside = tuple(slice(a, b) for a, b in zip(tile.start, tile.stop, strict=True))
        field[slices(tile.interior)] = index[inside]
        fields.append(field)
    every = [links(tile, parts, rank, corners) for rank, tile in enumerate(tiles)]
    for rank in range(ranks):
        for link in every[rank]:
            back = tuple(-t for t in link.towards)
            theirs = next(x for x in every[link.neighbour] if x.towards == back)
            fields[rank][slices(link.receive)] = fields[link.neighbour][slices(theirs.send)]
    for tile, field in zip(tiles, fields, strict=True):
        padded = index[
            np.ix_(
                *[
                    np.arange(a - halo, b + halo) % n
                    for a, b, n in zip(tile.start, tile.stop, shape, strict=True)
                ]
            )
        ]
        filled = field != -1
        assert (field[filled] == padded[filled]).all()
        outside = sum(
            ((i < halo) | (i >= n + halo)).astype(int)
            for i, n in zip(np.indices(tile.padded), tile.shape, strict=True)
        )
        assert (filled == (outside <= (len(shape) if corners else 1))).all()


@given(shapes, st.data())
def test_core_and_shell_are_disjoint_and_cover_the_tile(shape, data):
    halo = data.draw(st.integers(1, 3))
    cut = [data.draw(st.tuples(st.booleans(), st.booleans())) for _ in shape]
    tile = Tile(shape, (0,) * len(shape), shape, halo, (True,) * len(shape))
    core, shell = split(tile.interior, cut, halo)
    seen = np.zeros(tile.padded, int)
    for box in [core, *shell]:
        seen[slices(box)] += 1
    assert (seen[slices(tile.interior)] == 1).all()
    assert seen.sum() == math.prod(shape)


@given(
    shapes, st.integers(1, 2), st.booleans(), st.sampled_from([Layout(), Layout(("a", "b"), 3)]),
    st.sampled_from([0, 100, FEW]),
)  # fmt: skip
def test_copies_as_rows_do_what_copies_of_boxes_do(shape, halo, corners, layout, few):
    """The halos of a tile that wraps onto itself, filled by rows and box by box."""
    parts, wraps = (1,) * len(shape), (True,) * len(shape)
    tile = tile_of(shape, parts, 0, halo, wraps)
    every = [layout.faces(link) for link in links(tile, parts, 0, corners)]
    opposite = {tuple(-t for t in link.towards): link.send for link in every}
    copies = [(opposite[link.towards], link.receive) for link in every]
    whole = layout.shape(tile.padded)
    by_box = np.random.default_rng(1).random(whole)
    by_row = by_box.copy()
    for source, target in copies:
        by_box[slices(target)] = by_box[slices(source)]
    every_row = rows(whole, copies, few)
    if sum(part.length * len(part.targets) for part in every_row) <= few:
        assert len(every_row) == 1  # a call
    for part in every_row:
        along = np.arange(part.length)
        flat = by_row.reshape(-1)
        flat[part.targets[:, None] + along] = flat[part.sources[:, None] + along]
        assert (np.diff(part.targets) > 0).all()
    assert (by_row == by_box).all()
