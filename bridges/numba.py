"""Numba: LLVM compiles the Python source, `prange` shares loops among threads; or CUDA for GPUs."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from joulia import registry
from joulia.bridge import Device, HostOps, Ops, Source, python_functions, rows
from joulia.bridges import _numba_cuda
from joulia.case import Case, Shape, digest
from joulia.errors import Unavailable
from joulia.grid import Box
from joulia.kernel import Kernel
from joulia.system import waiting
from joulia.system.places import cache_dir

SUFFIX = "_numba.py"
SUFFIXES = {"cuda": "_numba_cuda.py"}
PACKAGES = ("numba", "llvmlite", "numba-cuda")
VARIABLES = ("NUMBA_",)
CONFIG_FILE = Path(".numba_config.yaml")
"""In the current folder, Numba reads it like variables."""
NOT_IN_CODE = frozenset({
    "CACHE_DIR", "CACHE_LOCATOR_CLASSES", "NUMBA_NUM_THREADS", "NUMBA_DEFAULT_NUM_THREADS",
})  # fmt: skip
"""Of Numba's configuration, what compiled functions do not depend on."""
LOCATORS = "joulia.bridges._numba_cache.ByContent,InTreeCacheLocator,UserWideCacheLocator"
"""Where Numba keeps what it compiled; the others are its own, where that cannot be written."""

_loaded: list[Any] = []


class NumbaOps(HostOps):
    def __init__(
        self, functions: Mapping[str, Callable[..., None]], threads: int, copy_rows: Any
    ) -> None:
        super().__init__(functions, threads)
        self.copy_rows = copy_rows
        self.hands_out = threads > 1 and threading_layer() == "workqueue"

    def copier(self, shape: Shape, copies: Sequence[tuple[Box, Box]]) -> Callable[[Any], None]:
        every = rows(shape, copies)

        def copy(array: Any) -> None:
            flat = array.reshape(-1)
            for part in every:
                self.copy_rows(flat, part.length, part.sources, part.targets)

        return copy

    def synchronize(self) -> None:
        """A parallel region ends with a join: calls return when their work is done."""


def devices() -> tuple[Device, ...]:
    missing = None
    if importlib.util.find_spec("numba") is None:
        missing = Unavailable("numba is not installed", "pip install numba")
    return (
        Device(missing=missing, ceiling=3),
        Device(
            "cuda",
            gpu=True,
            ceiling=2,
            threads=False,
            missing=missing or _numba_cuda.missing(),
            unproven=_numba_cuda.UNPROVEN,
        ),
    )


def start(case: Case) -> dict[str, str]:
    import llvmlite
    import numba

    versions = {"numba": numba.__version__, "llvmlite": llvmlite.__version__}
    if case.on_gpu:
        return versions | _numba_cuda.start()
    numba.set_num_threads(case.threads)  # starts them
    layer = threading_layer()
    if case.threads > 1 and not waiting.numba_can(case.wait, layer):
        raise Unavailable(
            f"Numba's threads are those of its layer {layer}, which cannot wait {case.wait}ly",
            "install what its OpenMP layer needs (`numba -s` names it), or measure without --wait",
        )
    return versions | {"numba_threading_layer": layer}


def threading_layer() -> str:
    """What Numba's threads are of: `omp`, `tbb` or `workqueue`, its own queue."""
    parallel: Any = importlib.import_module("numba.np.ufunc.parallel")
    return str(parallel.threading_layer())


def compiled_with(case: Case) -> dict[str, str]:
    return {"numba_config": digest(CONFIG_FILE.read_text())} if CONFIG_FILE.is_file() else {}


def compiler_state(config: Any) -> dict[str, str]:
    """What Numba compiles with: versions, and every setting, wherever it was made."""
    import llvmlite
    import numba
    import numpy

    settings = {
        name: str(value)
        for name, value in vars(config).items()
        if name.isupper() and name not in NOT_IN_CODE and not callable(value)
    }
    modules = (numpy, numba, llvmlite)
    return settings | {module.__name__: module.__version__ for module in modules}


def keep_in_cache(*folders: Path) -> None:
    """Functions that are compiled from now on are kept on disk by the sources of these folders.

    Numba looks at the one file that a function is in, and would find stale code where something
    changed that it calls, or where that was compiled under other settings (NUMBA_OPT,
    NUMBA_BOUNDSCHECK): so each state of sources and compiler has a cache of its own.
    """
    config: Any = importlib.import_module("numba.core.config")
    bridges = Path(__file__).parent
    shared = [*bridges.glob("_numba_*.py"), *(bridges.parent / "kernels").glob("_*.py")]
    own = (path for folder in folders for path in folder.glob("*.py"))
    sources = [path.read_text() for path in sorted({*shared, *own})]
    home = os.environ.get("NUMBA_CACHE_DIR") or cache_dir() / "numba"
    config.CACHE_DIR = str(Path(home) / digest(compiler_state(config), *sources))
    config.CACHE_LOCATOR_CLASSES = LOCATORS


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    keep_in_cache(*registry.kernel(kernel.name).folders())
    functions = python_functions(importlib.import_module(source.module), kernel, case)
    if case.on_gpu:
        _loaded.clear()
        return _numba_cuda.NumbaCudaOps(functions)
    copy_rows = None
    if kernel.halo.width:
        from joulia.bridges import _numba_copy

        keep_in_cache(Path(__file__).parent)
        copy_rows = _numba_copy.compiled_copy(case.dtype)
    _loaded[:] = [*functions.values(), *([copy_rows] if copy_rows else [])]
    return NumbaOps(functions, case.threads, copy_rows)


def cache() -> str:
    """Numba compiles at the first call: what its functions then found in their caches.

    Its CUDA functions have no cache on disk.
    """
    if not _loaded:
        return "cold"
    misses = sum(sum(f.stats.cache_misses.values()) for f in _loaded if hasattr(f, "stats"))
    return "cold" if misses else "warm"
