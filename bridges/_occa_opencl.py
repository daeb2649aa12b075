"""OCCA on OpenCL: its OpenCL mode, with fields in a device's buffers and a queue of its own.

What is used is a processor's device: joulia's meters and bounds are those of the processor then. A
library that joulia built has its OpenCL mode beside it (`libocca-opencl.so`); OpenCL's functions
come from the loader (`libOpenCL.so.1`), which the mode finds because it is in the process already.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.metadata
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from joulia.arrays import Host
from joulia.bridges._occa_device import DeviceArray, OccaDeviceOps
from joulia.bridges._occa_library import find_library, has_mode, is_own
from joulia.errors import Unavailable

WHEEL, WHEEL_NEEDS = "intel-opencl-rt", "intel-cmplr-lib-rt"
"""Intel's runtime for processors as PyPI has it, and what it needs and does not declare."""
LOADED_FIRST = ("libintlc.so.5", "libimf.so", "libsvml.so", "libirng.so")
"""Libraries of the second that the first is linked to, in the order of their own needs."""
NAMED = ("OCL_ICD_FILENAMES", "OCL_ICD_VENDORS")
"""Variables by which a user names runtimes to OpenCL's loaders."""
VENDORS = Path("/etc/OpenCL/vendors")
"""Where loaders look for the names of runtimes."""
INSTALL = "pip install 'joulia[opencl]' (x86-64), or install one (Debian: pocl-opencl-icd)"


# ---- the runtime -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Runtime:
    """OpenCL's loader, the runtime that it is told of where it would not find one, and libraries
    that these need and would not find either."""

    loader: str
    driver: Path | None = None
    needs: tuple[Path, ...] = ()


def runtime() -> Runtime:
    """What OpenCL there is, without loading it; Unavailable where there is none.

    The wheel's, unless variables name another; else what the system's loader finds.
    """
    named = any(os.environ.get(variable) for variable in NAMED)
    if not named and (wheel := wheels_runtime()):
        return wheel
    loader = system_loader(os.environ.get("LD_LIBRARY_PATH"))
    if loader is None:
        raise Unavailable("no OpenCL found (libOpenCL.so.1)", INSTALL)
    if not named and not any(VENDORS.glob("*.icd")):
        raise Unavailable(f"OpenCL's loader is here, and no runtime in {VENDORS}", INSTALL)
    return Runtime(loader)


@functools.cache
def wheels_runtime() -> Runtime | None:
    """The one that pip installed; its own note of where it is (.icd) names another place."""
    try:
        files = importlib.metadata.files(WHEEL) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    try:
        files = [*files, *(importlib.metadata.files(WHEEL_NEEDS) or ())]
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable(f"{WHEEL} is here without {WHEEL_NEEDS}", INSTALL) from None
    paths = {file.name: Path(str(file.locate())).resolve() for file in files}
    try:
        needs = tuple(paths[name] for name in LOADED_FIRST)
        return Runtime(str(paths["libOpenCL.so.1"]), paths["libintelocl.so"], needs)
    except KeyError as error:
        raise Unavailable(f"{WHEEL} and {WHEEL_NEEDS} have no {error}", INSTALL) from None


@functools.cache
def system_loader(searched: str | None) -> str | None:
    """The loader that the system finds; asked once for each value of LD_LIBRARY_PATH."""
    return ctypes.util.find_library("OpenCL")  # it starts a compiler and a linker


def flags() -> str:
    """The OpenCL compiler's: OCCA's default would switch its optimisation off.

    Functions that take pointers to any memory are of OpenCL 2, and optional in 3.
    """
    return os.environ.get("OCCA_OPENCL_COMPILER_FLAGS") or "-cl-std=CL3.0"


# ---- its devices -----------------------------------------------------------------------------

ANY_TYPE = 0b1110
"""Processors, GPUs and accelerators: OCCA numbers the devices among these."""
CPU_TYPE = 0b0010
PLATFORM_VERSION, PLATFORM_NAME = 0x0901, 0x0902
DEVICE_TYPE, DEVICE_MAX_ALLOCATION, DEVICE_GLOBAL_MEMORY = 0x1000, 0x1010, 0x101F
DEVICE_NAME, DRIVER_VERSION, DEVICE_VERSION = 0x102B, 0x102D, 0x102F
DEVICE_DOUBLES, DEVICE_GENERIC_ADDRESSES = 0x1032, 0x1069


@dataclass(frozen=True)
class Processor:
    """An OpenCL device that is a processor, and its numbers in OCCA's counting."""

    platform_id: int
    device_id: int
    platform: str
    name: str
    version: str
    driver: str
    doubles: bool
    generic: bool
    largest: int
    """Bytes of the largest buffer."""
    memory: int
    """Bytes of all buffers together."""


