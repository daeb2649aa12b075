"""equation_of_state: rho = r0(zeta) + r'(tau, s, zeta), the density of sea water.

The TEOS-10 polynomial of Roquet et al. (2015).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case
from joulia.checks import Checks, Exact, within
from joulia.grid import Tile
from joulia.kernel import Exchange, Function, Kernel, Work
from joulia.kernels.equation_of_state.coefficients import ANOMALY, REFERENCE

THETA_UNIT = 40.0
"""tau = Theta / 40 degrees C."""
S_UNIT = 40.0 * 35.16504 / 35.0
S_SHIFT = 32.0
"""s = sqrt((S + 32) / (40 x 35.16504 / 35)), S in g/kg."""
Z_UNIT = 1e4
"""zeta = -Z / 10 km."""


@cache
def numbers(dtype: str) -> dict[str, Any]:
    """Every number of the polynomial, in a precision."""
    real = np.dtype(dtype).type
    values = {
        "per_theta": 1.0 / THETA_UNIT,
        "per_s": 1.0 / S_UNIT,
        "s_shift": S_SHIFT,
        "per_z": -1.0 / Z_UNIT,
    }
    values |= {f"R0{k}": value for k, value in enumerate(REFERENCE)}
    values |= {f"R{ijk}": value for ijk, value in ANOMALY.items()}
    return {name: real(value) for name, value in values.items()}


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """Temperature, salinity and depth through the range of the ocean, in three unrelated orders."""
    i = np.arange(tile.start[0], tile.stop[0], dtype=np.int64)
    return {
        "theta": -2.0 + 34.0 * (i * 389 % 1021) / 1021.0,
        "s": 42.0 * (i * 211 % 509) / 509.0,
        "z": -8000.0 * (i * 67 % 1531) / 1531.0,
    }


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    for box in exchange():
        ops.density(box, fields["theta"], fields["s"], fields["z"], fields["rho"])
    return fields


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """The polynomial as a sum of powers, term by term: the kernels share no code with it."""
    start = {name: f.astype(case.dtype).astype("f8") for name, f in initial(case, tile).items()}
    tau = start["theta"] / THETA_UNIT
    s = np.sqrt((start["s"] + S_SHIFT) / S_UNIT)
    zeta = -start["z"] / Z_UNIT
    rho = np.zeros_like(tau)
    for k, value in enumerate(REFERENCE):
        rho += value * zeta ** (k + 1)
    for (i, j, k), value in ((map(int, ijk), value) for ijk, value in ANOMALY.items()):
        rho += value * s**i * tau**j * zeta**k
    return {"rho": rho}


EXACT = within(2e-14, 1e-6)
"""52 terms of up to 7e3 kg/m3 that cancel to 1e3, each rounded; in float32, 1e-3 kg/m3."""


def work(case: Case) -> Work:
    """theta, s and z are read, rho is written; 118 flops and a square root a point (README)."""
    n = case.shape[0]
    return Work(4.0 * n * np.dtype(case.dtype).itemsize, 119.0 * n)


KERNEL = Kernel(
    name="equation_of_state",
    title="TEOS-10 polynomial density of sea water, pointwise",
    fields=("theta", "s", "z", "rho"),
    results=("rho",),
    functions=(Function("density", ("theta", "s", "z", "rho")),),
    sizes={"tiny": (1009,), "small": (2**18,), "medium": (2**22,), "large": (2**26,)},
    initial=initial,
    step=step,
    work=work,
    checks=Checks(reference=within(1e-14, 1e-6), exact=Exact(exact, EXACT)),
    constants=lambda case: numbers(case.dtype),
    quick="small",
)
