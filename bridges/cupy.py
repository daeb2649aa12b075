"""CuPy: NumPy's array expressions on an NVIDIA GPU, one launch an operation.

CuPy compiles each operation with NVRTC when it is first used, and keeps the result on disk.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from joulia import cuda
from joulia.bridge import Device, Ops, Source, python_functions
from joulia.case import Case, Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable
from joulia.kernel import Host, Kernel
from joulia.places import cache_dir

SUFFIX = "_cupy.py"

_built: list[str] = []


class CupyOps(DeviceOps):
    """Arrays are CuPy's; work goes to its current stream in order."""

    def __init__(self, functions: Mapping[str, Callable[..., None]]) -> None:
        import cupy

        super().__init__(functions)
        self.cupy = cupy
        kernel = cupy.ElementwiseKernel
        self.gathering = kernel(
            "raw T flat, int64 place", "T packed", "packed = flat[place]", "joulia_gather"
        )
        self.scattering = kernel(
            "T packed, int64 place", "raw T flat", "flat[place] = packed", "joulia_scatter"
        )
        self.moving = kernel(
            "int64 origin, int64 place", "raw T flat", "flat[place] = flat[origin]", "joulia_move"
        )

    def array(self, host: Host) -> Any:
        return self.cupy.array(np.ascontiguousarray(host))

    # The host's side of these copies is pinned or waited for: they need no staging buffer.

    def upload(self, host: Host, array: Any) -> None:
        array.data.copy_from_host_async(host.ctypes.data, host.nbytes)

    def download(self, array: Any, host: Host) -> None:
        array.data.copy_to_host_async(host.ctypes.data, host.nbytes)
        self.synchronize()

    def copy(self, source: Any, target: Any) -> None:
        self.cupy.copyto(target, source)

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        self.gathering(array.reshape(-1), places, buffer[at : at + places.size])

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        self.scattering(buffer[at : at + places.size], places, array.reshape(-1))

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        self.moving(sources, targets, array.reshape(-1))

    def shape(self, array: Any) -> Shape:
        return tuple(array.shape)

    def dtype(self, array: Any) -> str:
        return str(array.dtype)

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    def synchronize(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()


def devices() -> tuple[Device, ...]:
    missing = cuda.missing()
    if missing is None and importlib.util.find_spec("cupy") is None:
        missing = Unavailable("CuPy is not installed", f"pip install '{cuda.extra()}'")
    return (
        Device(
            "cuda",
            threads=False,
            missing=missing,
            unproven="no GPU has run it yet: its expressions are checked on a stand-in for CuPy",
        ),
    )


def start(case: Case) -> dict[str, str]:
    """Start CuPy on this rank's GPU; Unavailable where it is not to be used."""
    if cold := os.environ.get("JOULIA_COLD_DIR"):
        os.environ["CUPY_CACHE_DIR"] = str(Path(cold) / "cupy")
    os.environ.setdefault("CUPY_CACHE_DIR", str(cache_dir() / "cupy"))
    remedy = f"pip install '{cuda.extra()}'"
    try:
        import cupy
    except ImportError as error:
        raise Unavailable(f"CuPy does not import: {_line(error)}", remedy) from error
    number = int(cupy.cuda.runtime.runtimeGetVersion())
    version = number // 1000, number % 1000 // 10
    cuda.require_toolkit(version, "CuPy")
    cuda.require_compiler(version, "CuPy")
    try:
        # Memory, the compiler and a launch: what is missing shows here, not in a measured step.
        (cupy.ones(1) + 1.0).get()
    except Exception as error:
        raise Unavailable(f"CuPy cannot use the GPU: {_line(error)}", remedy) from error
    return {
        "cupy": cupy.__version__,
        "cuda": "{}.{}".format(*version),
        "driver": "{}.{}".format(*cuda.survey().driver),
        "gpu": cuda.current().name,
    }


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    """The kernel's functions, and the operations in them compiled.

    CuPy compiles nothing for an empty box, so each function computes one cell here.
    """
    before = _compiled()
    ops = CupyOps(python_functions(importlib.import_module(source.module), kernel, case))
    halo = kernel.halo
    shape = kernel.cells(case).shape((2 * halo + 1,) * kernel.dims)
    cell = (halo, halo + 1) * kernel.dims
    for f in kernel.functions:
        fields = [ops.array(np.ones(shape, case.dtype)) for _ in f.arrays]
        numbers = [*(0 for _ in f.ints), *(0.5 for _ in f.reals)]
        ops.functions[f.name](cell, *fields, *numbers)
    ops.synchronize()
    _built[:] = sorted(_compiled() - before)
    return ops


def _compiled() -> set[str]:
    """The files of CuPy's cache on disk."""
    folder = Path(os.environ.get("CUPY_CACHE_DIR", cache_dir() / "cupy"))
    return {path.name for path in folder.glob("*")} if folder.is_dir() else set()


def cache() -> str:
    """Whether `load` had to compile what CuPy had not kept."""
    return "cold" if _built else "warm"
