"""rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in Numba.

One parallel loop over points, which LLVM vectorises.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange
from numba.extending import overload

from joulia.bridges._numba_math import muladd
from joulia.kernels.equation_of_state import numbers

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz"}, "error_model": "numpy"}
BLOCK = 4096


def coefficients(like: Any) -> Any:
    """The coefficients in the precision of an array: to compiled functions, constants."""
    raise NotImplementedError


@overload(coefficients)
def _coefficients(like: Any) -> Any:
    values = numbers("float32" if like.dtype == numba.float32 else "float64")
    chosen = namedtuple("Coefficients", values)(**values)

    def same(like: Any) -> Any:
        return chosen

    return same


@numba.njit(**FLAGS)
def points(theta: Any, salinity: Any, z: Any, rho: Any) -> None:
    c = coefficients(rho)
    for i in range(rho.size):
        tau = theta[i] * c.per_theta
        s = np.sqrt((salinity[i] + c.s_shift) * c.per_s)
        zeta = z[i] * c.per_z
        # The innermost polynomials are of tau: they need not wait for the root.
        r30 = muladd(c.R013, tau, c.R003)
        r3 = muladd(c.R103, s, r30)
        r21 = muladd(c.R112, tau, c.R102)
        r20 = muladd(muladd(c.R022, tau, c.R012), tau, c.R002)
        r2 = muladd(muladd(c.R202, s, r21), s, r20)
        r13 = muladd(c.R311, tau, c.R301)
        r12 = muladd(muladd(c.R221, tau, c.R211), tau, c.R201)
        r11 = muladd(muladd(muladd(c.R131, tau, c.R121), tau, c.R111), tau, c.R101)
        r10 = muladd(muladd(c.R041, tau, c.R031), tau, c.R021)
        r10 = muladd(muladd(r10, tau, c.R011), tau, c.R001)
        r1 = muladd(muladd(muladd(muladd(c.R401, s, r13), s, r12), s, r11), s, r10)
        r05 = muladd(c.R510, tau, c.R500)
        r04 = muladd(muladd(c.R420, tau, c.R410), tau, c.R400)
        r03 = muladd(muladd(muladd(c.R330, tau, c.R320), tau, c.R310), tau, c.R300)
        r02 = muladd(muladd(c.R240, tau, c.R230), tau, c.R220)
        r02 = muladd(muladd(r02, tau, c.R210), tau, c.R200)
        r01 = muladd(muladd(c.R150, tau, c.R140), tau, c.R130)
        r01 = muladd(muladd(muladd(r01, tau, c.R120), tau, c.R110), tau, c.R100)
        r00 = muladd(muladd(muladd(c.R060, tau, c.R050), tau, c.R040), tau, c.R030)
        r00 = muladd(muladd(muladd(r00, tau, c.R020), tau, c.R010), tau, c.R000)
        upper = muladd(muladd(muladd(c.R600, s, r05), s, r04), s, r03)
        r0 = muladd(muladd(muladd(upper, s, r02), s, r01), s, r00)
        deep = muladd(muladd(c.R05, zeta, c.R04), zeta, c.R03)
        profile = muladd(muladd(muladd(deep, zeta, c.R02), zeta, c.R01), zeta, c.R00)
        rho[i] = muladd(profile, zeta, muladd(muladd(muladd(r3, zeta, r2), zeta, r1), zeta, r0))


@numba.njit(parallel=True, **FLAGS)
def density(box: Any, theta: Any, salinity: Any, z: Any, rho: Any) -> None:
    i0, i1 = box
    for block in prange((i1 - i0 + BLOCK - 1) // BLOCK):
        a = i0 + block * BLOCK
        b = min(a + BLOCK, i1)
        points(theta[a:b], salinity[a:b], z[a:b], rho[a:b])


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The coefficients are those of the arrays' precision."""
    return {"density": density}
