"""A perceptron for an interval of vertical mixing, and the solver it replaces, in plain Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True)
def forward(
    box: Any, temperature: Any, after: Any, flux: Any, weights: Any, bias: Any, starts: Any,
    columns: Any, plan: Any, layers: Any, widest: Any, interval: Any,
) -> None:  # fmt: skip
    _, _, y0, y1, x0, x1 = box
    nz = temperature.shape[0]
    for j in prange(y0, y1):
        x = np.empty(widest, temperature.dtype)
        y = np.empty(widest, temperature.dtype)
        for i in range(x0, x1):
            for k in range(nz - 1):
                x[k] = temperature[k + 1, j, i] - temperature[k, j, i]
            x[nz - 1] = flux[j, i]
            row = 0
            for layer in range(layers):
                for r in range(plan[layer, 0]):
                    total = bias[row]
                    for n in range(starts[row], starts[row + 1]):
                        total += weights[n] * x[columns[n]]
                    y[r] = max(total, 0.0) if plan[layer, 1] else total
                    row += 1
                x, y = y, x
            mean = np.mean(x[:nz])
            for k in range(nz):
                after[k, j, i] = temperature[k, j, i] + (x[k] - mean) - interval * flux[j, i]


@njit(cache=True)
def mix(t: Any, c: Any, d: Any, stable: Any, unstable: Any, cooling: Any) -> None:
    """A step of `column`: backward Euler, Thomas' elimination with e = 1 - c."""
    e, below, top = 0.0, 0.0, len(t) - 1
    for k in range(top + 1):
        above = 0.0
        if k < top:
            above = unstable if t[k + 1] < t[k] else stable
        s = 1.0 + below * e
        inverse = 1.0 / (s + above)
        e = s * inverse
        c[k] = above * inverse
        own = t[k] - cooling if k == top else t[k]
        d[k] = (own + below * d[k - 1]) * inverse if k > 0 else own * inverse
        below = above
    t[top] = d[top]
    for k in range(top - 1, -1, -1):
        t[k] = d[k] + c[k] * t[k + 1]


@njit(cache=True)
def minmod(below: Any, above: Any) -> Any:
    """The smaller of two slopes of one sign, else none."""
    if below * above <= 0.0:
        return 0.0
    return min(below, above) if below > 0.0 else max(below, above)


@njit(parallel=True, cache=True)
def solve(
    box: Any, temperature: Any, after: Any, flux: Any, parts: Any, steps: Any, stable: Any,
    unstable: Any, cooling: Any,
) -> None:  # fmt: skip
    _, _, y0, y1, x0, x1 = box
    nz = temperature.shape[0]
    for j in prange(y0, y1):
        t = np.empty(nz * parts, temperature.dtype)
        c, d = np.empty_like(t), np.empty_like(t)
        for i in range(x0, x1):
            for k in range(nz):
                here = temperature[k, j, i]
                below = here - temperature[max(k - 1, 0), j, i]
                above = temperature[min(k + 1, nz - 1), j, i] - here
                for p in range(parts):
                    t[k * parts + p] = here + ((p + 0.5) / parts - 0.5) * minmod(below, above)
            for _ in range(steps):
                mix(t, c, d, stable, unstable, cooling * flux[j, i])
            for k in range(nz):
                after[k, j, i] = np.mean(t[k * parts : (k + 1) * parts])
