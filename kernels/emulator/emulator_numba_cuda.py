"""A perceptron for an interval of vertical mixing, and the solver it replaces, in Numba's CUDA.

Of the network a block computes some columns: threads side by side have columns side by side, and
those above one another share a layer's rows. What goes from layer to layer stays in shared memory;
all threads of a row read the same weight. Sparse and dense rows are one loop. In the solver a
thread has a column, whose levels stay in shared memory: on the way up d takes the temperature's
place.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda

from joulia.case import Case
from joulia.kernels import emulator
from joulia.kernels._numba_cuda import LEAST_BLOCKS, SIMULATED, smaller
from joulia.kernels.emulator.columns import LEVELS

COLUMNS, ROWS = (2, 2) if SIMULATED else (16, 16)
"""Of a block of the network: the columns, and the threads that share the rows of each."""
SHARED_BYTES = 48 << 10
"""That a block may have without asking."""
SOLVED = 2 if SIMULATED else 64
"""Columns of a block of the solver, at most."""


@cache
def network(real: Any, widest: int) -> Any:
    """The network's kernel in a precision; `widest` values are what a layer takes or gives."""
    element, half = numba.from_dtype(np.dtype(real)), widest * COLUMNS
    size = 2 * half

    @cuda.jit
    def predict(
        box: Any, temperature: Any, after: Any, flux: Any, weights: Any, bias: Any, starts: Any,
        columns: Any, plan: Any, layers: Any, interval: Any, per_level: Any, zero: Any,
    ) -> None:  # fmt: skip
        values = cuda.shared.array(size, element)
        _, _, y0, y1, x0, x1 = box
        i, first = cuda.threadIdx.x, cuda.threadIdx.y
        x = x0 + cuda.blockIdx.x * COLUMNS + i
        y = y0 + cuda.blockIdx.y
        here = x < x1 and y < y1
        levels, nx = temperature.shape[0], temperature.shape[2]
        plane = temperature.shape[1] * nx
        at = y * nx + x
        q = flux.flat[at] if here else zero
        for k in range(first, levels - 1, ROWS):
            if here:
                over, under = at + (k + 1) * plane, at + k * plane
                values[k * COLUMNS + i] = temperature.flat[over] - temperature.flat[under]
            else:
                values[k * COLUMNS + i] = zero
        if first == 0:
            values[(levels - 1) * COLUMNS + i] = q
        cuda.syncthreads()
        source, target, row = 0, half, 0
        for layer in range(layers):
            rows, relu = plan.flat[2 * layer], plan.flat[2 * layer + 1]
            for r in range(first, rows, ROWS):
                total = bias.flat[row + r]
                for j in range(starts.flat[row + r], starts.flat[row + r + 1]):
                    total += weights.flat[j] * values[source + columns.flat[j] * COLUMNS + i]
                if relu != 0 and total < zero:
                    total = zero
                values[target + r * COLUMNS + i] = total
            row += rows
            source, target = target, source
            cuda.syncthreads()
        if here:
            mean = values[source + i]
            for k in range(1, levels):
                mean += values[source + k * COLUMNS + i]
            mean = per_level * mean + interval * q
            for k in range(first, levels, ROWS):
                own = values[source + k * COLUMNS + i] - mean
                after.flat[at + k * plane] = temperature.flat[at + k * plane] + own

    return predict


@cache
def solver(real: Any, parts: int) -> tuple[Any, int]:
    """The solver's kernel in a precision on `parts` levels for each, and the columns of a block."""
    element = numba.from_dtype(np.dtype(real))
    fine = LEVELS * parts
    width = min(SOLVED, SHARED_BYTES // (2 * fine * np.dtype(real).itemsize))
    size = fine * width

    @cuda.jit
    def settle(
        box: Any, temperature: Any, after: Any, flux: Any, steps: Any, stable: Any, unstable: Any,
        cooling: Any, offset: Any, share: Any, zero: Any, one: Any,
    ) -> None:  # fmt: skip
        t = cuda.shared.array(size, element)
        c = cuda.shared.array(size, element)
        _, _, y0, y1, x0, x1 = box
        i = cuda.threadIdx.x
        x = x0 + cuda.blockIdx.x * width + i
        y = y0 + cuda.blockIdx.y
        if x >= x1 or y >= y1:
            return
        levels, nx = temperature.shape[0], temperature.shape[2]
        plane = temperature.shape[1] * nx
        at = y * nx + x
        q = cooling * flux.flat[at]
        for k in range(levels):
            now = temperature.flat[at + k * plane]
            under = now - temperature.flat[at + (k - 1) * plane] if k > 0 else zero
            above = temperature.flat[at + (k + 1) * plane] - now if k < levels - 1 else zero
            slope = zero
            if under * above > zero:
                least = smaller(abs(under), abs(above))
                slope = least if under > zero else -least
            place = offset
            for part in range(parts):
                t[(k * parts + part) * width + i] = now + place * slope
                place += share
        top = (fine - 1) * width + i
        for _ in range(steps):
            e = below = before = zero
            now = t[i]
            for k in range(fine - 1):
                here = k * width + i
                over = t[here + width]
                above = unstable if over < now else stable
                s = one + below * e
                inverse = one / (s + above)
                e = s * inverse
                before = (now + below * before) * inverse
                c[here] = above * inverse
                t[here] = before
                below, now = above, over
            then = (now - q + below * before) / (one + below * e)
            t[top] = then
            for back in range(fine - 1):
                here = top - (back + 1) * width
                then = t[here] + c[here] * then
                t[here] = then
        for k in range(levels):
            total = t[k * parts * width + i]
            for part in range(1, parts):
                total += t[(k * parts + part) * width + i]
            after.flat[at + k * plane] = share * total

    return settle, width


def grid(box: Any, width: int) -> tuple[int, int]:
    """Blocks of `width` columns of a row each."""
    _, _, y0, y1, x0, x1 = box
    return max(LEAST_BLOCKS, -(-(x1 - x0) // width)), max(LEAST_BLOCKS, y1 - y0)


def functions_of(case: Case) -> dict[str, Any]:
    """The functions, made for the widest layer of the case's network, or its solver's levels."""
    widest = emulator.sizes(case)[1] if emulator.by_network(case) else LEVELS
    parts = case.param("parts")

    def forward(
        box: Any, temperature: Any, after: Any, flux: Any, weights: Any, bias: Any, starts: Any,
        columns: Any, plan: Any, layers: int, _: int, interval: float,
    ) -> None:  # fmt: skip
        real = temperature.dtype.type
        numbers = (real(n) for n in (interval, 1.0 / LEVELS, 0.0))
        network(real, widest)[grid(box, COLUMNS), (COLUMNS, ROWS)](
            box, temperature, after, flux, weights, bias, starts, columns, plan, layers, *numbers
        )

    def solve(
        box: Any, temperature: Any, after: Any, flux: Any, _: int, steps: int, stable: float,
        unstable: float, cooling: float,
    ) -> None:  # fmt: skip
        real = temperature.dtype.type
        settle, width = solver(real, parts)
        offset, share = 0.5 / parts - 0.5, 1.0 / parts
        numbers = (real(n) for n in (stable, unstable, cooling, offset, share, 0.0, 1.0))
        settle[grid(box, width), width](box, temperature, after, flux, steps, *numbers)

    return {"forward": forward, "solve": solve}
