"""Rank 1 raises; the others wait for it."""

from joulia.bridges.numpy import cache, start  # noqa: F401
from joulia_example.mutants import SUFFIX, devices, mutate  # noqa: F401


def wrap(function):
    from mpi4py import MPI

    def wait(box, *arguments):
        function(box, *arguments)
        if box[0] < box[1] and MPI.COMM_WORLD.rank == 1:
            raise ZeroDivisionError("division by zero")

    return wait


load = mutate(wrap)
