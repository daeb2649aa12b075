"""STREAM (McCalpin) in NumPy: a = c, a = b + s c, and chains of y = y s + b.

In blocks that stay in the second-level cache, without temporaries.
"""

from __future__ import annotations

import numpy as np

from joulia.arrays import Host
from joulia.grid import Box
from joulia.kernels.stream import CHAIN, PASSES

BLOCK = 1 << 14  # elements: 128 KiB of float64


def copy_to(box: Box, c: Host, a: Host) -> None:
    a[box[0] : box[1]] = c[box[0] : box[1]]


def triad(box: Box, b: Host, c: Host, a: Host, s: float, *, block: int = BLOCK) -> None:
    scalar = a.dtype.type(s)
    for start in range(box[0], box[1], block):
        part = slice(start, min(start + block, box[1]))
        np.multiply(c[part], scalar, out=a[part])
        np.add(a[part], b[part], out=a[part])


def multiply_add(box: Box, b: Host, a: Host, s: float, *, block: int = BLOCK) -> None:
    scalar = a.dtype.type(s)
    for start in range(box[0], box[1], block):
        part = slice(start, min(start + block, box[1]))
        np.copyto(a[part], b[part])
        for _ in range(CHAIN * PASSES):
            np.multiply(a[part], scalar, out=a[part])
            np.add(a[part], b[part], out=a[part])
