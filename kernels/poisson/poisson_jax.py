"""x + omega (b - A x), A = -lap on cell centres, in JAX: one expression over a whole box."""

from __future__ import annotations

from typing import Any

from jax import numpy as jnp

from joulia.bridges._jax_boxes import put, writes
from joulia.grid import Box


def combined(x: Any, b: Any, low: Any, high: Any, reals: tuple[Any, ...]) -> Any:
    """u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t).

    x has a cell more than b on each side; planes of x before `low` and after `high` are beyond
    walls, where the value is the one inside.
    """
    u, v, wx, wy, wz = reals
    inner, n = slice(1, -1), x.shape[0]
    below = x[jnp.array([max(k - 1, low) for k in range(1, n - 1)]), inner, inner]
    above = x[jnp.array([min(k + 1, high) for k in range(1, n - 1)]), inner, inner]
    result = u * x[inner, inner, inner] + v * b
    result += wx * (x[inner, inner, :-2] + x[inner, inner, 2:])
    result += wy * (x[inner, :-2, inner] + x[inner, 2:, inner])
    return result + wz * (below + above)


def around(x: Any, box: Box) -> Any:
    """A box's cells and one more on each side."""
    z0, z1, y0, y1, x0, x1 = box
    return x[z0 - 1 : z1 + 1, y0 - 1 : y1 + 1, x0 - 1 : x1 + 1]


def of_box(x: Any, b: Any, box: Box, bottom: int, top: int, reals: tuple[Any, ...]) -> Any:
    """The combination at a box's cells, of arrays `around` them."""
    inner = slice(1, -1)
    return combined(x, b[inner, inner, inner], bottom - box[0] + 1, top - box[0], reals)


@writes("out")
def sweep(box: Box, x: Any, b: Any, out: Any, bottom: int, top: int, *reals: Any) -> Any:
    """out = the combination of x and b."""
    if min(box[1] - box[0], box[3] - box[2], box[5] - box[4]) <= 0:
        return out
    return put(out, box, of_box(around(x, box), around(b, box), box, bottom, top, reals))


@writes("coarse")
def coarsen(
    box: Box, x: Any, b: Any, coarse: Any, sz: int, sy: int, sx: int, oz: int, oy: int, ox: int,
    my: int, mx: int, bottom: int, top: int, *reals: Any,
) -> Any:  # fmt: skip
    """coarse = the sum of the combination over the cells that one of the box's is made up of."""
    if min(box[1] - box[0], box[3] - box[2], box[5] - box[4]) <= 0:
        return coarse
    ranges = zip(box[::2], box[1::2], (oz, oy, ox), (sz, sy, sx), strict=True)
    fine = tuple(((end - origin) << s) + 1 for *ends, origin, s in ranges for end in ends)
    total = of_box(around(x, fine), around(b, fine), fine, bottom, top, reals)
    if sx:
        total = total[:, :, ::2] + total[:, :, 1::2]
    if sy:
        total = total[:, ::2] + total[:, 1::2]
    if sz:
        total = total[::2] + total[1::2]
    return put(coarse, box, total)


@writes("out")
def correct(
    box: Box, x: Any, coarse: Any, b: Any, out: Any,
    sz: int, sy: int, sx: int, oz: int, oy: int, ox: int, my: int, mx: int, bottom: int, top: int,
    *reals: Any,
) -> Any:  # fmt: skip
    """out = the combination of b and of x with its parent's value added."""
    if min(box[1] - box[0], box[3] - box[2], box[5] - box[4]) <= 0:
        return out
    parents = coarse
    ranges = zip(box[::2], box[1::2], (sz, sy, sx), (oz, oy, ox), strict=True)
    for axis, (a, b_, s, origin) in enumerate(ranges):
        cells = jnp.array([((cell - 1) >> s) + origin for cell in range(a - 1, b_ + 1)])
        parents = jnp.take(parents, cells, axis=axis)
    raised = around(x, box) + parents
    return put(out, box, of_box(raised, around(b, box), box, bottom, top, reals))


@writes("y")
def add(box: Box, x: Any, y: Any, a: Any, c: Any) -> Any:
    """y = a x + c y."""
    z0, z1, y0, y1, x0, x1 = box
    inside = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
    return put(y, box, a * x[inside] + c * y[inside])
