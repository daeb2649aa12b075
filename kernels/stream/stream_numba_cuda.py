"""STREAM (McCalpin) in Numba's CUDA: a = c, a = b + s c, and chains of y = y s + b.

A thread has an element.
"""

from __future__ import annotations

from typing import Any

from numba import cuda

from joulia.kernels._numba_cuda import block, blocks
from joulia.kernels.stream import CHAIN, PASSES

THREADS = block(256)


@cuda.jit
def copy_elements(box: Any, c: Any, a: Any) -> None:
    i = box[0] + cuda.grid(1)
    if i < box[1]:
        a.flat[i] = c.flat[i]


@cuda.jit
def triad_elements(box: Any, b: Any, c: Any, a: Any, s: Any) -> None:
    i = box[0] + cuda.grid(1)
    if i < box[1]:
        a.flat[i] = b.flat[i] + s * c.flat[i]


@cuda.jit
def chain_elements(box: Any, b: Any, a: Any, s: Any) -> None:
    """One chain a thread: the other warps of a multiprocessor fill the wait for each result."""
    i = box[0] + cuda.grid(1)
    if i < box[1]:
        plus = b.flat[i]
        y = plus
        for _ in range(PASSES):
            for _ in range(CHAIN):
                y = y * s + plus
        a.flat[i] = y


def copy_to(box: Any, c: Any, a: Any) -> None:
    copy_elements[blocks(box, THREADS), THREADS](box, c, a)


def triad(box: Any, b: Any, c: Any, a: Any, s: Any) -> None:
    triad_elements[blocks(box, THREADS), THREADS](box, b, c, a, a.dtype.type(s))


def multiply_add(box: Any, b: Any, a: Any, s: Any) -> None:
    chain_elements[blocks(box, THREADS), THREADS](box, b, a, a.dtype.type(s))
