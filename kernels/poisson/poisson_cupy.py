"""x + omega (b - A x), A = -lap on cell centres, in CuPy: NumPy's operations over all planes."""

from __future__ import annotations

from typing import Any

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.poisson import poisson_numpy


def placed(numbers: tuple[Any, ...]) -> tuple[Any, ...]:
    """(sz, sy, sx, oz, oy, ox, my, mx, ...) as they are; where the bridge compiles ahead they are
    all 0, and a cell is its own parent."""
    return numbers if numbers[6] else (0, 0, 0, 1, 1, 1, *numbers[6:])


def sweep(box: Box, *arguments: Any) -> None:
    """out = the combination of x and b."""
    for part in parts(box, arguments[0].itemsize):
        poisson_numpy.sweep(part, *arguments)


def coarsen(box: Box, x: Any, b: Any, coarse: Any, *numbers: Any) -> None:
    """coarse = the sum of the combination over the cells that one of the box's is made up of."""
    for part in parts(box, 8 * x.itemsize):
        poisson_numpy.coarsen(part, x, b, coarse, *placed(numbers))


def correct(box: Box, x: Any, coarse: Any, b: Any, out: Any, *numbers: Any) -> None:
    """out = the combination of b and of x with its parent's value added."""
    for part in parts(box, x.itemsize):
        poisson_numpy.correct(part, x, coarse, b, out, *placed(numbers))


def add(box: Box, *arguments: Any) -> None:
    """y = a x + c y."""
    for part in parts(box, arguments[0].itemsize):
        poisson_numpy.add(part, *arguments)
