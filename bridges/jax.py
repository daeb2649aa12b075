"""JAX: XLA compiles array expressions for every box; on processors, and on NVIDIA GPUs."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

from joulia.bridge import Device, Ops, Source, python_functions
from joulia.case import Case, digest
from joulia.errors import Unavailable
from joulia.kernel import Kernel
from joulia.system import cuda, memory
from joulia.system.files import text
from joulia.system.machine import cpu_model
from joulia.system.places import cache_dir

SUFFIX = "_jax.py"
PACKAGES = ("jax", "jaxlib", "jax-cuda12-pjrt", "jax-cuda13-pjrt")
VARIABLES = ("JAX_", "XLA_")
WITHOUT_FMA = "--xla_cpu_max_isa=AVX"
"""XLA always lets LLVM contract a b + c, otherwise in the vector body of a loop than in its rest:
shallow_water, tracer and euler then had other last bits in other cuts of a grid. Below AVX2 x86 has
no instruction for it: bits are those of the operations as they stand in the source."""
ON_X86 = platform.machine() in ("x86_64", "AMD64")
CONTRACTED = (
    "on this processor XLA contracts multiply-adds, and no flag stops it: the last bits of a cell "
    "may depend on how ranks cut the grid"
)
POOL = "tf_XLAEigen"
"""What XLA calls the threads that share a computation."""

_missed: list[str] = []
"""What was compiled since the last `load`, besides what was found on disk."""


def devices() -> tuple[Device, ...]:
    missing = None
    if not all(map(importlib.util.find_spec, ("jax", "jaxlib"))):
        missing = Unavailable("jax is not installed", "pip install 'joulia[jax]'")
    return (
        Device(missing=missing, unproven="" if ON_X86 else CONTRACTED),
        Device(
            "cuda",
            gpu=True,
            threads=False,
            missing=missing or cuda.missing(),
            unproven="never run on a GPU: its sources ran on processors",
        ),
    )


def compiled_with(case: Case) -> dict[str, str]:
    return {} if case.on_gpu else {"xla_flags": flags()}


def flags() -> str:
    """XLA's flags on processors; what the user set has the last word."""
    own = [WITHOUT_FMA] if ON_X86 else []
    return " ".join([*own, *os.environ.get("XLA_FLAGS", "").split()])


def start(case: Case) -> dict[str, str]:
    """Start JAX in the case's precision and threads; Unavailable where it computes on others."""
    environment = {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if not case.on_gpu:
        # XLA asks for room for what a call computes on the way, and frees it when the call ends:
        # heat on 256^3 cells and two threads had 32769 page faults a step, 90 of its 130 ms.
        memory.keep()
        environment = {"JAX_PLATFORMS": "cpu", "NPROC": str(case.threads), "XLA_FLAGS": flags()}
    if "jax" not in sys.modules:
        os.environ.update(environment)
    import jax
    import jaxlib

    jax.config.update("jax_enable_x64", True)
    keep_in_cache(jax)
    if case.on_gpu:
        jax.config.update("jax_cuda_visible_devices", "0")
        versions = start_gpu(jax)
    else:
        # Calls return when their work is done: no other thread takes it over.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        jax.devices()
        versions = {"xla_flags": os.environ.get("XLA_FLAGS", "")}
        require_threads(case.threads)
    return {"jax": jax.__version__, "jaxlib": jaxlib.__version__} | versions


def start_gpu(jax: Any) -> dict[str, str]:
    """Start JAX on this rank's GPU; Unavailable where it is not to be used."""
    try:
        jax.block_until_ready(jax.numpy.zeros(1) + 1.0)
    except Exception as error:
        raise Unavailable(
            f"JAX cannot use the GPU: {type(error).__name__}: {' '.join(str(error).split())}",
            f"pip install '{cuda.extra().replace('joulia', 'jax')}'",
        ) from error
    return {"driver": "{}.{}".format(*cuda.survey().driver), "gpu": cuda.current().name}


def require_threads(wanted: int, root: Path = Path("/")) -> None:
    """Raise Unavailable unless XLA shares its work among just so many threads.

    It has a pool as large as the process has cores, or as NPROC says when it starts, whatever other
    settings say. Others that it starts compile, or wait.
    """
    names = [text(path) for path in root.glob("proc/self/task/*/comm")]
    if not names:
        raise Unavailable(
            "the threads that JAX computes on cannot be counted here: there is no /proc/self/task",
            "compare on Linux",
        )
    pool = sum(name is not None and name.strip() == POOL for name in names)
    if pool != wanted:
        raise Unavailable(
            f"JAX computes on {pool} threads instead of {wanted}: it takes NPROC for their number "
            "when it starts, and this version or process did not",
            "a fresh process; a JAX of the versions that joulia[jax] names",
        )


def keep_in_cache(jax: Any) -> None:
    """What is compiled from now on is kept on disk, for this processor.

    JAX tells versions and flags apart, and not which instructions the machine code needs.
    """
    cold = os.environ.get("JOULIA_COLD_DIR")
    folder = Path(cold or cache_dir()) / "jax" / digest(jax.__version__, cpu_model())
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@functools.cache
def listen() -> None:
    """Notice from now on what JAX does not find in its cache."""
    from jax import monitoring

    def note(event: str, **_: Any) -> None:
        if event == "/jax/compilation_cache/cache_misses":
            _missed.append(event)

    monitoring.register_event_listener(note)


def load(kernel: Kernel, source: Source, case: Case) -> Ops:
    from joulia.bridges import _jax_boxes, _jax_ops

    _jax_boxes.threads = case.threads
    listen()
    _missed.clear()
    module = importlib.import_module(source.module)
    functions = _jax_ops.compiled_functions(python_functions(module, kernel, case), kernel)
    if case.on_gpu:
        return _jax_ops.JaxGpuOps(functions)
    return _jax_ops.JaxOps(functions, case.threads)


def cache() -> str:
    return "cold" if _missed else "warm"
