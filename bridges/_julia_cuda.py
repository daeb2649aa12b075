"""Julia on an NVIDIA GPU: CUDA.jl under KernelAbstractions, with fields in device memory.

CUDA.jl is a weak dependency of JouliaKernels: it comes into a project only where there is a GPU.
Every CUDA.jl from 5.4 on serves compute capability 7.0 (Volta), given a CUDA below 13: up to 5.8
that is 11 or 12, later 12. From 5.9 to 6.1 CUDA.jl chooses CUDA 13 where the driver has it,
whatever the GPU; `CUDA.set_runtime_version!(v"12.9")` in its project corrects that.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.case import Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable
from joulia.system import cuda

UUID = "052768ef-5323-5732-b1bb-66c8b64840ba"
VERSIONS = "5.4, 6"
"""Of CUDA.jl, as in JouliaKernels/Project.toml."""
UNPROVEN = "no GPU has run it yet: its functions are verified on processors, a work-item a cell"
ADD = "`joulia prepare julia` where the GPU is; in a site's own project, add CUDA"
OLDER = 'in the project of julia:cuda, call CUDA.set_runtime_version!(v"12.9")'


def in_project(project: Path) -> bool:
    """Whether a Julia project has CUDA.jl, as its files say: Julia is not started."""
    for name in ("JuliaProject.toml", "Project.toml"):
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
            if "CUDA" in tomllib.loads((project / name).read_text()).get("deps", {}):
                return True
    for path in project.glob("*Manifest*.toml"):
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
            manifest = tomllib.loads(path.read_text())
            # Manifests of the first format have their packages at the top.
            if "CUDA" in manifest.get("deps", manifest):
                return True
    return False


def missing(project: Path) -> Unavailable | None:
    """Why Julia cannot use a GPU with this project, or None."""
    return cuda.missing() or (
        None if in_project(project) else Unavailable(f"no CUDA.jl in {project}", ADD)
    )


def configure() -> None:
    """Set CUDA.jl's variables, before it is loaded."""
    # MPI libraries cannot share the memory of CUDA's pools between processes; fields are allocated
    # once, so that nothing is gained by a pool.
    os.environ.setdefault("JULIA_CUDA_MEMORY_POOL", "none")


def start(main: Any, package: Any) -> tuple[Any, dict[str, str]]:
    """Load CUDA.jl; what computes, and its versions. Unavailable where it is not to be used."""
    try:
        module = main.seval(f'Base.require(Base.PkgId(Base.UUID("{UUID}"), "CUDA"))')
        device = package.backend("cuda")
    except Exception as error:
        raise Unavailable(
            f"CUDA.jl cannot use the GPU: {' '.join(str(error).split())}", ADD
        ) from error
    version = main.seval("JouliaKernels.toolkit(Val(:cuda))")
    toolkit = (int(version.major), int(version.minor))
    cuda.require_toolkit(toolkit, "CUDA.jl")
    cuda.require_compiler(toolkit, "CUDA.jl", OLDER)
    return device, {
        "CUDA.jl": str(main.string(main.pkgversion(module))),
        "cuda-runtime": f"{toolkit[0]}.{toolkit[1]}",
        "driver": "{}.{}".format(*cuda.survey().driver),
        "gpu": cuda.current().name,
    }


class DeviceArray:
    """A field in device memory: Julia's array (x first), and what NumPy would say of it."""

    __slots__ = ("dtype", "julia", "shape")

    def __init__(self, julia: Any, shape: Shape, dtype: str) -> None:
        self.julia = julia
        self.shape = shape
        self.dtype = dtype


class JuliaDeviceOps(DeviceOps):
    """Arrays and functions of JouliaKernels' `OneCell`; work goes to the task's stream in order."""

    def __init__(
        self, functions: Mapping[str, Callable[..., None]], package: Any, device: Any
    ) -> None:
        super().__init__(functions)
        self.package = package
        self.device = device

    def array(self, host: Host) -> DeviceArray:
        host = np.ascontiguousarray(host)
        element = self.package.element(host.dtype.name)
        julia = self.package.allocate(self.device, element, host.shape[::-1])
        array = DeviceArray(julia, host.shape, host.dtype.name)
        self.upload(host, array)
        self.synchronize()  # `host` may go
        return array

    def upload(self, host: Host, array: DeviceArray) -> None:
        self.package.upload_b(self.device, host.ctypes.data, array.julia)

    def download(self, array: DeviceArray, host: Host) -> None:
        self.package.download_b(self.device, array.julia, host.ctypes.data)

    def copy(self, source: DeviceArray, target: DeviceArray) -> None:
        self.package.copy_b(self.device, source.julia, target.julia)

    def gather(self, array: DeviceArray, places: DeviceArray, buffer: DeviceArray, at: int) -> None:
        self.package.gather_b(self.device, array.julia, places.julia, buffer.julia, at)

    def scatter(
        self, buffer: DeviceArray, at: int, places: DeviceArray, array: DeviceArray
    ) -> None:
        self.package.scatter_b(self.device, buffer.julia, at, places.julia, array.julia)

    def move(self, array: DeviceArray, sources: DeviceArray, targets: DeviceArray) -> None:
        self.package.move_b(self.device, array.julia, sources.julia, targets.julia)

    def shape(self, array: DeviceArray) -> Shape:
        return array.shape

    def dtype(self, array: DeviceArray) -> str:
        return array.dtype

    def address(self, array: DeviceArray) -> int:
        return int(self.package.address(array.julia))

    def synchronize(self) -> None:
        self.package.synchronize(self.device)
