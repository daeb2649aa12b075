"""How the velocities carry: the numbers by which sources know the schemes."""

from __future__ import annotations

CENTRED, WENO5, NONE = 0, 1, 2
SCHEMES = {"centred": CENTRED, "weno5": WENO5, "none": NONE}
