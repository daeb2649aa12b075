"""Arrays: those of NumPy and of runtimes, and numbers in them that look random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Host = NDArray[Any]
"""A NumPy array in host memory."""
Words = NDArray[np.uint64]
"""Bits, as NumPy computes with them."""
Arrays = dict[str, Any]
"""A runtime's own arrays by field name; only the bridge that made them looks inside."""


def mixed(words: Words) -> Words:
    """Numbers that look random, of the indices of cells: the same wherever a grid is cut.

    SplitMix64's finaliser (Steele, Lea and Flood, 2014) of the words plus its increment.
    """
    z = words + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
