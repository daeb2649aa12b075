"""STREAM in CuPy: whole arrays, each operation one launch."""

from __future__ import annotations

from typing import Any

import cupy as cp

from joulia.grid import Box
from joulia.kernels.stream import CHAIN, PASSES


def copy_to(box: Box, c: Any, a: Any) -> None:
    a[box[0] : box[1]] = c[box[0] : box[1]]


def triad(box: Box, b: Any, c: Any, a: Any, s: float) -> None:
    part = slice(*box)
    cp.multiply(c[part], s, out=a[part])
    cp.add(a[part], b[part], out=a[part])


def multiply_add(box: Box, b: Any, a: Any, s: float) -> None:
    """The chain that other languages keep in a register goes through memory in each operation."""
    part = slice(*box)
    result, added = a[part], b[part]
    cp.copyto(result, added)
    for _ in range(CHAIN * PASSES):
        cp.multiply(result, s, out=result)
        cp.add(result, added, out=result)
