"""Fluxes through rows of faces in Numba: WENO5-Z, of lower order near walls, and diffusion.

All of these are inlined where they are called: a call hands over seven numbers for each view of a
row, which for rows of 64 cells costs a third of the work on them. LLVM vectorises the loops.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import overload

from joulia.bridges._numba_math import muladd

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
# For functions that allocate nothing: without reference counts, whose atomic operations for each
# view of a row would cost as much as a row of a hundred cells.
# They must not return arrays.
ROW: dict[str, Any] = FLAGS | {"_nrt": False}
INLINED: dict[str, Any] = ROW | {"forceinline": True}
WRAPPER: Any = INLINED | {"cache": False}


@numba.njit(**INLINED)
def weno5_double(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    """The value at the face between the upwind cell and the next, by WENO5-Z.

    a and b are the differences of the two cells upwind of it, d and e of those downwind. The
    weights over one denominator: alpha_k ~ C_k (e_k + tau^2) prod_{j != k} e_j with
    e_k = (beta_k + eps)^2, everything times 4. One division; the products need float64's range.
    """
    curve0, slope0 = muladd(-2.0, d, e), muladd(-4.0, d, e)
    curve1, slope1 = b + d, b - d
    curve2, slope2 = muladd(-2.0, b, a), muladd(-4.0, b, a)
    beta0 = muladd(13.0, curve0 * curve0, 3.0 * (slope0 * slope0))
    beta1 = muladd(13.0, curve1 * curve1, 3.0 * (slope1 * slope1))
    beta2 = muladd(13.0, curve2 * curve2, 3.0 * (slope2 * slope2))
    tau = beta0 - beta2
    e0, e1, e2 = beta0 + 4e-8, beta1 + 4e-8, beta2 + 4e-8
    e0, e1, e2 = e0 * e0, e1 * e1, e2 * e2
    w0 = 3.0 * muladd(tau, tau, e0) * (e1 * e2)
    w1 = 6.0 * muladd(tau, tau, e1) * (e0 * e2)
    w2 = muladd(tau, tau, e2) * (e0 * e1)
    p0, p1, p2 = muladd(5.0, d, -e), muladd(2.0, d, -b), muladd(2.0, a, -7.0 * b)
    parts = muladd(w0, p0, muladd(w1, p1, w2 * p2))
    return upwind + parts / (6.0 * (w0 + w1 + w2))


@numba.njit(**INLINED)
def weno5_single(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    """The same with a division for each weight: the products would underflow in float32."""
    f = np.float32
    curve0, slope0 = muladd(f(-2.0), d, e), muladd(f(-4.0), d, e)
    curve1, slope1 = b + d, b - d
    curve2, slope2 = muladd(f(-2.0), b, a), muladd(f(-4.0), b, a)
    beta0 = muladd(f(13.0), curve0 * curve0, f(3.0) * (slope0 * slope0))
    beta1 = muladd(f(13.0), curve1 * curve1, f(3.0) * (slope1 * slope1))
    beta2 = muladd(f(13.0), curve2 * curve2, f(3.0) * (slope2 * slope2))
    tau = abs(beta0 - beta2)
    ratio0, ratio1 = tau / (beta0 + f(4e-8)), tau / (beta1 + f(4e-8))
    ratio2 = tau / (beta2 + f(4e-8))
    w0 = muladd(f(3.0), ratio0 * ratio0, f(3.0))
    w1 = muladd(f(6.0), ratio1 * ratio1, f(6.0))
    w2 = muladd(ratio2, ratio2, f(1.0))
    p0, p1, p2 = muladd(f(5.0), d, -e), muladd(f(2.0), d, -b), muladd(f(2.0), a, f(-7.0) * b)
    parts = muladd(w0, p0, muladd(w1, p1, w2 * p2))
    return upwind + parts / (f(6.0) * (w0 + w1 + w2))


def weno5(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    """`weno5_double` or `weno5_single`: compiled functions take the one for their precision."""
    raise NotImplementedError


@overload(weno5, jit_options=WRAPPER)
def _weno5(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
    chosen = weno5_single if upwind == numba.float32 else weno5_double

    def face_value(upwind: Any, a: Any, b: Any, d: Any, e: Any) -> Any:
        return chosen(upwind, a, b, d, e)

    return face_value


@numba.njit(**INLINED)
def weno3(upwind: Any, b: Any, d: Any, one: Any, two: Any, eps: Any) -> Any:
    """The face value of third order: b and d are the differences upwind and downwind.

    1, 2 and 1e-8 are given in the precision of the others.
    """
    beta0, beta1 = d * d, b * b
    tau = abs(beta0 - beta1)
    ratio0, ratio1 = tau / (beta0 + eps), tau / (beta1 + eps)
    w0 = muladd(two, ratio0 * ratio0, two)
    w1 = muladd(ratio1, ratio1, one)
    return upwind + muladd(w0, d, -w1 * b) / (two * (w0 + w1))


@numba.njit(**INLINED)
def flux(velocity: Any, value: Any, before: Any, after: Any, k: Any) -> Any:
    """What the velocity carries of a face value, and diffusion between the cells on its sides."""
    return muladd(velocity, value, -k * (after - before))


@numba.njit(**INLINED)
def flux5(
    out: Any, velocity: Any, before3: Any, before2: Any, before: Any, after: Any, after2: Any,
    after3: Any, k: Any,
) -> None:  # fmt: skip
    """Fluxes through the faces between `before` and `after`; the others lie beyond in a line."""
    zero = out.dtype.type(0.0)
    for x in range(out.size):
        forward = velocity[x] > zero
        w3, w2, w1, e1, e2, e3 = before3[x], before2[x], before[x], after[x], after2[x], after3[x]
        upwind = w1 if forward else e1
        a = (w3 if forward else e3) - upwind
        b = (w2 if forward else e2) - upwind
        d = (e1 if forward else w1) - upwind
        e = (e2 if forward else w2) - upwind
        out[x] = flux(velocity[x], weno5(upwind, a, b, d, e), w1, e1, k)


@numba.njit(**INLINED)
def flux3(
    out: Any, velocity: Any, before2: Any, before: Any, after: Any, after2: Any, k: Any
) -> None:
    """Two cells away from a wall: WENO of third order."""
    real = out.dtype.type
    zero, one, two, eps = real(0.0), real(1.0), real(2.0), real(1e-8)
    for x in range(out.size):
        forward = velocity[x] > zero
        w2, w1, e1, e2 = before2[x], before[x], after[x], after2[x]
        upwind = w1 if forward else e1
        b = (w2 if forward else e2) - upwind
        d = (e1 if forward else w1) - upwind
        out[x] = flux(velocity[x], weno3(upwind, b, d, one, two, eps), w1, e1, k)


@numba.njit(**INLINED)
def flux1(out: Any, velocity: Any, before: Any, after: Any, k: Any) -> None:
    """One cell away from a wall: upwind."""
    zero = out.dtype.type(0.0)
    for x in range(out.size):
        upwind = before[x] if velocity[x] > zero else after[x]
        out[x] = flux(velocity[x], upwind, before[x], after[x], k)
