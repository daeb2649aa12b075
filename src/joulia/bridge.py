"""What a bridge is: how Python reaches a runtime. A module in `bridges/` satisfies `Bridge`."""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from joulia.arrays import Host
from joulia.case import Case, Shape
from joulia.errors import Unavailable
from joulia.grid import Box, extent, pairs, slices
from joulia.kernel import Kernel
from joulia.system import topology


@dataclass(frozen=True)
class Device:
    """A place where a runtime computes: present, or missing with a reason and a remedy.

    `unproven` says what was never seen working there, for people who consider using it. `gpu` says
    that a GPU computes, one a rank, instead of the processor's cores: NVIDIA's, which joulia asks
    the driver for, or another that the bridge tells by `gpu_of(case)`. A place's bounds are
    measured on the device with the largest `ceiling` that can run there; 0 is never asked. `aside`
    says why the quick preset leaves a device out where no backend is named.
    """

    name: str = "cpu"
    threads: bool = True
    missing: Unavailable | None = None
    unproven: str = ""
    gpu: bool = False
    ceiling: int = 0
    aside: str = ""


@dataclass(frozen=True)
class Source:
    """A kernel's source in one language: the file, and the module path it has in Python."""

    path: Path
    package: str

    @property
    def module(self) -> str:
        return f"{self.package}.{self.path.stem}"


class Bridge(Protocol):
    """A runtime. One process runs one bridge, so start-up may set the environment.

    Where a device reads a source of its own, `SUFFIXES[device]` says how that ends; where it reads
    several, how they end, the one it would rather have first.

    What else decides which code runs is part of a record's identity, and a bridge may name it:
    `PACKAGES`, the distributions that compile or run it; `VARIABLES`, how the environment variables
    begin that change it; and `compiled_with(case)`, a dictionary of what they do not tell
    (compilers, flags), cheap like `devices()`. For a GPU that is not NVIDIA's, `gpu_of(case)` may
    tell the PCI bus id by which meters know it.
    """

    SUFFIX: str
    """How the kernel source that it reads ends: `heat` + `_numba.py`."""

    def devices(self) -> tuple[Device, ...]:
        """All devices, cheaply: nothing is imported that a parent process should not import."""

    def start(self, case: Case) -> dict[str, str]:
        """Import and start the runtime for a case's device and threads; returns its versions.

        Raises Unavailable where it is not what was asked for.
        """

    def load(self, kernel: Kernel, source: Source, case: Case) -> Ops:
        """Compile or load the kernel's functions."""

    def cache(self) -> str:
        """Whether `load` compiled (`cold`), found its results (`warm`) or needs none (`none`)."""


PLACES = frozenset({
    "NUMBA_CACHE_DIR", "OCCA_CACHE_DIR", "OCCA_DIR", "CUPY_CACHE_DIR", "JULIA_DEPOT_PATH",
    "JAX_COMPILATION_CACHE_DIR",
    "PYTHON_JULIACALL_EXE", "PYTHON_JULIACALL_PROJECT", "PYTHON_JULIACALL_LIB",
})  # fmt: skip
"""Variables that say where something is, and not what it does."""


