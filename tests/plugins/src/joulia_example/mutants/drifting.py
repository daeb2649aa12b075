"""Right at first, wrong by a little from the third step on."""

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    calls = []

    def late(box, u, out, cx, cy, cz):
        calls.append(box)
        function(box, u, out, cx * (1.0 if len(calls) < 3 else 1.0 + 1e-6), cy, cz)

    return late


load = mutate(wrap)
