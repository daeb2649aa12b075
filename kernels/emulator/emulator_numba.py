"""A perceptron for an interval of vertical mixing, and the solver it replaces, in Numba.

A block of columns, as many as eight vectors hold, goes through all layers in scratch memory that
stays in the cache nearest to the core: a weight is loaded once for all of them, and a row's sums
stay in registers. Sparse and dense rows are one loop. Blocks are shared among threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange

from joulia.bridges._numba_lanes import LANE_BYTES, larger, load, muladd, store
from joulia.bridges._numba_math import muladd as fused
from joulia.kernels.column.column_numba import eliminate

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
INLINED: dict[str, Any] = FLAGS | {"_nrt": False, "forceinline": True}
VECTORS = 8
ROW: dict[str, Any] = FLAGS | {"_nrt": False}
SOLVED = 128
"""Columns that the solver takes at once: three arrays of 32 levels of them stay in the cache."""


@numba.njit(**INLINED)
def layer(
    x: Any, y: Any, zeros: Any, row: Any, rows: Any, relu: Any, starts: Any, columns: Any,
    weights: Any, bias: Any, lanes: Any,
) -> None:  # fmt: skip
    """y = W x + b, both [feature][column of the block]; the layer's first row is `row`."""
    width = VECTORS * lanes
    zero = load(zeros, 0)
    for r in range(rows):
        b = zero + bias[row + r]
        s0, s1, s2, s3, s4, s5, s6, s7 = b, b, b, b, b, b, b, b
        for j in range(starts[row + r], starts[row + r + 1]):
            w = weights[j]
            at = columns[j] * width
            s0 = muladd(w, load(x, at), s0)
            s1 = muladd(w, load(x, at + lanes), s1)
            s2 = muladd(w, load(x, at + 2 * lanes), s2)
            s3 = muladd(w, load(x, at + 3 * lanes), s3)
            s4 = muladd(w, load(x, at + 4 * lanes), s4)
            s5 = muladd(w, load(x, at + 5 * lanes), s5)
            s6 = muladd(w, load(x, at + 6 * lanes), s6)
            s7 = muladd(w, load(x, at + 7 * lanes), s7)
        to = r * width
        if relu != 0:
            s0, s1, s2, s3 = (
                larger(s0, zero), larger(s1, zero), larger(s2, zero), larger(s3, zero)
            )  # fmt: skip
            s4, s5, s6, s7 = (
                larger(s4, zero), larger(s5, zero), larger(s6, zero), larger(s7, zero)
            )  # fmt: skip
        store(y, to, s0)
        store(y, to + lanes, s1)
        store(y, to + 2 * lanes, s2)
        store(y, to + 3 * lanes, s3)
        store(y, to + 4 * lanes, s4)
        store(y, to + 5 * lanes, s5)
        store(y, to + 6 * lanes, s6)
        store(y, to + 7 * lanes, s7)


@numba.njit(**INLINED)
def predict(
    t: Any, q: Any, out: Any, count: Any, x: Any, y: Any, zeros: Any, starts: Any, columns: Any,
    weights: Any, bias: Any, plan: Any, layers: Any, interval: Any, lanes: Any,
) -> None:  # fmt: skip
    """`count` columns, at most as many as a block has: t and out [level][column], q [column]."""
    width, levels = VECTORS * lanes, t.shape[0]
    for k in range(levels - 1):
        for i in range(count):
            x[k * width + i] = t[k + 1, i] - t[k, i]
    for i in range(count):
        x[(levels - 1) * width + i] = q[i]
    row = 0
    for number in range(layers):
        rows, relu = plan[number, 0], plan[number, 1]
        layer(x, y, zeros, row, rows, relu, starts, columns, weights, bias, lanes)
        row += rows
        x, y = y, x
    mean = y
    for i in range(width):
        mean[i] = x[i]
    for k in range(1, levels):
        for i in range(width):
            mean[i] += x[k * width + i]
    per_level = t.dtype.type(1.0) / t.dtype.type(levels)
    for i in range(count):
        mean[i] = fused(per_level, mean[i], interval * q[i])
    for k in range(levels):
        for i in range(count):
            out[k, i] = t[k, i] + (x[k * width + i] - mean[i])


@numba.njit(parallel=True, **FLAGS)
def forward(
    box: Any, temperature: Any, after: Any, flux: Any, weights: Any, bias: Any, starts: Any,
    columns: Any, plan: Any, layers: Any, widest: Any, interval: Any,
) -> None:  # fmt: skip
    _, _, y0, y1, x0, x1 = box
    real = temperature.dtype.type
    lanes = LANE_BYTES // temperature.itemsize
    width = VECTORS * lanes
    blocks = (x1 - x0 + width - 1) // width
    for y in prange(y0, y1):
        scratch = np.zeros((2, widest * width), temperature.dtype)
        zeros = np.zeros(lanes, temperature.dtype)
        for block in range(blocks):
            a = x0 + block * width
            b = min(a + width, x1)
            predict(
                temperature[:, y, a:b], flux[y, a:b], after[:, y, a:b], b - a, scratch[0],
                scratch[1], zeros, starts, columns, weights, bias, plan, layers, real(interval),
                lanes,
            )  # fmt: skip


