"""x + omega (b - A x), A = -lap with 7 points on cell centres, in NumPy: the reference.

All of a V-cycle is u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t): sweeps, averages
of the residual, and sweeps of a corrected x. A cell beyond a wall has the value of the one inside.
"""

from __future__ import annotations

import itertools

from joulia.arrays import Host
from joulia.grid import Box


def copied(values: Host) -> Host:
    """An array of its own with these values, of whichever library they are."""
    result: Host = values * values.dtype.type(1.0)
    return result


def combined(
    box: Box, x: Host, b: Host, bottom: int, top: int,
    u: float, v: float, wx: float, wy: float, wz: float,
) -> Host:  # fmt: skip
    """The combination at the cells of a box, in an array of their own."""
    z0, z1, y0, y1, x0, x1 = box
    real = x.dtype.type
    z, ys, xs = slice(z0, z1), slice(y0, y1), slice(x0, x1)
    below, above = x[z0 - 1 : z1 - 1, ys, xs], x[z0 + 1 : z1 + 1, ys, xs]
    if z0 == bottom and z1 > z0:
        below = copied(below)
        below[0] = x[z0, ys, xs]
    if z1 == top and z1 > z0:
        above = copied(above)
        above[-1] = x[z1 - 1, ys, xs]
    result: Host = real(u) * x[z, ys, xs] + real(v) * b[z, ys, xs]
    result += real(wx) * (x[z, ys, x0 - 1 : x1 - 1] + x[z, ys, x0 + 1 : x1 + 1])
    result += real(wy) * (x[z, y0 - 1 : y1 - 1, xs] + x[z, y0 + 1 : y1 + 1, xs])
    result += real(wz) * (below + above)
    return result


def sweep(
    box: Box, x: Host, b: Host, out: Host, bottom: int, top: int,
    u: float, v: float, wx: float, wy: float, wz: float,
) -> None:  # fmt: skip
    """out = the combination of x and b."""
    z0, z1, y0, y1, x0, x1 = box
    out[z0:z1, y0:y1, x0:x1] = combined(box, x, b, bottom, top, u, v, wx, wy, wz)


def coarsen(
    box: Box, x: Host, b: Host, coarse: Host, sz: int, sy: int, sx: int, oz: int, oy: int, ox: int,
    my: int, mx: int, bottom: int, top: int, u: float, v: float, wx: float, wy: float, wz: float,
) -> None:  # fmt: skip
    """coarse = the sum of the combination over the cells that one of the box's is made up of.

    Along an axis with s = 1 two cells become one; the first cell, 1, goes to cell o. The coarser
    array has rows of mx cells, and planes of my rows.
    """
    ranges = zip(box[::2], box[1::2], (oz, oy, ox), (sz, sy, sx), strict=True)
    fine: Box = tuple(((end - origin) << s) + 1 for *ends, origin, s in ranges for end in ends)
    total = combined(fine, x, b, bottom, top, u, v, wx, wy, wz)
    if sx:
        total = total[:, :, ::2] + total[:, :, 1::2]
    if sy:
        total = total[:, ::2] + total[:, 1::2]
    if sz:
        total = total[::2] + total[1::2]
    z0, z1, y0, y1, x0, x1 = box
    coarse[z0:z1, y0:y1, x0:x1] = total


def children(a: int, b: int, s: int, o: int) -> list[tuple[slice, slice]]:
    """Where the cells a - 1 to b of an axis are among themselves, and their parents, each once."""
    count = b - a + 2
    pairs = []
    for first in range(1 << s):
        parent = ((a - 2 + first) >> s) + o
        length = len(range(first, count, 1 << s))
        pairs.append((slice(first, None, 1 << s), slice(parent, parent + length)))
    return pairs


def correct(
    box: Box, x: Host, coarse: Host, b: Host, out: Host,
    sz: int, sy: int, sx: int, oz: int, oy: int, ox: int, my: int, mx: int, bottom: int, top: int,
    u: float, v: float, wx: float, wy: float, wz: float,
) -> None:  # fmt: skip
    """out = the combination of b and of x with its coarser cell's value added."""
    z0, z1, y0, y1, x0, x1 = box
    if z1 <= z0 or y1 <= y0 or x1 <= x0:
        return
    raised = copied(x[z0 - 1 : z1 + 1, y0 - 1 : y1 + 1, x0 - 1 : x1 + 1])
    ranges = ((z0, z1, sz, oz), (y0, y1, sy, oy), (x0, x1, sx, ox))
    for (cz, pz), (cy, py), (cx, px) in itertools.product(*(children(*r) for r in ranges)):
        raised[cz, cy, cx] = raised[cz, cy, cx] + coarse[pz, py, px]
    inside = (1, z1 - z0 + 1, 1, y1 - y0 + 1, 1, x1 - x0 + 1)
    shifted = b[z0 - 1 : z1 + 1, y0 - 1 : y1 + 1, x0 - 1 : x1 + 1]
    ends = (bottom - z0 + 1, top - z0 + 1)
    out[z0:z1, y0:y1, x0:x1] = combined(inside, raised, shifted, *ends, u, v, wx, wy, wz)


def add(box: Box, x: Host, y: Host, a: float, c: float) -> None:
    """y = a x + c y."""
    z0, z1, y0, y1, x0, x1 = box
    inside = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
    real = x.dtype.type
    y[inside] = real(a) * x[inside] + real(c) * y[inside]
