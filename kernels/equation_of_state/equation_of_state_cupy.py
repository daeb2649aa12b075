"""equation_of_state in CuPy: the NumPy version's expressions over large blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy as cp

from joulia.kernels._cupy import VALUES
from joulia.kernels.equation_of_state.equation_of_state_numpy import density_by_blocks


def specialize(**constants: Any) -> dict[str, Callable[..., None]]:
    return density_by_blocks(cp, VALUES, constants)
