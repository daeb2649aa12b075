"""Rows copied within an array, in Numba, with prefetches: LLVM's intrinsic, which Numba lacks.

The prefetches are the module's own names: as a function's free variables, which go into the key of
Numba's cache, they would miss it in every process.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

AHEAD = 24
READ, WRITE = 0, 1
KEEP, DATA = 3, 1  # in all caches; not instructions


def _prefetch(kind: int) -> Any:
    def prefetch(typing: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            held = context.make_array(array)(context, builder, arguments[0])
            address = builder.bitcast(builder.gep(held.data, [arguments[1]]), cgutils.voidptr_t)
            number = ir.IntType(32)
            kinds = [cgutils.voidptr_t, number, number, number]
            declared = ir.FunctionType(ir.VoidType(), kinds)
            function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=declared)
            builder.call(function, [address, number(kind), number(KEEP), number(DATA)])
            return context.get_dummy_value()

        return types.void(array, index), generate

    return intrinsic(prefetch)


prefetch_to_read = _prefetch(READ)
"""prefetch_to_read(array, i): ask for the cache line of element i of a 1-D contiguous array."""
prefetch_to_write = _prefetch(WRITE)
"""The same, to write it."""


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
