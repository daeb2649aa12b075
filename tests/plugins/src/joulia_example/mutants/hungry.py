"""Asks for more memory than it may have."""

import resource

import numpy

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    def eat(box, *arguments):
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        numpy.ones(1 << 29)

    return eat


load = mutate(wrap)
