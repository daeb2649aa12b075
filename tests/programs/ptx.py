"""Compile every CUDA function that a kernel's time steps launch, without a GPU.

python ptx.py KERNEL CC CASES

CASES is a JSON list of {dtype, params}; the answer, one JSON line, lists for each what was
launched as {function, ptx, threads}. A step runs on NumPy arrays, with every launch replaced by a
compilation for compute capability CC (for example 7.0) and the arguments' types: what is compiled
is what a run would launch. Nothing is printed but the reason where this toolkit lacks CC.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
from numba import cuda
from numba.cuda import dispatcher
from numba.cuda.cudadrv import nvvm

from joulia import registry
from joulia.bridge import python_functions
from joulia.bridges.numpy import NumpyOps
from joulia.grid import tile_of
from joulia.parallel.comm import OneRank
from joulia.parallel.levels import exchange_of
from joulia.simulation.fields import allocate, tables
from joulia.simulation.run import Dry
from joulia.simulation.solve import make_case

kernel_name, capability, cases = sys.argv[1:]
cc = tuple(map(int, capability.split(".")))
launched: list[dict[str, Any]] = []
seen: set[Any] = set()
calling = ""


class Launch:
    """Stands for `function[grid, block]`."""

    def __init__(self, function: Any, threads: Any) -> None:
        self.function, self.threads = function, threads

    def __call__(self, *arguments: Any) -> None:
        types = tuple(numba.typeof(a) for a in arguments)
        # The stages of a step may share a function.
        if (calling, self.function, types) in seen:
            return
        seen.add((calling, self.function, types))
        ptx, _ = cuda.compile(self.function.py_func, types, cc=cc, device=False, abi="numba")
        threads = int(np.prod(self.threads))
        launched.append({"function": calling, "ptx": ptx, "threads": threads})


def named(name: str, function: Callable[..., None]) -> Callable[..., None]:
    def call(*arguments: Any) -> None:
        global calling
        calling = name
        function(*arguments)

    return call


def compile_step(dtype: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    launched.clear()
    seen.clear()
    kernel = registry.kernel(kernel_name).kernel
    case = make_case(kernel_name, "numba:cuda", dtype=dtype, size="tiny", params=params)
    module = importlib.import_module(f"joulia.kernels.{kernel_name}.{kernel_name}_numba_cuda")
    functions = python_functions(module, kernel, case)
    # Of kernels that this one uses nothing is compiled here.
    used = (f.name for other in kernel.uses for f in registry.kernel(other).kernel.functions)
    ops = NumpyOps(
        dict.fromkeys(used, lambda *_: None)
        | {name: named(name, function) for name, function in functions.items()},
        threads=1,
    )
    one = (1,) * kernel.dims
    tile = tile_of(case.shape, one, 0, kernel.halo.width, kernel.wraps(case))
    host = allocate(kernel, case, tile) | tables(kernel, case, tile)
    fields = {name: np.ascontiguousarray(array) for name, array in host.items()}
    exchange = Dry(exchange_of(kernel, case, ops, tile, one, OneRank()))
    kernel.step(ops, fields, exchange, case)
    # Cases with parameters call all there is between them; one without says nothing of the others.
    called = {each["function"] for each in launched}
    for f in () if params else kernel.functions:
        if f.name not in called:
            arrays = [fields[name] for name in f.arrays]
            numbers = [*(0 for _ in f.ints), *(0.5 for _ in f.reals)]
            ops.functions[f.name](tile.interior, *arrays, *numbers)
    return list(launched)


dispatcher.CUDADispatcher.__getitem__ = lambda self, at: Launch(self, at[1])
# Device functions are compiled for the current GPU.
dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=cc)
try:
    cuda.compile(lambda: None, (), cc=cc, device=False, abi="numba")
except (nvvm.NvvmError, nvvm.NvvmSupportError) as error:
    sys.exit(f"missing: {' '.join(str(error).split())}")
print(json.dumps([compile_step(**case) for case in json.loads(cases)]))
