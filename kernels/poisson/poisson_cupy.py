"""x + omega (b - A x), A = -lap on cell centres, in CuPy: NumPy's operations over all planes."""

from __future__ import annotations

from typing import Any

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.poisson import poisson_numpy


def sweep(box: Box, *arguments: Any) -> None:
    """out = the combination of x and b."""
    for part in parts(box, arguments[0].itemsize):
        poisson_numpy.sweep(part, *arguments)


def coarsen(box: Box, *arguments: Any) -> None:
    """coarse = the sum of the combination over the cells that one of the box's is made up of."""
    for part in parts(box, 8 * arguments[0].itemsize):
        poisson_numpy.coarsen(part, *arguments)


def correct(box: Box, *arguments: Any) -> None:
    """out = the combination of b and of x with its parent's value added."""
    for part in parts(box, arguments[0].itemsize):
        poisson_numpy.correct(part, *arguments)


def add(box: Box, *arguments: Any) -> None:
    """y = a x + c y."""
    for part in parts(box, arguments[0].itemsize):
        poisson_numpy.add(part, *arguments)
