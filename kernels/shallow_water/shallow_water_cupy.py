"""shallow_water in CuPy: the NumPy version's expressions over large slabs."""

from __future__ import annotations

from collections.abc import Iterator

from joulia.grid import Box
from joulia.kernel import Host
from joulia.kernels._cupy import slabs
from joulia.kernels.shallow_water.shallow_water_numpy import Part, stages


def cut(box: Box, u: Host) -> Iterator[Part]:
    for y0, y1, x0, x1 in slabs(box):
        yield slice(y0, y1), slice(x0, x1)


stage1, stage2, stage3 = stages(cut)
