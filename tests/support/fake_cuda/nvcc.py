"""A stand-in for nvcc, for tests: CUDA C++ becomes a library that the stand-in driver runs.

What OCCA's own sources need of nvcc goes to g++.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EMULATOR = "emulator.hpp"
CODES = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_90")
FLAGS = ["-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-w", "-std=c++17"]


def emulated(text: str) -> str:
    """A translated kernel's source, for the processor."""
    if old := os.environ.get("FAKE_CUDA_OLD"):  # a mutation, which a test must find out
        text = text.replace(old, os.environ["FAKE_CUDA_NEW"])
    names = re.findall(r'extern "C" __global__ (?:__launch_bounds__\(\d+\) )?void (\w+)\(', text)
    none = "" if "__syncthreads" in text else "static bool none = emulated::barriers = false;\n"
    launches = "".join(f"EMULATED({name})\n" for name in names)
    return f'#include "{EMULATOR}"\n{text}\n{launches}{none}'


def parsed_once(folder: Path) -> Path:
    """A folder with the emulator's header, which is parsed for the first kernel only."""
    header = folder / EMULATOR
    if not header.exists():
        parsed = f"{header}.gch"
        shutil.copy(HERE / EMULATOR, header)
        subprocess.run(["g++", *FLAGS, "-x", "c++-header", str(header), "-o", parsed], check=True)
    return folder


def main(arguments: list[str]) -> int:
    release = os.environ.get("FAKE_CUDA_TOOLKIT", "12.4")
    if arguments == ["--version"]:
        print(f"nvcc: a stand-in\nCuda compilation tools, release {release}, V{release}.0")
        return 0
    if arguments == ["--list-gpu-code"]:
        print("\n".join(CODES))
        return 0
    output = Path(arguments[arguments.index("-o") + 1])
    if "cu" in arguments:
        if "-cubin" not in arguments:  # OCCA 1.0.8 compiles once more, for ptxas's messages only
            return 0
        if not any(f"-arch={code}" in arguments for code in CODES):
            sys.exit("nvcc: no architecture that is known")
        source = Path(arguments[arguments.index("cu") + 1])
        unit = output.with_suffix(".emulated.cpp")
        unit.write_text(emulated(source.read_text()))
        headers = parsed_once(Path(os.environ["FAKE_CUDA_HEADERS"]))
        return subprocess.call(["g++", *FLAGS, "-I", str(headers), str(unit), "-o", str(output)])
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
