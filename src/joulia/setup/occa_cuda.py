"""OCCA's CUDA mode, for the CUDA toolkit that is here; machines without a GPU can build it."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from joulia.bridges import _occa_cuda
from joulia.errors import Unavailable
from joulia.setup import occa_mode

ADAPTED = Path(_occa_cuda.__file__).with_name("_occa_cuda.h")


def prepare(out: Console) -> None:
    """Build it for the toolkit that is here; says why not where it cannot be."""
    try:
        version = "{}.{}".format(*_occa_cuda.toolkit())
        occa_mode.prepare(out, "CUDA", f"libocca-cuda-{version}.so", build)
    except Unavailable as error:
        out.print(f"occa: without CUDA: {error}", markup=False)


def build(prefix: Path, scratch: Path) -> Path:
    """The library, in `scratch`; Unavailable with the compiler's first errors."""
    source, folders = occa_mode.together(
        prefix,
        "CUDA",
        {"cuda.h": ADAPTED.read_text()},
        scratch,
        # Machine code, as OCCA 2 has it: a driver older than the toolkit refuses its PTX.
        lambda text: text.replace('" -ptx"', '" -cubin"'),
    )
    nvcc = shlex.split(_occa_cuda.nvcc())
    whole = source.with_suffix(".o")
    options = ["-x", "c++", "-O2", "-Xcompiler", "-fPIC,-w", *folders]
    remedy = "use another CUDA toolkit (CUDA_HOME)"
    occa_mode.compile_([*nvcc, *options, "-c", str(source), "-o", str(whole)], "CUDA", remedy)
    library = scratch / "libocca-cuda.so"
    # The driver's own library is not named: where there is none, nothing could be linked to.
    where = [f"-L{prefix / 'lib'}", "-locca", "-Xlinker", "-rpath=$ORIGIN"]
    linked = [*nvcc, "-shared", "--cudart", "none", str(whole), *where, "-o", str(library)]
    occa_mode.compile_(linked, "CUDA", remedy)
    return library
