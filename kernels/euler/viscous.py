"""Viscosity and heat conduction: the parameters of the Navier-Stokes equations, limits, work.

The stress is mu (grad v + grad v^T - 2/3 div v), with a constant viscosity mu, the heat flux
-kappa grad T with T = p / rho and kappa = gamma / (gamma - 1) mu / Pr.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from joulia.case import Case
from joulia.errors import JouliaError
from joulia.kernel import Function, More, Param
from joulia.kernels.euler import lgl
from joulia.kernels.euler.states import GAMMA

PARAMS = {
    "viscosity": Param(0.0, "dynamic viscosity, 0 for none", low=0.0),
    "Re": Param(0.0, "Reynolds number instead: 1 / viscosity, 0 for none", low=0.0),
    "Pr": Param(0.71, "Prandtl number", low=1e-3, high=1e3),
}

FLUXES = ("fx", "fy", "fz")
"""Fields for the viscous fluxes along x, y and z: a component each of the momentum and of E. What
would be that of rho is neither written nor read."""

FUNCTIONS = (
    Function("viscous_flux", ("q", *FLUXES), reals=("mu", "kappa", "ix", "iy", "iz")),
    Function("viscous", (*FLUXES, "k", "out"), reals=("b", "sx", "sy", "sz")),
)


def viscosity(case: Case) -> float:
    """mu; 0 where the case has none."""
    reynolds: float = case.param("Re")
    given: float = case.param("viscosity")
    return 1.0 / reynolds if reynolds else given


def conductivity(case: Case) -> float:
    """kappa, for T = p / rho."""
    prandtl: float = case.param("Pr")
    return GAMMA / (GAMMA - 1.0) * viscosity(case) / prandtl


def more(exchanges: int) -> More:
    """Three fields, two functions, and an exchange of the fluxes in each stage."""
    return More(FLUXES, FUNCTIONS, exchanges)


@cache
def slope(p: int) -> str:
    """The matrix S = 2 D without its diagonal, row by row: a derivative with central fluxes.

    That is (sum_l S_il v_l + (d_iN v_above - d_i0 v_below) / w_0) / dx, v_above and v_below being
    the nodes of the neighbours that touch this element: on the diagonal 2 w_i D_ii = d_iN - d_i0,
    which the element's own half of the central flux takes away.
    """
    return ", ".join(repr(float(v)) for v in lgl.derivative_split(p).ravel())


# ---- the time step ---------------------------------------------------------------------------


@cache
def fastest(p: int) -> float:
    """The largest eigenvalue of the derivative on elements of unit length, over all wavelengths."""
    _, w = lgl.rule(p)
    matrix = lgl.derivative_split(p).astype(complex)
    largest = 0.0
    for angle in np.linspace(0.0, np.pi, 65):
        coupled = matrix.copy()
        coupled[-1, 0] += np.exp(1j * angle) / w[0]
        coupled[0, -1] -= np.exp(-1j * angle) / w[0]
        largest = max(largest, float(np.abs(np.linalg.eigvals(coupled)).max()))
    return largest


def damped(a: Sequence[float], b: Sequence[float]) -> float:
    """The largest x so that dq/dt = -x q decays in steps of 1 by the 2N scheme (a, b)."""
    x = np.linspace(0.0, 10.0, 10001)
    q, k = np.ones_like(x), np.zeros_like(x)
    for a_, b_ in zip(a, b, strict=True):
        k = a_ * k - x * q
        q = q + b_ * k
    return float(x[np.argmax(np.abs(q) > 1.0 + 1e-12) - 1])


def rate(case: Case, inverse: Sequence[float], density: float) -> float:
    """The fastest decay by viscosity or conduction, for elements of 1 / dx_d = `inverse`."""
    diffusivity = viscosity(case) / density * max(4.0 / 3.0, GAMMA / case.param("Pr"))
    return float(diffusivity * fastest(case.param("p")) ** 2 * sum(i * i for i in inverse))


def require(case: Case, time_step: float, longest: float) -> None:
    """Raise JouliaError where viscosity is given twice, or `time_step` exceeds `longest`."""
    if case.param("Re") and case.param("viscosity"):
        raise JouliaError("euler has two viscosities. Allowed: one of the parameters viscosity, Re")
    if time_step > longest:
        raise JouliaError(
            f"euler with a viscosity of {viscosity(case):g} is unstable with a time step of "
            f"{time_step:.3g}. Allowed: up to {longest:.3g} (dt, or a smaller cfl)"
        )


# ---- the work of a node and stage, see README.md ---------------------------------------------


def values_a_node(n: int) -> float:
    """Values moved at least: q read again with its neighbours' faces, the fluxes written and read,
    and those of the neighbours' faces that are normal to them."""
    return 5 + 30 / n + 2 * 12 + 24 / n


def flops_a_node(n: int) -> float:
    """With n nodes a line; a division counts 1, what two elements share counts once."""
    primitives, stress_and_heat = 13, 36
    gradients, divergence = 12 * (2 * n - 2), 12 * (2 * n - 1)
    faces = 2 * 48 / n
    return primitives + gradients + stress_and_heat + divergence + faces
