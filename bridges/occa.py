"""OCCA: one OKL source, compiled at run time for the mode of a device (libocca.org)."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from joulia.arrays import Host
from joulia.bridge import Device, HostOps, Ops, Source, rows, variables
from joulia.bridges import _compilers, _occa_cuda, _occa_hip, _occa_opencl
from joulia.bridges._compilers import optimised, version_line
from joulia.bridges._occa_calls import hand_over, remembering
from joulia.bridges._occa_device import MOVES as DEVICE_MOVES
from joulia.bridges._occa_device import OccaDeviceOps
from joulia.bridges._occa_library import (
    OccaType,
    compiler,
    find_library,
    library,
    state,
    version,
)
from joulia.case import Case, Shape, digest
from joulia.errors import Unavailable
from joulia.grid import Box
from joulia.kernel import Function, Kernel
from joulia.system.locks import locked
from joulia.system.machine import cpu_model
from joulia.system.places import cache_dir

SUFFIX = ".okl"
SUFFIXES = dict.fromkeys(("cuda", "hip", "opencl"), ("_gpu.okl", SUFFIX))
VARIABLES = (
    "OCCA_", *_compilers.VARIABLES, "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS",
    "CL_CONFIG_", "POCL_", "HIP_", "HIPCC_", "ROCM_",
)  # fmt: skip
"""OCCA's own, and those that its compilers and OpenCL's runtimes read."""
HEADERS = Path(__file__).parent
"""Where `_occa_math.h` is, which all kernels may include; their own headers lie beside them."""
SHARED = HEADERS.parent / "kernels"
"""Where headers are that several of joulia's own kernels include."""
MODES = {
    "serial": "Serial", "openmp": "OpenMP", "cuda": "CUDA", "hip": "HIP", "opencl": "OpenCL",
}  # fmt: skip
IN_DEVICE_MEMORY: dict[str, Any] = {"cuda": _occa_cuda, "hip": _occa_hip, "opencl": _occa_opencl}
"""Modes whose fields lie in a device's own memory."""
OPS: dict[str, type[OccaDeviceOps]] = {
    "cuda": OccaDeviceOps, "hip": _occa_hip.OccaHipOps, "opencl": _occa_opencl.OccaOpenCLOps,
}  # fmt: skip
REALS = {"float64": "double", "float32": "float"}
MOVES = Path(__file__).with_name("_occa_moves.okl")


class Memory:
    """A field: the NumPy array that owns the memory, and OCCA's handle on it."""

    __slots__ = ("handle", "host", "shape")

    def __init__(self, handle: OccaType, host: Host) -> None:
        self.handle = handle
        self.host = host
        self.shape = host.shape


def flags() -> str:
    """Compiler flags for CPU modes. Sources say themselves where they multiply and add at once."""
    return os.environ.get("OCCA_CXXFLAGS") or optimised()


FUSING = ("__FP_FAST_FMA", "__FMA__", "__ARM_FEATURE_FMA", "__powerpc64__")
"""What compilers predefine where the machine multiplies and adds in one instruction."""


FUSED = {"cuda": "fma{}", "hip": "fma{}", "opencl": "fma"}
"""A multiply-add by its name where it is not a C++ compiler's; in OpenCL's C it is of any type."""
SUFFIX_OF = {"float64": "", "float32": "f"}


@functools.cache
def fuses(command: str, options: str) -> bool:
    """Whether a b + c is one instruction of the machine that these options compile for."""
    asked = [*command.split(), *options.split(), "-dM", "-E", "-x", "c++", os.devnull]
    predefined = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return any(f"#define {name} " in predefined for name in FUSING)


def devices() -> tuple[Device, ...]:
    missing = None
    try:
        find_library()
        compiler()
    except Unavailable as error:
        missing = error
    return (
        Device("serial", threads=False, missing=missing, aside="occa:openmp's code on one thread"),
        Device("openmp", missing=missing, ceiling=4),
        Device(
            "opencl",
            missing=missing or _occa_opencl.missing(),
            aside="there to be right and not to be quick",
        ),
        Device(
            "cuda",
            gpu=True,
            ceiling=3,
            threads=False,
            missing=missing or _occa_cuda.missing(),
            unproven=_occa_cuda.UNPROVEN,
        ),
        Device(
            "hip",
            gpu=True,
            threads=False,
            missing=missing or _occa_hip.missing(),
            unproven=_occa_hip.UNPROVEN,
        ),
    )


