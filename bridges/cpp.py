"""C++17 with OpenMP: the system's compiler makes a library of the source, which ctypes calls."""

from __future__ import annotations

from collections.abc import Mapping

from joulia.bridges import _compilers
from joulia.case import Value

SUFFIX = ".cpp"
VARIABLES = ("CXX", "JOULIA_CXXFLAGS", *_compilers.VARIABLES)
REALS = {"float64": "double", "float32": "float"}


def definitions(dtype: str, constants: Mapping[str, Value]) -> str:
    """The precision as `real`, and constants of C++'s own types; `given_<name>` tells of each.

    A list of numbers is `given_<name>` itself: a function makes an array of it, since on a GPU none
    sees an array from outside.
    """
    lines = ["#include <algorithm>", "#include <cmath>", f"using real = {REALS[dtype]};"]
    for name, value in constants.items():
        if isinstance(value, str):
            lines.append(f"#define given_{name} {value}")
        else:
            lines.append(f"#define given_{name}")
            kind = "int" if isinstance(value, int) else "real"
            lines.append(f"constexpr {kind} {name} = {value};")
    return "\n".join(lines) + "\n"


def prelude(dtype: str, constants: Mapping[str, Value]) -> str:
    return definitions(dtype, constants) + '#include "_copy_rows.hpp"\n'


LANGUAGE = _compilers.Language(
    name="C++",
    variables=("CXX",),
    candidates=("g++", "clang++", "c++"),
    package="g++",
    flags_variable="JOULIA_CXXFLAGS",
    options="-std=c++17 -fopenmp",
    prelude=prelude,
)
devices = LANGUAGE.devices
compiled_with = LANGUAGE.compiled_with
start = LANGUAGE.start
load = LANGUAGE.load
cache = LANGUAGE.cache
