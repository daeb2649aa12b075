"""Ends with a segmentation fault in the middle."""

import os
import signal

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    def fall(box, *arguments):
        if box[0] < box[1]:
            os.write(2, b"the runtime said something before it fell\n")
            os.kill(os.getpid(), signal.SIGSEGV)

    return fall


load = mutate(wrap)
