"""dT/dt = d/dz(kappa dT/dz), backward Euler, in JAX: scans up the levels and down again."""

from __future__ import annotations

from typing import Any

from jax import lax
from jax import numpy as jnp

from joulia.bridges._jax_boxes import put, writes
from joulia.grid import Box


def up(lower: Any, level: Any) -> Any:
    """Thomas' elimination of a level from d and e = 1 - c of the level below."""
    d, e = lower
    right, below, above = level
    s = 1.0 + below * e
    inverse = 1.0 / (s + above)
    d = (right + below * d) * inverse
    return (d, s * inverse), (above * inverse, d)


def down(over: Any, level: Any) -> Any:
    c, d = level
    here = d + c * over
    return here, here


@writes("out")
def mix(
    box: Box, temperature: Any, out: Any, stable: float, unstable: float, cooling: float
) -> Any:
    """A step of whole columns: dt kappa / dz^2 of stable and unstable faces, dt flux / dz."""
    z0, z1, y0, y1, x0, x1 = box
    old = temperature[z0:z1, y0:y1, x0:x1]
    if old.size == 0:
        return out
    nothing = jnp.zeros_like(old[0])
    faces = jnp.where(old[1:] < old[:-1], unstable, stable).astype(old.dtype)
    below = jnp.concatenate([nothing[None], faces])
    above = jnp.concatenate([faces, nothing[None]])
    _, (c, d) = lax.scan(up, (nothing, nothing), (old.at[-1].add(-cooling), below, above))
    _, new = lax.scan(down, nothing, (c, d), reverse=True)
    return put(out, box, new)
