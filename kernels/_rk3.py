"""Low-storage RK3 of Le and Moin (1991, J. Comput. Phys. 92), as Oceananigans uses it.

A stage is U += dt (gamma G(U) + zeta G_before). Kernels keep no tendencies: G of the first stage is
(U1 - U0) / (gamma_1 dt), and the second stage adds its part of the third one's update to U0. So a
stage reads the state and one array of history and writes the state: three arrays a field in all.

    U1 = U0 + a dt G(U0)
    U2 = U1 + b dt G(U1) + r (U1 - U0);  W = U2 + s dt G(U1), in the place of U0
    U3 = W + c dt G(U2), in the place of W
"""

from __future__ import annotations

GAMMA = (8.0 / 15.0, 5.0 / 12.0, 3.0 / 4.0)
ZETA = (0.0, -17.0 / 60.0, -5.0 / 12.0)

FIRST = GAMMA[0]
SECOND = GAMMA[1]
HISTORY = ZETA[1] / GAMMA[0]
AHEAD = ZETA[2]
THIRD = GAMMA[2]

VALUES = 2 + 3 + 3
"""A field's least traffic in a step: stages read state and (not the first) history, and write."""
