"""Kokkos: C++ over its policies, on processors and GPUs; a library that ctypes calls."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joulia.bridge import Device, Ops, Source
from joulia.bridges import _compilers, cpp
from joulia.bridges._compilers import CompiledOps, caller
from joulia.bridges._kokkos_device import KokkosDeviceOps
from joulia.bridges._kokkos_library import SPACES, Kokkos, find
from joulia.case import Case, Value
from joulia.errors import Unavailable
from joulia.kernel import Kernel
from joulia.system import cuda

SUFFIX = "_kokkos.cpp"
UNPROVEN = (
    "no GPU has run it yet: its sources were compiled for GPUs, and its memory and moves ran on a "
    "processor"
)
VARIABLES = (*cpp.VARIABLES, "KOKKOS_", "CUDA_ROOT", "NVCC_")


def prelude(dtype: str, constants: Mapping[str, Value]) -> str:
    return cpp.definitions(dtype, constants) + '#include "_kokkos.hpp"\n'


@dataclass
class KokkosCpp(_compilers.Language):
    """C++ with Kokkos' headers, linked to its library."""

    def compiler(self) -> str:
        """A Kokkos with CUDA takes no other than its own, also for processors."""
        try:
            kokkos = find()
        except Unavailable:
            return super().compiler()
        return kokkos.cuda_compiler() if kokkos.on_gpus else super().compiler()

    def flags(self) -> str:
        kokkos = find()
        language = f"-std={kokkos.standard}" + (f" {kokkos.cuda_flags()}" * kokkos.on_gpus)
        return f"{language} {super().flags()} -I{kokkos.include}"

    def linked(self) -> list[str]:
        kokkos = find()
        library = kokkos.library
        linked = [str(library), f"-Wl,-rpath,{library.parent}", "-ldl"]
        if not kokkos.on_gpus:
            return linked
        if kokkos.by_clang:
            return ["-x", "none", *linked]
        # One runtime of CUDA in a process, that of libkokkoscore.so.
        return [*linked, "-lcuda"] if library.suffix == ".a" else [*linked, "-cudart", "shared"]

    def compiled_with(self, case: Case) -> dict[str, str]:
        told = super().compiled_with(case) | {"libkokkos": find().state()}
        version = find().cuda_version()
        return told | ({"nvcc": "{}.{}".format(*version)} if version else {})

    def text(self, kernel: Kernel, source: Source, case: Case) -> str:
        used = (
            f"#include <Kokkos_Core.hpp>\nusing Space = Kokkos::{SPACES[case.device]};\n"
            f"constexpr bool ON_GPU = {str(case.on_gpu).lower()};\n"
        )
        text = used + super().text(kernel, source, case)
        called = "_kokkos_device.hpp" if case.on_gpu else "_kokkos_host.hpp"
        return text + f'#include "{called}"\n'

    def devices(self) -> tuple[Device, ...]:
        return tuple(
            Device(
                device,
                threads=device == "openmp",
                missing=self.missing(device),
                gpu=device == "cuda",
                unproven=UNPROVEN if device == "cuda" else "",
                aside="kokkos:openmp's code on one thread" if device == "serial" else "",
            )
            for device in SPACES
        )

    def missing(self, device: str) -> Unavailable | None:
        try:
            self.compiler()
            kokkos = find()
        except Unavailable as error:
            return error
        if device not in kokkos.enabled:
            remedy = f"set Kokkos_ROOT to one that was built with Kokkos_ENABLE_{device.upper()}"
            return Unavailable(
                f"the Kokkos in {kokkos.prefix} was built without {SPACES[device]}", remedy
            )
        return self.no_gpu(kokkos) if kokkos.on_gpus else None

    def no_gpu(self, kokkos: Kokkos) -> Unavailable | None:
        """Why a Kokkos that was built with CUDA cannot start: it needs a GPU, whatever computes."""
        if error := cuda.missing():
            return Unavailable(
                f"the Kokkos in {kokkos.prefix} needs a GPU: {error.reason}", error.remedy
            )
        gpu = cuda.current()
        if gpu.capability >= kokkos.capability:
            return None
        built = "{}{}".format(*kokkos.capability)
        return Unavailable(
            f"the Kokkos in {kokkos.prefix} is for sm_{built}, {gpu.name} is {gpu.architecture}",
            "set Kokkos_ROOT to one that was built for it (Kokkos_ARCH_...)",
        )

    def start(self, case: Case) -> dict[str, str]:
        """The versions; Unavailable where the driver is too old for Kokkos' CUDA."""
        versions = {"kokkos": find().version} | super().compiled_with(case)
        if not find().on_gpus:
            return versions
        if version := find().cuda_version():
            cuda.require_toolkit(version, "Kokkos' CUDA")
        driver = "{}.{}".format(*cuda.survey().driver)
        return versions | {"driver": driver, "gpu": cuda.current().name}

    def load(self, kernel: Kernel, source: Source, case: Case) -> Ops:
        """The library's functions; Kokkos starts with the first of a process."""
        limit = os.environ.get("OMP_THREAD_LIMIT", "")
        if limit.isdecimal() and int(limit) < case.threads:  # where Kokkos would abort
            raise Unavailable(
                f"OMP_THREAD_LIMIT={limit} keeps Kokkos from {case.threads} threads",
                f"unset it, or run with --threads {limit}",
            )
        library = self.library(kernel, source, case)
        threads = library.kokkos_start(case.threads)
        if threads != case.threads:
            raise RuntimeError(f"Kokkos computes on {threads} threads instead of {case.threads}")
        atexit.register(library.kokkos_stop)
        functions = {f.name: caller(getattr(library, f.name), f, case) for f in kernel.functions}
        if case.on_gpu:
            return KokkosDeviceOps(functions, library)
        return KokkosOps(functions, case.threads, library)


class KokkosOps(CompiledOps):
    """Kokkos may return before its work is done, and is then waited for."""

    def __init__(self, functions: Mapping[str, Any], threads: int, library: Any) -> None:
        super().__init__(functions, threads, library.copy_rows)
        self.fence = library.kokkos_fence
        self.fence.restype = None

    def synchronize(self) -> None:
        self.fence()


LANGUAGE = KokkosCpp(
    name="C++",
    variables=("CXX",),
    candidates=("g++", "clang++", "c++"),
    package="g++",
    flags_variable="JOULIA_CXXFLAGS",
    options="-fopenmp",
    prelude=prelude,
)
devices = LANGUAGE.devices
compiled_with = LANGUAGE.compiled_with
start = LANGUAGE.start
load = LANGUAGE.load
cache = LANGUAGE.cache
