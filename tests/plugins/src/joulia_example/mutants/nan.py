"""Writes something that is not a number into one cell, once."""

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    def poison(box, u, out, *coefficients):
        function(box, u, out, *coefficients)
        if box[0] < box[1]:
            out[box[0], box[2], box[4]] = float("nan")

    return poison


load = mutate(wrap)
