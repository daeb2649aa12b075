"""a b + c in Numba, rounded once where the machine does it in one instruction: LLVM's intrinsic.

LLVM would also contract products and sums by itself where it was allowed to, but it chooses for
each instruction: in the vector body of a loop otherwise than in its rest, so that a cell's last bit
would depend on its place in a row, which is to say on the number of ranks.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _muladd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c of three numbers of one floating-point type."""
    if not (isinstance(c, types.Float) and a == b == c):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[2].type
        declared = ir.FunctionType(kind, [kind] * 3)
        function = builder.module.declare_intrinsic("llvm.fmuladd", [kind], declared)
        return builder.call(function, arguments)

    return c(a, b, c), generate


# Numba passes the typing context itself: callers give three numbers.
muladd: Any = intrinsic(_muladd)
