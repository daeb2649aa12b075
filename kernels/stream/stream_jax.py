"""STREAM (McCalpin) in JAX: a = c, a = b + s c, and chains of y = y s + b."""

from __future__ import annotations

from typing import Any

from jax import lax

from joulia.bridges._jax_boxes import put, writes
from joulia.grid import Box
from joulia.kernels.stream import CHAIN, PASSES


@writes("a")
def copy_to(box: Box, c: Any, a: Any) -> Any:
    return put(a, box, c[box[0] : box[1]])


@writes("a")
def triad(box: Box, b: Any, c: Any, a: Any, s: float) -> Any:
    part = slice(box[0], box[1])
    return put(a, box, b[part] + s * c[part])


@writes("a")
def multiply_add(box: Box, b: Any, a: Any, s: float) -> Any:
    start = b[box[0] : box[1]]

    def chain(_: int, y: Any) -> Any:
        for _ in range(CHAIN):
            y = y * s + start
        return y

    return put(a, box, lax.fori_loop(0, PASSES, chain, start))
