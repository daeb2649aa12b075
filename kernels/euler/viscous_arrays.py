"""Gradients and viscous fluxes of whole arrays, as NumPy, CuPy and JAX compute them.

Arrays have the axes [...][k][j][i][x]; a direction is d = 0, 1, 2 along x, y, z.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from joulia.arrays import Host


def entries(numbers: str) -> Host:
    """A matrix, from its entries row by row."""
    values = np.array([float(v) for v in numbers.split(",")])
    side = round(len(values) ** 0.5)
    return values.reshape(side, side)


def columns(slope: str, lift: float, d: int) -> list[Host]:
    """The columns of the derivative along d, each as an array that lies there.

    The first is for the node below the element, the last for that above, see `viscous.slope`.
    """
    matrix = entries(slope)
    below, above = np.zeros((2, len(matrix), 1))
    below[0], above[-1] = -lift, lift
    whole = np.hstack([below, matrix, above])
    return [column.reshape(-1, *(1,) * (1 + d)) for column in whole.T]


def along(values: Any, d: int, nodes: slice) -> Any:
    """The nodes of a range along d."""
    return values[(..., nodes) + (slice(None),) * (1 + d)]


def derivative(values: Any, below: Any, above: Any, d: int, scaled: Sequence[Any]) -> Any:
    """The derivative along d with the columns `scaled`.

    `below` and `above` are arrays of the neighbours' nodes that touch the elements.
    """
    first, *inner, last = scaled
    total = first * below
    for l, column in enumerate(inner):  # noqa: E741 -- the index of the formula
        total = total + column * along(values, d, slice(l, l + 1))
    return total + last * above


def variables(primitives: Sequence[Any]) -> list[Any]:
    """v1, v2, v3 and T = p / rho."""
    rho, *velocity, p = primitives
    return [*velocity, p / rho]


def fluxes(
    velocity: Sequence[Any], gradients: Sequence[Sequence[Any]], mu: Any, kappa: Any, third: Any
) -> list[list[Any]]:
    """Momentum and energy along x, y and z, of gradients[d][variable]; `third` is 1/3."""
    compression = third * (gradients[0][0] + gradients[1][1] + gradients[2][2])
    along_each = []
    for d in range(3):
        stress = [mu * (gradients[d][m] + gradients[m][d]) for m in range(3)]
        stress[d] = (mu + mu) * (gradients[d][d] - compression)
        work = velocity[0] * stress[0] + velocity[1] * stress[1] + velocity[2] * stress[2]
        along_each.append([*stress, work + kappa * gradients[d][3]])
    return along_each
