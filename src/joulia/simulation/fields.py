"""Fields of a tile in host memory: as a kernel specifies them, and as its results are seen."""

from __future__ import annotations

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.bridge import Ops
from joulia.case import Case
from joulia.grid import Layout, Tile, slices
from joulia.kernel import Kernel


def allocate(kernel: Kernel, case: Case, tile: Tile) -> dict[str, Host]:
    """Initial fields in host memory in the case's precision; NaN where nothing was specified."""
    given = kernel.initial(case, tile)
    shape = kernel.cells(case).shape(tile.padded)
    return {
        name: given[name].astype(case.dtype, copy=False)
        if name in given
        else np.full(shape, np.nan, case.dtype)
        for name in kernel.of(case).fields
    }


def tables(kernel: Kernel, case: Case, tile: Tile) -> dict[str, Host]:
    """The kernel's arrays that no step changes, in the case's precision."""
    given = kernel.tables(case, tile) if kernel.tables is not None else {}
    return {
        name: np.ascontiguousarray(
            host, np.int32 if np.issubdtype(host.dtype, np.integer) else case.dtype
        )
        for name, host in given.items()
    }


def owned(
    ops: Ops,
    fields: Arrays,
    tile: Tile,
    names: tuple[str, ...],
    layout: Layout = Layout(),  # noqa: B008 -- frozen
) -> dict[str, Host]:
    """The cells of a tile in host memory, by field, or by component where cells hold several."""
    inside = slices(tile.interior)
    return by_component({name: ops.host(fields[name])[inside] for name in names}, tile, layout)


def by_component(fields: dict[str, Host], tile: Tile, layout: Layout) -> dict[str, Host]:
    """Views of the components of fields; the fields themselves where a cell holds one number."""
    if not layout.components:
        return fields
    axis = len(tile.grid) - 1
    return {
        name: np.moveaxis(host, axis, 0)[i]
        for host in fields.values()
        for i, name in enumerate(layout.components)
    }
