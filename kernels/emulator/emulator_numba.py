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

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
INLINED: dict[str, Any] = FLAGS | {"_nrt": False, "forceinline": True}
VECTORS = 8


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
def refine(t: Any, fine: Any, count: Any, parts: Any, width: Any) -> None:
    """Levels as `parts` levels on a line through their mean, by limited slopes (minmod)."""
    real, levels = t.dtype.type, t.shape[0]
    for k in range(levels):
        low, high = max(k - 1, 0), min(k + 1, levels - 1)
        for part in range(parts):
            offset = (real(part) + real(0.5)) / real(parts) - real(0.5)
            to = (k * parts + part) * width
            for i in range(count):
                below, above = t[k, i] - t[low, i], t[high, i] - t[k, i]
                least = min(abs(below), abs(above))
                slope = least if below > real(0.0) else -least
                slope = slope if below * above > real(0.0) else real(0.0)
                fine[to + i] = fused(offset, slope, t[k, i])


@numba.njit(**INLINED)
def mix(
    t: Any, c: Any, d: Any, e: Any, q: Any, levels: Any, width: Any, stable: Any, unstable: Any
) -> None:
    """A step of `column` on a block; t, c and d [level][column of the block], q cools the top."""
    one, none = t.dtype.type(1.0), t.dtype.type(0.0)
    last = (levels - 1) * width
    for k in range(levels):
        at = k * width
        lower, upper = max(at - width, 0), min(at + width, last)
        for i in range(width):
            here = t[at + i]
            below = (unstable if here < t[lower + i] else stable) if k > 0 else none
            above = (unstable if t[upper + i] < here else stable) if k < levels - 1 else none
            s = fused(below, e[i], one) if k > 0 else one
            inverse = one / (s + above)
            e[i] = s * inverse
            c[at + i] = above * inverse
            own = here - q[i] if k == levels - 1 else here
            d[at + i] = (fused(below, d[lower + i], own) if k > 0 else own) * inverse
    for i in range(width):
        t[last + i] = d[last + i]
    for k in range(levels - 2, -1, -1):
        at = k * width
        for i in range(width):
            t[at + i] = fused(c[at + i], t[at + width + i], d[at + i])


@numba.njit(parallel=True, **FLAGS)
def solve(
    box: Any, temperature: Any, after: Any, flux: Any, parts: Any, steps: Any, stable: Any,
    unstable: Any, cooling: Any,
) -> None:  # fmt: skip
    _, _, y0, y1, x0, x1 = box
    real = temperature.dtype.type
    levels, fine = temperature.shape[0], temperature.shape[0] * parts
    width = VECTORS * LANE_BYTES // temperature.itemsize
    per_part = real(1.0) / real(parts)
    for y in prange(y0, y1):
        t, c, d = (
            np.zeros(fine * width, temperature.dtype), np.zeros(fine * width, temperature.dtype),
            np.zeros(fine * width, temperature.dtype),
        )  # fmt: skip
        e, q = np.zeros(width, temperature.dtype), np.zeros(width, temperature.dtype)
        for a in range(x0, x1, width):
            count = min(width, x1 - a)
            refine(temperature[:, y, a : a + count], t, count, parts, width)
            for i in range(count):
                q[i] = real(cooling) * flux[y, a + i]
            for _ in range(steps):
                mix(t, c, d, e, q, fine, width, real(stable), real(unstable))
            for k in range(levels):
                for i in range(count):
                    mean = t[k * parts * width + i]
                    for part in range(1, parts):
                        mean += t[(k * parts + part) * width + i]
                    after[k, y, a + i] = per_part * mean
