"""How far a window's joules can be from the truth.

A counter that is updated every T seconds tells, at a random moment, the energy up to T ago; so does
power averaged over A and refreshed every U, with T = A + U. A window has two such ends. Each is off
by the power in the period before it times a lag that is uniform on [0, T].

Where the power before both ends is that of the window (`joulia run`: the work runs already when a
window begins), the mean lags cancel, and the error is the difference of two uniform ones,
triangular on [-P T, P T], one sigma P T / sqrt(6) = 0.41 P T. Where the work has rest on both sides
(`joulia meter`, start-up), the mean lags are taken out at the power measured there
(`joulia.energy.rest`), and what is left is uniform at either end, whatever the work drew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

END_SIGMA = 1.0 / math.sqrt(6.0)
END_95 = 0.95
"""95 % of errors lie below this part of the worst, however the phases of the two ends depend on one
another: windows of one length always end at the same distance from their beginning. Where they do
not, it also covers power that swings by 40 % between the ends (docs/energy.md)."""
CROSSCHECK_LIMIT = 0.05
IDLE_LIMIT = 0.05
COST_LIMIT = 0.01
HBM_J_PER_BYTE = 31e-12
"""HBM2 takes 3.9 pJ a bit in the device alone (O'Connor et al., Fine-Grained DRAM, MICRO 2017)."""


@dataclass(frozen=True)
class Part:
    """A counted domain in a window: its joules, and how finely its meter tells them.

    `ends_w` are the watts in the update period before each of the two readings, where the joules
    were corrected for them; without them the window's own power is taken at both.
    """

    joules: float
    period_s: float
    quantum_j: float
    systematic_rel: float
    ends_w: tuple[float, float] | None = None

    def lags_j(self, seconds: float) -> tuple[float, float]:
        """Half the energy of an update period at either end."""
        first_w, last_w = self.ends_w or (self.joules / seconds,) * 2
        return 0.5 * first_w * self.period_s, 0.5 * last_w * self.period_s


@dataclass(frozen=True)
class Spread:
    """Relative errors of a window's total: its ends, quantisation, gain."""

    ends_rel: float
    """The worst."""
    sigma_rel: float
    """One sigma of the ends: what is held against the tolerance asked for."""
    quantisation_rel: float
    systematic_rel: float

    @property
    def random95_rel(self) -> float:
        """95 % of what differs from window to window."""
        return math.hypot(END_95 * self.ends_rel, self.quantisation_rel)

    @property
    def rel95(self) -> float:
        """Half the width of the interval that holds the true energy in 95 % of windows."""
        return self.systematic_rel + self.random95_rel


def spread(parts: Sequence[Part], seconds: float) -> Spread:
    """The errors of a sum. Meters may err in the same direction: errors add up linearly."""
    total = sum(part.joules for part in parts)
    lags = [part.lags_j(seconds) for part in parts]
    first, last = (sum(lag[end] for lag in lags) / total for end in (0, 1))
    return Spread(
        first + last,
        math.hypot(first, last) / math.sqrt(3.0),
        sum(part.quantum_j for part in parts) / total,
        sum(part.joules * part.systematic_rel for part in parts) / total,
    )


def window_needed(period_s: float, tolerance: float) -> float:
    """Seconds that a window must last at least for a tolerance (relative, one sigma)."""
    return END_SIGMA * period_s / tolerance


def slowest_period(window_s: float, tolerance: float) -> float:
    """The longest time between updates that a window of this length bears."""
    return window_s * tolerance / END_SIGMA
