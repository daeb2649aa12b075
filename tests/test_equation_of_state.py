"""equation_of_state: the published check values, the derivatives, the precision."""

from __future__ import annotations

import numpy as np
import pytest

from joulia import solve
from joulia.kernels.equation_of_state.coefficients import ANOMALY, REFERENCE

from .conftest import require


def density(theta, s, z, backend="numpy", dtype="float64"):
    """rho at points, through the public API."""
    theta, s, z = np.broadcast_arrays(*map(np.atleast_1d, (theta, s, z)))

    def points(case, tile):
        return {"theta": theta, "s": s, "z": z}

    solution = solve(
        "equation_of_state", backend, steps=1, shape=theta.shape, dtype=dtype, initial=points
    )
    return solution.fields["rho"]


@pytest.mark.parametrize("backend", ["numpy", "numba", "occa:serial"])
def test_the_published_check_values(backend):
    require(backend)
    first, surface = density([10.0, 0.0], [30.0, 35.0], [-1000.0, 0.0], backend)
    assert f"{first:.10f}" == "1027.4514011715"
    assert f"{surface:.10f}" == "1027.9744330524"


def test_the_reference_profile_and_the_anomaly():
    """rho(0 m) has no reference part; the anomaly is what is left of rho without the profile."""
    assert len(ANOMALY) == 52
    assert len(REFERENCE) == 6
    zeta = 0.1
    r0 = sum(value * zeta ** (k + 1) for k, value in enumerate(REFERENCE))
    assert f"{r0:.10f}" == "4.5976303508"
    assert f"{density(10.0, 30.0, -1000.0)[0] - r0:.10f}" == "1022.8537708207"


def slope(along, h: float = 0.1) -> float:
    """A derivative at 0 by the central difference of sixth order."""
    rho = along(h * np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]))
    return float(rho @ np.array([-1.0, 9.0, -45.0, 45.0, -9.0, 1.0]) / (60.0 * h))


def test_thermal_expansion_and_haline_contraction():
    """Published: 0.179646281 and 0.765555368, from tables of the derivatives' own coefficients.

    Those are rounded to 11 digits, of terms up to 76 that cancel: the derivative of the density's
    polynomial itself is 0.7655553708, which differs in the ninth digit.
    """
    expansion = -slope(lambda d: density(10.0 + d, 30.0, -1000.0))
    contraction = slope(lambda d: density(10.0, 30.0 + d, -1000.0))
    assert f"{expansion:.9f}" == "0.179646281"
    assert contraction == pytest.approx(0.765555368, abs=5e-9)
    assert contraction == pytest.approx(0.7655553708, abs=2e-10)


@pytest.mark.parametrize("backend", ["numpy", "numba", "occa:serial"])
def test_single_precision_is_within_a_gram(backend):
    require(backend)
    solution = solve("equation_of_state", backend, steps=1, shape=(4001,), dtype="float32")
    assert solution.error("rho") <= 1e-3


def test_a_wrong_coefficient_shows(monkeypatch):
    """The check inside every run compares with the sum of powers, term by term."""
    case_error = solve("equation_of_state", steps=1, size="tiny").error("rho")
    assert case_error <= 2e-14 * 1100.0
    monkeypatch.setitem(ANOMALY, "013", ANOMALY["013"] * (1.0 + 1e-9))
    changed = solve("equation_of_state", steps=1, size="tiny")  # constants are cached, exact is not
    assert changed.error("rho") > 10.0 * case_error
