"""A perceptron for an interval of vertical mixing, and the solver it replaces, in NumPy.

Layers with every weight go to BLAS, the others row by row. Slabs of columns stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box
from joulia.kernels.column.column_numpy import mixed

COLUMNS = 256
"""In a slab: 128 features of them in float64 take 256 KiB. A network always takes so many, the rest
filled up with zeros: BLAS rounds otherwise for other numbers of columns, and the bits of a column
must not depend on how many a tile has."""
GUARD = 16
"""Columns of zeros more on both sides of a slab: OpenBLAS' products in float32 for Haswell and Zen
round the first and the last 8 columns otherwise than those between."""


def slabs(box: Box) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the box, at most COLUMNS at once."""
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


def rounded(x: Host) -> Host:
    """What is left in float16, to be summed up in x' own precision."""
    return x.astype(np.float16).astype(x.dtype)


def forward_half(
    box: Box, temperature: Host, after: Host, flux: Host, weights: Host, *rest: Any
) -> None:
    """`forward` with weights and activations in float16: only the sums are more precise."""
    through(rounded, box, temperature, after, flux, rounded(weights), *rest)


def forward(box: Box, *rest: Any) -> None:
    """Temperature [level][y][x] an interval later, by the network."""
    through(lambda x: x, box, *rest)


def through(
    kept: Callable[[Host], Host],
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
    """The network; `kept` is what a layer gets of its inputs.

    Its inputs are the differences between levels and the flux; of its outputs counts what is
    without a mean: the heat of a column falls by interval x flux, which is exact.
    """
    per_level = temperature.dtype.type(interval)
    inputs = np.zeros((len(temperature), GUARD + COLUMNS + GUARD), temperature.dtype)
    for slab in slabs(box):
        now, out = temperature[:, *slab], flux[slab].reshape(-1)
        t = now.reshape(len(now), -1)
        inside = slice(GUARD, GUARD + len(out))
        inputs[:-1, inside] = np.diff(t, axis=0)
        inputs[-1, inside] = out
        x, row = inputs, 0
        for rows, relu in plan[:layers]:
            part = slice(row, row + rows)
            x = layer(kept(x), starts[row : row + rows + 1], columns, weights, bias[part])
            if relu:
                np.maximum(x, 0.0, out=x)
            row += rows
        x -= x.mean(0)
        x = x[:, inside] + t
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
