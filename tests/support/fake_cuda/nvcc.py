"""What the stand-in for nvcc compiles: CUDA C++ becomes a library that the stand-in driver runs.

What OCCA's own sources need of nvcc goes to g++. The command `nvcc` beside it answers questions.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CODES = (HERE / "codes").read_text().split()
FLAGS = ["-O1", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-w", "-std=c++17"]


def emulated(text: str) -> str:
    """A translated kernel's source, for the processor."""
    if old := os.environ.get("FAKE_CUDA_OLD"):  # a mutation, which a test must find out
        text = text.replace(old, os.environ["FAKE_CUDA_NEW"])
    names = re.findall(r'extern "C" __global__ (?:__launch_bounds__\(\d+\) )?void (\w+)\(', text)
    none = "" if "__syncthreads" in text else "static bool none = emulated::barriers = false;\n"
    launches = "".join(f"EMULATED({name})\n" for name in names)
    return f'#include "device.hpp"\n{text}\n{launches}{none}'


def emulator(folder: Path) -> Path:
    """The emulator, compiled for the first kernel only."""
    built = folder / "emulator.o"
    if not built.exists():
        part = folder / f"emulator-{os.getpid()}.o"
        source = HERE / "emulator.cpp"
        subprocess.run(["g++", *FLAGS, "-c", str(source), "-o", str(part)], check=True)
        part.replace(built)
    return built


def main(arguments: list[str]) -> int:
    output = Path(arguments[arguments.index("-o") + 1])
    if "cu" in arguments:
        if not any(f"-arch={code}" in arguments for code in CODES):
            sys.exit("nvcc: no architecture that is known")
        source = Path(arguments[arguments.index("cu") + 1])
        unit = output.with_suffix(".emulated.cpp")
        unit.write_text(emulated(source.read_text()))
        parts = [str(unit), str(emulator(Path(os.environ["FAKE_CUDA_BUILT"])))]
        return subprocess.call(
            ["g++", *FLAGS, "-shared", "-I", str(HERE), *parts, "-o", str(output)]
        )
    given = " ".join(arguments).replace("--cudart none", "").split()
    options = [
        part.removeprefix("-Wl,")
        for option in given
        if option not in ("-Xcompiler", "-Xlinker")
        for part in (option.split(",") if option.startswith("-fPIC") else [option])
    ]
    options = [f"-Wl,{o}" if o.startswith("-rpath") else o for o in options]
    # After what is given: joulia's own cuda.h stands before the toolkit's. Speed does not matter.
    return subprocess.call(["g++", *options, "-O0", "-idirafter", str(HERE)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
