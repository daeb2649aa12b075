"""OCCA on an AMD GPU: the HIP mode of a site's OCCA 2, with fields in device memory.

OCCA 1.0.8, which joulia builds, has a HIP mode as well, but it calls hipcc as that was in 2018 (`-t
gfx900`, a file `.adipose`), which no ROCm of today understands: it is not built.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np

from joulia.arrays import Host
from joulia.bridges._occa_cuda import told_by
from joulia.bridges._occa_device import OccaDeviceOps
from joulia.bridges._occa_library import find_library, has_mode, is_own, version_of_headers
from joulia.errors import Unavailable

UNPROVEN = "no AMD GPU has run it; its kernels are those of occa:cuda and occa:opencl"
NODES = "sys/class/kfd/kfd/topology/nodes"
"""Where AMD's driver shows processors and GPUs."""
VISIBLE = (
    "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
)  # fmt: skip
SITE = "set OCCA_DIR to an OCCA 2 that was built with HIP"


def gpus(root: Path = Path("/")) -> list[str]:
    """PCI bus ids of the GPUs that AMD's driver shows, in its order; no runtime is asked."""
    found = []
    folders = [folder for folder in (root / NODES).glob("*") if folder.name.isdigit()]
    for folder in sorted(folders, key=lambda folder: int(folder.name)):
        with contextlib.suppress(OSError):  # a node that a container does not show
            facts = dict(re.findall(r"^(\w+) (\d+)$", (folder / "properties").read_text(), re.M))
            if int(facts.get("simd_count", 0)):
                at, domain = int(facts["location_id"]), int(facts.get("domain", 0))
                found.append(f"{domain:04x}:{at >> 8:02x}:{at >> 3 & 31:02x}.{at & 7}")
    return found


def hipcc() -> str:
    """The compiler that OCCA will call; Unavailable where there is none."""
    if named := os.environ.get("OCCA_HIP_COMPILER"):
        if shutil.which(shlex.split(named)[0]):
            return named
        raise Unavailable(
            f"OCCA_HIP_COMPILER is {named}, which is not there", "correct OCCA_HIP_COMPILER"
        )
    path = shutil.which("hipcc") or shutil.which("hipcc", path="/opt/rocm/bin")
    if not path:
        raise Unavailable("no ROCm found (hipcc)", "load ROCm (module load rocm), or install it")
    return path


def flags() -> str:
    """hipcc's flags: multiply-adds are fused, fast but inexact functions are not used."""
    return os.environ.get("OCCA_HIP_COMPILER_FLAGS") or "-O3"


def missing() -> Unavailable | None:
    """Why OCCA cannot use an AMD GPU here, or None."""
    try:
        if not gpus():
            raise Unavailable(
                f"no AMD GPU (/{NODES} shows none)",
                "install AMD's driver (amdgpu); start a container with --device /dev/kfd",
            )
        path = find_library()
        if not isinstance(path, Path) or is_own(path):
            raise Unavailable("joulia's own OCCA (1.0.8) knows no HIP of today", SITE)
        told = version_of_headers(path)
        if (told and told.startswith("1.")) or not has_mode(path, "HIP"):
            raise Unavailable(f"{path} ({told or 'OCCA'}) has no HIP of today", SITE)
        hipcc()
    except Unavailable as error:
        return error
    return None


def check(dtype: str) -> dict[str, str]:
    """The versions in use."""
    return {"gpu": bus_id() or "an AMD GPU", "hipcc": compiled_with()["hipcc"], "flags": flags()}


def load_mode() -> None:
    """A site's library has its own."""


def properties() -> str:
    """What OCCA is to make its device of: the first that HIP shows."""
    return f"device_id: 0, kernel: {{compiler: '{hipcc()}', compiler_flags: '{flags()}'}}"


def compiled_with() -> dict[str, str]:
    """What a compiled kernel depends on besides its source."""
    return {"hipcc": " ".join(told_by(hipcc(), "--version").split()), "hip_flags": flags()}


def bus_id() -> str | None:
    """The GPU that computes; None where variables give HIP an order of its own."""
    if any(os.environ.get(name) for name in VISIBLE):
        return None
    return next(iter(gpus()), None)


class OccaHipOps(OccaDeviceOps):
    """Messages go through host memory: no MPI was seen to take memory of HIP's."""

    through = "host buffers"
    addressable = False

    def pinned(self, count: int, dtype: str) -> Host:
        return np.empty(count, dtype)

    def device_id(self) -> str | None:
        return bus_id()
