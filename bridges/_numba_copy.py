"""Rows copied within an array, in Numba, with prefetches."""

from __future__ import annotations

from typing import Any

import numba

from joulia.bridges._numba_rows import prefetch_to_read, prefetch_to_write

AHEAD = 24


def compiled_copy(dtype: str) -> Any:
    """Numba's version of copying rows within an array, for a precision."""
    signature = f"({dtype}[::1], int64, int64[::1], int64[::1])"

    # Short rows are misses that no processor foresees: those AHEAD are asked for now.
    @numba.njit(signature, parallel=True, cache=True)
    def copy_rows(flat: Any, length: Any, sources: Any, targets: Any) -> None:
        last = sources.size - 1
        for i in numba.prange(sources.size):
            ahead = min(i + AHEAD, last)
            prefetch_to_read(flat, sources[ahead])
            prefetch_to_write(flat, targets[ahead])
            source, target = sources[i], targets[i]
            for j in range(length):
                flat[target + j] = flat[source + j]

    return copy_rows
