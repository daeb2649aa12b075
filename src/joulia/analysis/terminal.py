"""Where tables are printed, and which of their columns fit there."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | Text

WHOLE = 10_000
"""Columns of a file or a pipe that nobody gave a width: nothing is left out or wrapped."""


class Terminal(Console):
    """A console that leaves a closed pipe to the command line, as all that prints does."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; in a file or a pipe as COLUMNS says, else without end."""
    stream = sys.stderr if stderr else sys.stdout
    return Terminal(stderr=stderr, width=None if stream.isatty() else piped(), highlight=False)


def piped() -> int:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdigit() and int(given) > 0 else WHOLE


@dataclass(frozen=True)
class Column:
    """A column of a table. Figures are shown whole or not at all; only names are ever cut."""

    title: str
    drop: int = 0
    """Where there is too little room, 1 goes first, then 2, ...; 0 always stays.

    Of columns with the same number the rightmost goes first.
    """
    right: bool = True
    least: int | None = None
    """Of names: they may be cut to this many characters, the last an ellipsis; to more, up to
    twice as many, where two of them would read the same."""


@dataclass(frozen=True)
class Grid:
    """A table for people before it is known how wide the terminal is."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    elsewhere: str = ""
    """What else shows every column: a command or an option."""

    def cells(self, column: int) -> list[str]:
        return [str(row[column]) for row in self.rows]

    def same(self, column: int) -> bool:
        """Whether several rows say the same here, so that one line can say it for all."""
        return len(self.rows) > 1 and len(set(self.cells(column))) == 1


@dataclass(frozen=True)
class Fit:
    """What is shown of a grid: indices of columns, their widths, and the spaces between them."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    gap: int
    left_out: tuple[int, ...] = ()
    """The first to go first."""

    @property
    def total(self) -> int:
        return sum(self.widths) + self.gap * (len(self.shown) - 1)


def fit(grid: Grid, width: int) -> Fit:
    """The columns of `grid` that `width` has room for.

    With room to spare everything is shown. Else headings take two lines, columns move together,
    and what `Column.drop` allows to go gets room from the last to go to the first, as far as there
    is any; what says the same in every row comes after all else. What always stays may still be
    wider than a very narrow terminal.
    """
    filled = [i for i in range(len(grid.columns)) if any(grid.cells(i))]
    roomy = Fit(tuple(filled), tuple(natural(grid, i, lines=1) for i in filled), 2)
    if roomy.total <= width:
        return roomy
    full = {i: natural(grid, i, lines=2) for i in filled}
    least = {i: tight(grid, i) for i in filled}
    order = sorted(
        (i for i in filled if grid.columns[i].drop),
        key=lambda i: (not grid.same(i), grid.columns[i].drop, -i),
    )
    widths = {i: least[i] for i in filled if i not in order}
    for i in reversed(order):
        if taken(widths | {i: least[i]}) <= width:
            widths[i] = least[i]
    widths = {i: widths[i] for i in sorted(widths)}
    for i in widths:  # room that is left goes to names, from the left
        widths[i] = min(full[i], widths[i] + max(0, width - taken(widths)))
    missing = tuple(i for i in order if i not in widths)
    return Fit(tuple(widths), tuple(widths.values()), 1, missing)


def parted(grid: Grid, width: int) -> list[Grid]:
    """The grid in parts that `width` has room for, each with the first column."""
    if not fit(grid, width).left_out or len(grid.columns) <= 2:
        return [grid]
    middle = (len(grid.columns) + 1) // 2
    halves = [(0, *range(1, middle)), (0, *range(middle, len(grid.columns)))]
    return [
        part
        for kept in halves
        for part in parted(
            Grid([grid.columns[i] for i in kept], [[row[i] for i in kept] for row in grid.rows]),
            width,
        )
    ]


def taken(widths: dict[int, int]) -> int:
    """Characters of a row: the columns and a space between each two."""
    return sum(widths.values()) + len(widths) - 1


def natural(grid: Grid, column: int, lines: int) -> int:
    """The width that shows all of a column under a heading of at most `lines` lines."""
    return max(heading(grid.columns[column].title, lines), *map(cell_len, grid.cells(column)))


def tight(grid: Grid, column: int) -> int:
    """The least width of a column: figures whole, names cut as far as they may be."""
    full = natural(grid, column, lines=2)
    least = grid.columns[column].least
    if least is None:
        return full
    names = set(grid.cells(column))
    widths = range(least, 2 * least + 1)
    return min(full, next((w for w in widths if told_apart(names, w)), least))


def told_apart(names: Collection[str], width: int) -> bool:
    """Whether all differ when they are cut to this many characters, the last an ellipsis."""
    return len({name if len(name) <= width else name[: width - 1] for name in names}) == len(names)


def heading(title: str, lines: int) -> int:
    """The least width in which a title takes at most so many lines."""
    widest = max(map(len, title.split()))
    return next(
        width for width in range(widest, len(title) + 1) if len(folded(title, width)) <= lines
    )


def folded(title: str, width: int) -> list[str]:
    return textwrap.wrap(title, width, break_long_words=False, break_on_hyphens=False)


def left_out(grid: Grid, fitted: Fit, width: int) -> str:
    """One line: which columns are not shown, the first to go first, and how to see them.

    What such a column says in every row is said here. Empty where all are shown.
    """
    if not fitted.left_out:
        return ""
    differing = [grid.columns[i].title for i in fitted.left_out if not grid.same(i)]
    same = [
        f"{grid.columns[i].title} {grid.cells(i)[0].strip()}"
        for i in fitted.left_out
        if grid.same(i)
    ]
    parts = [", ".join(differing)] if differing else []
    parts += ["the same in every row: " + ", ".join(same)] if same else []
    needed = taken({i: tight(grid, i) for i in (*fitted.shown, *fitted.left_out)})
    elsewhere = f", or {grid.elsewhere}" if grid.elsewhere else ""
    return (
        f"Left out at {width} columns: {'; '.join(parts)}. "
        f"All need {needed} columns (COLUMNS={needed} joulia ... | less -S){elsewhere}"
    )


def draw(out: Console, grid: Grid) -> None:
    """Print a grid, a line a row, and below it which columns found no room."""
    fitted = fit(grid, out.width)
    # Narrower than what must stay: the terminal wraps lines, which loses nothing; rich would crop.
    view = Table(
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 0, 0, fitted.gap),
        width=fitted.total if fitted.total > out.width else None,
    )
    for i, width in zip(fitted.shown, fitted.widths, strict=True):
        column = grid.columns[i]
        view.add_column(
            "\n".join(folded(column.title, width)),
            justify="right" if column.right else "left",
            vertical="bottom",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in grid.rows:
        view.add_row(*(styled(row[i]) for i in fitted.shown))
    out.print(view, crop=False)
    if line := left_out(grid, fitted, out.width):
        out.print(line, markup=False)


def styled(cell: Cell) -> Text:
    """Text as it is: rich would take brackets for markup."""
    return cell if isinstance(cell, Text) else Text(cell)


def draw_list(out: Console, entries: Sequence[tuple[str, str, str]]) -> None:
    """Print a sign, a name and a text each; a long text goes on under itself, none is cut."""
    view = Table.grid(padding=(0, 1), pad_edge=False)
    view.add_column(no_wrap=True)
    view.add_column(overflow="fold", min_width=14)
    view.add_column(overflow="fold")
    for entry in entries:
        view.add_row(*map(Text, entry))
    out.print(view)
