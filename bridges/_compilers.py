"""Compilers of the system: what they are, and kernels that they turn into shared libraries."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.arrays import Host
from joulia.bridge import Device, HostOps, Ops, Source, rows, variables
from joulia.case import Case, Shape, Value, digest
from joulia.errors import Unavailable
from joulia.grid import Box
from joulia.kernel import Function, Kernel
from joulia.system.locks import locked
from joulia.system.machine import cpu_model
from joulia.system.places import cache_dir

VARIABLES = (
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH",
    "GCC_EXEC_PREFIX", "CCC_OVERRIDE_OPTIONS",
)  # fmt: skip
"""What compilers read. The compiler that a variable names is in the key anyway."""
HEADERS = (Path(__file__).parent, Path(__file__).parents[1] / "kernels")
"""Where headers are that sources share: those of the bridge, and of joulia's own kernels."""


@functools.cache
def version_line(command: str) -> str:
    """The first line that a compiler says of itself."""
    asked = [*command.split(), "--version"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    return lines[0] if lines else command


def optimised() -> str:
    """Flags for fast code whose bits do not depend on where a cell lies in a row.

    The compiler neither contracts nor reassociates: it would do so in the vector body of a loop
    otherwise than in its rest, and the bits would depend on the number of ranks.
    """
    native = (
        "-mcpu=native" if platform.machine().startswith(("ppc", "aarch64")) else "-march=native"
    )
    return f"-O3 {native} -fno-math-errno -fno-trapping-math -fno-signed-zeros -ffp-contract=off"


def find(language: str, named_by: Sequence[str], candidates: Sequence[str], package: str) -> str:
    """The command of a compiler: the first variable's that is set, else the first that is there.

    Raises Unavailable where there is none.
    """
    named = next(filter(None, map(os.environ.get, named_by)), None)
    for candidate in [named] if named else candidates:
        if shutil.which(candidate.split()[0]):
            return candidate
    raise Unavailable(
        f"no {language} compiler found{f' ({named})' if named else ''}",
        f"install one (Debian: apt install {package}), or set {named_by[-1]}",
    )


@dataclass
class Language:
    """A language whose kernels the system's compiler makes into a library.

    The first of `variables` that is set names the compiler, else it is the first of `candidates`
    that is there; `options` are the language's own, `flags_variable` replaces the ones that
    optimise. `prelude(real, constants)` is the text before a source: its precision (`float64`, ...)
    and the kernel's constants.
    """

    name: str
    variables: tuple[str, ...]
    candidates: tuple[str, ...]
    package: str
    flags_variable: str
    options: str
    prelude: Callable[[str, Mapping[str, Value]], str]
    compiled: bool = False
    """Whether the last library was compiled now."""

    def compiler(self) -> str:
        """The compiler's command; Unavailable where there is none."""
        return find(self.name, self.variables, self.candidates, self.package)

    def flags(self) -> str:
        return f"{self.options} {os.environ.get(self.flags_variable) or optimised()}"

    def linked(self) -> list[str]:
        """What stands behind a source on the compiler's command line."""
        return []

    def compiled_with(self, case: Case) -> dict[str, str]:
        command = self.compiler()
        return {"compiler": f"{command}: {version_line(command)}", "flags": self.flags()}

    def devices(self) -> tuple[Device, ...]:
        missing = None
        try:
            self.compiler()
        except Unavailable as error:
            missing = error
        return (Device(missing=missing),)

    def start(self, case: Case) -> dict[str, str]:
        return self.compiled_with(case)

    def load(self, kernel: Kernel, source: Source, case: Case) -> Ops:
        """The library's functions on the case's threads."""
        library = self.library(kernel, source, case)
        library.omp_set_num_threads(ctypes.c_int(case.threads))
        functions = {f.name: caller(getattr(library, f.name), f, case) for f in kernel.functions}
        return CompiledOps(functions, case.threads, library.copy_rows)

    def cache(self) -> str:
        return "cold" if self.compiled else "warm"

    def text(self, kernel: Kernel, source: Source, case: Case) -> str:
        """What is compiled: the source behind its precision and constants."""
        constants = kernel.constants(case) if kernel.constants is not None else {}
        line = f'# 1 "{source.path}"\n'
        return self.prelude(case.dtype, constants) + line + source.path.read_text()

    def library(self, kernel: Kernel, source: Source, case: Case) -> ctypes.CDLL:
        """The kernel's functions.

        They are kept by all that decides what they become; one process at a time compiles.
        RuntimeError with the compiler's first error where it refuses the source.
        """
        text = self.text(kernel, source, case)
        shared = [path for folder in HEADERS for path in folder.glob("_*.[hf][p9]*")]
        ours = [*shared, *source.path.parent.glob("*.hpp")]
        headers = [path.read_text() for path in sorted(ours)]
        settings = variables(VARIABLES, os.environ)
        key = digest(text, headers, self.compiled_with(case), settings, cpu_model())
        home = Path(os.environ.get("JOULIA_COLD_DIR") or cache_dir()) / "compiled" / key
        home.mkdir(parents=True, exist_ok=True)
        library = home / f"lib{source.path.stem}.so"
        with locked(home / "joulia.lock"):
            self.compiled = not library.is_file()
            if self.compiled:
                self.compile(text, source, library)
        return ctypes.CDLL(str(library))

    def compile(self, text: str, source: Source, library: Path) -> None:
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            whole, made = Path(scratch) / source.path.name, Path(scratch) / library.name
            whole.write_text(text)
            command = [*self.compiler().split(), *self.flags().split(), "-shared", "-fPIC"]
            folders = [f"-I{folder}" for folder in (source.path.parent, *HEADERS)]
            done = subprocess.run(
                [*command, *folders, str(whole), *self.linked(), "-o", str(made)],
                cwd=scratch,  # a Fortran compiler writes its modules there
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            if done.returncode:
                raise RuntimeError(
                    f"{command[0]} does not compile {source.path.name}: {first_error(done.stderr)}"
                )
            made.replace(library)


def first_error(stderr: str) -> str:
    """The first error in a line; Fortran compilers put its place into one of its own before it."""
    place = ""
    for line in stderr.splitlines():
        if re.fullmatch(r".+:\d+:\d+:", line):
            place = line + " "
        if re.search("[Ee]rror", line):
            return line if ":" in line.partition("rror")[0] else place + line
    return "no message"


class Array:
    """A field: the NumPy array that owns the memory, told apart by identity, and its address."""

    __slots__ = ("address", "host", "shape")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.shape: Shape = host.shape
        self.address = ctypes.c_void_p(host.ctypes.data)


class CompiledOps(HostOps):
    """Arrays are NumPy's memory, handed over as pointers."""

    def __init__(
        self, functions: Mapping[str, Callable[..., None]], threads: int, copy_rows: Any
    ) -> None:
        super().__init__(functions, threads)
        self.copy_rows = copy_rows
        self.copy_rows.restype = None

    def wrap(self, host: Host) -> Array:
        return Array(host)

    def view(self, array: Array) -> Host:
        return array.host

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        calls = []
        for part in rows(shape, copies):
            places = [self.wrap(part.sources), self.wrap(part.targets)]
            sizes = map(ctypes.c_long, (part.sources.size, part.length))
            calls.append((places, [*sizes, *(place.address for place in places)]))

        def copy(array: Any) -> None:
            for _, arguments in calls:
                self.copy_rows(*arguments, array.address)

        return copy

    def synchronize(self) -> None:
        """A parallel region ends with a join: calls return when their work is done."""


def caller(entry: Any, function: Function, case: Case) -> Callable[..., None]:
    """A Python function `f(box, *arrays, *ints, *reals)` over a compiled one.

    That takes the sizes of the padded array and the box as `int`, then pointers, ints and reals by
    value. Argument lists are converted once and kept.
    """
    entry.restype = None
    real = ctypes.c_double if case.dtype == "float64" else ctypes.c_float
    arrays, ints = len(function.arrays), len(function.ints)
    known: dict[tuple[Any, ...], Callable[[], None]] = {}

    def call(box: Box, *arguments: Any) -> None:
        run = known.get((box, arguments))
        if run is None:
            if len(known) >= 256:  # arguments that change at every step
                known.clear()
            numbers = arguments[arrays : arrays + ints]
            run = known[box, arguments] = functools.partial(
                entry,
                *map(ctypes.c_int, (*arguments[0].shape, *box)),
                *(array.address for array in arguments[:arrays]),
                *map(ctypes.c_int, numbers),
                *map(real, arguments[arrays + ints :]),
            )
        run()

    return call
