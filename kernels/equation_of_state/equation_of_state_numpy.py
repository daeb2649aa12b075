"""rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in NumPy: the reference.

Horner's rule over blocks that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box

BLOCK = 1 << 12


def degrees(constants: dict[str, Any]) -> list[list[list[Any]]]:
    """The anomaly's coefficients by powers of zeta, then tau, then s."""
    table: list[list[list[Any]]] = []
    for k in range(4):
        table.append([])
        for j in range(7):
            row = [constants[name] for i in range(7) if (name := f"R{i}{j}{k}") in constants]
            if row:
                table[-1].append(row)
    return table


def horner(coefficients: Sequence[Any], x: Host, out: Host) -> Host:
    """sum_i coefficients[i] x^i into `out`; coefficients are numbers or arrays."""
    out[...] = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        np.multiply(out, x, out=out)
        np.add(out, c, out=out)
    return out


def specialize(*, block: int = BLOCK, **constants: Any) -> dict[str, Callable[..., None]]:
    c = constants
    reference = [0.0, *(c[f"R0{k}"] for k in range(6))]
    anomaly = degrees(c)

    def density(box: Box, theta: Host, salinity: Host, z: Host, rho: Host) -> None:
        """rho of Theta (degrees C), S (g/kg) and Z (m, upwards), in kg/m3."""
        work = np.empty_like(rho, shape=(5, min(block, max(0, box[1] - box[0]))))
        for start in range(box[0], box[1], block):
            part = slice(start, min(start + block, box[1]))
            tau, s, zeta, by_s, by_tau = work[:, : part.stop - part.start]
            np.multiply(theta[part], c["per_theta"], out=tau)
            np.add(salinity[part], c["s_shift"], out=s)
            np.sqrt(np.multiply(s, c["per_s"], out=s), out=s)
            np.multiply(z[part], c["per_z"], out=zeta)
            result = rho[part]
            result[...] = 0.0
            for rows in reversed(anomaly):
                horner(rows[-1], s, by_tau)
                for row in reversed(rows[:-1]):
                    np.multiply(by_tau, tau, out=by_tau)
                    np.add(by_tau, horner(row, s, by_s), out=by_tau)
                np.multiply(result, zeta, out=result)
                np.add(result, by_tau, out=result)
            np.add(result, horner(reference, zeta, by_s), out=result)

    return {"density": density}
