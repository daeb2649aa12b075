"""equation_of_state in Numba: one parallel loop over points, which LLVM vectorises."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange
from numba.extending import overload

from joulia.kernels.equation_of_state import numbers

FLAGS: dict[str, Any] = {"cache": True, "fastmath": {"nsz", "contract"}, "error_model": "numpy"}
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
        t = theta[i] * c.per_theta
        s = np.sqrt((salinity[i] + c.s_shift) * c.per_s)
        d = z[i] * c.per_z
        r3 = c.R013 * t + c.R103 * s + c.R003
        r2 = ((c.R022 * t + c.R112 * s + c.R012) * t + (c.R202 * s + c.R102) * s) + c.R002
        r1 = c.R041 * t + (c.R131 * s + c.R031)
        r1 = r1 * t + ((c.R221 * s + c.R121) * s + c.R021)
        r1 = r1 * t + (((c.R311 * s + c.R211) * s + c.R111) * s + c.R011)
        r1 = r1 * t + ((((c.R401 * s + c.R301) * s + c.R201) * s + c.R101) * s + c.R001)
        r0 = c.R060 * t + (c.R150 * s + c.R050)
        r0 = r0 * t + ((c.R240 * s + c.R140) * s + c.R040)
        r0 = r0 * t + (((c.R330 * s + c.R230) * s + c.R130) * s + c.R030)
        r0 = r0 * t + ((((c.R420 * s + c.R320) * s + c.R220) * s + c.R120) * s + c.R020)
        r0 = r0 * t + (
            ((((c.R510 * s + c.R410) * s + c.R310) * s + c.R210) * s + c.R110) * s + c.R010
        )
        r0 = r0 * t + (
            (((((c.R600 * s + c.R500) * s + c.R400) * s + c.R300) * s + c.R200) * s + c.R100) * s
            + c.R000
        )
        profile = ((((c.R05 * d + c.R04) * d + c.R03) * d + c.R02) * d + c.R01) * d + c.R00
        rho[i] = (((r3 * d + r2) * d + r1) * d + r0) + profile * d


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
