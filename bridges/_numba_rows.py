"""Rows of arrays in Numba, found by an offset: views without what an index costs.

`array[z, y, a:b]` wraps negative indices around and clips both ends: for rows of 64 cells that
takes as long as some of the loops over them.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


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
