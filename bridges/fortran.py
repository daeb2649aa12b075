"""Fortran 2008 with OpenMP: the system's compiler makes a library, which ctypes calls."""

from __future__ import annotations

from collections.abc import Mapping

from joulia.bridges import _compilers
from joulia.case import Value

SUFFIX = ".f90"
VARIABLES = ("FC", "JOULIA_FFLAGS", *_compilers.VARIABLES)
REALS = {"float64": "c_double", "float32": "c_float"}


def prelude(dtype: str, constants: Mapping[str, Value]) -> str:
    """A module `given` with the precision as the kind `rk`, C's integers, and the constants.

    The preprocessor knows of each as `given_<name>`.
    """
    lines = [
        "module given",
        f"use, intrinsic :: iso_c_binding, only: c_int, c_long, rk => {REALS[dtype]}",
        "implicit none",
    ]
    for name, value in constants.items():
        lines.append(f"#define given_{name}")
        if isinstance(value, str):
            numbers = ", &\n".join(f"{number.strip()}_rk" for number in value.split(","))
            lines.append(f"real(rk), parameter :: {name}(*) = [ &\n{numbers}]")
        elif isinstance(value, int):
            lines.append(f"integer, parameter :: {name} = {value}")
        else:
            lines.append(f"real(rk), parameter :: {name} = {value}_rk")
    return "\n".join([*lines, "end module given", '#include "_copy_rows.f90"']) + "\n"


LANGUAGE = _compilers.Language(
    name="Fortran",
    variables=("FC",),
    candidates=("gfortran",),
    package="gfortran",
    flags_variable="JOULIA_FFLAGS",
    # Fortran has no `inline`: procedures of a library are inlined where nothing may replace them,
    # up to a size. And where zeros have no sign, GCC reassociates Fortran's sums unless it is told.
    options="-std=f2008 -cpp -fopenmp -fno-semantic-interposition -finline-limit=1000 "
    "-fno-associative-math",
    prelude=prelude,
)
devices = LANGUAGE.devices
compiled_with = LANGUAGE.compiled_with
start = LANGUAGE.start
load = LANGUAGE.load
cache = LANGUAGE.cache
