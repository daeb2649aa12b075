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
        r3 = muladd(c.R013, tau, muladd(c.R103, s, c.R003))
        r21 = muladd(c.R022, tau, muladd(c.R112, s, c.R012))
        r2 = muladd(r21, tau, muladd(muladd(c.R202, s, c.R102), s, c.R002))
        r1 = muladd(c.R041, tau, muladd(c.R131, s, c.R031))
        r1 = muladd(r1, tau, muladd(muladd(c.R221, s, c.R121), s, c.R021))
        r1 = muladd(r1, tau, muladd(muladd(muladd(c.R311, s, c.R211), s, c.R111), s, c.R011))
        r100 = muladd(muladd(c.R401, s, c.R301), s, c.R201)
        r1 = muladd(r1, tau, muladd(muladd(r100, s, c.R101), s, c.R001))
        r0 = muladd(c.R060, tau, muladd(c.R150, s, c.R050))
        r0 = muladd(r0, tau, muladd(muladd(c.R240, s, c.R140), s, c.R040))
        r0 = muladd(r0, tau, muladd(muladd(muladd(c.R330, s, c.R230), s, c.R130), s, c.R030))
        r020 = muladd(muladd(c.R420, s, c.R320), s, c.R220)
        r0 = muladd(r0, tau, muladd(muladd(r020, s, c.R120), s, c.R020))
        r010 = muladd(muladd(muladd(c.R510, s, c.R410), s, c.R310), s, c.R210)
        r0 = muladd(r0, tau, muladd(muladd(r010, s, c.R110), s, c.R010))
        r000 = muladd(muladd(muladd(c.R600, s, c.R500), s, c.R400), s, c.R300)
        r0 = muladd(r0, tau, muladd(muladd(muladd(r000, s, c.R200), s, c.R100), s, c.R000))
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
