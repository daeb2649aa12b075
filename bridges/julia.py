"""Julia through juliacall: the package JouliaKernels, KernelAbstractions kernels, shared memory.

Julia is started once a process. Python's arrays are wrapped as real Julia arrays over the same
memory (x first), and a call's arguments are converted once (`JouliaKernels.bind`). On a GPU arrays
are CUDA.jl's (_julia_cuda.py).
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from joulia.arrays import Host
from joulia.bridge import Device, HostOps, Ops, Source, rows, variables
from joulia.bridges import _julia_cuda
from joulia.case import Case, Shape, digest
from joulia.errors import Unavailable
from joulia.grid import Box
from joulia.kernel import Function, Kernel
from joulia.system.places import cache_dir, home
from joulia.system.threads import thread_ids

SUFFIX = ".jl"
PACKAGE = Path(__file__).parents[1] / "JouliaKernels"
PACKAGES = ("juliacall",)
VARIABLES = ("JULIA_", "PYTHON_JULIACALL_")
UNKNOWN_TO_ITS_CACHE = ("JULIA_LLVM_ARGS",)
"""Variables that change compiled code and are in no key of Julia's own cache."""
EXE, PROJECT = "PYTHON_JULIACALL_EXE", "PYTHON_JULIACALL_PROJECT"
DEPOTS = "JULIA_DEPOT_PATH"

_state: dict[str, Any] = {}


class Array:
    """A field: the NumPy array that owns the memory, and the Julia array over it."""

    __slots__ = ("host", "julia")

    def __init__(self, julia: Any, host: Host) -> None:
        self.julia = julia
        self.host = host


# ---- finding -------------------------------------------------------------------------------


def site() -> tuple[str, str] | None:
    """A site's own Julia and project, as juliacall's two variables name them."""
    exe, project = os.environ.get(EXE), os.environ.get(PROJECT)
    if not exe and not project:
        return None
    if exe and not project and shutil.which(exe) == noted().get("given", ""):
        return None  # a bundle's project was prepared for it
    if not (exe and project):
        raise Unavailable(
            f"only one of {EXE} and {PROJECT} is set", "set both, or neither for joulia's own Julia"
        )
    if not shutil.which(exe):
        raise Unavailable(f"{EXE} is {exe}, which cannot be run", f"correct or unset {EXE}")
    if not Path(project).is_dir():
        raise Unavailable(
            f"{PROJECT} is {project}, which is no folder", f"correct or unset {PROJECT}"
        )
    return exe, project


def prepared() -> Path:
    """The file in which `joulia prepare julia` notes the Julia and the project that it made."""
    return cache_dir() / "julia.json"


def noted() -> dict[str, str]:
    """What stands there: `exe`, `project`; of a bundle's `depot` and, as it was `given`, `exe`."""
    try:
        known: dict[str, str] = json.loads(prepared().read_text())
    except (OSError, ValueError):
        return {}
    return known


def find() -> tuple[str, str]:
    """(executable, project) of a site's Julia, else of the one that was prepared."""
    if named := site():
        return named
    known = noted()
    try:
        exe, project = known["exe"], known["project"]
    except KeyError:
        there = (
            "Julia is on PATH, but its project is not ready"
            if shutil.which("julia")
            else ("no Julia found")
        )
        raise Unavailable(
            there, f"run `joulia prepare julia`, or set {EXE} and {PROJECT}"
        ) from None
    if not (shutil.which(exe) and Path(project).is_dir()):
        raise Unavailable(f"the prepared Julia ({exe}) is gone", "run `joulia prepare julia` again")
    return exe, project


def environment() -> dict[str, str]:
    """The variables that name the Julia and the project of `find`, and their depots."""
    exe, project = find()
    named = {EXE: exe, PROJECT: project}
    if site() is None and (depot := noted().get("depot")):
        named[DEPOTS] = depots(depot)
    return named


def depots(first: str) -> str:
    """JULIA_DEPOT_PATH with a depot before those that there are; an empty entry is Julia's own."""
    return os.pathsep.join([first, os.environ.get(DEPOTS, "")])


