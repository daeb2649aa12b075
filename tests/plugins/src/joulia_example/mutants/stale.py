"""Computes once, then returns the same field."""

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    calls = []

    def once(box, *arguments):
        if box[0] < box[1] and len(calls) < 1:
            calls.append(box)
            function(box, *arguments)

    return once


load = mutate(wrap)
