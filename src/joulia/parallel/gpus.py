"""Ranks and GPUs: who computes where, what fits, and which way messages go."""

from __future__ import annotations

import ctypes

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
    own = used[comm.rank]
    if not any(used):
        return
    # The fields, and the initial values of those that a repeat starts from.
    arrays = 1.0 + len(kernel.carried(case)) / len(kernel.of(case).fields)
    error = None
    try:
        if own is not None:
            wanted = arrays * kernel.bytes_held(case) / comm.size
            cuda.require_room(wanted, used.count(own))
    except Unavailable as unavailable:
        error = (unavailable.reason, unavailable.remedy)
    if first := next(filter(None, comm.allgather(error)), None):
        raise Unavailable(*first)


def shared(case: Case, comm: Comm) -> list[tuple[cuda.Gpu, tuple[int, ...]]]:
    """Each GPU that ranks use, and the ranks that share it; the same on every rank."""
    here = case.on_gpu and cuda.missing() is None
    used = comm.allgather(cuda.current() if here else None)
    gpus = {gpu.uuid: gpu for gpu in used if gpu is not None}
    return [
        (
            gpu,
            tuple(
                rank
                for rank, device in enumerate(used)
                if device is not None and device.uuid == uuid
            ),
        )
        for uuid, gpu in gpus.items()
    ]


def sends_directly(asked: str, comm: Comm, addressable: bool = True) -> bool:
    """Whether messages lie in device memory: as asked, else where MPI says that it takes them.

    Raises Unavailable where it was asked for and MPI does not say so, or where the device's memory
    has no address that MPI could take.
    """
    if comm.size == 1 or asked == "host":
        return False
    if not addressable:
        if asked == "device":
            raise Unavailable(
                "this device's memory has no address that MPI could take", "--gpu-exchange host"
            )
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
