"""Rank 1 never returns; the others wait for it."""

import time

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    from mpi4py import MPI

    def wait(box, *arguments):
        function(box, *arguments)
        while box[0] < box[1] and MPI.COMM_WORLD.rank == 1:
            time.sleep(0.01)

    return wait


load = mutate(wrap)
