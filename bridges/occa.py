"""OCCA: one OKL source, compiled at run time for the mode of a device (libocca.org).

The C API is bound with ctypes, for OCCA 1.0.8 and 2.x; both pass `occaType` by value with the same
layout. An error inside OCCA is a C++ exception that ends the process: the run records it.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import fcntl
import functools
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from joulia.bridge import Device, HostOps, Ops, Source, rows
from joulia.case import Case, Shape, digest
from joulia.errors import Unavailable
from joulia.grid import Box
from joulia.kernel import Function, Host, Kernel
from joulia.machine import cpu_model
from joulia.places import cache_dir

SUFFIX = ".okl"
MODES = {"serial": "Serial", "openmp": "OpenMP"}
REALS = {"float64": "double", "float32": "float"}
VERSION_BUILT = "1.0.8"
"""What `joulia prepare occa` builds."""


class OccaType(ctypes.Structure):
    """occa/c/types.h: a tagged value, 40 bytes."""

    _fields_ = (
        ("magicHeader", ctypes.c_int),
        ("type", ctypes.c_int),
        ("bytes", ctypes.c_uint64),
        ("needsFree", ctypes.c_char),
        ("value", ctypes.c_uint64),
    )


class Memory:
    """A field: the NumPy array that owns the memory, and OCCA's handle on it."""

    __slots__ = ("handle", "host")

    def __init__(self, handle: OccaType, host: Host) -> None:
        self.handle = handle
        self.host = host


# ---- finding -------------------------------------------------------------------------------


def own_prefix() -> Path:
    """Where `joulia prepare occa` puts the OCCA that it builds."""
    return cache_dir() / f"occa-{VERSION_BUILT}"


def find_library() -> Path | str:
    """libocca of OCCA_DIR, else of the loader's path, else joulia's own; Unavailable if none."""
    name = "libocca.dylib" if platform.system() == "Darwin" else "libocca.so"
    if site := os.environ.get("OCCA_DIR"):
        library = Path(site) / "lib" / name
        if not library.is_file():
            raise Unavailable(
                f"OCCA_DIR is {site}, but there is no {library}", "correct or unset OCCA_DIR"
            )
        return library
    if found := ctypes.util.find_library("occa"):
        return found
    library = own_prefix() / "lib" / name
    if not library.is_file():
        raise Unavailable("no OCCA library found", "run `joulia prepare occa`, or set OCCA_DIR")
    return library


def compiler() -> str:
    """The C++ compiler that OCCA will call."""
    named = os.environ.get("OCCA_CXX") or os.environ.get("CXX")
    for candidate in [named] if named else ["g++", "clang++", "c++"]:
        if candidate and shutil.which(candidate.split()[0]):
            return candidate
    raise Unavailable(
        f"no C++ compiler found{f' ({named})' if named else ''}",
        "install one (Debian: apt install g++), or set CXX",
    )


def flags() -> str:
    """Compiler flags for CPU modes.

    Contraction to fused multiply-add is on; reassociation is not: results then do not depend on
    how a loop was cut, which keeps them the same for any number of ranks.
    """
    native = (
        "-mcpu=native" if platform.machine().startswith(("ppc", "aarch64")) else "-march=native"
    )
    return os.environ.get("OCCA_CXXFLAGS") or (
        f"-O3 {native} -fno-math-errno -fno-trapping-math -fno-signed-zeros -ffp-contract=fast"
    )


def devices() -> tuple[Device, ...]:
    missing = None
    try:
        find_library()
        compiler()
    except Unavailable as error:
        missing = error
    return tuple(Device(mode, threads=mode != "serial", missing=missing) for mode in MODES)


# ---- the C API -----------------------------------------------------------------------------


