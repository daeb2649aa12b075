"""Never returns."""

import time

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    def wait(box, *arguments):
        while box[0] < box[1]:
            time.sleep(0.01)

    return wait


load = mutate(wrap)
