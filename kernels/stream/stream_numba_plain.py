"""STREAM (McCalpin) in plain Numba: a = c, a = b + s c, and chains of y = y s + b."""

from __future__ import annotations

from typing import Any

from numba import njit, prange

from joulia.kernels.stream import CHAIN, PASSES


@njit(parallel=True, cache=True)
def copy_to(box: Any, c: Any, a: Any) -> None:
    for i in prange(box[0], box[1]):
        a[i] = c[i]


@njit(parallel=True, cache=True)
def triad(box: Any, b: Any, c: Any, a: Any, s: Any) -> None:
    for i in prange(box[0], box[1]):
        a[i] = b[i] + s * c[i]


@njit(parallel=True, cache=True)
def multiply_add(box: Any, b: Any, a: Any, s: Any) -> None:
    for i in prange(box[0], box[1]):
        a[i] = b[i]
        for _ in range(CHAIN * PASSES):
            a[i] = a[i] * s + b[i]
