"""Julia on an NVIDIA GPU: the kernels of JouliaKernels through CUDA.jl, fields in device memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from joulia import cuda
from joulia.case import Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable
from joulia.kernel import Host

UNPROVEN = (
    "no GPU has run it yet: its kernels ran on processors, a work-item a cell, and CUDA.jl was "
    "never loaded"
)
REMEDY = 'run `joulia prepare julia`; in a site\'s own project: `import Pkg; Pkg.add("CUDA")`'
UUID = "052768ef-5323-5732-b1bb-66c8b64840ba"
"""CUDA.jl. 5 and 6 serve compute capability 7.0; 5.8 is the last for CUDA 11, 5.3 for POWER."""


def missing(project: str) -> Unavailable | None:
    """Why Julia cannot use a GPU here, or None: looked up in the project, without a Julia."""
    return cuda.missing() or (
        None if has_cuda(Path(project)) else Unavailable("Julia's project has no CUDA.jl", REMEDY)
    )


def has_cuda(project: Path) -> bool:
    """Whether CUDA.jl belongs to a project, by its manifest or what it asks for."""
    folder = project if project.is_dir() else project.parent
    files = [*folder.glob("*Manifest*.toml"), folder / "Project.toml", folder / "JuliaProject.toml"]
    return any(UUID in file.read_text(errors="replace") for file in files if file.is_file())


def start(main: Any, package: Path) -> dict[str, str]:
    """Load CUDA.jl on this rank's GPU; Unavailable where it does not work."""
    try:
        main.seval("import CUDA")
    except Exception as error:
        raise Unavailable(
            f"CUDA.jl does not load: {' '.join(str(error).split())[:300]}", REMEDY
        ) from error
    if not main.seval("CUDA.functional()"):
        raise Unavailable(
            "CUDA.jl does not work here", "julia -e 'import CUDA; CUDA.functional(true)' tells why"
        )
    version = re.match(r"(\d+)\.(\d+)", str(main.seval("string(CUDA.runtime_version())")))
    assert version is not None
    cuda.require_toolkit((int(version[1]), int(version[2])), "CUDA.jl's runtime")
    if main.seval("Base.get_extension(JouliaKernels, :JouliaKernelsCUDAExt) === nothing"):
        # A site's project does not hold JouliaKernels, and so does not see its extensions.
        main.Base.include(main, str(package / "ext" / "JouliaKernelsCUDAExt.jl"))
    return {"CUDA.jl": str(main.seval("string(pkgversion(CUDA))")), "cuda": version[0]}


class DeviceArray:
    """A field in device memory."""

    __slots__ = ("dtype", "julia", "shape")

    def __init__(self, julia: Any, shape: Shape, dtype: str) -> None:
        self.julia = julia
        self.shape = shape
        self.dtype = dtype


class JuliaDeviceOps(DeviceOps):
    """Arrays of a KernelAbstractions backend, a work-item a cell; `backend` is a `OneCell`."""

    def __init__(
        self, functions: Mapping[str, Callable[..., None]], package: Any, backend: Any
    ) -> None:
        super().__init__(functions)
        self.package = package
        self.backend = backend

    def array(self, host: Host) -> DeviceArray:
        host = np.ascontiguousarray(host)
        element = self.package.element(host.dtype.name)
        values = self.package.wrap(element, host.ctypes.data, host.shape[::-1])
        array = self.package.device_array(self.backend, values)
        self.synchronize()  # the host's memory may go
        return DeviceArray(array, host.shape, host.dtype.name)

    def upload(self, host: Host, array: DeviceArray) -> None:
        getattr(self.package, "upload!")(self.backend, array.julia, host.ctypes.data)

    def download(self, array: DeviceArray, host: Host) -> None:
        getattr(self.package, "download!")(self.backend, array.julia, host.ctypes.data)

    def copy(self, source: DeviceArray, target: DeviceArray) -> None:
        getattr(self.package, "copy_array!")(self.backend, source.julia, target.julia)

    def gather(self, array: DeviceArray, places: Any, buffer: Any, at: int) -> None:
        call = getattr(self.package, "gather!")
        call(self.backend, array.julia, places.julia, buffer.julia, at)

    def scatter(self, buffer: Any, at: int, places: Any, array: DeviceArray) -> None:
        call = getattr(self.package, "scatter!")
        call(self.backend, buffer.julia, at, places.julia, array.julia)

    def move(self, array: DeviceArray, sources: Any, targets: Any) -> None:
        call = getattr(self.package, "move!")
        call(self.backend, array.julia, sources.julia, targets.julia)

    def shape(self, array: DeviceArray) -> Shape:
        return array.shape

    def dtype(self, array: DeviceArray) -> str:
        return array.dtype

    def address(self, array: DeviceArray) -> int:
        return int(self.package.address(array.julia))

    def synchronize(self) -> None:
        self.package.synchronize(self.backend)
