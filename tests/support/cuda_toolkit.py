"""Where a CUDA compiler comes from on a machine that need not have a GPU.

The wheel nvidia-cuda-nvcc-cu12 of the extra `test` has all it takes: libnvvm and libdevice, which
make PTX, and ptxas, which makes machine code. CUDA 13 no longer compiles for capability 7.0.
"""

from __future__ import annotations

import os
import re
import shutil
from importlib import metadata
from pathlib import Path

WHEEL = "nvidia-cuda-nvcc-cu12"
REMEDY = f"pip install {WHEEL}"


def root() -> Path | None:
    """The wheel's toolkit, where it is installed."""
    try:
        return Path(str(metadata.distribution(WHEEL).locate_file("nvidia/cuda_nvcc")))
    except metadata.PackageNotFoundError:
        return None


def environment(capability: str) -> dict[str, str]:
    """In which Numba finds the compiler, and takes the capability as supported."""
    env = dict(os.environ, NUMBA_FORCE_CUDA_CC=capability)
    env.pop("NUMBA_ENABLE_CUDASIM", None)
    here = root()
    if here is not None:
        paths = [str(here / "nvvm" / "lib64"), env.get("LD_LIBRARY_PATH", "")]
        env |= {"CUDA_HOME": str(here), "LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths))}
    return env


def ptxas() -> Path | None:
    here = root()
    places = [here / "bin" / "ptxas"] if here else []
    places += [Path(on_path)] if (on_path := shutil.which("ptxas")) else []
    places.append(Path("/usr/local/cuda/bin/ptxas"))
    return next((place for place in places if os.access(place, os.X_OK)), None)


def registers(report: str) -> int:
    """Registers a thread, from what `ptxas -v` says of one function."""
    (count,) = re.findall(r"Used (\d+) registers", report)
    return int(count)


def local_bytes(report: str) -> int:
    """Bytes of local memory: the stack, and registers spilled to it and loaded back."""
    pattern = r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    (counts,) = re.findall(pattern, report)
    return sum(map(int, counts))


def instructions(ptx: str) -> list[str]:
    """Each instruction of PTX as it is named, for example `fma.rn.f64`."""
    return re.findall(r"^\s+(?:@!?%p\d+\s+)?([a-z][a-z0-9_]*(?:\.[a-z0-9_:]+)*)", ptx, re.MULTILINE)
