"""rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in Numba's CUDA.

A thread computes a point; the coefficients are constants.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from numba import cuda

from joulia.kernels._numba_cuda import block, blocks

THREADS = block(256)


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The function for coefficients of a precision, which are the arrays'."""
    c: Any = namedtuple("Coefficients", constants)(**constants)

    @cuda.jit
    def points(box: Any, theta: Any, salinity: Any, z: Any, rho: Any) -> None:
        i = box[0] + cuda.grid(1)
        if i < box[1]:
            tau = theta.flat[i] * c.per_theta
            s = math.sqrt((salinity.flat[i] + c.s_shift) * c.per_s)
            zeta = z.flat[i] * c.per_z
            r3 = c.R013 * tau + c.R103 * s + c.R003
            r2 = ((c.R022 * tau + c.R112 * s + c.R012) * tau + (c.R202 * s + c.R102) * s) + c.R002
            r1 = c.R041 * tau + (c.R131 * s + c.R031)
            r1 = r1 * tau + ((c.R221 * s + c.R121) * s + c.R021)
            r1 = r1 * tau + (((c.R311 * s + c.R211) * s + c.R111) * s + c.R011)
            r1 = r1 * tau + ((((c.R401 * s + c.R301) * s + c.R201) * s + c.R101) * s + c.R001)
            r0 = c.R060 * tau + (c.R150 * s + c.R050)
            r0 = r0 * tau + ((c.R240 * s + c.R140) * s + c.R040)
            r0 = r0 * tau + (((c.R330 * s + c.R230) * s + c.R130) * s + c.R030)
            r0 = r0 * tau + ((((c.R420 * s + c.R320) * s + c.R220) * s + c.R120) * s + c.R020)
            r0 = r0 * tau + (
                ((((c.R510 * s + c.R410) * s + c.R310) * s + c.R210) * s + c.R110) * s + c.R010
            )
            r0 = r0 * tau + (
                (((((c.R600 * s + c.R500) * s + c.R400) * s + c.R300) * s + c.R200) * s + c.R100)
                * s
                + c.R000
            )
            profile = (
                (((c.R05 * zeta + c.R04) * zeta + c.R03) * zeta + c.R02) * zeta + c.R01
            ) * zeta + c.R00
            rho.flat[i] = (((r3 * zeta + r2) * zeta + r1) * zeta + r0) + profile * zeta

    def density(box: Any, theta: Any, salinity: Any, z: Any, rho: Any) -> None:
        points[blocks(box, THREADS), THREADS](box, theta, salinity, z, rho)

    return {"density": density}
