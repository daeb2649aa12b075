"""Numba on an NVIDIA GPU: its CUDA target, with fields in device memory.

Numba's simulator, which NUMBA_ENABLE_CUDASIM=1 turns on, runs the same functions on the processor,
a thread of Python for each of CUDA's: it is for checking, and its times mean nothing.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.case import Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable
from joulia.system import cuda

UNPROVEN = (
    "no GPU has run it yet: its kernels ran in Numba's simulator, and their machine code was made "
    "for sm_70 and sm_90"
)


def simulated() -> bool:
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


THREADS = 4 if simulated() else 128
"""Threads a block of the functions that move elements."""


def missing() -> Unavailable | None:
    """Why Numba cannot use a GPU here, or None."""
    return None if simulated() else cuda.missing()


def start() -> dict[str, str]:
    """Start Numba's CUDA target on this rank's GPU; Unavailable where it is not to be used."""
    from numba import cuda as numba_cuda

    if simulated():
        return {"numba-cuda": "simulator"}
    # Small grids and empty boxes are launched on purpose.
    config: Any = importlib.import_module("numba.core.config")
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    versions = {"driver": "{}.{}".format(*cuda.survey().driver), "gpu": cuda.current().name}
    try:
        numba_cuda.current_context()
        numba_cuda.runtime.get_version()
    except Exception as error:
        raise Unavailable(
            f"Numba cannot use the GPU: {type(error).__name__}: {' '.join(str(error).split())}",
            f"pip install '{cuda.extra()}'",
        ) from error
    toolkit = numba_cuda.runtime.get_version()
    cuda.require_toolkit(toolkit, "Numba's CUDA")
    cuda.require_compiler(toolkit, "Numba")
    version = getattr(numba_cuda, "__version__", "with numba")
    return {"numba-cuda": version} | versions


class NumbaCudaOps(DeviceOps):
    """Arrays are Numba's device arrays; work goes to the default stream in order."""

    def __init__(self, functions: Mapping[str, Callable[..., None]]) -> None:
        from numba import cuda as numba_cuda

        super().__init__(functions)
        self.cuda = numba_cuda
        self.moves = importlib.import_module("joulia.bridges._numba_cuda_moves")
        if simulated():
            self.simulated = "Numba's CUDA simulator"

    def array(self, host: Host) -> Any:
        return self.cuda.to_device(np.ascontiguousarray(host))

    def upload(self, host: Host, array: Any) -> None:
        array.copy_to_device(host)

    def download(self, array: Any, host: Host) -> None:
        array.copy_to_host(host)

    def copy(self, source: Any, target: Any) -> None:
        target.copy_to_device(source)

    def launch(self, name: str, count: int, *arguments: Any) -> None:
        blocks = max(1, -(-count // THREADS))
        getattr(self.moves, name)[blocks, THREADS](*arguments)

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        self.launch("gather", places.size, array.reshape(-1), places, buffer, at)

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        self.launch("scatter", places.size, buffer, at, places, array.reshape(-1))

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        self.launch("move", sources.size, array.reshape(-1), sources, targets)

    def shape(self, array: Any) -> Shape:
        return tuple(array.shape)

    def dtype(self, array: Any) -> str:
        return str(array.dtype)

    def address(self, array: Any) -> int:
        return int(array.__cuda_array_interface__["data"][0])

    def pinned(self, count: int, dtype: str) -> Host:
        return np.empty(count, dtype) if simulated() else super().pinned(count, dtype)

    def synchronize(self) -> None:
        self.cuda.synchronize()

    def device_id(self) -> str | None:
        return None if simulated() else super().device_id()
