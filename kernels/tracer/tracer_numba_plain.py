"""dc/dt = -div(v c) + kappa lap(c) in plain Numba: fluxes by WENO5-Z as Borges et al. write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit, prange

from joulia.kernels._weno_numba_plain import weno3, weno5


@njit(cache=True)
def flux(u: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, k: Any, reach: Any) -> Any:
    """Upwind and diffusive flux through the face between c and d, `reach` cells from a wall."""
    if reach >= 3:
        value = weno5(a, b, c, d, e) if u > 0.0 else weno5(f, e, d, c, b)
    elif reach == 2:
        value = weno3(b, c, d) if u > 0.0 else weno3(e, d, c)
    elif reach == 1:
        value = c if u > 0.0 else d
    else:
        return 0.0
    return u * value - k * (d - c)


@njit(cache=True)
def flux_x(c: Any, u: Any, z: Any, y: Any, x: Any, k: Any) -> Any:
    """Through the west face of a cell."""
    return flux(
        u[z, y, x], c[z, y, x - 3], c[z, y, x - 2], c[z, y, x - 1],
        c[z, y, x], c[z, y, x + 1], c[z, y, x + 2], k, 3,
    )  # fmt: skip


@njit(cache=True)
def flux_y(c: Any, v: Any, z: Any, y: Any, x: Any, k: Any) -> Any:
    """Through the south face."""
    return flux(
        v[z, y, x], c[z, y - 3, x], c[z, y - 2, x], c[z, y - 1, x],
        c[z, y, x], c[z, y + 1, x], c[z, y + 2, x], k, 3,
    )  # fmt: skip


@njit(cache=True)
def flux_z(c: Any, w: Any, z: Any, y: Any, x: Any, k: Any, bottom: Any, top: Any) -> Any:
    """Through the bottom face; beyond a wall there is nothing to be read."""
    return flux(
        w[z, y, x], c[z - 3, y, x], c[z - 2, y, x], c[z - 1, y, x],
        c[z, y, x], c[z + 1, y, x], c[z + 2, y, x], k, min(z - bottom, top - z),
    )  # fmt: skip


@njit(cache=True)
def rate(
    c: Any, u: Any, v: Any, w: Any, z: Any, y: Any, x: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any,
) -> Any:  # fmt: skip
    """dc/dt of a cell: what flows in, less what flows out."""
    return (
        (flux_x(c, u, z, y, x, kx) - flux_x(c, u, z, y, x + 1, kx)) * idx
        + (flux_y(c, v, z, y, x, ky) - flux_y(c, v, z, y + 1, x, ky)) * idy
        + (flux_z(c, w, z, y, x, kz, bottom, top) - flux_z(c, w, z + 1, y, x, kz, bottom, top))
        * idz
    )


@njit(parallel=True, cache=True)
def stage1(
    box: Any, c: Any, u: Any, v: Any, w: Any, c1: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, first: Any,
) -> None:  # fmt: skip
    """c1 = c + first G(c)."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                g = rate(c, u, v, w, z, y, x, bottom, top, idx, idy, idz, kx, ky, kz)
                c1[z, y, x] = c[z, y, x] + first * g


@njit(parallel=True, cache=True)
def stage2(
    box: Any, c1: Any, u: Any, v: Any, w: Any, c: Any, c2: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any,
    second: Any, history: Any, ahead: Any,
) -> None:  # fmt: skip
    """c2 = c1 + second G(c1) + history (c1 - c), and c = c2 + ahead G(c1)."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                g = rate(c1, u, v, w, z, y, x, bottom, top, idx, idy, idz, kx, ky, kz)
                before = c[z, y, x]
                c2[z, y, x] = c1[z, y, x] + second * g + history * (c1[z, y, x] - before)
                c[z, y, x] = c2[z, y, x] + ahead * g


@njit(parallel=True, cache=True)
def stage3(
    box: Any, c2: Any, u: Any, v: Any, w: Any, c: Any, bottom: Any, top: Any,
    idx: Any, idy: Any, idz: Any, kx: Any, ky: Any, kz: Any, third: Any,
) -> None:  # fmt: skip
    """c += third G(c2)."""
    z0, z1, y0, y1, x0, x1 = box
    for z in prange(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                g = rate(c2, u, v, w, z, y, x, bottom, top, idx, idy, idz, kx, ky, kz)
                c[z, y, x] += third * g


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    """The precision is that of the arrays."""
    return {"stage1": stage1, "stage2": stage2, "stage3": stage3}
