"""euler's published figures: each backend takes the isentropic vortex all the way to t = 20."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import BACKENDS, require
from .test_euler import finish, job, start

GOLDEN = {
    "weak": (888, (1.3492e-4, 6.6157e-3, 6.7821e-3, 1.63938e-2)),
    "split": (889, (1.6332e-4, 6.1536e-3, 6.5410e-3, 1.57454e-2)),
}
"""16 x 16 elements of degree 3 at t = 20, CFL 1.1: steps, and the L2 errors of rho, rho u, rho v
and E."""

LAST_PLACES = (1e-8, 1e-7, 1e-7, 1e-7)

TRIXI = (
    1.3492249515826863e-4,
    6.615696236378061e-3,
    6.782108219800376e-3,
    1.6393831451740604e-2,
)
"""The weak row as Trixi.jl's tests have it, of steps that vary with the fastest wave."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_vortex_has_the_published_errors(backend: str, tmp_path: Path) -> None:
    """Every printed digit, of the weak and of the split form, by the 3-D code on one layer.

    Less than one unit in the last place: one of the figures, 6.1536e-3, was cut and not rounded.
    Our steps are equally long, theirs adapt: that changes the eighth digit.
    """
    require(backend)
    # Each form in a process of its own: two cores take them side by side.
    running = {
        form: start(tmp_path, backend, [job(form, (1, 16, 16), steps, form=form, dt=20.0 / steps)])
        for form, (steps, _) in GOLDEN.items()
    }
    for form, (_, expected) in GOLDEN.items():
        rho, rho_u, rho_v, rho_w, energy = finish(*running[form])[f"{form}:l2"]
        got = [rho, rho_u, rho_v, energy]
        for error, figure, place in zip(got, expected, LAST_PLACES, strict=True):
            assert abs(error - figure) < place, (form, error, figure)
        assert rho_w <= 1e-13  # nothing moves across the plane
        if form == "weak":
            assert got == pytest.approx(TRIXI, rel=2e-7)
