"""Swaps the coefficients of two axes."""

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401

load = mutate(lambda function: lambda box, u, out, cx, cy, cz: function(box, u, out, cz, cy, cx))
