"""rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in plain Numba."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange

from joulia.kernels.equation_of_state import S_SHIFT, S_UNIT, THETA_UNIT, Z_UNIT
from joulia.kernels.equation_of_state.coefficients import ANOMALY, REFERENCE

R0 = REFERENCE
R: Any = namedtuple("Coefficients", [f"r{ijk}" for ijk in ANOMALY])(
    **{f"r{ijk}": value for ijk, value in ANOMALY.items()}
)


@njit(cache=True)
def density_at(theta: Any, salinity: Any, z: Any) -> Any:
    """The polynomials of Roquet et al. (2015) by Horner's rule, kg/m3."""
    tau = theta / THETA_UNIT
    s = np.sqrt((salinity + S_SHIFT) / S_UNIT)
    zeta = -z / Z_UNIT
    a3 = R.r013 * tau + R.r103 * s + R.r003
    a2 = (R.r022 * tau + R.r112 * s + R.r012) * tau + (R.r202 * s + R.r102) * s + R.r002
    a1 = (
        (
            (R.r041 * tau + R.r131 * s + R.r031) * tau
            + (R.r221 * s + R.r121) * s
            + R.r021
        ) * tau
        + ((R.r311 * s + R.r211) * s + R.r111) * s
        + R.r011
    ) * tau + (((R.r401 * s + R.r301) * s + R.r201) * s + R.r101) * s + R.r001  # fmt: skip
    a0 = (
        (
            (
                (
                    (R.r060 * tau + R.r150 * s + R.r050) * tau
                    + (R.r240 * s + R.r140) * s
                    + R.r040
                ) * tau
                + ((R.r330 * s + R.r230) * s + R.r130) * s
                + R.r030
            ) * tau
            + (((R.r420 * s + R.r320) * s + R.r220) * s + R.r120) * s
            + R.r020
        ) * tau
        + ((((R.r510 * s + R.r410) * s + R.r310) * s + R.r210) * s + R.r110) * s
        + R.r010
    ) * tau + (
        ((((R.r600 * s + R.r500) * s + R.r400) * s + R.r300) * s + R.r200) * s + R.r100
    ) * s + R.r000  # fmt: skip
    r0 = (
        ((((R0[5] * zeta + R0[4]) * zeta + R0[3]) * zeta + R0[2]) * zeta + R0[1]) * zeta
        + R0[0]
    ) * zeta  # fmt: skip
    return r0 + ((a3 * zeta + a2) * zeta + a1) * zeta + a0


@njit(parallel=True, cache=True)
def density(box: Any, theta: Any, salinity: Any, z: Any, rho: Any) -> None:
    for i in prange(box[0], box[1]):
        rho[i] = density_at(theta[i], salinity[i], z[i])


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The coefficients are the paper's, whatever the arrays' precision."""
    return {"density": density}
