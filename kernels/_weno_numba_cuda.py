"""Fluxes through faces in Numba's CUDA: WENO5-Z, of lower order near walls, and diffusion."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda


def reconstruction(single: bool) -> Any:
    """The value at a face of fifth order; the upwind cell, and differences from it.

    a and b belong to the two cells upwind of it, d and e to those downwind.
    """
    real: Any = np.float32 if single else np.float64
    one, two, three, four, five, six = (real(i) for i in range(1, 7))
    seven, thirteen, eps = real(7.0), real(13.0), real(4e-8)

    @cuda.jit(device=True)
    def weno5(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
        curve0, slope0 = e - two * d, e - four * d
        curve1, slope1 = b + d, b - d
        curve2, slope2 = a - two * b, a - four * b
        beta0 = thirteen * (curve0 * curve0) + three * (slope0 * slope0)
        beta1 = thirteen * (curve1 * curve1) + three * (slope1 * slope1)
        beta2 = thirteen * (curve2 * curve2) + three * (slope2 * slope2)
        tau = beta0 - beta2
        if single:
            # A division for each weight: their products would underflow.
            tau = abs(tau)
            ratio0, ratio1 = tau / (beta0 + eps), tau / (beta1 + eps)
            ratio2 = tau / (beta2 + eps)
            w0 = three + three * (ratio0 * ratio0)
            w1 = six + six * (ratio1 * ratio1)
            w2 = one + ratio2 * ratio2
        else:
            # The weights over one denominator: C_k (e_k + tau^2) prod_{j != k} e_j, and one
            # division in all.
            tau2 = tau * tau
            e0, e1, e2 = beta0 + eps, beta1 + eps, beta2 + eps
            e0, e1, e2 = e0 * e0, e1 * e1, e2 * e2
            w0 = three * (e0 + tau2) * (e1 * e2)
            w1 = six * (e1 + tau2) * (e0 * e2)
            w2 = (e2 + tau2) * (e0 * e1)
        parts = w0 * (five * d - e) + w1 * (two * d - b) + w2 * (two * a - seven * b)
        return upwind + parts / (six * (w0 + w1 + w2))

    return weno5


def third_order(single: bool) -> Any:
    """The value at a face of third order: b is the difference upwind, d that downwind."""
    real: Any = np.float32 if single else np.float64
    one, two, eps = real(1.0), real(2.0), real(1e-8)

    @cuda.jit(device=True)
    def weno3(upwind: Any, b: Any, d: Any) -> Any:
        beta0, beta1 = d * d, b * b
        tau = abs(beta0 - beta1)
        ratio0, ratio1 = tau / (beta0 + eps), tau / (beta1 + eps)
        w0 = two + two * (ratio0 * ratio0)
        w1 = one + ratio1 * ratio1
        return upwind + (w0 * d - w1 * b) / (two * (w0 + w1))

    return weno3


@cuda.jit(device=True)
def flux(velocity: Any, value: Any, before: Any, after: Any, k: Any) -> Any:
    """What the velocity carries of a face value, and diffusion between the cells on its sides."""
    return velocity * value - k * (after - before)


@cache
def fluxes(single: bool) -> tuple[Any, Any, Any]:
    """Fluxes through the face between `before` and `after`: away from walls, two cells, one cell.

    The other cells lie beyond those two in a line.
    """
    weno5, weno3 = reconstruction(single), third_order(single)
    zero = (np.float32 if single else np.float64)(0.0)

    @cuda.jit(device=True)
    def flux5(
        velocity: Any, before3: Any, before2: Any, before: Any, after: Any, after2: Any,
        after3: Any, k: Any,
    ) -> Any:  # fmt: skip
        forward = velocity > zero
        upwind = before if forward else after
        a = (before3 if forward else after3) - upwind
        b = (before2 if forward else after2) - upwind
        d = (after if forward else before) - upwind
        e = (after2 if forward else before2) - upwind
        return flux(velocity, weno5(upwind, a, b, d, e), before, after, k)

    @cuda.jit(device=True)
    def flux3(velocity: Any, before2: Any, before: Any, after: Any, after2: Any, k: Any) -> Any:
        forward = velocity > zero
        upwind = before if forward else after
        b = (before2 if forward else after2) - upwind
        d = (after if forward else before) - upwind
        return flux(velocity, weno3(upwind, b, d), before, after, k)

    @cuda.jit(device=True)
    def flux1(velocity: Any, before: Any, after: Any, k: Any) -> Any:
        return flux(velocity, before if velocity > zero else after, before, after, k)

    return flux5, flux3, flux1
