"""CUDA functions that move elements of a field by their offsets in flat memory."""

from __future__ import annotations

from typing import Any

from numba import cuda


@cuda.jit
def gather(flat: Any, places: Any, buffer: Any, at: Any) -> None:
    i = cuda.grid(1)
    if i < places.size:
        buffer[at + i] = flat[places[i]]


@cuda.jit
def scatter(buffer: Any, at: Any, places: Any, flat: Any) -> None:
    i = cuda.grid(1)
    if i < places.size:
        flat[places[i]] = buffer[at + i]


@cuda.jit
def move(flat: Any, sources: Any, targets: Any) -> None:
    i = cuda.grid(1)
    if i < sources.size:
        flat[targets[i]] = flat[sources[i]]