@functools.cache
def opencl() -> Any:
    """OpenCL's loader in this process, its functions there for what is loaded later."""
    found = runtime()
    try:
        for library in found.needs:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        lib = ctypes.CDLL(found.loader, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise Unavailable(f"{found.loader} does not load: {error}", INSTALL) from None
    if found.driver is not None:
        os.environ["OCL_ICD_FILENAMES"] = str(found.driver)
        handles(lib.clGetPlatformIDs)  # the loader reads the variable at its first call
        del os.environ["OCL_ICD_FILENAMES"]
    return lib


def told(function: Any, of: Any, what: int) -> bytes:
    """What clGetPlatformInfo or clGetDeviceInfo tells; nothing where it does not know."""
    size = ctypes.c_size_t()
    if function(of, what, ctypes.c_size_t(0), None, ctypes.byref(size)):
        return b""
    value = ctypes.create_string_buffer(size.value)
    return b"" if function(of, what, size, value, None) else value.raw


def handles(count: Any) -> list[ctypes.c_void_p]:
    """What `count(room, places, number)` counts and then writes."""
    number = ctypes.c_uint()
    if count(0, None, ctypes.byref(number)) or not number.value:
        return []
    places = (ctypes.c_void_p * number.value)()
    return [ctypes.c_void_p(p) for p in places] if not count(number, places, None) else []


def processors() -> list[Processor]:
    """The processors among OpenCL's devices, in its order."""
    lib = opencl()

    def text(function: Any, of: Any, what: int) -> str:
        return told(function, of, what).rstrip(b"\0").decode(errors="replace").strip()

    def number(of: Any, what: int) -> int:
        return int.from_bytes(told(lib.clGetDeviceInfo, of, what), "little")

    found = []
    for p, platform in enumerate(handles(lib.clGetPlatformIDs)):
        of_platform = functools.partial(lib.clGetDeviceIDs, platform, ctypes.c_uint64(ANY_TYPE))
        for d, device in enumerate(handles(of_platform)):
            if not number(device, DEVICE_TYPE) & CPU_TYPE:
                continue
            names = (text(lib.clGetPlatformInfo, platform, PLATFORM_NAME), text(
                lib.clGetDeviceInfo, device, DEVICE_NAME
            ))  # fmt: skip
            found.append(
                Processor(
                    p,
                    d,
                    *names,
                    version=text(lib.clGetDeviceInfo, device, DEVICE_VERSION),
                    driver=text(lib.clGetDeviceInfo, device, DRIVER_VERSION),
                    doubles=bool(number(device, DEVICE_DOUBLES)),
                    generic=bool(number(device, DEVICE_GENERIC_ADDRESSES)),
                    largest=number(device, DEVICE_MAX_ALLOCATION),
                    memory=number(device, DEVICE_GLOBAL_MEMORY),
                )
            )
    return found


@functools.cache
def chosen() -> Processor:
    """OpenCL's first processor that can run OKL; Unavailable where there is none."""
    here = processors()
    for processor in here:
        if processor.generic:
            return processor
    if here:
        raise Unavailable(
            f"{here[0].platform} ({here[0].version}) lacks generic address spaces, which OCCA's "
            "kernels use",
            f"a newer runtime: {INSTALL}",
        )
    raise Unavailable("OpenCL shows no processor", INSTALL)


# ---- OCCA's OpenCL mode ----------------------------------------------------------------------


def mode_library(lib: Path) -> Path:
    """The OpenCL mode that joulia built for its libocca."""
    return lib.parent / "libocca-opencl.so"


def missing() -> Unavailable | None:
    """Why OCCA cannot use OpenCL here, or None."""
    try:
        path = find_library()
        if is_own(path) and not mode_library(Path(path)).is_file():
            raise Unavailable("joulia's OCCA was built without OpenCL", "run `joulia prepare occa`")
        if isinstance(path, Path) and not is_own(path) and not has_mode(path, "OPENCL"):
            raise Unavailable(
                f"{path} was built without OpenCL", "rebuild it with OpenCL, or unset OCCA_DIR"
            )
        runtime()
    except Unavailable as error:
        return error
    return None


def check(dtype: str) -> dict[str, str]:
    """What OpenCL this is; Unavailable where it cannot compute in this precision."""
    device = chosen()
    if dtype == "float64" and not device.doubles:
        raise Unavailable(f"{device.name} ({device.platform}) has no float64", "--dtype float32")
    return {
        "opencl": f"{device.platform}, {device.version}",
        "opencl_device": device.name,
        "opencl_driver": device.driver,
        "flags": flags(),
    }


def load_mode() -> None:
    """Load the OpenCL mode that joulia built; a site's library has its own."""
    path = find_library()
    if is_own(path):
        _load(mode_library(Path(path)))


@functools.cache
def _load(path: Path) -> None:
    """OCCA's OpenCL mode registers itself; OpenCL's functions are where it looks for them."""
    opencl()
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(
            f"{path} does not load: {error}", "rebuild it: joulia prepare occa"
        ) from None


def properties() -> str:
    """What OCCA is to make its device of."""
    device = chosen()
    return (
        f"platform_id: {device.platform_id}, device_id: {device.device_id}, "
        f"kernel: {{compiler_flags: '{flags()}'}}"
    )


def compiled_with() -> dict[str, str]:
    """What a compiled kernel depends on besides its source, without loading a runtime."""
    found = runtime()
    if found.driver is not None:
        of = f"{WHEEL} {importlib.metadata.version(WHEEL)}"
    else:
        named = [os.environ.get(variable, "") for variable in NAMED]
        icds = [path.read_text().strip() for path in sorted(VENDORS.glob("*.icd"))]
        of = re.sub(r"\s+", " ", " ".join([found.loader, *named, *icds]))
    return {"opencl": of, "opencl_flags": flags()}


# ---- arrays ----------------------------------------------------------------------------------


class OccaOpenCLOps(OccaDeviceOps):
    """Buffers have no address that MPI could take: messages go through host memory."""

    through = "host buffers"
    addressable = False

    def array(self, host: Host) -> DeviceArray:
        # Where there is no room OCCA would end the process.
        device = chosen()
        if host.nbytes > device.largest:
            raise MemoryError(
                f"an array of {host.nbytes / 1e9:.3g} GB: {device.name} ({device.platform}) gives "
                f"{device.largest / 1e9:.3g} GB at once"
            )
        return super().array(host)

    def pinned(self, count: int, dtype: str) -> Host:
        return np.empty(count, dtype)

    def device_id(self) -> str | None:
        return None
