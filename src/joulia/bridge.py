"""What a bridge is: how Python reaches a runtime. A module in `bridges/` satisfies `Bridge`."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from joulia.case import Case
from joulia.errors import Unavailable
from joulia.grid import Box, slices
from joulia.kernel import Host, Kernel


@dataclass(frozen=True)
class Device:
    """A place where a runtime computes: present, or missing with a reason and a remedy."""

    name: str = "cpu"
    threads: bool = True
    missing: Unavailable | None = None


@dataclass(frozen=True)
class Source:
    """A kernel's source in one language: the file, and the module path it has in Python."""

    path: Path
    package: str

    @property
    def module(self) -> str:
        return f"{self.package}.{self.path.stem}"


class Bridge(Protocol):
    """A runtime. One process runs one bridge, so start-up may set the environment."""

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


class Ops:
    """A kernel's compiled functions as attributes, and the arrays they work on.

    A function call `ops.name(box, *arrays, *ints, *reals)` may return before the work is done;
    `synchronize` blocks until it is. Arrays belong to the runtime. `read` and `write` move a box
    between an array and packed host memory and block; `copy` moves a box inside one array.
    """

    functions: Mapping[str, Callable[..., None]]

    def __init__(self, functions: Mapping[str, Callable[..., None]]) -> None:
        self.functions = functions
        for name, function in functions.items():
            setattr(self, name, function)

    def array(self, host: Host) -> Any:
        """A new array with the shape, dtype and values of `host`."""
        raise NotImplementedError

    def host(self, array: Any) -> Host:
        """The values in host memory: a view where the runtime computes there, else a copy."""
        raise NotImplementedError

    def read(self, array: Any, box: Box, out: Host) -> None:
        raise NotImplementedError

    def write(self, array: Any, box: Box, values: Host) -> None:
        raise NotImplementedError

    def copy(self, array: Any, source: Box, target: Box) -> None:
        raise NotImplementedError

    def copies(self, array: Any, pairs: Sequence[tuple[Box, Box]]) -> None:
        """Several copies (source, target) in one array; none reads what another writes."""
        for source, target in pairs:
            self.copy(array, source, target)

    def dtype(self, array: Any) -> str:
        raise NotImplementedError

    def synchronize(self) -> None:
        """Block until all work given to the runtime is done."""

    def device_id(self) -> str | None:
        """The UUID or PCI bus id of the GPU that computes; None where the processor does."""
        return None


TOO_LARGE_FOR_CACHES = 1 << 25
PLANES = 8


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

    def dtype(self, array: Any) -> str:
        return self.view(array).dtype.name

    def read(self, array: Any, box: Box, out: Host) -> None:
        out[...] = self.view(array)[slices(box)]

    def write(self, array: Any, box: Box, values: Host) -> None:
        self.view(array)[slices(box)] = values

    def copy(self, array: Any, source: Box, target: Box) -> None:
        host = self.view(array)
        host[slices(target)] = host[slices(source)]

    def copies(self, array: Any, pairs: Sequence[tuple[Box, Box]]) -> None:
        """Copies that walk the same planes go plane by plane together.

        The ends of neighbouring rows share cache lines: one end after the other over a large array
        would fetch each of them from memory twice.
        """
        together = [p for p in pairs if p[0][:2] == p[1][:2]]
        if self.view(array).nbytes < TOO_LARGE_FOR_CACHES or len(together) < 2:
            return super().copies(array, pairs)
        super().copies(array, [p for p in pairs if p not in together])
        first, last = together[0][0][:2]
        for z in range(first, last, PLANES):
            part = (z, min(z + PLANES, last))
            for source, target in together:
                self.copy(array, part + source[2:], part + target[2:])
        return None


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
    """Bind the calling thread to the t-th core that the process may use, where the system can."""
    import os

    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[t % len(cores)]})


def python_functions(module: Any, kernel: Kernel, case: Case) -> dict[str, Callable[..., None]]:
    """The functions of a Python source.

    Where a kernel has compile-time constants, its module supplies `specialize(**constants)`, which
    returns the functions by name; otherwise they are the module's own.
    """
    if kernel.constants is not None:
        supplied: Mapping[str, Callable[..., None]] = module.specialize(**kernel.constants(case))
    else:
        supplied = vars(module)
    return {f.name: supplied[f.name] for f in kernel.functions}
