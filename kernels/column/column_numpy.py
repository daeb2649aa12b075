"""dT/dt = d/dz(kappa dT/dz), backward Euler, in NumPy: the reference.

A Thomas sweep for many columns at once; slabs of rows, with all their levels, stay in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box

SLAB_BYTES = 1 << 14


def mixed(old: Host, new: Host, c: Host, stable: Any, unstable: Any, cooling: Any) -> None:
    """new = old after a step, both [level][...]; `c` is scratch of their shape.

    `cooling` is a number, or one a column. With a_k of the face above level k, Thomas' elimination
    is written for e = 1 - c, which is free of cancellation; d stands in `new` until the way down.
    """
    below, above, e, s = (np.zeros_like(old[0]) for _ in range(4))
    top = len(old) - 1
    for k in range(len(old)):
        if k < top:
            above[...] = stable
            np.copyto(above, unstable, where=old[k] > old[k + 1])
        else:
            above[...] = 0.0
        np.multiply(below, e, out=s)
        np.add(s, 1.0, out=s)
        np.add(s, above, out=c[k])
        np.divide(1.0, c[k], out=c[k])
        np.multiply(s, c[k], out=e)
        if k > 0:
            np.multiply(below, new[k - 1], out=s)
            np.add(s, old[k], out=s)
        else:
            s[...] = old[k]
        if k == top:
            np.subtract(s, cooling, out=s)
        np.multiply(s, c[k], out=new[k])
        np.multiply(above, c[k], out=c[k])
        below, above = above, below
    for k in range(top - 1, -1, -1):
        np.multiply(c[k], new[k + 1], out=s)
        np.add(new[k], s, out=new[k])


def mix(
    box: Box, temperature: Host, out: Host, stable: float, unstable: float, cooling: float
) -> None:
    """A step of whole columns: dt kappa / dz^2 of stable and unstable faces, dt flux / dz."""
    z0, z1, y0, y1, x0, x1 = box
    real = temperature.dtype.type
    rows = max(1, SLAB_BYTES // (max(1, x1 - x0) * temperature.itemsize))
    c = np.empty_like(temperature, shape=(z1 - z0, min(rows, y1 - y0), x1 - x0))
    for ya in range(y0, y1, rows):
        slab = np.s_[z0:z1, ya : min(ya + rows, y1), x0:x1]
        old, new = temperature[slab], out[slab]
        mixed(old, new, c[:, : old.shape[1]], real(stable), real(unstable), real(cooling))
