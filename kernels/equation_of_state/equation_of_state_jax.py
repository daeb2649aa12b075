"""rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in JAX: Horner's rule over a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jax import numpy as jnp

from joulia.bridges._jax_boxes import put, writes
from joulia.grid import Box


def horner(coefficients: Sequence[Any], x: Any) -> Any:
    """sum_i coefficients[i] x^i; coefficients are numbers or arrays."""
    result = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        result = result * x + c
    return result


def specialize(**constants: Any) -> dict[str, Callable[..., Any]]:
    c = constants

    def in_s(j: int, k: int, s: Any) -> Any:
        """The anomaly's factor of tau^j zeta^k."""
        return horner([c[name] for i in range(7) if (name := f"R{i}{j}{k}") in c], s)

    @writes("rho")
    def density(box: Box, theta: Any, salinity: Any, z: Any, rho: Any) -> Any:
        """rho of Theta (degrees C), S (g/kg) and Z (m, upwards), in kg/m3."""
        part = slice(box[0], box[1])
        tau = theta[part] * c["per_theta"]
        s = jnp.sqrt((salinity[part] + c["s_shift"]) * c["per_s"])
        zeta = z[part] * c["per_z"]
        anomaly = horner(
            [horner([in_s(j, k, s) for j in range(7) if f"R0{j}{k}" in c], tau) for k in range(4)],
            zeta,
        )
        reference = horner([0.0, *(c[f"R0{k}"] for k in range(6))], zeta)
        return put(rho, box, anomaly + reference)

    return {"density": density}
