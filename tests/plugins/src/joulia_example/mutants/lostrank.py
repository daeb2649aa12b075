"""The last rank of several dies in the middle."""

import os
import signal

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    from mpi4py import MPI

    world = MPI.COMM_WORLD

    def die(box, *arguments):
        function(box, *arguments)
        if box[0] < box[1] and world.rank == world.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return die


load = mutate(wrap)
