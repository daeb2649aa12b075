"""How CuPy's versions of the kernels cut boxes: for memory, since a GPU wants long launches."""

from __future__ import annotations

import math
from collections.abc import Iterator

from joulia.grid import Box, extent

SCRATCH_BYTES = 1 << 25
"""One temporary array of a part at most: long beside a launch, little beside a GPU's memory."""


def parts(box: Box, cell_bytes: int, limit: int = SCRATCH_BYTES) -> Iterator[Box]:
    """The box in parts of at most `limit` bytes, or of one cell; the slowest axis is cut first."""
    sides = extent(box)
    if min(sides) <= 0:
        return
    if math.prod(sides) * cell_bytes <= limit or max(sides) == 1:
        yield box
        return
    axis = next(axis for axis, side in enumerate(sides) if side > 1)
    a, b = box[2 * axis : 2 * axis + 2]
    thick = max(1, limit // (math.prod(sides[axis + 1 :]) * cell_bytes))
    for start in range(a, b, thick):
        one = (*box[: 2 * axis], start, min(start + thick, b), *box[2 * axis + 2 :])
        yield from parts(one, cell_bytes, limit)
