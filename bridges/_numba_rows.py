"""Rows of arrays in Numba, found by an offset: views without what an index costs, and prefetches.

`array[z, y, a:b]` wraps negative indices around and clips both ends: for rows of 64 cells that
takes as long as some of the loops over them.

Where a loop reads a dozen rows, short ones and of several arrays, processors do not foresee the
next ones: each of their cache lines would be waited for. A few rows may be under way at once; more
wait for each other, so that callers ask for one or two between two loops of arithmetic.

The prefetches are LLVM's intrinsic, which Numba lacks. They are the module's own names: as a
function's free variables, which go into the key of Numba's cache, they would miss it in every
process.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LINE_BYTES = 64
"""Of a cache line. Longer ones are asked for twice."""
READ, WRITE = 0, 1
KEEP, DATA = 3, 1  # in all caches; not instructions


def _cells(typing: Any, array: Any, offset: Any, count: Any) -> Any:
    """`count` consecutive elements of a contiguous array from an offset into its memory."""
    if not (isinstance(array, types.Array) and array.layout == "C"):
        return None
    kind = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, start, length = arguments
        data = context.make_array(array)(context, builder, whole).data
        view = context.make_array(kind)(context, builder)
        size = context.get_constant(types.intp, array.dtype.bitwidth // 8)
        place = builder.gep(data, [start])
        # Nobody owns it: it is used where the array is.
        context.populate_array(
            view, data=place, shape=[length], strides=[size], itemsize=size, meminfo=None
        )
        return view._getvalue()

    return kind(array, types.intp, types.intp), generate


# Numba passes the typing context itself: callers give an array and two integers.
cells: Any = intrinsic(_cells)


def _prefetch(kind: int) -> Any:
    def prefetch(typing: Any, array: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            held = context.make_array(array)(context, builder, arguments[0])
            address = builder.bitcast(builder.gep(held.data, [arguments[1]]), cgutils.voidptr_t)
            number = ir.IntType(32)
            kinds = [cgutils.voidptr_t, number, number, number]
            declared = ir.FunctionType(ir.VoidType(), kinds)
            function = builder.module.declare_intrinsic("llvm.prefetch.p0", fnty=declared)
            builder.call(function, [address, number(kind), number(KEEP), number(DATA)])
            return context.get_dummy_value()

        return types.void(array, offset), generate

    return intrinsic(prefetch)


prefetch_to_read = _prefetch(READ)
"""prefetch_to_read(array, i): ask for the cache line of a contiguous array's element at offset i.

Offsets beyond the array do no harm.
"""
prefetch_to_write = _prefetch(WRITE)
"""The same, to write it."""