@numba.njit(**INLINED)
def refine(t: Any, low: Any, high: Any, fine: Any, offset: Any) -> None:
    """A level's part at `offset` of its middle, on a line through its mean: minmod's slope."""
    none = t.dtype.type(0.0)
    for i in range(t.size):
        below, above = t[i] - low[i], high[i] - t[i]
        least = min(abs(below), abs(above))
        slope = least if below > none else -least
        slope = slope if below * above > none else none
        fine[i] = fused(offset, slope, t[i])


@numba.njit(**INLINED)
def finish(here: Any, q: Any, below: Any, d_below: Any, e: Any, result: Any) -> None:
    """The highest level, from which the flux takes heat."""
    one = here.dtype.type(1.0)
    for i in range(here.size):
        result[i] = fused(below[i], d_below[i], here[i] - q[i]) / fused(below[i], e[i], one)


@numba.njit(**INLINED)
def substitute(c: Any, over: Any, result: Any) -> None:
    """In the place of d."""
    for i in range(result.size):
        result[i] = fused(c[i], over[i], result[i])


@numba.njit(**ROW)
def mix(t: Any, out: Any, c: Any, rows: Any, n: Any, stable: Any, unstable: Any) -> None:
    """A step of `column` on n columns: t, out and c [level][column].

    `rows` are dt kappa / dz^2 of the face below, d = 0 below the lowest level, e, and q. On the way
    up d stands in `out`.
    """
    top = len(t) - 1
    below, d_below, e, q = rows[0, :n], rows[1, :n], rows[2, :n], rows[3, :n]
    rows[:3] = 0.0
    for k in range(top):
        d = out[k, :n]
        eliminate(t[k, :n], t[k + 1, :n], below, d_below, e, c[k, :n], d, stable, unstable)
        d_below = d
    finish(t[top, :n], q, below, d_below, e, out[top, :n])
    for k in range(top - 1, -1, -1):
        substitute(c[k, :n], out[k + 1, :n], out[k, :n])


@numba.njit(**INLINED)
def average(t: Any, parts: Any, k: Any, out: Any) -> None:
    """The mean of a level's parts."""
    share = t.dtype.type(1.0) / t.dtype.type(parts)
    for i in range(out.size):
        out[i] = t[k * parts, i]
    for part in range(1, parts):
        for i in range(out.size):
            out[i] += t[k * parts + part, i]
    for i in range(out.size):
        out[i] *= share


@numba.njit(**ROW)
def settle(
    temperature: Any, after: Any, flux: Any, y: Any, a: Any, b: Any, buffers: Any, rows: Any,
    parts: Any, steps: Any, stable: Any, unstable: Any, cooling: Any,
) -> None:  # fmt: skip
    """The columns a <= x < b of a row, an interval later."""
    real, levels, n = temperature.dtype.type, temperature.shape[0], b - a
    t, out, c = buffers[0], buffers[1], buffers[2]
    for k in range(levels):
        low, high = max(k - 1, 0), min(k + 1, levels - 1)
        for part in range(parts):
            offset = (real(part) + real(0.5)) / real(parts) - real(0.5)
            refine(
                temperature[k, y, a:b], temperature[low, y, a:b], temperature[high, y, a:b],
                t[k * parts + part, :n], offset,
            )  # fmt: skip
    for i in range(n):
        rows[3, i] = cooling * flux[y, a + i]
    for _ in range(steps):
        mix(t, out, c, rows, n, stable, unstable)
        t, out = out, t
    for k in range(levels):
        average(t, parts, k, after[k, y, a:b])


@numba.njit(parallel=True, **FLAGS)
def solve(
    box: Any, temperature: Any, after: Any, flux: Any, parts: Any, steps: Any, stable: Any,
    unstable: Any, cooling: Any,
) -> None:  # fmt: skip
    _, _, y0, y1, x0, x1 = box
    real = temperature.dtype.type
    fine = temperature.shape[0] * parts
    for y in prange(y0, y1):
        # Rows of a buffer keep a distance: LLVM takes adjacent ones for overlapping.
        buffers = np.empty((3, fine, SOLVED + 8), temperature.dtype)
        rows = np.empty((4, SOLVED + 8), temperature.dtype)
        for a in range(x0, x1, SOLVED):
            settle(
                temperature, after, flux, y, a, min(a + SOLVED, x1), buffers, rows, parts, steps,
                real(stable), real(unstable), real(cooling),
            )  # fmt: skip
