"""How far a window's joules can be from the truth.

A counter that is updated every T seconds tells, at a random moment, the energy up to T ago. A
window has two such ends: with constant power P the error is the difference of two uniform errors,
triangular on [-P T, P T], one sigma P T / sqrt(6) = 0.41 P T.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

END_SIGMA = 1.0 / math.sqrt(6.0)
END_95 = 0.95
"""95 % of |u1 - r u0| lie below this for u uniform on [0, 1] and any r in [0, 1]: the power before
the window (idle) may be anything up to the power in it. The worst is r = 0."""
CROSSCHECK_LIMIT = 0.05
IDLE_LIMIT = 0.05
COST_LIMIT = 0.01
HBM_J_PER_BYTE = 31e-12
"""HBM2 takes 3.9 pJ a bit in the device alone (O'Connor et al., Fine-Grained DRAM, MICRO 2017)."""


@dataclass(frozen=True)
class Part:
    """A counted domain in a window: its joules, and how finely its meter tells them."""

    joules: float
    period_s: float
    quantum_j: float
    systematic_rel: float


@dataclass(frozen=True)
class Spread:
    """Relative errors of a window's total: worst ends, worst quantisation, gain."""

    ends_rel: float
    quantisation_rel: float
    systematic_rel: float

    @property
    def sigma_rel(self) -> float:
        """One sigma of the ends: what is held against the tolerance asked for."""
        return END_SIGMA * self.ends_rel

    @property
    def rel95(self) -> float:
        """Half the width of the interval that holds the true energy in 95 % of windows."""
        return self.systematic_rel + math.hypot(END_95 * self.ends_rel, self.quantisation_rel)


def spread(parts: Sequence[Part], seconds: float) -> Spread:
    """The errors of a sum. Meters may err in the same direction: errors add up linearly."""
    total = sum(part.joules for part in parts)
    return Spread(
        sum(part.joules * part.period_s for part in parts) / (seconds * total),
        sum(part.quantum_j for part in parts) / total,
        sum(part.joules * part.systematic_rel for part in parts) / total,
    )


def window_needed(period_s: float, tolerance: float) -> float:
    """Seconds that a window must last at least for a tolerance (relative, one sigma)."""
    return END_SIGMA * period_s / tolerance


def slowest_period(window_s: float, tolerance: float) -> float:
    """The longest time between updates that a window of this length bears."""
    return window_s * tolerance / END_SIGMA
