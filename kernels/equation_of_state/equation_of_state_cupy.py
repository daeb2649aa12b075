"""rho = r0(zeta) + r'(tau, s, zeta), density of sea water, in CuPy.

As in NumPy, in blocks that only bound its temporaries.
"""

from __future__ import annotations

from functools import partial

from joulia.kernels._cupy import SCRATCH_BYTES
from joulia.kernels.equation_of_state import equation_of_state_numpy

specialize = partial(equation_of_state_numpy.specialize, block=SCRATCH_BYTES // 8)
