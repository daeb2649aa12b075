"""equation_of_state in NumPy: the reference. Horner's rule over blocks that stay in the cache.

The expressions are those of the CuPy version too: `xp` is the array module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from joulia.grid import Box
from joulia.kernel import Host

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


def horner(xp: Any, coefficients: Sequence[Any], x: Host, out: Host) -> Host:
    """sum_i coefficients[i] x^i into `out`; coefficients are numbers or arrays."""
    out[...] = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        xp.multiply(out, x, out=out)
        xp.add(out, c, out=out)
    return out


def density_by_blocks(
    xp: Any, block: int, constants: dict[str, Any]
) -> dict[str, Callable[..., None]]:
    """The function for an array module, over blocks of that many points."""
    c = constants
    reference = [0.0, *(c[f"R0{k}"] for k in range(6))]
    anomaly = degrees(c)

    def density(box: Box, theta: Host, s: Host, z: Host, rho: Host) -> None:
        """rho of Theta (degrees C), S (g/kg) and Z (m, upwards), in kg/m3."""
        work = xp.empty((5, min(block, max(0, box[1] - box[0]))), rho.dtype)
        for start in range(box[0], box[1], block):
            part = slice(start, min(start + block, box[1]))
            tau, root, zeta, inner, middle = work[:, : part.stop - part.start]
            xp.multiply(theta[part], c["per_theta"], out=tau)
            xp.add(s[part], c["s_shift"], out=root)
            xp.sqrt(xp.multiply(root, c["per_s"], out=root), out=root)
            xp.multiply(z[part], c["per_z"], out=zeta)
            result = rho[part]
            result[...] = 0.0
            for by_tau in reversed(anomaly):
                horner(xp, by_tau[-1], root, middle)
                for row in reversed(by_tau[:-1]):
                    xp.multiply(middle, tau, out=middle)
                    xp.add(middle, horner(xp, row, root, inner), out=middle)
                xp.multiply(result, zeta, out=result)
                xp.add(result, middle, out=result)
            xp.add(result, horner(xp, reference, zeta, inner), out=result)

    return {"density": density}


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    return density_by_blocks(np, BLOCK, constants)