def gpu_of(case: Case) -> str | None:
    """The PCI bus id of the GPU that computes a case, where CUDA's driver does not know it."""
    return _occa_hip.bus_id() if case.device == "hip" else None


# ---- a started device ----------------------------------------------------------------------

_state: dict[str, Any] = {}


def compiled_with(case: Case) -> dict[str, str]:
    """OCCA, its compiler and flags, without loading OCCA; Unavailable where they are not there."""
    host = {
        "libocca": state(find_library()),
        "compiler": f"{compiler()}: {compiler_version()}",
        "flags": flags(),
    }
    mode = IN_DEVICE_MEMORY.get(case.device)
    return host | (mode.compiled_with() if mode else {})


def cache_folder(case: Case) -> Path:
    """Where OCCA keeps what it compiles for a device, under the settings of this process.

    OCCA 1.0.8 leaves the mode, the compiler's version and the processor out of its cache key: a
    kernel built for Serial would be loaded for OpenMP. So each combination has its own cache, of
    variables that change what its compilers do as well.
    """
    settings = variables(VARIABLES, os.environ)
    settings.pop("OCCA_CXX", None)  # `library` sets it to what `compiler` tells
    parts = [case.device, str(find_library()), compiled_with(case), settings, cpu_model()]
    home = os.environ.get("JOULIA_COLD_DIR") or cache_dir()
    return Path(home) / "okl" / digest(*parts)


def start(case: Case) -> dict[str, str]:
    wanted = MODES[case.device]
    mode = IN_DEVICE_MEMORY.get(case.device)
    versions = {"compiler": compiler_version(), "flags": flags()}
    properties = f"kernel: {{compiler_flags: '{flags()}'}}"
    if mode:
        versions |= mode.check(case.dtype)
        properties = mode.properties()
    os.environ["OCCA_CACHE_DIR"] = str(cache_folder(case))
    lib = library()  # OCCA reads the variable when it is loaded
    if mode:
        mode.load_mode()
    device = lib.occaCreateDeviceFromString(f"{{mode: '{wanted}', {properties}}}".encode())
    got = lib.occaDeviceMode(device).decode()
    if got != wanted:
        needs = "a compiler with -fopenmp" if wanted == "OpenMP" else wanted
        raise Unavailable(
            f"OCCA gave a {got} device where {wanted} was asked for",
            f"build OCCA with {wanted} (joulia prepare occa needs {needs})",
        )
    _state.update(device=device, misses=0)
    return {"occa": version(find_library())} | versions


def compiler_version() -> str:
    return version_line(compiler())


class OccaOps(HostOps):
    """Arrays are NumPy's memory, wrapped for OCCA without a copy."""

    def __init__(
        self, functions: Mapping[str, Callable[..., None]], threads: int, copy_rows: OccaType | None
    ) -> None:
        super().__init__(functions, threads)
        if copy_rows is not None:
            self.place_copy = hand_over(copy_rows)

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        integer = library().occaInt32
        every = [
            (part, self.wrap(part.sources), self.wrap(part.targets)) for part in rows(shape, copies)
        ]

        @functools.cache
        def runs(array: Memory) -> list[Callable[[], None]]:
            return [
                self.place_copy(
                    [
                        *(integer(n) for n in (len(part.sources), part.length)),
                        *(memory.handle for memory in (sources, targets, array)),
                    ]
                )
                for part, sources, targets in every
            ]

        def copy(array: Memory) -> None:
            for run in runs(array):
                run()

        return copy

    def wrap(self, host: Host) -> Memory:
        lib = library()
        handle = lib.wrap_memory(_state["device"], host.ctypes.data, host.nbytes, lib.default)
        return Memory(handle, host)

    def view(self, array: Memory) -> Host:
        return array.host

    def synchronize(self) -> None:
        library().occaDeviceFinish(_state["device"])


