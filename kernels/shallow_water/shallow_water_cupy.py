"""Rotating shallow water in CuPy: the equations and operations of `shallow_water_numpy`.

In slabs that only bound its temporaries.
"""

from __future__ import annotations

from functools import partial

from joulia.kernels._cupy import SCRATCH_BYTES
from joulia.kernels.shallow_water import shallow_water_numpy

stage1 = partial(shallow_water_numpy.stage1, slab_bytes=SCRATCH_BYTES)
stage2 = partial(shallow_water_numpy.stage2, slab_bytes=SCRATCH_BYTES)
stage3 = partial(shallow_water_numpy.stage3, slab_bytes=SCRATCH_BYTES)
