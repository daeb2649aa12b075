"""What the kernels' versions for Numba's CUDA target share: launch geometry.

A kernel is a thread a cell, or a thread a column of cells, with x along `threadIdx.x`, so that the
threads of a warp touch neighbouring elements. Arrays are indexed by the offset into their memory
(`array.flat[at]`): Numba then has no negative index to wrap around and no strides to multiply.
Where `flat` is written as well as read, each thread reads what no other thread writes.

Functions launch on the default stream and return before the work is done. They launch for empty
boxes too, since that is how they are compiled ahead of the first time step.
"""

from __future__ import annotations

import os
from typing import Any

from numba import cuda

from joulia.grid import Box, extent

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
"""Whether Numba's simulator runs the kernels, with a thread of Python for each of CUDA's.

Its blocks are small, and none are launched for empty boxes: no result depends on a block's size.
"""

LEAST_BLOCKS = 0 if SIMULATED else 1

BLOCKS = 2048
"""Enough blocks for several on each multiprocessor, so that the last ones do not idle the rest."""


def blocks(box: Box, threads: tuple[int, ...]) -> tuple[int, ...]:
    """Blocks of `threads` (x, y, z) cells that cover a box."""
    return tuple(
        max(LEAST_BLOCKS, -(-cells // count))
        for cells, count in zip(extent(box)[::-1], threads, strict=True)
    )


def block(*threads: int) -> tuple[int, ...]:
    """The threads (x, y, z) of a block; in the simulator, a few."""
    return (4, 2, 1)[: len(threads)] if SIMULATED else threads


def depth(columns: int, cells: int, least: int, most: int) -> int:
    """How many of `cells` levels a thread goes up, where blocks lie side by side in `columns`.

    Long columns reread less; short ones make enough blocks.
    """
    return min(most, max(least, cells * columns // BLOCKS))


# Numba's CUDA target does not compile `min` and `max` of two numbers in every version.


@cuda.jit(device=True)
def smaller(one: Any, other: Any) -> Any:
    return one if one < other else other


@cuda.jit(device=True)
def larger(one: Any, other: Any) -> Any:
    """The second where one is not a number."""
    return one if one > other else other
