"""OCCA's OpenCL mode: any machine with a C++ compiler builds it, with or without OpenCL."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from joulia.bridges import _occa_opencl
from joulia.bridges._occa_library import compiler, own_prefix
from joulia.errors import Unavailable
from joulia.setup import occa_mode

DECLARED = Path(_occa_opencl.__file__).with_name("_occa_opencl.h")


def prepare(out: Console) -> None:
    """Build it where it is not there; says why not where it cannot be."""
    try:
        name = _occa_opencl.mode_library(own_prefix() / "lib" / "libocca.so").name
        occa_mode.prepare(out, "OpenCL", name, build)
    except Unavailable as error:
        out.print(f"occa: without OpenCL: {error}", markup=False)


def build(prefix: Path, scratch: Path) -> Path:
    """The library, in `scratch`; Unavailable with the compiler's first errors."""
    headers = {"CL/cl.h": DECLARED.read_text(), "CL/cl_gl.h": ""}
    source, folders = occa_mode.together(prefix, "OpenCL", headers, scratch)
    library = scratch / "libocca-opencl.so"
    # OpenCL's own library is not named: where there is none, nothing could be linked to.
    options = ["-O2", "-w", "-fPIC", "-shared", *folders, str(source)]
    where = [f"-L{prefix / 'lib'}", "-locca", "-Wl,-rpath,$ORIGIN", "-o", str(library)]
    command = [*shlex.split(compiler()), *options, *where]
    occa_mode.compile_(command, "OpenCL", "set CXX to another C++ compiler")
    return library
