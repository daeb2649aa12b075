"""docs/record.md, from the types: `python -m joulia.records.document > docs/record.md`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import typing
from functools import cache
from typing import Any

from joulia import case
from joulia.case import Case, Settings
from joulia.records import parts
from joulia.records.record import SCHEMA, Record
from joulia.system.machine import Machine

HEAD = f"""# The record

Generated from the types by `python -m joulia.records.document`; a test keeps it so.

A results file holds one JSON object a line, each a record of one case (schema `{SCHEMA}`). A reader
ignores keys that it does not know, and a key that is missing has the value given here as its
default: records of other versions of joulia load. Units stand in the names or beside them; energies
and times are those of one time step.
"""


def document() -> str:
    """The page: the record, then each of its parts."""
    kinds = [Record, Case, Settings, Machine, *_parts()]
    return HEAD + "".join(f"\n{section(kind)}" for kind in kinds)


def _parts() -> list[type]:
    found = [one for one in vars(parts).values() if dataclasses.is_dataclass(one)]
    return [one for one in found if isinstance(one, type) and one.__module__ == parts.__name__]


def section(kind: type) -> str:
    """A part as a table: attribute, type, default, what it is."""
    told = texts(kind)
    lines = [f"## {kind.__name__}", "", " ".join((kind.__doc__ or "").split()), ""]
    lines += ["| attribute | type | default | what it is |", "| --- | --- | --- | --- |"]
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            name = type_name(hints[field.name]).replace("|", "or")
            text = told.get(field.name, "").replace("|", "\\|")
            lines.append(f"| `{field.name}` | {name} | {default(field)} | {text} |")
    return "\n".join(lines) + "\n"


def default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    return "" if field.default is dataclasses.MISSING else f"`{field.default!r}`"


def type_name(hint: Any) -> str:
    """A type as JSON readers know it."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    text = str(hint).replace("typing.", "").replace("NoneType", "None").replace("None", "null")
    for module in (parts.__name__, case.__name__, Machine.__module__):
        text = text.replace(f"{module}.", "")
    return text


@cache
def texts(kind: type) -> dict[str, str]:
    """What follows each attribute in the source, also of the types that it extends."""
    found: dict[str, str] = {}
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
                found[node.target.id] = " ".join(str(after.value.value).split())
    return found


if __name__ == "__main__":
    print(document(), end="")
