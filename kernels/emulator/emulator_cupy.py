"""A perceptron for an interval of vertical mixing, and the solver it replaces, in CuPy.

Matrices are those of the case's network, with zeros where it is sparse: products are cuBLAS'.
Columns go through them in parts of one size, filled up with zeros: the bits of a product depend on
its shape, and those of a column must not depend on how many a tile has.
"""

from __future__ import annotations

from typing import Any

import cupy

from joulia.case import Case
from joulia.grid import Box
from joulia.kernels import emulator
from joulia.kernels._cupy import parts as parts_of
from joulia.kernels.column.column_numpy import mixed

COLUMNS = 8192
"""In a part: long beside a launch."""


def functions_of(case: Case) -> dict[str, Any]:
    """The functions, with the matrices of the case's network on the GPU."""
    products = emulator.products(case)
    network = [
        (cupy.array(layer.w.astype(products)), cupy.array(layer.b.astype(case.dtype)), layer.relu)
        for layer in (emulator.folded(case) if emulator.by_network(case) else [])
    ]

    def forward(
        box: Box, temperature: Any, after: Any, flux: Any, weights: Any, bias: Any, starts: Any,
        columns: Any, plan: Any, layers: int, widest: int, interval: float,
    ) -> None:  # fmt: skip
        """Temperature [level][y][x] an interval later, by the network."""
        levels, real = len(temperature), temperature.dtype.type
        for y0, y1, x0, x1 in parts_of(tuple(box[2:]), 1, COLUMNS):
            count = (y1 - y0) * (x1 - x0)
            t = contiguous(temperature[:, y0:y1, x0:x1]).reshape(levels, count)
            out = contiguous(flux[y0:y1, x0:x1]).reshape(count)
            x = cupy.zeros((levels, COLUMNS), temperature.dtype)
            x[:-1, :count] = t[1:] - t[:-1]
            x[-1, :count] = out
            for w, b, relu in network:
                x = product(w, x)
                x += b
                if relu:
                    cupy.maximum(x, real(0.0), out=x)
            mean = x[0] + x[1]
            for k in range(2, levels):
                mean += x[k]
            lost = mean[:count] * real(1.0 / levels) + real(interval) * out
            new = t + (x[:, :count] - lost)
            after[:, y0:y1, x0:x1] = new.reshape(levels, y1 - y0, x1 - x0)

    return {"forward": forward, "forward_half": forward, "solve": solve}


def product(w: Any, x: Any) -> Any:
    """W x in x' precision; cuBLAS sums up in float32 what it multiplies in float16."""
    if w.dtype == x.dtype:
        return cupy.matmul(w, x)
    return cupy.matmul(w, x.astype(w.dtype)).astype(x.dtype)


def contiguous(view: Any) -> Any:
    result = cupy.empty(view.shape, view.dtype)
    result[...] = view
    return result


def refined(t: Any, parts: int) -> Any:
    """Each level as `parts` levels on a line through its mean; flat at an extremum (minmod)."""
    real = t.dtype.type
    below, above = cupy.zeros_like(t), cupy.zeros_like(t)
    below[1:] = t[1:] - t[:-1]
    above[:-1] = t[1:] - t[:-1]
    rising = real(-1.0) * cupy.maximum(real(-1.0) * below, real(-1.0) * above)
    falling = real(-1.0) * cupy.maximum(below, above)
    slope = cupy.maximum(rising, real(0.0)) - cupy.maximum(falling, real(0.0))
    fine = cupy.empty((len(t), parts, *t.shape[1:]), t.dtype)
    for part in range(parts):
        fine[:, part] = t + real((part + 0.5) / parts - 0.5) * slope
    return fine.reshape(len(t) * parts, *t.shape[1:])


def solve(
    box: Box, temperature: Any, after: Any, flux: Any, parts: int, steps: int, stable: float,
    unstable: float, cooling: float,
) -> None:  # fmt: skip
    """The same by `steps` steps of `column` on `parts` levels for each of the grid's."""
    levels, real = len(temperature), temperature.dtype.type
    for y0, y1, x0, x1 in parts_of(tuple(box[2:]), max(1, parts) * levels * temperature.itemsize):
        t = refined(contiguous(temperature[:, y0:y1, x0:x1]), parts)
        then, scratch = cupy.empty_like(t), cupy.empty_like(t)
        lost = real(cooling) * flux[y0:y1, x0:x1]
        for _ in range(steps):
            mixed(t, then, scratch, real(stable), real(unstable), lost)
            t, then = then, t
        fine = t.reshape(levels, parts, y1 - y0, x1 - x0)
        total = contiguous(fine[:, 0])
        for part in range(1, parts):
            total += fine[:, part]
        after[:, y0:y1, x0:x1] = total * real(1.0 / parts)
