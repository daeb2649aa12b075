"""What the kernels' CuPy versions share: the parts of a box that are computed at once.

They are the NumPy versions' expressions over larger parts: each operation is one launch, which must
be large to be worth its overhead, while what it makes in between must fit beside the fields. All of
it is queued on the current stream, and comes from CuPy's memory pool: no step waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from joulia.grid import Box, extent, is_empty

VALUES = 1 << 22
"""Values that an operation gets at least where a box has as many: tens of microseconds of work."""


def slabs(box: Box, values_a_cell: int = 1) -> Iterator[Box]:
    """The box in slabs of its slowest axis, of about VALUES values each; none where it is empty."""
    if is_empty(box):
        return
    low, high = box[:2]
    thickness = max(1, VALUES // (values_a_cell * math.prod(extent(box)[1:])))
    for start in range(low, high, thickness):
        yield (start, min(start + thickness, high), *box[2:])
