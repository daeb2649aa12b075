"""STREAM (McCalpin) in Numba: a = c, a = b + s c, and chains of y = y s + b; a loop each."""

from __future__ import annotations

from typing import Any

import numba
from numba import prange

from joulia.bridges._numba_math import muladd
from joulia.kernels.stream import CHAIN, PASSES

BLOCK = 1024  # elements: two blocks stay in the first-level cache

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
    for i in range(a.size):
        y, plus = a[i], b[i]
        for _ in range(CHAIN):
            y = muladd(y, s, plus)
        a[i] = y


@parallel
def multiply_add(box: Any, b: Any, a: Any, s: Any) -> None:
    i0, i1 = box
    scalar = a.dtype.type(s)
    for block in prange((i1 - i0 + BLOCK - 1) // BLOCK):
        start = i0 + block * BLOCK
        stop = min(start + BLOCK, i1)
        a[start:stop] = b[start:stop]
        for _ in range(PASSES):
            chains(b[start:stop], a[start:stop], scalar)
