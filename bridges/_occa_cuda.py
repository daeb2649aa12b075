"""OCCA on an NVIDIA GPU: its CUDA mode, with fields in device memory.

OCCA compiles the translated kernels with nvcc. A library that joulia built has its CUDA mode beside
it (`libocca-cuda-13.0.so`, after the toolkit): libocca itself then loads where no driver is.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from joulia.bridges._occa_library import find_library, has_mode, is_own
from joulia.errors import Unavailable
from joulia.system import cuda

UNPROVEN = (
    "no GPU has run it yet: its CUDA sources are compiled for sm_70 to sm_90, and run on processors"
)
TOOLKIT = "load a CUDA toolkit (module load cuda), or set CUDA_HOME"


# ---- the toolkit -----------------------------------------------------------------------------


def nvcc() -> str:
    """The CUDA compiler that OCCA will call; Unavailable where there is none."""
    for variable in ("OCCA_CUDA_COMPILER", "NVCC"):
        if named := os.environ.get(variable):
            if shutil.which(shlex.split(named)[0]):
                return named
            raise Unavailable(f"{variable} is {named}, which is not there", f"correct {variable}")
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    for home in filter(None, homes):
        if path := shutil.which("nvcc", path=str(Path(home) / "bin")):
            return path
    path = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if not path:
        raise Unavailable("no CUDA toolkit found (nvcc)", TOOLKIT)
    return path


@functools.cache
def told_by(command: str, option: str) -> str:
    """What a compiler prints for an option."""
    done = subprocess.run(
        [*shlex.split(command), option], capture_output=True, text=True, check=False
    )
    return done.stdout


def toolkit() -> tuple[int, int]:
    """The version of the CUDA toolkit that nvcc belongs to."""
    release = re.search(r"release (\d+)\.(\d+)", told_by(nvcc(), "--version"))
    if release is None:
        raise Unavailable(f"{nvcc()} does not tell its version", TOOLKIT)
    return int(release[1]), int(release[2])


def flags() -> str:
    """nvcc's flags: contraction to fused multiply-add is on, fast but inexact functions are not."""
    return os.environ.get("OCCA_CUDA_COMPILER_FLAGS") or f"-O3 -arch={cuda.current().architecture}"


# ---- OCCA's CUDA mode ------------------------------------------------------------------------


def modes(lib: Path) -> dict[tuple[int, int], Path]:
    """The CUDA modes that joulia built for its libocca, by the toolkit's version."""
    built = {}
    for path in lib.parent.glob("libocca-cuda-*.so"):
        if version := re.fullmatch(r"libocca-cuda-(\d+)\.(\d+)\.so", path.name):
            built[int(version[1]), int(version[2])] = path
    return built


def missing() -> Unavailable | None:
    """Why OCCA cannot use a GPU here, or None."""
    try:
        cuda.survey()
        path = find_library()
        if is_own(path) and not modes(Path(path)):
            raise Unavailable(
                "joulia's OCCA was built without CUDA",
                "`joulia prepare occa` where the CUDA toolkit is (nvcc), or set OCCA_DIR",
            )
        if isinstance(path, Path) and not is_own(path) and not has_mode(path, "CUDA"):
            raise Unavailable(
                f"{path} was built without CUDA", "rebuild it with CUDA, or unset OCCA_DIR"
            )
        nvcc()
    except Unavailable as error:
        return error
    return None


def check(dtype: str) -> dict[str, str]:
    """The versions in use; Unavailable where driver, toolkit and GPU do not go together."""
    gpu, version = cuda.current(), toolkit()
    release = "{}.{}".format(*version)
    cuda.require_toolkit(version, f"nvcc {release}")
    codes = told_by(nvcc(), "--list-gpu-code").split()  # from CUDA 11 on
    if codes and gpu.architecture not in codes:
        newer = gpu.capability > max(_capability(code) for code in codes)
        raise Unavailable(
            f"nvcc {release} does not compile for {gpu.architecture} ({gpu.name})",
            f"use {'a newer' if newer else 'an older'} CUDA toolkit (CUDA_HOME)",
        )
    driver = "{}.{}".format(*cuda.survey().driver)
    return {"driver": driver, "gpu": gpu.name, "nvcc": release, "flags": flags()}


def _capability(code: str) -> tuple[int, int]:
    """(9, 0) of sm_90."""
    digits = re.sub(r"\D", "", code)
    return int(digits[:-1]), int(digits[-1])


def load_mode() -> None:
    """Load the CUDA mode that joulia built; a site's library has its own."""
    path = find_library()
    if not is_own(path):
        return
    built, version = modes(Path(path)), toolkit()
    chosen = version if version in built else max(built)
    cuda.require_toolkit(chosen, "OCCA's CUDA mode")
    _load(built[chosen])


@functools.cache
def _load(path: Path) -> None:
    """OCCA's CUDA mode registers itself; the driver's functions are where it looks for them."""
    try:
        ctypes.CDLL(cuda.LIBRARY, mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(
            f"{path} does not load: {error}", "rebuild it: joulia prepare occa"
        ) from None


def properties() -> str:
    """What OCCA is to make its device of: the GPU that the rank claimed is CUDA's first."""
    return f"device_id: 0, kernel: {{compiler: '{nvcc()}', compiler_flags: '{flags()}'}}"


def compiled_with() -> dict[str, str]:
    """What a compiled kernel depends on besides its source."""
    said = " ".join(told_by(nvcc(), "--version").split())
    return {"nvcc": f"{nvcc()}: {said}", "nvcc_flags": flags()}