@functools.cache
def library() -> Any:
    """The loaded library with the types of the functions that joulia calls."""
    path = find_library()
    os.environ.setdefault("OCCA_CXX", compiler())
    if isinstance(path, Path):
        os.environ.setdefault("OCCA_DIR", str(path.parent.parent))
    lib: Any
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(
            f"{path} does not load: {error}", "rebuild it: joulia prepare occa"
        ) from None
    value, pointer, text = OccaType, ctypes.c_void_p, ctypes.c_char_p
    modern = hasattr(lib, "occaDeviceWrapMemory")
    signatures: dict[str, tuple[Any, list[Any] | None]] = {
        "occaCreateDeviceFromString": (value, [text]),
        "occaDeviceMode": (text, [value]),
        "occaDeviceFinish": (None, [value]),
        "occaDeviceBuildKernel": (value, [value, text, text, value]),
        "occaDeviceBuildKernelFromString": (value, [value, text, text, value]),
        "occaKernelBinaryFilename": (text, [value]),
        "occaKernelIsInitialized": (ctypes.c_int, [value]),
        "occaKernelPushArg": (None, [value, value]),
        "occaKernelClearArgs": (None, [value]),
        "occaKernelRunN": (None, None),  # variadic: typed by each caller
        "occaKernelRunFromArgs": (None, [value]),
        "occaInt32": (value, [ctypes.c_int32]),
        "occaDouble": (value, [ctypes.c_double]),
        "occaFloat": (value, [ctypes.c_float]),
        "occaDeviceWrapMemory" if modern else "occaWrapCpuMemory": (
            value,
            [value, pointer, ctypes.c_uint64, value],
        ),
        "occaJsonParse" if modern else "occaCreatePropertiesFromString": (value, [text]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype = result
        if arguments is not None:
            function.argtypes = arguments
    lib.wrap_memory = lib.occaDeviceWrapMemory if modern else lib.occaWrapCpuMemory
    lib.properties = lib.occaJsonParse if modern else lib.occaCreatePropertiesFromString
    lib.default = OccaType.in_dll(lib, "occaDefault")
    lib.modern = modern
    return lib


def version(path: Path | str) -> str:
    """OCCA's version as its headers name it; its API's generation where they are not there."""
    if isinstance(path, Path):
        for header in path.parent.parent.glob("include/occa/defines/occa.hpp"):
            if found := re.search(r'OCCA_VERSION_STR\s+"([^"]+)"', header.read_text()):
                return found[1]
    return "2.x" if library().modern else "1.x"


# ---- a started device ----------------------------------------------------------------------

_state: dict[str, Any] = {}


def start(case: Case) -> dict[str, str]:
    mode = MODES[case.device]
    # OCCA 1.0.8 leaves the mode, the compiler's version and the processor out of its cache key: a
    # kernel built for Serial would be loaded for OpenMP. So each combination has its own cache.
    key = digest(mode, str(find_library()), compiler_version(), flags(), cpu_model())
    home = os.environ.get("JOULIA_COLD_DIR") or cache_dir()
    os.environ["OCCA_CACHE_DIR"] = str(Path(home) / "okl" / key)
    lib = library()
    device = lib.occaCreateDeviceFromString(
        f"{{mode: '{mode}', kernel: {{compiler_flags: '{flags()}'}}}}".encode()
    )
    got = lib.occaDeviceMode(device).decode()
    if got != mode:
        raise Unavailable(
            f"OCCA gave a {got} device where {mode} was asked for",
            f"build OCCA with {mode} (joulia prepare occa needs a compiler with -fopenmp)",
        )
    _state.update(device=device, misses=0)
    return {"occa": version(find_library()), "compiler": compiler_version(), "flags": flags()}


def compiler_version() -> str:
    import subprocess

    lines = subprocess.run(
        [*compiler().split(), "--version"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return lines[0] if lines else compiler()


COPY_ROWS = """
@kernel void copy_rows(const int rows, const int length, const long *sources, const long *targets,
                       real *field) {
  for (int i = 0; i < rows; ++i; @outer) {
    for (int lane = 0; lane < 1; ++lane; @inner) {
      const real *source = field + sources[i];
      real *target = field + targets[i];
      const int count = length;
      for (int j = 0; j < count; ++j) {
        target[j] = source[j];
      }
    }
  }
}
"""


class OccaOps(HostOps):
    """Arrays are NumPy's memory, wrapped for OCCA without a copy."""

    def __init__(
        self, functions: Mapping[str, Callable[..., None]], threads: int, copy_rows: OccaType | None
    ) -> None:
        super().__init__(functions, threads)
        if copy_rows is not None:
            self.place_copy = _hand_over(copy_rows)

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


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    lib = library()
    precision = {"real": REALS[case.dtype]}
    constants = precision.copy()
    if kernel.constants is not None:
        constants |= {name: str(value) for name, value in kernel.constants(case).items()}
    functions: dict[str, Callable[..., None]] = {}
    with only_one():  # while another process builds, folders come and go
        before = set(Path(os.environ["OCCA_CACHE_DIR"]).rglob("binary"))

    def build(make: Any, source: str, name: str, given: Mapping[str, str]) -> OccaType:
        defines = ", ".join(f"{key}: '{value}'" for key, value in given.items())
        with only_one():
            properties = lib.properties(f"{{defines: {{{defines}}}}}".encode())
            built: OccaType = make(_state["device"], source.encode(), name.encode(), properties)
        if not lib.occaKernelIsInitialized(built):
            raise RuntimeError(f"OCCA could not build {name} for {kernel.name}")
        if Path(lib.occaKernelBinaryFilename(built).decode()) not in before:
            _state["misses"] += 1
        return built

    for function in kernel.functions:
        built = build(lib.occaDeviceBuildKernel, str(source.path), function.name, constants)
        functions[function.name] = caller(built, function, case)
    copy_rows = None
    if kernel.halo:
        copy_rows = build(lib.occaDeviceBuildKernelFromString, COPY_ROWS, "copy_rows", precision)
    return OccaOps(functions, case.threads, copy_rows)


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """One process at a time builds or loads: OCCA's own locks race when several do."""
    folder = Path(os.environ["OCCA_CACHE_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "joulia.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cache() -> str:
    return "cold" if _state["misses"] else "warm"


def caller(built: OccaType, function: Function, case: Case) -> Callable[..., None]:
    """A Python function that runs the kernel on its arguments.

    A time step calls with few different argument lists: each is turned into OCCA's values once,
    and a list that is still in place from the last call is not handed over again.
    """
    lib = library()
    integer = lib.occaInt32
    real = lib.occaDouble if case.dtype == "float64" else lib.occaFloat
    arrays, ints = len(function.arrays), len(function.ints)
    place = _hand_over(built)
    again = functools.partial(lib.occaKernelRunFromArgs, built)
    known: dict[tuple[Any, ...], Callable[[], None]] = {}
    last: Callable[[], None] | None = None

    def convert(box: Box, arguments: tuple[Any, ...]) -> list[OccaType]:
        shape = arguments[0].host.shape
        return [
            *(integer(n) for n in shape),
            *(integer(n) for n in box),
            *(memory.handle for memory in arguments[:arrays]),
            *(integer(n) for n in arguments[arrays : arrays + ints]),
            *(real(value) for value in arguments[arrays + ints :]),
        ]

    def call(box: Box, *arguments: Any) -> None:
        nonlocal last
        key = (box, arguments)
        run = known.get(key)
        if run is None:
            if len(known) >= 256:  # arguments that change at every step
                known.clear()
            run = known[key] = place(convert(box, arguments))
        if run is last:
            again()
        else:
            run()
            last = run

    return call


def _hand_over(built: OccaType) -> Callable[[list[OccaType]], Callable[[], None]]:
    """A function that puts a list of arguments in place, for calls that only run the kernel.

    One variadic call costs a third of a call for each argument. On x86-64 it costs a tenth: there,
    structures of this size lie behind one another on the stack, so that all of them may be passed
    as one. Elsewhere on Linux each is passed by itself; on other systems (Apple's arm64 passes
    variadic arguments unlike others) each takes a call.
    """
    lib = library()
    system, processor = platform.system(), platform.machine()
    address = ctypes.cast(lib.occaKernelRunN, ctypes.c_void_p).value or 0

    def packed(values: list[OccaType]) -> Callable[[], None]:
        together = _together(1 + len(values))
        run = ctypes.CFUNCTYPE(None, together, ctypes.c_int)(address)
        every = (OccaType * (1 + len(values)))(built, *values)
        return functools.partial(run, together(every), len(values))

    def listed(values: list[OccaType]) -> Callable[[], None]:
        count = len(values)
        run = ctypes.CFUNCTYPE(None, OccaType, ctypes.c_int, *[OccaType] * count)(address)
        return functools.partial(run, built, count, *values)

    def pushed(values: list[OccaType]) -> Callable[[], None]:
        def run() -> None:
            lib.occaKernelClearArgs(built)
            for value in values:
                lib.occaKernelPushArg(built, value)
            lib.occaKernelRunFromArgs(built)

        return run

    if system != "Linux":
        return pushed
    return packed if processor == "x86_64" else listed


@functools.cache
def _together(count: int) -> Any:
    """The type of `count` values in one structure; once for each count, since ctypes keeps it."""
    return type("Together", (ctypes.Structure,), {"_fields_": [("every", OccaType * count)]})
