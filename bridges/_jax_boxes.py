"""Boxes of JAX's arrays: what a source writes, and where; see `joulia.bridges.jax`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from joulia.grid import Box, pairs

F = TypeVar("F", bound=Callable[..., Any])

threads = 1
"""What a case computes on; the bridge sets it before it loads sources."""


def writes(*names: str) -> Callable[[F], F]:
    """Marks a function that returns new values of its arguments of these names, in this order."""

    def marked(function: F) -> F:
        vars(function)["writes"] = names
        return function

    return marked


def apart(function: F) -> F:
    """The function as code of its own, which does not depend on what surrounds a call.

    XLA joins no code across a call, and lays out no array there otherwise than row by row;
    `inlineable` keeps the call.
    """
    compiled = jax.jit(function)

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        with set_xla_metadata(inlineable="false"):
            return compiled(*values)

    return cast(F, call)


def _same(values: Any) -> Any:
    return values


_called = apart(_same)


def held(values: Any) -> Any:
    """The values, computed once and into memory of their own, on all threads.

    XLA would compute them again for each use, where that looks cheap to it. Its own
    `optimization_barrier` is gone on processors by the time it joins.
    """
    return _called(values)


def put(array: Any, box: Box, values: Any) -> Any:
    """The array with a box's values replaced; its memory is written in place.

    XLA computes what ends in such an update on one thread. On several, the values are computed
    first, into memory of their own, and one thread copies them.
    """
    if threads > 1:
        values = held(values)
    *outer, last = (a for a, _ in pairs(box))
    inside = [0] * (array.ndim - len(outer) - 1)
    return lax.dynamic_update_slice(array, values, (*outer, *inside, last))
