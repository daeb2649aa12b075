"""STREAM (McCalpin) in CuPy: a = c, a = b + s c, and chains of y = y s + b.

As in NumPy, but not in blocks, which would make many short launches.
"""

from __future__ import annotations

import sys
from functools import partial

from joulia.kernels.stream import stream_numpy

copy_to = stream_numpy.copy_to
triad = partial(stream_numpy.triad, block=sys.maxsize)
multiply_add = partial(stream_numpy.multiply_add, block=sys.maxsize)
