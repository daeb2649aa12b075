"""dT/dt = d/dz(kappa dT/dz), backward Euler, in Numba's CUDA: a thread goes up a column and down.

On the way up c takes the place of the temperature, which nobody reads after the step, and d that of
the result. e = 1 - c, which is free of cancellation.
"""

from __future__ import annotations

from typing import Any

from numba import cuda

from joulia.kernels._numba_cuda import block, blocks

THREADS = block(64, 1)


@cuda.jit
def columns(
    box: Any, temperature: Any, out: Any, stable: Any, unstable: Any, cooling: Any,
    zero: Any, one: Any,
) -> None:  # fmt: skip
    z0, z1, y0, y1, x0, x1 = box
    x, y = cuda.grid(2)
    x += x0
    y += y0
    if x < x1 and y < y1 and z0 < z1:
        nx = temperature.shape[2]
        plane = temperature.shape[1] * nx
        at = z0 * plane + y * nx + x
        here = temperature.flat[at]
        below = d = e = zero
        for _ in range(z0, z1 - 1):
            over = temperature.flat[at + plane]
            above = unstable if over < here else stable
            s = one + below * e
            inverse = one / (s + above)
            d = (here + below * d) * inverse
            e = s * inverse
            temperature.flat[at] = above * inverse
            out.flat[at] = d
            below, here = above, over
            at += plane
        d = (here - cooling + below * d) / (one + below * e)
        out.flat[at] = d
        for _ in range(z0, z1 - 1):
            at -= plane
            d = out.flat[at] + temperature.flat[at] * d
            out.flat[at] = d


def mix(box: Any, temperature: Any, out: Any, stable: Any, unstable: Any, cooling: Any) -> None:
    real = temperature.dtype.type
    numbers = (real(n) for n in (stable, unstable, cooling, 0.0, 1.0))
    columns[blocks(box[2:], THREADS), THREADS](box, temperature, out, *numbers)
