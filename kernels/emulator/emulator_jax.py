"""A perceptron for an interval of vertical mixing, and the solver it replaces, in JAX.

Matrices are those of the case's network, with zeros where it is sparse. Columns go through them in
slabs of one size, filled up with zeros: the bits of a product depend on its shape, and those of a
column must not depend on how many a tile has.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from jax import lax
from jax import numpy as jnp

from joulia.bridges._jax_boxes import apart, put, writes
from joulia.case import Case
from joulia.grid import Box
from joulia.kernels import emulator
from joulia.kernels.column.column_jax import down, up

COLUMNS = 256


def slabs(columns: Any) -> Any:
    """(values, columns) as (slabs, values, COLUMNS), the last of them filled up."""
    values, count = columns.shape
    whole = jnp.pad(columns, ((0, 0), (0, -count % COLUMNS)))
    return jnp.moveaxis(whole.reshape(values, -1, COLUMNS), 1, 0)


def functions_of(case: Case) -> dict[str, Any]:
    """The functions, with the matrices of the case's network."""
    products = emulator.products(case)
    network = [
        (layer.w.astype(products), layer.b.astype(case.dtype), layer.relu)
        for layer in (emulator.folded(case) if emulator.by_network(case) else [])
    ]

    @apart
    def through(x: Any) -> Any:
        for w, b, relu in network:
            x = jnp.matmul(
                w,
                x.astype(products),
                precision=lax.Precision.HIGHEST,
                preferred_element_type=case.dtype,
            )
            x = x + b
            x = jnp.maximum(x, 0.0) if relu else x
        return x

    @writes("after")
    def forward(
        box: Box, temperature: Any, after: Any, flux: Any, weights: Any, bias: Any, starts: Any,
        columns: Any, plan: Any, layers: int, widest: int, interval: float,
    ) -> Any:  # fmt: skip
        """Temperature [level][y][x] an interval later, by the network."""
        _, _, y0, y1, x0, x1 = box
        old, out = temperature[:, y0:y1, x0:x1], flux[y0:y1, x0:x1].reshape(-1)
        if old.size == 0 or not network:
            return after
        t = old.reshape(len(old), -1)
        predicted = lax.map(through, slabs(jnp.concatenate([t[1:] - t[:-1], out[None]])))
        new = jnp.moveaxis(predicted, 0, 1).reshape(len(old), -1)[:, : t.shape[1]]
        mean = reduce(add, new) * (1.0 / len(new)) + interval * out
        return put(after, box, (t + (new - mean)).reshape(old.shape))

    return {"forward": forward, "forward_half": forward, "solve": solve}


def refined(t: Any, parts: int) -> Any:
    """Each level as `parts` levels on a line through its mean; flat at an extremum (minmod)."""
    below = jnp.concatenate([jnp.zeros_like(t[:1]), t[1:] - t[:-1]])
    above = jnp.concatenate([t[1:] - t[:-1], jnp.zeros_like(t[:1])])
    least = jnp.minimum(jnp.abs(below), jnp.abs(above))
    slope = jnp.where(below * above > 0.0, jnp.sign(below) * least, 0.0)
    offsets = ((jnp.arange(parts, dtype=t.dtype) + 0.5) / parts - 0.5)[:, None, None]
    return (t[:, None] + offsets * slope[:, None]).reshape(len(t) * parts, *t.shape[1:])


@writes("after")
def solve(
    box: Box, temperature: Any, after: Any, flux: Any, parts: int, steps: int, stable: float,
    unstable: float, cooling: float,
) -> Any:  # fmt: skip
    """The same by `steps` steps of `column` on `parts` levels for each of the grid's."""
    _, _, y0, y1, x0, x1 = box
    old = temperature[:, y0:y1, x0:x1]
    if old.size == 0 or parts == 0:
        return after
    lost, nothing = cooling * flux[y0:y1, x0:x1], jnp.zeros_like(old[0])

    def mixed(_: Any, t: Any) -> Any:
        faces = jnp.where(t[1:] < t[:-1], unstable, stable).astype(t.dtype)
        below = jnp.concatenate([nothing[None], faces])
        above = jnp.concatenate([faces, nothing[None]])
        _, (c, d) = lax.scan(up, (nothing, nothing), (t.at[-1].add(-lost), below, above))
        _, new = lax.scan(down, nothing, (c, d), reverse=True)
        return new

    fine = lax.fori_loop(0, steps, mixed, refined(old, parts))
    fine = fine.reshape(len(old), parts, *old.shape[1:])
    return put(after, box, reduce(add, (fine[:, part] for part in range(parts))) * (1.0 / parts))
