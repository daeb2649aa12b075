"""A perceptron for an interval of vertical mixing, and the solver it replaces, in NumPy.

Layers with every weight go to BLAS, the others row by row. Slabs of columns stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from joulia.grid import Box
from joulia.kernel import Host
from joulia.kernels.column.column_numpy import mixed

COLUMNS = 256
"""In a slab: 128 features of them in float64 take 256 KiB."""


def slabs(box: Box) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the box, about COLUMNS at once."""
    _, _, y0, y1, x0, x1 = box
    rows = max(1, COLUMNS // max(1, x1 - x0))
    for y in range(y0, y1, rows):
        for x in range(x0, x1, COLUMNS):
            yield slice(y, min(y + rows, y1)), slice(x, min(x + COLUMNS, x1))


def layer(x: Host, starts: Host, columns: Host, weights: Host, bias: Host) -> Host:
    """W x + b; `starts` has the place of every row's first weight, and the end."""
    rows = len(bias)
    if starts[-1] - starts[0] == rows * len(x):
        y = weights[starts[0] : starts[-1]].reshape(rows, len(x)) @ x
    else:
        y = np.empty_like(x, shape=(rows, x.shape[1]))
        for row, (a, b) in enumerate(pairwise(starts)):
            np.dot(weights[a:b], x[columns[a:b]], out=y[row])
    y += bias[:, None]
    return y


def forward(
    box: Box,
    temperature: Host,
    after: Host,
    flux: Host,
    weights: Host,
    bias: Host,
    starts: Host,
    columns: Host,
    plan: Host,
    layers: int,
    widest: int,
    interval: float,
) -> None:
    """Temperature [level][y][x] an interval later, by the network.

    Its inputs are the differences between levels and the flux; of its outputs counts what is
    without a mean: the heat of a column falls by interval x flux, which is exact.
    """
    per_level = temperature.dtype.type(interval)
    for slab in slabs(box):
        now, out = temperature[:, *slab], flux[slab].reshape(-1)
        t = now.reshape(len(now), -1)
        # BLAS chooses its blocks by the shape: of one shape, a column's bits depend on no cut
        # in float64. In float32 they also depend on its place in the slab.
        x = np.zeros_like(t, shape=(len(t), COLUMNS))
        np.subtract(t[1:], t[:-1], out=x[:-1, : out.size])
        x[-1, : out.size] = out
        row = 0
        for rows, relu in plan[:layers]:
            part = slice(row, row + rows)
            x = layer(x, starts[row : row + rows + 1], columns, weights, bias[part])
            if relu:
                np.maximum(x, 0.0, out=x)
            row += rows
        x = x[:, : out.size]
        x -= x.mean(0)
        x += t
        x -= per_level * out
        after[:, *slab] = x.reshape(now.shape)


def solve(
    box: Box,
    temperature: Host,
    after: Host,
    flux: Host,
    parts: int,
    steps: int,
    stable: float,
    unstable: float,
    cooling: float,
) -> None:
    """The same by `steps` steps of `column` on `parts` levels for each of the grid's.

    `stable` and `unstable` are dt kappa / dz^2, `cooling` dt / dz. Slopes within a level are
    limited (minmod), so that no profile overshoots.
    """
    real: Any = temperature.dtype.type
    for slab in slabs(box):
        now = temperature[:, *slab]
        fine = refined(now.reshape(len(now), -1), parts)
        then, scratch = np.empty_like(fine), np.empty_like(fine)
        out = real(cooling) * flux[slab].reshape(-1)
        for _ in range(steps):
            mixed(fine, then, scratch, real(stable), real(unstable), out)
            fine, then = then, fine
        after[:, *slab] = fine.reshape(len(now), parts, -1).mean(1).reshape(now.shape)


def refined(t: Host, parts: int) -> Host:
    """Each level as `parts` levels on a line through its mean; flat at an extremum."""
    if parts == 1:
        return t.copy()
    below, above = np.diff(t, axis=0, prepend=t[:1]), np.diff(t, axis=0, append=t[-1:])
    slope = np.where(below * above > 0.0, np.sign(below), 0.0).astype(t.dtype)
    slope *= np.minimum(np.abs(below), np.abs(above))
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5).astype(t.dtype)
    fine: Host = t[:, None] + offsets[:, None] * slope[:, None]
    return fine.reshape(len(t) * parts, -1)
