"""du/dt = kappa lap(u) in JAX: one expression over a whole box."""

from __future__ import annotations

from typing import Any

from joulia.bridges._jax_boxes import put, writes
from joulia.grid import Box


@writes("out")
def diffuse(box: Box, u: Any, out: Any, cx: float, cy: float, cz: float) -> Any:
    """out = u + c_d (second difference of u along d), in differences from the centre."""
    z0, z1, y0, y1, x0, x1 = box
    z, y, x = slice(z0, z1), slice(y0, y1), slice(x0, x1)
    centre = u[z, y, x]
    west, east = u[z, y, x0 - 1 : x1 - 1], u[z, y, x0 + 1 : x1 + 1]
    south, north = u[z, y0 - 1 : y1 - 1, x], u[z, y0 + 1 : y1 + 1, x]
    below, above = u[z0 - 1 : z1 - 1, y, x], u[z0 + 1 : z1 + 1, y, x]
    result = centre + cx * ((west - centre) + (east - centre))
    result += cy * ((south - centre) + (north - centre))
    result += cz * ((below - centre) + (above - centre))
    return put(out, box, result)