def variables(beginnings: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    """The set variables whose names begin so, but for those that only name a place."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if value and name.startswith(beginnings) and name not in PLACES
    }


class Parcel(Protocol):
    """What one message carries: one box of several fields, packed.

    `message` is what MPI sends or fills: a NumPy array, or an object with device memory.
    `pack` and `unpack` may return before their work is done, in the order of the runtime's work.
    """

    message: Any
    nbytes: int

    def pack(self, arrays: Sequence[Any]) -> None: ...
    def unpack(self, arrays: Sequence[Any]) -> None: ...


class Ops:
    """A kernel's compiled functions as attributes, and the arrays they work on.

    A function call `ops.name(box, *arrays, *ints, *reals)` may return before the work is done;
    `synchronize` blocks until it is. Arrays belong to the runtime. `copier` moves boxes inside one
    array, a `parcel` carries them to another rank.
    """

    functions: Mapping[str, Callable[..., None]]
    simulated = ""
    """What stands in for the hardware, where something does: its times mean nothing."""
    through = "host memory"
    """Where messages between ranks lie."""
    hands_out = False
    """Whether the process's main thread only hands work out, while as many others compute as the
    case has threads. Elsewhere it is one of them."""
    helpers: frozenset[int] = frozenset()
    """Threads of the runtime that compute none of the case's work, by the kernel's ids."""
    pool: int | None = None
    """The threads that share its work, where the bridge has counted them itself because others of
    the runtime, which compute nothing, take CPU time as well; their time then is not judged."""

    def __init__(self, functions: Mapping[str, Callable[..., None]]) -> None:
        self.functions: Mapping[str, Callable[..., None]] = {}
        self.supply(functions)

    def supply(self, functions: Mapping[str, Callable[..., None]]) -> None:
        """Supply these functions as well."""
        self.functions = {**self.functions, **functions}
        for name, function in functions.items():
            setattr(self, name, function)

    def array(self, host: Host) -> Any:
        """A new array with the shape, dtype and values of `host`."""
        raise NotImplementedError

    def host(self, array: Any) -> Host:
        """The values in host memory: a view where the runtime computes there, else a copy.

        Blocks until all work on the array is done.
        """
        raise NotImplementedError

    def copy(self, source: Any, target: Any) -> None:
        """All values of an array into another of the same shape and dtype."""
        raise NotImplementedError

    def fill(self, array: Any, host: Host) -> None:
        """The values of `host` into an array of its shape and dtype."""
        self.copy(self.array(host), array)

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        """A function that copies boxes (source, target) within an array of this shape.

        No copy reads what another writes.
        """
        raise NotImplementedError

    def parcel(self, shape: Shape, box: Box, fields: int, dtype: str) -> Parcel:
        """Room for one box of `fields` arrays of this shape."""
        raise NotImplementedError

    def dtype(self, array: Any) -> str:
        raise NotImplementedError

    def prepare(self, step: Callable[[], object]) -> None:
        """Compile what `step` calls, where a runtime compiles for shapes; compute nothing.

        `step` is a time step without its exchanges. Most runtimes have compiled when they loaded.
        """

    def synchronize(self) -> None:
        """Block until all work given to the runtime is done."""

    def device_id(self) -> str | None:
        """The UUID or PCI bus id of the GPU that computes; None where the processor does."""
        return None


class HostParcel:
    """A parcel in host memory, of arrays that `view` shows as NumPy's."""

    def __init__(self, view: Callable[[Any], Host], box: Box, fields: int, dtype: str) -> None:
        self.view = view
        self.inside = slices(box)
        self.message = np.empty((fields, *extent(box)), dtype)
        self.nbytes = self.message.nbytes

    def pack(self, arrays: Sequence[Any]) -> None:
        for packed, array in zip(self.message, arrays, strict=True):
            packed[...] = self.view(array)[self.inside]

    def unpack(self, arrays: Sequence[Any]) -> None:
        for packed, array in zip(self.message, arrays, strict=True):
            self.view(array)[self.inside] = packed


class HostOps(Ops):
    """Ops of a runtime that computes in host memory.

    `wrap` turns a NumPy array into the runtime's own without a copy, `view` turns it back; for
    runtimes that take NumPy arrays both are the identity.
    """

    def __init__(self, functions: Mapping[str, Callable[..., None]], threads: int) -> None:
        super().__init__(functions)
        self.threads = threads

    def wrap(self, host: Host) -> Any:
        return host

    def view(self, array: Any) -> Host:
        return array  # type: ignore[no-any-return]

    def array(self, host: Host) -> Any:
        return self.wrap(placed_copy(host, self.threads))

    def host(self, array: Any) -> Host:
        return self.view(array)

    def copy(self, source: Any, target: Any) -> None:
        np.copyto(self.view(target), self.view(source))

    def fill(self, array: Any, host: Host) -> None:
        np.copyto(self.view(array), host)

    def dtype(self, array: Any) -> str:
        return self.view(array).dtype.name

    def parcel(self, shape: Shape, box: Box, fields: int, dtype: str) -> Parcel:
        return HostParcel(self.view, box, fields, dtype)

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        cuts = [(slices(source), slices(target)) for source, target in copies]

        def copy(array: Any) -> None:
            host = self.view(array)
            for source, target in cuts:
                host[target] = host[source]

        return copy


@dataclass(frozen=True)
class Rows:
    """Copies within an array as rows: the element that each of them begins at, and goes to.

    Rows of one length are together, in the order of their targets: threads that share them evenly
    write apart, and the ends of neighbouring rows, which share cache lines, are copied together.
    """

    length: int
    sources: Host
    targets: Host


FEW = 2048
"""Cells whose copy costs no more than a call does."""


def rows(shape: Shape, copies: Sequence[tuple[Box, Box]], few: int = FEW) -> list[Rows]:
    """The boxes' copies as rows along the last axis, for compiled copiers, by their lengths.

    Each length is a call of its own: of at most `few` cells, all are rows of the same length.
    """
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    by_length: dict[int, list[tuple[Host, Host]]] = {}
    for pair in copies:
        length = pair[0][-1] - pair[0][-2]
        starts = []
        for box in pair:
            begin = np.full((), box[-2], np.int64)
            for (a, b), stride in zip(pairs(box)[:-1], strides, strict=False):
                begin = begin[..., None] + stride * np.arange(a, b)
            starts.append(begin.ravel())
        if length > 0 and starts[0].size:
            by_length.setdefault(length, []).append((starts[0], starts[1]))
    if sum(length * part[0].size for length, parts in by_length.items() for part in parts) <= few:
        by_length = in_one_length(by_length)
    every = []
    for length, parts in by_length.items():
        sources, targets = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(targets)
        every.append(Rows(length, sources[order], targets[order]))
    return every


def in_one_length(
    by_length: dict[int, list[tuple[Host, Host]]],
) -> dict[int, list[tuple[Host, Host]]]:
    """Rows cut into the longest pieces that all of them have."""
    common = math.gcd(*by_length)
    cut: list[tuple[Host, Host]] = []
    for length, parts in by_length.items():
        pieces = np.arange(0, length, common)
        for sources, targets in parts:
            cut.append(((sources[:, None] + pieces).ravel(), (targets[:, None] + pieces).ravel()))
    return {common: cut} if cut else {}


STAGGER_BYTES = 4096 + 5 * 64
STAGGERED = 13
_turns = itertools.count()


def placed_copy(host: Host, threads: int) -> Host:
    """A copy in fresh memory whose pages were first touched as the kernels will use them.

    Thread t of n writes the t-th slab of the slowest axis, which is how static loop schedules
    divide the work, so that on machines with several memory nodes each slab lies near its core.
    Arrays start at different offsets: the same cell of a dozen fields would else fall into one set
    of a cache with eight ways, since mapped memory is aligned to pages.
    """
    shift = next(_turns) % STAGGERED * STAGGER_BYTES
    # Private, since shared mappings get no huge pages where the system's default stands.
    memory = mmap.mmap(-1, max(1, host.nbytes + shift), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE") and host.nbytes >= 1 << 22:
        memory.madvise(mmap.MADV_HUGEPAGE)
    placed: Host = np.frombuffer(memory, dtype=host.dtype, count=host.size, offset=shift).reshape(
        host.shape
    )
    cuts = [host.shape[0] * t // threads for t in range(threads + 1)]

    def touch(t: int) -> None:
        pin_thread(t)
        np.copyto(placed[cuts[t] : cuts[t + 1]], host[cuts[t] : cuts[t + 1]])

    if threads == 1 or host.nbytes < 1 << 20:
        np.copyto(placed, host)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(touch, range(threads)))
    return placed


def pin_thread(t: int) -> None:
    """Bind the calling thread to the process's t-th core, as OpenMP does, where the system can."""
    import os

    if hasattr(os, "sched_setaffinity"):
        cores = topology.own()
        os.sched_setaffinity(0, {cores[t % len(cores)]})


def python_functions(module: Any, kernel: Kernel, case: Case) -> dict[str, Callable[..., None]]:
    """The functions of a Python source.

    Where a kernel has compile-time constants, its module supplies `specialize(**constants)`, which
    returns the functions by name. A module whose code follows from what a case chooses (a network,
    a number of levels) supplies `functions_of(case)` instead. Otherwise they are the module's own.
    """
    if kernel.constants is not None:
        supplied: Mapping[str, Callable[..., None]] = module.specialize(**kernel.constants(case))
    elif "functions_of" in vars(module):
        supplied = module.functions_of(case)
    else:
        supplied = vars(module)
    return {f.name: supplied[f.name] for f in kernel.functions}
