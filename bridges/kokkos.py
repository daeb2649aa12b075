"""Kokkos: C++ over its policies, on the fields' own memory; a library that ctypes calls."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joulia.bridge import Device, Ops, Source
from joulia.bridges import _compilers, cpp
from joulia.bridges._compilers import CompiledOps, caller
from joulia.bridges._kokkos_library import SPACES, find
from joulia.case import Case, Value
from joulia.errors import Unavailable
from joulia.kernel import Kernel

SUFFIX = "_kokkos.cpp"
UNPROVEN = "no GPU has run it, and the fields are not in its memory yet"
VARIABLES = (*cpp.VARIABLES, "KOKKOS_")


def prelude(dtype: str, constants: Mapping[str, Value]) -> str:
    return cpp.definitions(dtype, constants) + '#include "_kokkos.hpp"\n'


@dataclass
class KokkosCpp(_compilers.Language):
    """C++ with Kokkos' headers, linked to its library."""

    def flags(self) -> str:
        return f"-std={find().standard} {super().flags()} -I{find().include}"

    def linked(self) -> list[str]:
        library = find().library
        return [str(library), f"-Wl,-rpath,{library.parent}", "-ldl"]

    def compiled_with(self, case: Case) -> dict[str, str]:
        return super().compiled_with(case) | {"libkokkos": find().state()}

    def text(self, kernel: Kernel, source: Source, case: Case) -> str:
        used = f"#include <Kokkos_Core.hpp>\nusing Space = Kokkos::{SPACES[case.device]};\n"
        return used + super().text(kernel, source, case)

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
                f"the Kokkos in {kokkos.include.parent} was built without {SPACES[device]}", remedy
            )
        if device == "cuda":
            return Unavailable(
                "joulia's Kokkos sources compute in host memory so far", "use occa:cuda"
            )
        return None

    def start(self, case: Case) -> dict[str, str]:
        return {"kokkos": find().version} | super().compiled_with(case)

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
