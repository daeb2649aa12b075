"""dq/dt + div f(q) = 0, q = (rho, rho v1, rho v2, rho v3, E), in CuPy.

NumPy's fluxes over all elements at once, summed over a line by whole arrays.

Inside a part arrays have the axes [component][z][y][k][j][i][x]. As in NumPy there is no BLAS.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cupy
import numpy as np

from joulia.grid import Box
from joulia.kernels._cupy import parts
from joulia.kernels.euler.euler_numpy import add_surface, flux, flux_shima, primitive


def elements(q: Any, box: Box, d: int = 0, shift: int = 0) -> Any:
    """A view of the box's elements, or of their neighbours along d, component first."""
    z0, z1, y0, y1, x0, x1 = box
    dx, dy, dz = (shift if axis == d else 0 for axis in range(3))
    part = q[z0 + dz : z1 + dz, y0 + dy : y1 + dy, ..., x0 + dx : x1 + dx]
    return cupy.moveaxis(part, 2, 0)


def along(q: Any, d: int, nodes: slice) -> Any:
    """The nodes of a range along d."""
    return q[(..., nodes) + (slice(None),) * (1 + d)]


@cache
def specialize(nodes: int, split: int, volume: str, lift: float, lanes: int) -> dict[str, Any]:
    """The functions for p + 1 = `nodes`; `euler.constants` defines the arguments."""
    matrix = np.array([float(v) for v in volume.split(",")]).reshape(nodes, nodes)

    @cache
    def on_gpu(c: float, dtype: str, d: int) -> list[Any]:
        """c times the matrix in parts that lie along d: its columns, or its off-diagonals.

        A run has few c: they are uploaded once.
        """
        scaled = np.dtype(dtype).type(c) * matrix.astype(dtype)

        def placed(values: Any) -> Any:
            return cupy.asarray(values.reshape(-1, *(1,) * (1 + d)))

        if split:
            return [
                (placed(np.diag(scaled, s)), placed(np.diag(scaled, -s))) for s in range(1, nodes)
            ]
        return [placed(column) for column in scaled.T]

    def weak_form(r: Any, q: Any, primitives: tuple[Any, ...], c: float, d: int) -> None:
        f = flux(q, primitives, d)
        first, *others = on_gpu(c, q.dtype.name, d)
        change = first * along(f, d, slice(0, 1))
        product = cupy.empty_like(change)
        for l, column in enumerate(others, 1):  # noqa: E741 -- the index of the formula
            cupy.multiply(column, along(f, d, slice(l, l + 1)), out=product)
            change += product
        r += change

    def split_form(r: Any, q: Any, primitives: tuple[Any, ...], c: float, d: int) -> None:
        """All pairs of nodes at one distance are computed together."""
        change = cupy.zeros_like(q)
        for s, (upper, lower) in enumerate(on_gpu(c, q.dtype.name, d), 1):
            low, high = slice(0, nodes - s), slice(s, nodes)
            ll, rr = (tuple(along(x, d, side) for x in primitives) for side in (low, high))
            f = flux_shima(ll, rr, d)
            for side, factor in ((low, upper), (high, lower)):
                changed = along(change, d, side)
                changed += factor * f
        r += change

    add_volume = split_form if split else weak_form

    def stage(
        box: Box, q: Any, k: Any, out: Any, a: float, b: float, cx: float, cy: float, cz: float
    ) -> None:
        """k = a k + dt R(q), out = q + b k, with R the right-hand side and c_d = 2 dt / dx_d."""
        real = q.dtype.type
        for part in parts(box, nodes**3 * q.itemsize):
            own = cupy.ascontiguousarray(elements(q, part))
            primitives = primitive(own)
            r = real(a) * elements(k, part)
            for d, c in enumerate((cx, cy, cz)):
                add_volume(r, own, primitives, c, d)
                below, above = (elements(q, part, d, shift) for shift in (-1, 1))
                add_surface(r, (own, primitives), below, above, d, real(c * lift))
            elements(k, part)[...] = r
            elements(out, part)[...] = own + real(b) * r

    return {"stage": stage}
