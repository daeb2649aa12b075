"""CuPy: NumPy's operations on an NVIDIA GPU, each a launch over whole boxes."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from joulia.arrays import Host
from joulia.bridge import Device, Ops, Source, python_functions
from joulia.case import Case, Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable
from joulia.grid import Box, flatten, tile_of
from joulia.kernel import Kernel
from joulia.system import cuda
from joulia.system.places import cache_dir

SUFFIX = "_cupy.py"
PACKAGES = ("cupy", "cupy-cuda12x", "cupy-cuda13x")
VARIABLES = ("CUPY_", "CUB_", "NVCC")

_compiled_by_load: list[bool] = []


class CupyOps(DeviceOps):
    """Arrays are CuPy's; work goes to its current stream in order."""

    def __init__(self, functions: Mapping[str, Callable[..., None]]) -> None:
        import cupy

        super().__init__(functions)
        self.cupy = cupy

    def array(self, host: Host) -> Any:
        return self.cupy.array(np.ascontiguousarray(host))

    def upload(self, host: Host, array: Any) -> None:
        array.reshape(host.shape).set(host)
        # CuPy reads `host` later where that is pinned, and the next message may come into it.
        self.wait()

    def download(self, array: Any, host: Host) -> None:
        array.reshape(host.shape).get(out=host)

    def copy(self, source: Any, target: Any) -> None:
        self.cupy.copyto(target, source)

    def gather(self, array: Any, places: Any, buffer: Any, at: int) -> None:
        array.reshape(-1).take(places, out=buffer[at : at + places.size])

    def scatter(self, buffer: Any, at: int, places: Any, array: Any) -> None:
        array.reshape(-1)[places] = buffer[at : at + places.size]

    def move(self, array: Any, sources: Any, targets: Any) -> None:
        flat = array.reshape(-1)
        flat[targets] = flat[sources]

    def shape(self, array: Any) -> Shape:
        return tuple(array.shape)

    def dtype(self, array: Any) -> str:
        return str(array.dtype)

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    def wait(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()

    def synchronize(self) -> None:
        self.wait()


def devices() -> tuple[Device, ...]:
    return (
        Device(
            "cuda",
            gpu=True,
            threads=False,
            missing=missing(),
            unproven="never run on a GPU: its array code ran on a stand-in for CuPy that refuses "
            "what CuPy refuses",
        ),
    )


def missing() -> Unavailable | None:
    """Why CuPy cannot be used here, or None."""
    no_gpu = cuda.missing()
    if importlib.util.find_spec("cupy") is None:
        return Unavailable("cupy is not installed", f"pip install '{cuda.extra()}'")
    return no_gpu


def start(case: Case) -> dict[str, str]:
    """Start CuPy on this rank's GPU; Unavailable where it is not to be used."""
    versions = {"driver": "{}.{}".format(*cuda.survey().driver), "gpu": cuda.current().name}
    if cold := os.environ.get("JOULIA_COLD_DIR"):
        os.environ["CUPY_CACHE_DIR"] = str(Path(cold) / "cupy")
    else:
        os.environ.setdefault("CUPY_CACHE_DIR", str(cache_dir() / "cupy"))
    os.environ["CUPY_CACHE_IN_MEMORY"] = "0"  # `cache` looks into the folder
    try:
        import cupy

        number = cupy.cuda.runtime.runtimeGetVersion()
    except Exception as error:
        raise unusable(error) from error
    version = (number // 1000, number % 1000 // 10)
    cuda.require_toolkit(version, "CuPy")
    cuda.require_compiler(version, "CuPy")
    try:
        # CuPy compiles what it runs: a first operation shows whether its compiler is there.
        probe = cupy.zeros(1)
        probe += 1.0
        cupy.cuda.get_current_stream().synchronize()
    except Exception as error:
        raise unusable(error) from error
    return {"cupy": cupy.__version__, "cuda-runtime": "{}.{}".format(*version)} | versions


def unusable(error: Exception) -> Unavailable:
    return Unavailable(
        f"CuPy cannot use the GPU: {type(error).__name__}: {' '.join(str(error).split())}",
        f"pip install '{cuda.extra()}'",
    )


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    """Load the functions, and run each on a small box, for CuPy to compile its operations."""
    ops = CupyOps(python_functions(importlib.import_module(source.module), kernel, case))
    before = compiled()
    if kernel.tables is None:
        run_each(ops, kernel, case)
    else:
        run_step(ops, kernel, case)
    ops.synchronize()
    _compiled_by_load[:] = [compiled() > before]
    return ops


def run_each(ops: CupyOps, kernel: Kernel, case: Case) -> None:
    """Every function once, on a box of ones."""
    side, h = 3, kernel.halo.width
    shape = kernel.cells(case).shape((side + 2 * h,) * kernel.dims)
    box = flatten([(h, h + side)] * kernel.dims)
    for f in kernel.functions:
        arrays = [ops.array(np.ones(shape, case.dtype)) for _ in f.arrays]
        ops.functions[f.name](box, *arrays, *(0 for _ in f.ints), *(0.5 for _ in f.reals))


class OneBox:
    """An exchange of one rank that moves nothing."""

    def __init__(self, box: Box) -> None:
        self.box = box

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        yield self.box


def run_step(ops: CupyOps, kernel: Kernel, case: Case) -> None:
    """A step on the smallest grid: functions that take tables take none that are made up."""
    small = replace(case, size="tiny", shape=kernel.sizes["tiny"], ranks=1)
    parts = (1,) * kernel.dims
    tile = tile_of(small.shape, parts, 0, kernel.halo.width, kernel.wraps(small))
    initial = kernel.initial(small, tile)
    empty = np.zeros(next(iter(initial.values())).shape)
    assert kernel.tables is not None
    host = {name: initial.get(name, empty).astype(case.dtype) for name in kernel.fields}
    for name, table in kernel.tables(small, tile).items():
        host[name] = table if table.dtype.kind == "i" else table.astype(case.dtype)
    fields = {name: ops.array(array) for name, array in host.items()}
    kernel.step(ops, fields, cast(Any, OneBox(tile.interior)), small)


def compiled() -> int:
    """How many operations CuPy has in its cache."""
    folder = Path(os.environ["CUPY_CACHE_DIR"])
    return sum(1 for _ in folder.glob("*.cubin"))


def cache() -> str:
    return "cold" if any(_compiled_by_load) else "warm"