def defines(case: Case, kernel: Kernel | None = None) -> dict[str, str]:
    """What sources are compiled with: the precision, whether a b + c is one, the constants."""
    macros = {"real": REALS[case.dtype]}
    if case.on_gpu or fuses(compiler(), flags()):  # OpenCL's device is this processor
        macros["FUSED"] = FUSED.get(case.device, "__builtin_fma{}").format(SUFFIX_OF[case.dtype])
    if kernel is not None and kernel.constants is not None:
        macros |= {name: str(value) for name, value in kernel.constants(case).items()}
    return macros


def kernel_properties(given: Mapping[str, str], source: Path) -> str:
    """A kernel's properties, as OCCA takes them: its defines, and where its headers are."""
    folders = [source.parent, SHARED, HEADERS]
    headers = [path.read_text() for folder in folders for path in sorted(folder.glob("*.h"))]
    # OCCA's cache key holds a source and its defines, but not what the source includes.
    # It begins with a letter: 3e0b would be a number to its parser.
    given = {**given, "HEADERS": f"h{digest(*headers)}"}
    values = ", ".join(f"{key}: '{value}'" for key, value in given.items())
    paths = ", ".join(f"'{folder}'" for folder in folders)
    # OCCA 2 looks for the paths under `okl`, and includes <cmath> in what it makes for processors
    # only where it is asked to.
    return (
        f"{{defines: {{{values}}}, include_paths: [{paths}], "
        f"okl: {{include_paths: [{paths}]}}, serial: {{include_std: true}}}}"
    )


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    lib = library()
    with only_one():  # while another process builds, folders come and go
        before = binaries()

    def build(path: Path, name: str, given: Mapping[str, str]) -> OccaType:
        wanted = lib.properties(kernel_properties(given, path).encode())
        with only_one():
            built: OccaType = lib.occaDeviceBuildKernel(
                _state["device"], str(path).encode(), name.encode(), wanted
            )
        if not lib.occaKernelIsInitialized(built):
            raise RuntimeError(f"OCCA could not build {name} for {kernel.name}")
        return built

    own, shared = defines(case, kernel), defines(case)
    functions = {
        function.name: caller(build(source.path, function.name, own), function, case)
        for function in kernel.functions
    }
    ops: Ops
    if case.device in IN_DEVICE_MEMORY:
        needed = DEVICE_MOVES if kernel.halo.width else ()
        moves = {name: build(MOVES, name, shared) for name in needed}
        ops = OPS[case.device](functions, _state["device"], moves)
    else:
        copy_rows = build(MOVES, "copy_rows", shared) if kernel.halo.width else None
        ops = OccaOps(functions, case.threads, copy_rows)
    with only_one():
        _state["misses"] += len(binaries() - before)
    return ops


def binaries() -> set[Path]:
    """What OCCA has compiled: `binary` of 1.0.8, `<hash>.binary` of 2.x.

    Its folder of locks, beside those of kernels, comes and goes while other processes start.
    """
    folders = Path(os.environ["OCCA_CACHE_DIR"]).glob("[!l]*")
    return {path for folder in folders for path in folder.rglob("*binary")}


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """One process at a time builds or loads: OCCA's own locks race when several do."""
    folder = Path(os.environ["OCCA_CACHE_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "joulia.lock"):
        yield


def cache() -> str:
    return "cold" if _state["misses"] else "warm"


def caller(built: OccaType, function: Function, case: Case) -> Callable[..., None]:
    """A Python function `f(box, *arrays, *ints, *reals)` that runs a kernel."""
    lib = library()
    integer = lib.occaInt32
    real = lib.occaDouble if case.dtype == "float64" else lib.occaFloat
    arrays, ints = len(function.arrays), len(function.ints)

    def convert(box: Box, *arguments: Any) -> list[OccaType]:
        return [
            *(integer(n) for n in arguments[0].shape),
            *(integer(n) for n in box),
            *(memory.handle for memory in arguments[:arrays]),
            *(integer(n) for n in arguments[arrays : arrays + ints]),
            *(real(value) for value in arguments[arrays + ints :]),
        ]

    return remembering(built, convert)
