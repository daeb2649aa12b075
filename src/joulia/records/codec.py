"""Frozen dataclasses to JSON's types and back: what a reader does not know, it leaves out.

A short module rather than a package: the types here are dataclasses, tuples, dictionaries by text,
numbers, text, and None. A type with `to_json` and `from_json` of its own is asked for them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

SCALARS: dict[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    bool: ((bool,), "true or false"),
    int: ((int, float), "a number"),
    float: ((int, float), "a number"),
}
"""What a value of a type may be in JSON, and that in words."""


def to_json(value: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists, all the way down."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value):
        return fields_to_json(value)
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def fields_to_json(value: Any) -> dict[str, Any]:
    """A dataclass as a dictionary of its fields."""
    return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}


def from_json(kind: type[T], data: Any, where: str = "") -> T:
    """A dataclass from a dictionary.

    Keys that it does not have are left out: a newer record does not block an older joulia. Raises
    ValueError, which names the key (below `where`), for one that it needs and the dictionary lacks,
    and where a value is no such thing.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where or kind.__name__}: {data!r} is not an object")
    values = {}
    for name, hint, required in _fields(typing.cast(type, kind)):
        key = f"{where}.{name}" if where else name
        if name in data:
            values[name] = _value(hint, data[name], key)
        elif required:
            raise ValueError(f"{key} is missing")
    return kind(**values)


@cache
def _fields(kind: type) -> list[tuple[str, Any, bool]]:
    """Name, type and whether it must be given, of each field."""
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    return [
        (field.name, hints[field.name], field.default is field.default_factory is missing)
        for field in dataclasses.fields(kind)
        if field.init
    ]


def _value(hint: Any, value: Any, key: str) -> Any:
    if hint in SCALARS:
        kinds, words = SCALARS[hint]
        if not isinstance(value, kinds) or (hint is not bool and isinstance(value, bool)):
            raise ValueError(f"{key}: {value!r} is not {words}")
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (only,) = [kind for kind in arguments if kind is not type(None)]
        return _value(only, value, key)
    if origin is tuple:
        return _tuple(arguments, value, key)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{key}: {value!r} is not an object")
        return {name: _value(arguments[1], item, f"{key}.{name}") for name, item in value.items()}
    if hasattr(hint, "from_json"):
        return _own(hint, value, key)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, key)
    return value


def _tuple(kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    open_ended = len(kinds) == 2 and kinds[1] is Ellipsis
    if not isinstance(value, list) or (not open_ended and len(value) != len(kinds)):
        words = "a list" if open_ended else f"a list of {len(kinds)}"
        raise ValueError(f"{key}: {value!r} is not {words}")
    each = [kinds[0]] * len(value) if open_ended else kinds
    return tuple(_value(kind, item, key) for kind, item in zip(each, value, strict=True))


def _own(kind: Any, value: Any, key: str) -> Any:
    """By the type's own `from_json`."""
    try:
        return kind.from_json(value)
    except KeyError as error:
        raise ValueError(f"{key}.{error.args[0]} is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{key}: {error}") from None
