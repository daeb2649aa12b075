"""Kokkos: where it is, which version, and what it was built for."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from joulia.errors import Unavailable
from joulia.system.places import cache_dir

VERSION_BUILT = "3.4.1"
"""What `joulia prepare kokkos` builds."""
ROOT = "Kokkos_ROOT"
"""The variable that names a site's, as CMake has it."""
REMEDY = f"correct or unset {ROOT}"
OLDEST = 30400
"""The first version that the sources compile with."""
SPACES = {"serial": "Serial", "openmp": "OpenMP", "cuda": "Cuda"}
GPUS = "KEPLER|MAXWELL|PASCAL|VOLTA|TURING|AMPERE|ADA|HOPPER|BLACKWELL"
"""What Kokkos calls NVIDIA's architectures; the compute capability follows."""
NVCC = "-expt-extended-lambda -expt-relaxed-constexpr -fmad=false"
"""As in C++ nothing is contracted."""


@dataclass(frozen=True)
class Kokkos:
    """An installed Kokkos."""

    include: Path
    library: Path
    number: int
    """As Kokkos has it: 30401 is 3.4.1."""
    enabled: frozenset[str]
    """The devices that it was built for."""
    capability: tuple[int, int] = (0, 0)
    """The least compute capability of GPUs that it computes on."""
    relocatable: bool = False
    """Whether its device code is linked, too."""
    compiler: str = ""
    """What it was built with."""

    @property
    def prefix(self) -> Path:
        return self.include.parent

    @property
    def version(self) -> str:
        return f"{self.number // 10000}.{self.number // 100 % 100}.{self.number % 100}"

    @property
    def standard(self) -> str:
        """The C++ that its headers need."""
        return "c++20" if self.number >= 50000 else "c++17"

    @property
    def on_gpus(self) -> bool:
        return "cuda" in self.enabled

    def cuda_version(self) -> tuple[int, int] | None:
        """Of the CUDA that compiles for its GPUs, where nvcc does."""
        command = nvcc() if self.on_gpus and not self.by_clang else None
        return cuda_version(command) if command else None

    @property
    def by_clang(self) -> bool:
        return "clang" in Path(self.compiler).name

    def cuda_compiler(self) -> str:
        """What compiles for its GPUs: clang++ where it made this Kokkos, else its nvcc_wrapper.

        Raises Unavailable where that is not here.
        """
        named = os.environ.get("CXX", "")
        if self.by_clang:
            candidates = [named if "clang" in named else "", self.compiler, "clang++"]
            for candidate in filter(None, candidates):
                if shutil.which(candidate.split()[0]):
                    return candidate
            raise Unavailable(
                f"the Kokkos in {self.prefix} was built by {self.compiler}, which is not here",
                "set CXX to a clang++",
            )
        wrapper = self.prefix / "bin" / "nvcc_wrapper"
        if not os.access(wrapper, os.X_OK):
            raise Unavailable(f"the Kokkos in {self.prefix} has no bin/nvcc_wrapper", REMEDY)
        if nvcc() is None:
            raise Unavailable(
                f"no nvcc found, which the Kokkos in {self.prefix} needs",
                "put the bin folder of a CUDA toolkit on PATH",
            )
        return str(wrapper)

    def cuda_flags(self) -> str:
        """The language, and for which GPU."""
        number = "{}{}".format(*self.capability)
        if self.by_clang:
            return "-x cuda" + (f" --cuda-gpu-arch=sm_{number}" if any(self.capability) else "")
        flags = [NVCC, "-rdc=true" if self.relocatable else ""]
        flags.append(f"-arch=sm_{number}" if any(self.capability) else "")
        return " ".join(filter(None, flags))

    def state(self) -> str:
        """Tells builds of it apart."""
        file = self.library.stat()
        return f"{self.version}, {self.library}, {file.st_size} B, {file.st_mtime:.0f}"


def own_prefix() -> Path:
    """Where `joulia prepare kokkos` puts the Kokkos that it builds."""
    return cache_dir() / f"kokkos-{VERSION_BUILT}"


def find() -> Kokkos:
    """The Kokkos of Kokkos_ROOT, else joulia's own; Unavailable where there is none that fits."""
    site = os.environ.get(ROOT)
    if site is None and not own_prefix().is_dir():
        raise Unavailable("no Kokkos found", "run `joulia prepare kokkos`, or set Kokkos_ROOT")
    return at(Path(site) if site else own_prefix())


def at(prefix: Path) -> Kokkos:
    """What is installed there; Unavailable where it is no Kokkos, or too old."""
    header = prefix / "include" / "KokkosCore_config.h"
    libraries = [
        path
        for folder in ("lib", "lib64")
        for ending in ("so", "a", "dylib")
        if (path := prefix / folder / f"libkokkoscore.{ending}").is_file()
    ]
    if not header.is_file() or not libraries:
        raise Unavailable(f"no Kokkos is installed in {prefix}", REMEDY)
    text = header.read_text(errors="replace")
    version = re.search(r"#define KOKKOS_VERSION (\d+)", text)
    if version is None or int(version[1]) < OLDEST:
        told = version[1] if version else "that it does not tell"
        raise Unavailable(f"the Kokkos in {prefix} has a version below 3.4 ({told})", REMEDY)
    enabled = {
        device for device in SPACES if re.search(rf"#define KOKKOS_ENABLE_{device.upper()}\b", text)
    }
    gpu = re.search(rf"#define KOKKOS_ARCH_(?:{GPUS})(\d+)(\d)\b", text)
    common = libraries[0].parent / "cmake" / "Kokkos" / "KokkosConfigCommon.cmake"
    settings = common.read_text(errors="replace") if common.is_file() else ""
    compiler = re.search(r'(?i:set)\(Kokkos_CXX_COMPILER "(.+)"\)', settings)
    return Kokkos(
        header.parent,
        libraries[0],
        int(version[1]),
        frozenset(enabled),
        (int(gpu[1]), int(gpu[2])) if gpu else (0, 0),
        "#define KOKKOS_ENABLE_CUDA_RELOCATABLE_DEVICE_CODE" in text,
        compiler[1] if compiler else "",
    )


def nvcc() -> str | None:
    """The one on PATH, which nvcc_wrapper calls."""
    return shutil.which("nvcc")


@functools.cache
def cuda_version(nvcc: str) -> tuple[int, int] | None:
    """Of an nvcc."""
    done = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False)
    told = re.search(r"release (\d+)\.(\d+)", done.stdout)
    return (int(told[1]), int(told[2])) if told else None
