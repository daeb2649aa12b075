"""Prefetches in Numba, which has no function of its own for them: LLVM's intrinsic."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

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
