"""libocca: where it is, and its C API through ctypes, for OCCA 1.0.8 and 2.x.

Both pass `occaType` by value with the same layout. An error inside OCCA is a C++ exception that
ends the process: the run records it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import platform
import re
from pathlib import Path
from typing import Any

from joulia.bridges._compilers import find
from joulia.errors import Unavailable
from joulia.system.places import cache_dir

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
    if path := on_loaders_path(os.environ.get("LD_LIBRARY_PATH")):
        return path
    library = own_prefix() / "lib" / name
    if not library.is_file():
        raise Unavailable("no OCCA library found", "run `joulia prepare occa`, or set OCCA_DIR")
    return library


@functools.cache
def on_loaders_path(searched: str | None) -> str | None:
    """The library that the loader finds; asked once for each value of LD_LIBRARY_PATH."""
    return ctypes.util.find_library("occa")  # it starts a compiler and a linker


def is_own(path: Path | str) -> bool:
    """Whether a library is the one that joulia built."""
    return isinstance(path, Path) and path.parent.parent == own_prefix()


def has_mode(site: Path, mode: str) -> bool:
    """What a site's headers say; where they are not there, OCCA tells when it starts."""
    header = site.parent.parent / "include" / "occa" / "defines" / "compiledDefines.hpp"
    return not header.is_file() or bool(
        re.search(rf"OCCA_{mode}_ENABLED\s+1", header.read_text(errors="replace"))
    )


def compiler() -> str:
    """The C++ compiler that OCCA will call."""
    return find("C++", ("OCCA_CXX", "CXX"), ("g++", "clang++", "c++"), "g++")


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
        remedy = "rebuild it: joulia prepare occa" if is_own(path) else "rebuild or replace it"
        raise Unavailable(f"{path} does not load: {error}", remedy) from None
    value, pointer, text, count = OccaType, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
    modern = hasattr(lib, "occaDeviceWrapMemory")
    signatures: dict[str, tuple[Any, list[Any] | None]] = {
        "occaCreateDeviceFromString": (value, [text]),
        "occaDeviceMode": (text, [value]),
        "occaDeviceFinish": (None, [value]),
        "occaDeviceBuildKernel": (value, [value, text, text, value]),
        "occaDeviceMalloc": (value, [value, count, pointer, value]),
        "occaCopyMemToMem": (None, [value, value, count, count, count, value]),
        "occaCopyPtrToMem": (None, [value, pointer, count, count, value]),
        "occaCopyMemToPtr": (None, [pointer, value, count, count, value]),
        "occaMemoryPtr": (pointer, [value] if modern else [value, value]),
        "occaFree": (None, [ctypes.POINTER(value)] if modern else [value]),
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
            [value, pointer, count, value],
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


def address(memory: OccaType) -> int:
    """Where a device's memory begins, in its own address space."""
    lib = library()
    pointer = lib.occaMemoryPtr(memory) if lib.modern else lib.occaMemoryPtr(memory, lib.default)
    return int(pointer or 0)


def free(memory: OccaType) -> None:
    lib = library()
    lib.occaFree(ctypes.byref(memory) if lib.modern else memory)


def version(path: Path | str) -> str:
    """OCCA's version as its headers name it; its API's generation where they are not there."""
    return version_of_headers(path) or ("2.x" if library().modern else "1.x")


def version_of_headers(path: Path | str) -> str | None:
    """OCCA's version, from the headers beside a library."""
    if isinstance(path, Path):
        for header in path.parent.parent.glob("include/occa/defines/occa.hpp"):
            if match := re.search(r'OCCA_VERSION_STR\s+"([^"]+)"', header.read_text()):
                return match[1]
    return None


def state(path: Path | str) -> str:
    """Tells builds of a library apart, by its version and its file, without loading it."""
    if not isinstance(path, Path):
        return path
    file = path.stat()
    return f"{version_of_headers(path) or path.name}, {file.st_size} B, {file.st_mtime:.0f}"
