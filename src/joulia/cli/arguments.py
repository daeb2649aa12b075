"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulia.errors import JouliaError

if TYPE_CHECKING:
    from joulia.case import Value

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

POSITIVE = click.FloatRange(0.0, min_open=True)
BACKEND = click.option(
    "--backend",
    "-b",
    multiple=True,
    callback=lambda context, option, texts: tuple(
        name for text in texts for name in listed(text) or [text]
    ),
    help="numpy, numba, numba/plain, occa:openmp, ...; a list, or given several times (all)",
)
VARIANT = click.option(
    "--variant", help="tuned, plain, ...; a list (tuned of named backends, else every one)"
)
SIZE = click.option("--size", help="tiny, small, medium or large; a list sweeps (small)")
SHAPE = click.option("--shape", help="cells an axis, slowest first, as in 64x64x64; a list sweeps")
OVERLAP = click.option(
    "--overlap/--no-overlap",
    default=None,
    help="compute while halos travel, or after they came (what is faster)",
)
MACHINE = click.option(
    "--machine",
    callback=lambda context, option, name: machine_name(name),
    help="what to call this machine: records of one name are of one machine (its hardware)",
)
WAIT = click.option(
    "--wait",
    help="how threads and ranks wait: active (they spin), passive (they sleep), default (as each "
    "runtime does); a list sweeps (default)",
)
SITE = click.option(
    "--site",
    is_eager=True,
    expose_value=False,
    callback=lambda context, option, name: enter_site(context, name),
    help="a site of `joulia sites`, or a .toml file: its launcher, binding, profile, carbon, wait",
)
PARAM = click.option("--param", "-p", multiple=True, help="name=value of the kernel; a list sweeps")


class NewFile(click.Path):
    """A file to be written, in a new folder where it names one.

    Where that cannot be, it is told before anything is measured.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(f"cannot write {path}: {error.strerror}. Allowed: a new file", param, ctx)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.fail(f"cannot write {path}. Allowed: a file that can be written", param, ctx)
        return path


def timeout(what: str = "case") -> Option:
    return click.option("--timeout", type=POSITIVE, default=600.0, help=f"seconds a {what} (600)")


def repeats(default: int | None, note: str) -> Option:
    return click.option(
        "--repeats",
        type=click.IntRange(1, 10000),
        default=default,
        help=f"samples a case ({note})",
    )


def window(default: float | None, note: str) -> Option:
    return click.option(
        "--window", type=POSITIVE, default=default, help=f"seconds a sample ({note})"
    )


def output(default: str, what: str = "the results file") -> Option:
    return click.option(
        "--output",
        "-o",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path(default),
        help=f"{what} ({default})",
    )


def enter_site(context: click.Context, name: str | None) -> None:
    """A site's choices become the defaults of the options that come after it."""
    if name is not None:
        from joulia.sites import site

        context.default_map = {**(context.default_map or {}), **site.enter(name).defaults()}


def machine_name(name: str | None) -> str | None:
    if name is not None and not (name.strip() and name.isprintable()):
        raise JouliaError(f"--machine {name!r} is not allowed. Allowed: a name, as in ac922")
    return name and name.strip()


def listed(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def integers(name: str, text: str) -> list[int]:
    values = []
    for part in listed(text):
        if not part.isdigit() or int(part) < 1:
            raise JouliaError(
                f"--{name} {part} is not allowed. Allowed: integers from 1, as in 1,2,4"
            )
        values.append(int(part))
    return values


def amounts(name: str, text: str | None, example: str) -> list[float | None]:
    """Positive numbers of a list, each once; a list of None where it is not given."""
    values: list[float | None] = []
    for part in listed(text):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not 0.0 < value < math.inf:
            raise JouliaError(
                f"--{name} {part} is not allowed. Allowed: numbers above 0, as in {example}"
            )
        values.append(value)
    return list(dict.fromkeys(values)) or [None]


def shape(text: str, option: str = "shape") -> tuple[int, ...]:
    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise JouliaError(
            f"--{option} {text} is not allowed. Allowed: a number an axis, slowest first, "
            "as in 64x64x64"
        )
    return tuple(map(int, parts))


def waits(text: str | None) -> list[str]:
    """How threads and ranks wait, as a list; what each is, is checked where cases are made."""
    return listed(text) or ["default"]


def params(given: Sequence[str]) -> dict[str, list[Value]]:
    by_name: dict[str, list[Value]] = {}
    for text in given:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise JouliaError(f"--param {text} is not allowed. Allowed: name=value, name=v1,v2")
        by_name[name] = list(listed(values))
    return by_name
