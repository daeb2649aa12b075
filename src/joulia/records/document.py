"""docs/record.md, from the types: `python -m joulia.records.document > docs/record.md`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
import types
import typing
from functools import cache
from typing import Any

from joulia.case import Case, Settings
from joulia.records import conditions, parts
from joulia.records.codec import to_json
from joulia.records.record import SCHEMA, Record
from joulia.records.starts import PhaseEnergy, StartupEnergy
from joulia.system.machine import Machine

HEAD = f"""# The record

Generated from the types by `python -m joulia.records.document`; a test keeps it so.

A results file holds one JSON object a line, each a record of one case (schema `{SCHEMA}`). A
reader ignores keys that it does not know, and a key that is missing has the value given here as its
default: records of other versions of joulia load. Units stand in the names or beside them; energies
and times are those of one time step.
"""

PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
"""Types by their names in JSON."""


def document() -> str:
    """The page: the record, then each of its parts."""
    return HEAD + "".join(f"\n{section(kind)}" for kind in kinds())


def kinds() -> list[type]:
    """The record and all that it is made of."""
    own = [
        member
        for module in (parts, conditions)
        for member in vars(module).values()
        if isinstance(member, type) and member.__module__ == module.__name__
    ]
    # What a process tells of its start goes into these two, and is not kept itself.
    return [Record, Case, Settings, Machine, *own, StartupEnergy, PhaseEnergy]


def section(kind: type) -> str:
    """A part as a table: attribute, type, default, what it is."""
    descriptions = texts(kind)
    lines = [f"## {kind.__name__}", "", " ".join((kind.__doc__ or "").split()), ""]
    lines += ["| attribute | type | default | what it is |", "| --- | --- | --- | --- |"]
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            text = descriptions.get(field.name, "").replace("|", "\\|")
            name = type_name(hints[field.name])
            lines.append(f"| `{field.name}` | {name} | {default(field)} | {text} |")
    return "\n".join(lines) + "\n"


def default(field: dataclasses.Field[Any]) -> str:
    """What stands in where the key is missing, as JSON; empty where it must be there."""
    if field.default_factory is not dataclasses.MISSING:
        return f"`{json.dumps(to_json(field.default_factory()))}`"
    if field.default is dataclasses.MISSING:
        return ""
    # A case's parameters are pairs in memory, an object in JSON.
    return "`{}`" if field.name == "params" else f"`{json.dumps(to_json(field.default))}`"


def type_name(hint: Any) -> str:
    """A type as readers of JSON know it; parts link to their tables."""
    if hint in PLAIN:
        return PLAIN[hint]
    if dataclasses.is_dataclass(hint):
        name = typing.cast(type, hint).__name__
        return f"[{name}](#{name.lower()})"
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(type_name, arguments))
    if origin is dict:
        return f"object of {type_name(arguments[1])}"
    if origin is tuple and arguments[1:] == (Ellipsis,):
        first, *rest = typing.get_args(arguments[0]) or (None,)
        if first is str and len(rest) == 1:  # pairs of a name and a value
            return f"object of {type_name(rest[0])}"
        return f"list of {type_name(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(map(type_name, arguments))}]"
    return "any"


@cache
def texts(kind: type) -> dict[str, str]:
    """What follows each attribute in the source, also of the types that it extends."""
    descriptions: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
        for node, after in itertools.pairwise(body):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                descriptions[node.target.id] = " ".join(str(after.value.value).split())
    return descriptions


if __name__ == "__main__":
    print(document(), end="")
