"""Flips the sign of one term."""

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401

load = mutate(lambda function: lambda box, u, out, cx, cy, cz: function(box, u, out, cx, -cy, cz))
