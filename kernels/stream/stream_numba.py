"""STREAM (McCalpin) in Numba: a = c, a = b + s c, and chains of y = y s + b; a loop each."""

from __future__ import annotations

from typing import Any

import numba
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.kernels.stream import CHAIN, PASSES

ROWS = 256
BLOCK = 4 * ROWS  # elements: two blocks stay in the first-level cache

parallel = numba.njit(parallel=True, cache=True, fastmath={"nsz"}, error_model="numpy")


@parallel
def copy_to(box: Any, c: Any, a: Any) -> None:
    i0, i1 = box
    if i1 <= i0:
        return
    for i in prange(i0, i1):
        a[i] = c[i]


@parallel
def triad(box: Any, b: Any, c: Any, a: Any, s: Any) -> None:
    i0, i1 = box
    if i1 <= i0:
        return
    scalar = a.dtype.type(s)
    for i in prange(i0, i1):
        a[i] = muladd(scalar, c[i], b[i])


@numba.njit(cache=True, fastmath={"nsz"}, error_model="numpy")
def chains(b: Any, a: Any, s: Any) -> None:
    """Four elements, ROWS apart, take turns: a core's units need not wait for a result."""
    for i in range(ROWS):
        y0, y1, y2, y3 = a[i], a[i + ROWS], a[i + 2 * ROWS], a[i + 3 * ROWS]
        b0, b1, b2, b3 = b[i], b[i + ROWS], b[i + 2 * ROWS], b[i + 3 * ROWS]
        for _ in range(CHAIN):
            y0 = muladd(y0, s, b0)
            y1 = muladd(y1, s, b1)
            y2 = muladd(y2, s, b2)
            y3 = muladd(y3, s, b3)
        a[i], a[i + ROWS], a[i + 2 * ROWS], a[i + 3 * ROWS] = y0, y1, y2, y3


@numba.njit(cache=True, fastmath={"nsz"}, error_model="numpy")
def rest(b: Any, a: Any, s: Any) -> None:
    """The same for less than a block."""
    for i in range(a.size):
        for _ in range(CHAIN):
            a[i] = muladd(a[i], s, b[i])


@parallel
def multiply_add(box: Any, b: Any, a: Any, s: Any) -> None:
    i0, i1 = box
    scalar = a.dtype.type(s)
    for block in prange((i1 - i0 + BLOCK - 1) // BLOCK):
        start = i0 + block * BLOCK
        stop = min(start + BLOCK, i1)
        a[start:stop] = b[start:stop]
        for _ in range(PASSES):
            if stop - start == BLOCK:
                chains(b[start:stop], a[start:stop], scalar)
            else:
                rest(b[start:stop], a[start:stop], scalar)
