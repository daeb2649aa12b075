"""u* = a A + b B + g G(u) of Boussinesq flow on a C-grid in CuPy: NumPy's, over all planes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.boussinesq import boussinesq_numpy


def in_parts(function: Callable[..., None]) -> Callable[..., None]:
    """The function for boxes of any size.

    A part must not see what the part before it updated, and does not: what is written is read at
    the same cell alone.
    """

    def call(box: Box, *arguments: Any) -> None:
        for part in parts(box, arguments[0].itemsize):
            function(part, *arguments)

    return call


def specialize(single: int, advection: int) -> dict[str, Callable[..., None]]:
    """The functions for a scheme. The precision is that of the arrays."""
    functions = boussinesq_numpy.specialize(single, advection)
    return {name: in_parts(function) for name, function in functions.items()}
