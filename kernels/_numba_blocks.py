"""Boxes in blocks of (planes, rows, columns), which threads of Numba's versions take by number.

And a block's own buffers, and rows that it asks for ahead.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from joulia.bridges._numba_rows import LINE_BYTES, prefetch_to_read, prefetch_to_write
from joulia.kernels._weno_numba import FLAGS, INLINED, ROW

NEAR = 1 << 19
"""Cells of a field that caches hold: where fields are no larger, nothing is asked for ahead."""


@numba.njit(**ROW)
def blocks(box: Any, sides: Any) -> Any:
    """How many blocks with these sides there are along z, y and x; the last ones may be smaller."""
    z0, z1, y0, y1, x0, x1 = box
    planes, rows, columns = sides
    return (
        (z1 - z0 + planes - 1) // planes,
        (y1 - y0 + rows - 1) // rows,
        (x1 - x0 + columns - 1) // columns,
    )


@numba.njit(**ROW)
def part(box: Any, number: Any, counts: Any, sides: Any) -> Any:
    """The block of this number, as a box; x runs fastest."""
    z0, z1, y0, y1, x0, x1 = box
    planes, rows, columns = sides
    _, ny, nx = counts
    za = z0 + number // (ny * nx) * planes
    ya = y0 + number // nx % ny * rows
    xa = x0 + number % nx * columns
    return za, min(za + planes, z1), ya, min(ya + rows, y1), xa, min(xa + columns, x1)


@numba.njit(**FLAGS)
def buffers(count: Any, cells: Any, dtype: Any) -> Any:
    """That many rows of at least so many cells, each of which begins with a cache line.

    Numba's own arrays begin with half a line as often as not: every second vector of a row would
    lie in two lines. Rows are no longer than they need to be: they are to stay in the first cache.
    """
    item = np.empty(1, dtype).itemsize
    line = LINE_BYTES // item
    width = (cells + line - 1) // line * line
    memory = np.empty(count * width + line, dtype)
    begin = (-memory.ctypes.data % LINE_BYTES) // item
    return memory[begin : begin + count * width].reshape(count, width)


@numba.njit(**INLINED)
def row_to_read(array: Any, offset: Any, count: Any) -> None:
    """Ask for `count` consecutive elements of a contiguous array from an offset, to read them."""
    line = LINE_BYTES // array.itemsize
    for i in range(offset, offset + count + line - 1, line):
        prefetch_to_read(array, i)


@numba.njit(**INLINED)
def row_to_write(array: Any, offset: Any, count: Any) -> None:
    """The same, to write them."""
    line = LINE_BYTES // array.itemsize
    for i in range(offset, offset + count + line - 1, line):
        prefetch_to_write(array, i)


@numba.njit(**INLINED)
def ask(
    field: Any, at: Any, n: Any, nx: Any, plane: Any, reach: Any, begins: Any, ends: Any
) -> None:
    """Ask for what the row of n cells from `at` on will be the first to read of a field.

    It reads `reach` cells on each side; a block reads as many rows beyond its first and its last
    one.
    """
    row_to_read(field, at + reach * plane - reach, n + 2 * reach)
    for i in range(1, reach + 1):
        if begins:
            row_to_read(field, at - i * nx, n)
        if ends:
            row_to_read(field, at + i * nx, n)