@functools.cache
def version_of(exe: str) -> str:
    """What a Julia says of itself."""
    asked = [exe, "--startup-file=no", "--version"]
    done = subprocess.run(
        asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or f"{exe} tells no version"


def compiled_with(case: Case) -> dict[str, str]:
    """Julia's version and its project's packages; Unavailable where there is none."""
    exe, project = find()
    names = ("*Manifest*.toml", "*LocalPreferences.toml")
    files = [path for name in names for path in sorted(Path(project).glob(name))]
    return {"julia": version_of(exe), "julia_packages": digest(*(p.read_text() for p in files))}


def devices() -> tuple[Device, ...]:
    missing = no_gpu = None
    try:
        if importlib.util.find_spec("juliacall") is None:
            raise Unavailable("juliacall is not installed", "pip install juliacall")
        no_gpu = _julia_cuda.missing(Path(find()[1]))
    except Unavailable as error:
        missing = error
    return (
        Device(missing=missing, ceiling=2),
        Device(
            "cuda",
            threads=False,
            missing=missing or no_gpu,
            unproven=_julia_cuda.UNPROVEN,
            gpu=True,
            ceiling=1,
        ),
    )


# ---- starting ------------------------------------------------------------------------------


def configure(threads: int) -> None:
    """Set juliacall's variables; they are read at its first import and never again."""
    os.environ.update(environment())
    os.environ.setdefault("PYTHON_JULIACALL_HANDLE_SIGNALS", "yes")  # needed with several threads
    os.environ["PYTHON_JULIACALL_THREADS"] = str(threads)
    os.environ["PYTHON_JULIACALL_OPTIMIZE"] = "3"
    os.environ["PYTHON_JULIACALL_STARTUP_FILE"] = "no"
    # Threads stay on the cores that the process was given, one each.
    os.environ.setdefault("JULIA_EXCLUSIVE", "0")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _julia_cuda.configure()
    apart = variables(UNKNOWN_TO_ITS_CACHE, os.environ)
    if cold := os.environ.get("JOULIA_COLD_DIR"):
        os.environ[DEPOTS] = cold_depot(Path(cold) / "depot")
    elif apart:
        os.environ[DEPOTS] = cold_depot(cache_dir() / "julia" / digest(apart))


def cold_depot(depot: Path) -> str:
    """A depot path with the user's packages and none of their compiled code.

    What is compiled with Julia itself stays: a site ships it that way.
    """
    named = os.environ.get(DEPOTS, "").split(os.pathsep)[0]
    user = Path(named) if named else home() / ".julia"
    depot.mkdir(parents=True, exist_ok=True)
    for child in user.iterdir() if user.is_dir() else ():
        link = depot / child.name
        if child.name not in {"compiled", "logs"} and not link.exists():
            link.symlink_to(child)
    exe = Path(shutil.which(os.environ[EXE]) or os.environ[EXE]).resolve()
    bundled = [exe.parents[1] / "local" / "share" / "julia", exe.parents[1] / "share" / "julia"]
    return os.pathsep.join(map(str, [depot, *bundled]))


def start(case: Case) -> dict[str, str]:
    configure(case.threads)
    before = thread_ids()
    try:
        from juliacall import Main
    except Exception as error:
        raise Unavailable(
            f"Julia does not start: {type(error).__name__}: {' '.join(str(error).split())}",
            f"run `joulia prepare julia`; a site's own project needs PythonCall "
            f"{importlib.metadata.version('juliacall')}, as the installed juliacall is",
        ) from error
    # A site's project need not know JouliaKernels. Its own folder is a project that tells of it and
    # of its extensions; packages are sought from the start of the path to where they are named, so
    # that it comes last.
    Main.seval(f"push!(LOAD_PATH, {json.dumps(str(PACKAGE))})")
    package_id = 'Base.PkgId(Base.UUID("6f1c7c3e-3a55-4f0b-9f0e-6a6f756c6961"), "JouliaKernels")'
    ready = Main.seval(f"isdefined(Base, :isprecompiled) && Base.isprecompiled({package_id})")
    Main.seval("import JouliaKernels")
    package = Main.JouliaKernels
    _state.update(main=Main, package=package, cache="warm" if ready else "cold")
    versions: dict[str, str] = {}
    if case.on_gpu:
        _state["backend"], versions = _julia_cuda.start(Main, package)
    else:
        _state["backend"] = package.backend(case.device)
    threads = int(Main.seval("Threads.nthreads()"))
    if threads != case.threads:
        raise Unavailable(f"Julia runs {threads} threads instead of {case.threads}")
    # What else Julia started collects garbage, or waits for signals.
    computing = {int(thread) for thread in package.thread_ids()} if before else set()
    _state["helpers"] = frozenset(thread_ids() - before - computing)
    return {
        "julia": str(Main.seval("string(VERSION)")),
        "KernelAbstractions": str(
            Main.seval("string(pkgversion(JouliaKernels.KernelAbstractions))")
        ),
    } | versions


class JuliaOps(HostOps):
    """Arrays are NumPy's memory, wrapped for Julia without a copy."""

    def __init__(self, functions: Mapping[str, Callable[..., None]], threads: int) -> None:
        super().__init__(functions, threads)
        self.helpers = _state["helpers"]

    def wrap(self, host: Host) -> Array:
        package = _state["package"]
        shape = host.shape[::-1]
        element = package.element(host.dtype.name)
        return Array(package.wrap(element, host.ctypes.data, shape), host)

    def view(self, array: Array) -> Host:
        return array.host

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        package, backend = _state["package"], _state["backend"]
        every = [
            (part.length, self.wrap(part.sources), self.wrap(part.targets))
            for part in rows(shape, copies)
        ]
        parts = [(length, sources.julia, targets.julia) for length, sources, targets in every]

        @functools.cache
        def bound(array: Array) -> Any:
            return package.bind_copy(backend, array.julia, *parts)

        def copy(array: Array) -> None:
            if every:
                bound(array)()

        return copy

    def synchronize(self) -> None:
        """The kernels of a CPU return when their work is done."""


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    functions = callers(kernel, source, case)
    if case.on_gpu:
        # CUDA.jl compiles for the GPU in every process.
        _state["cache"] = "cold"
        return _julia_cuda.JuliaDeviceOps(functions, _state["package"], _state["backend"])
    return JuliaOps(functions, case.threads)


def callers(kernel: Kernel, source: Source, case: Case) -> dict[str, Callable[..., None]]:
    """The kernel's functions by name, on the backend that was started."""
    package, name = _state["package"], source.path.stem
    if not _state["main"].isdefined(package, _state["main"].Symbol(name)):
        # A kernel of another distribution: compiled into the package at run time.
        _state["main"].Base.include(package, str(source.path))
        _state["cache"] = "cold"
    module = getattr(package, name)
    constants = kernel.constants(case) if kernel.constants is not None else None
    return {f.name: caller(module, f, constants) for f in kernel.functions}


def cache() -> str:
    return str(_state["cache"])


def caller(
    module: Any, function: Function, constants: dict[str, Any] | None
) -> Callable[..., None]:
    """A Python function that calls a Julia one; argument lists are converted once and kept.

    Where the kernel has compile-time constants, the module's `specialize(; constants...)` returns
    its functions by name.
    """
    package = _state["package"]
    backend = _state["backend"]
    if constants is None:
        target = getattr(module, function.name)
    else:
        target = getattr(module.specialize(**constants), function.name)
    arrays, ints = len(function.arrays), len(function.ints)
    known: dict[tuple[Any, ...], Any] = {}

    def call(box: Box, *arguments: Any) -> None:
        key = (box, arguments)
        bound = known.get(key)
        if bound is None:
            if len(known) >= 256:  # arguments that change at every step
                known.clear()
            bound = known[key] = package.bind(
                target,
                backend,
                box,
                tuple(array.julia for array in arguments[:arrays]),
                tuple(arguments[arrays : arrays + ints]),
                tuple(arguments[arrays + ints :]),
            )
        bound()

    return call
