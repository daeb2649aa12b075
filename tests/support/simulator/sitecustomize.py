"""Numba's CUDA simulator without its waiting: found on PYTHONPATH, it takes `BlockManager`'s place.

The simulator starts a thread of Python for each of CUDA's and asks all of them again and again
whether they wait at a barrier. Here the threads of a block run one after another: as plain calls
where a kernel has no barrier, and from barrier to barrier where it has some. The simulator also
lists an array's attributes at every `array.size` of every thread; here once.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

import numpy as np

SIMULATOR = "numba.cuda.simulator.kernel"
ARRAYS = "numba.cuda.simulator.cudadrv.devicearray"


def names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names(constant)


def has_barriers(function: Callable[..., None], seen: set[Any]) -> bool:
    """Whether a kernel, or a function that it calls, waits for the threads of its block."""
    function = getattr(function, "fn", function)  # a device function in the simulator's wrapper
    if not hasattr(function, "__code__") or function in seen:
        return False
    seen.add(function)
    used = set(names(function.__code__))
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    called = [*closed, *(function.__globals__.get(name) for name in used)]
    return any(name.startswith("sync") for name in used) or any(
        has_barriers(each, seen) for each in called if callable(each)
    )


@functools.cache
def waits(kernel: Callable[..., None]) -> bool:
    return has_barriers(kernel, set())


@functools.cache
def attributes(array: type) -> frozenset[str]:
    return frozenset(dir(array))


class Blocks:
    """The simulator's `BlockManager`: a block of threads, one thread at a time."""

    def __init__(
        self, f: Callable[..., None], grid_dim: Sequence[int], block_dim: Sequence[int], debug: bool
    ) -> None:
        self._block_dim = block_dim
        self._f = f
        self._debug = debug
        self.block_state = np.zeros(block_dim, dtype=np.bool_)

    def run(self, grid_point: Sequence[int], *args: Any) -> None:
        run = in_turn if waits(self._f) else called
        run(self, grid_point, args)


def called(block: Blocks, grid_point: Sequence[int], args: tuple[Any, ...]) -> None:
    kernel = sys.modules[SIMULATOR]
    here: Any = threading.current_thread()
    here.blockIdx = kernel.Dim3(*grid_point)
    for at in np.ndindex(*block._block_dim):
        here.threadIdx = kernel.Dim3(*at)
        block._f(*args)


def in_turn(block: Blocks, grid_point: Sequence[int], args: tuple[Any, ...]) -> None:
    kernel = sys.modules[SIMULATOR]
    back = threading.Semaphore(0)

    class Thread(kernel.BlockThread):  # type: ignore[misc, name-defined]
        def run(self) -> None:
            self.go.acquire()
            super().run()
            self.waits = False
            back.release()

        def syncthreads(self) -> None:
            self.waits = True
            back.release()
            self.go.acquire()

    living = []
    for at in np.ndindex(*block._block_dim):
        thread = Thread(lambda: block._f(*args), block, grid_point, at, block._debug)
        thread.go, thread.waits = threading.Semaphore(0), True
        thread.start()
        living.append(thread)
    while living:
        for thread in living:
            thread.go.release()
            back.acquire()
            if thread.exception:
                raise thread.exception[0].with_traceback(thread.exception[1])
        living = [thread for thread in living if thread.waits]


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != SIMULATOR:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        loader: Any = spec.loader
        run = loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            module.BlockManager = Blocks
            sys.modules[ARRAYS].dir = lambda array: attributes(type(array))  # type: ignore[attr-defined]

        loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
