"""Lanes: a Numba type for a few numbers that one vector instruction works on.

LLVM's own vectors, so that arithmetic on lanes is vector arithmetic whatever surrounds it: loops of
a few iterations over arrays that might overlap are beyond its automatic vectorisers. A load reads
consecutive elements of an array from an offset into its memory, without bounds checks and without
the wrap-around of negative indices. Nothing is reassociated; products and sums are contracted where
`muladd` says so, and nowhere else.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic as _intrinsic
from numba.extending import lower_builtin, models, register_model

LANE_BYTES = 32
FLAGS = ("nsz",)


def intrinsic(function: Any) -> Any:
    """Numba passes a typing context first, which callers do not see and types do not know."""
    return _intrinsic(function)


class Lanes(types.Type):
    """As many numbers of an element type as fill LANE_BYTES."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.count = LANE_BYTES * 8 // element.bitwidth
        super().__init__(name=f"Lanes({element}, {self.count})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        element = manager.lookup(kind.element).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, kind.count))


def splat(builder: Any, value: Any, vector: Any) -> Any:
    index = ir.Constant(ir.IntType(32), 0)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, index)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


# ---- memory ----------------------------------------------------------------------------------


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    vector = context.get_value_type(Lanes(kind.dtype))
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


@intrinsic
def load(typing: Any, array: Any, offset: Any) -> Any:
    """Lanes from consecutive elements of a contiguous array."""
    result = Lanes(array.dtype)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args)
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return result(array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write lanes to consecutive elements of a contiguous array."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), code


# ---- arithmetic ------------------------------------------------------------------------------


def _cast(context: Any, builder: Any, value: Any, kind: Any, result: Lanes) -> Any:
    if isinstance(kind, Lanes):
        return value
    number = context.cast(builder, value, kind, result.element)
    return splat(builder, number, context.get_value_type(result))


def _binary(symbol: Any, method: str) -> None:
    """Lanes with lanes, or with a number, which is rounded to the lanes' type."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            lanes = [a for a in args if isinstance(a, Lanes)]
            if (
                len(args) == 2
                and lanes
                and all(a in lanes or a in types.number_domain for a in args)
            ):
                return signature(lanes[0], *args)
            return None

    infer_global(symbol)(Template)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (
            _cast(context, builder, value, kind, sig.return_type)
            for value, kind in zip(args, sig.args, strict=True)
        )
        return getattr(builder, method)(a, b, flags=FLAGS)

    for kinds in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(symbol, *kinds)(code)


for _symbol, _method in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _binary(_symbol, _method)


def _unary(builder: Any, name: str, value: Any) -> Any:
    element = "f64" if value.type.element == ir.DoubleType() else "f32"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(value.type, [value.type]),
        f"llvm.{name}.v{value.type.count}{element}",
    )
    return builder.call(function, [value])


@intrinsic
def muladd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c of lanes, or of numbers with lanes, rounded once where the machine can."""
    result = next(kind for kind in (a, b, c) if isinstance(kind, Lanes))

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [
            _cast(context, builder, value, kind, result)
            for value, kind in zip(args, sig.args, strict=True)
        ]
        vector = values[0].type
        declared = ir.FunctionType(vector, [vector] * 3)
        element = "f64" if vector.element == ir.DoubleType() else "f32"
        function = cgutils.get_or_insert_function(
            builder.module, declared, f"llvm.fmuladd.v{vector.count}{element}"
        )
        return builder.call(function, values)

    return result(a, b, c), code


class _Negative(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], *args) if isinstance(args[0], Lanes) else None


infer_global(operator.neg)(_Negative)


def _negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


lower_builtin(operator.neg, Lanes)(_negative)


@intrinsic
def root(typing: Any, value: Any) -> Any:
    """The square root of each lane."""
    return value(value), lambda context, builder, sig, args: _unary(builder, "sqrt", args[0])


@intrinsic
def magnitude(typing: Any, value: Any) -> Any:
    """The absolute value of each lane."""
    return value(value), lambda context, builder, sig, args: _unary(builder, "fabs", args[0])


@intrinsic
def larger(typing: Any, one: Any, other: Any) -> Any:
    """The larger of each pair of lanes; the second where one is not a number."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return one(one, other), code
