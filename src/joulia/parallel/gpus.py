"""Ranks and GPUs: who computes where, what fits, and which way messages go."""

from __future__ import annotations

import ctypes
from typing import Any

from joulia.case import Case
from joulia.errors import Unavailable
from joulia.kernel import Kernel
from joulia.parallel.comm import Comm
from joulia.system import cuda


def places(case: Case, comm: Comm) -> list[str | None]:
    """The UUID of each rank's GPU; None for all where none is there (a simulator, a processor)."""
    here = case.on_gpu and cuda.missing() is None
    return comm.allgather(cuda.current().uuid if here else None)


def require_room(kernel: Kernel, case: Case, comm: Comm) -> None:
    """Raise Unavailable, on every rank, where a rank's GPU is closed, taken or too small."""
    used = places(case, comm)
    mine = used[comm.rank]
    if not any(used):
        return
    # The fields, and the initial values of those that a repeat starts from.
    arrays = 1.0 + len(kernel.results) / len(kernel.fields)
    error = None
    try:
        if mine is not None:
            wanted = arrays * kernel.bytes_held(case) / comm.size
            cuda.require_room(wanted, used.count(mine))
    except Unavailable as one:
        error = (one.reason, one.remedy)
    if told := next(filter(None, comm.allgather(error)), None):
        raise Unavailable(*told)


def gpus(case: Case, comm: Comm) -> dict[str, Any]:
    """The record's `gpus`: each GPU that ranks use, and the ranks that share it."""
    here = case.on_gpu and cuda.missing() is None
    told = comm.allgather(cuda.current().to_json() if here else None)
    found: dict[str, dict[str, Any]] = {}
    for rank, one in enumerate(told):
        if one is not None:
            found.setdefault(one["uuid"], one | {"ranks": []})["ranks"].append(rank)
    return {"gpus": list(found.values())} if found else {}


def sends_directly(asked: str, comm: Comm) -> bool:
    """Whether messages lie in device memory: as asked, else where MPI says that it takes them.

    Raises Unavailable where it was asked for and MPI does not say so.
    """
    if comm.size == 1 or asked == "host":
        return False
    able = cuda_aware()
    if asked == "device" and not able:
        raise Unavailable(
            "this MPI does not say that it takes device memory",
            "use an MPI built with CUDA (Cray MPICH: MPICH_GPU_SUPPORT_ENABLED=1), or "
            "--gpu-exchange host",
        )
    return able


def cuda_aware() -> bool:
    """What the MPI library that mpi4py runs on says of itself, by either of MPI's extensions."""
    from mpi4py import MPI

    library = ctypes.CDLL(MPI.__file__)  # its symbols, and those of the libmpi below it
    if hasattr(library, "MPIX_GPU_query_support"):  # MPICH
        answer = ctypes.c_int()
        failed = library.MPIX_GPU_query_support(0, ctypes.byref(answer))
        return not failed and bool(answer.value)
    if hasattr(library, "MPIX_Query_cuda_support"):  # Open MPI
        return bool(library.MPIX_Query_cuda_support())
    return False
