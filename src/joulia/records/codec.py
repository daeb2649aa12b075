"""Frozen dataclasses to JSON's types and back: what a reader does not know, it leaves out.

Forty lines rather than a package: the types here are dataclasses, tuples, dictionaries by text,
numbers, text, and None.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {name: to_json(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(one) for one in value]
    return value


def from_json(kind: type[T], data: Any) -> T:
    """A dataclass from a dictionary.

    Keys that it does not have are left out: a newer record does not block an older joulia. Raises
    KeyError for one that it needs and the dictionary lacks, TypeError where a value is no such
    thing.
    """
    if not isinstance(data, dict):
        raise TypeError(f"{kind.__name__} is not {data!r}")
    found = {}
    for field, hint in _fields(typing.cast(type, kind)):
        if field.name in data:
            found[field.name] = _value(hint, data[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise KeyError(field.name)
    return kind(**found)


@cache
def _fields(kind: type) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(kind)
    return [(field, hints[field.name]) for field in dataclasses.fields(kind) if field.init]


def _value(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        kinds = [kind for kind in arguments if kind is not type(None)]
        return _value(kinds[0], value) if len(kinds) == 1 else value
    if origin is tuple:
        each = arguments[0]
        return tuple(_value(each, one) for one in value)
    if origin is dict:
        return {name: _value(arguments[1], one) for name, one in value.items()}
    if hasattr(hint, "from_json"):
        return hint.from_json(value)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value)
    return value
