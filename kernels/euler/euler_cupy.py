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
from joulia.kernels.euler import viscous_arrays
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
def specialize(
    nodes: int, split: int, volume: str, lift: float, lanes: int, slope: str = ""
) -> dict[str, Any]:
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

    return {"stage": stage} | (viscous_functions(nodes, slope, lift) if slope else {})


def viscous_functions(nodes: int, slope: str, lift: float) -> dict[str, Any]:
    """The functions that a viscosity needs besides."""
    cell = nodes**3

    @cache
    def on_gpu(c: float, dtype: str, d: int) -> list[Any]:
        """c times the columns of the derivative along d; a run has few c."""
        return [
            cupy.asarray(np.dtype(dtype).type(c) * column.astype(dtype))
            for column in viscous_arrays.columns(slope, lift, d)
        ]

    def ends(q: Any, part: Box, d: int) -> tuple[Any, Any]:
        """The nodes of the neighbours below and above along d that touch the part's elements."""
        below, above = (elements(q, part, d, shift) for shift in (-1, 1))
        return along(below, d, slice(-1, None)), along(above, d, slice(0, 1))

    def viscous_flux(
        box: Box, q: Any, fx: Any, fy: Any, fz: Any,
        mu: float, kappa: float, ix: float, iy: float, iz: float,
    ) -> None:  # fmt: skip
        """The viscous fluxes of q, with gradients of central fluxes; i_d = 1 / dx_d."""
        real = q.dtype.type
        for part in parts(box, cell * q.itemsize):
            own = viscous_arrays.variables(primitive(elements(q, part)))
            gradients = []
            for d, inverse in enumerate((ix, iy, iz)):
                scaled = on_gpu(inverse, q.dtype.name, d)
                below, above = (
                    viscous_arrays.variables(primitive(side)) for side in ends(q, part, d)
                )
                gradients.append(
                    [
                        viscous_arrays.derivative(*three, d, scaled)
                        for three in zip(own, below, above, strict=True)
                    ]
                )
            made = viscous_arrays.fluxes(own[:3], gradients, real(mu), real(kappa), real(1.0 / 3.0))
            for field, flux_d in zip((fx, fy, fz), made, strict=True):
                for m, values in enumerate(flux_d, 1):
                    elements(field, part)[m][...] = values

    def viscous(
        box: Box, fx: Any, fy: Any, fz: Any, k: Any, out: Any,
        b: float, sx: float, sy: float, sz: float,
    ) -> None:  # fmt: skip
        """k += dt V, out += b dt V, with V the divergence of the fluxes and s_d = dt / dx_d."""
        real = k.dtype.type
        for part in parts(box, cell * k.itemsize):
            for m in range(1, 5):
                r = 0.0
                for d, (f, scale) in enumerate(zip((fx, fy, fz), (sx, sy, sz), strict=True)):
                    below, above = (side[m] for side in ends(f, part, d))
                    scaled = on_gpu(scale, k.dtype.name, d)
                    r = r + viscous_arrays.derivative(elements(f, part)[m], below, above, d, scaled)
                change, result = elements(k, part)[m], elements(out, part)[m]
                change += r
                result += real(b) * r

    return {"viscous_flux": viscous_flux, "viscous": viscous}
