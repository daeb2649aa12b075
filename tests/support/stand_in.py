"""A CUDA toolkit and a driver that run on the processor: an environment in which OCCA uses them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FAKE = Path(__file__).parent / "fake_cuda"


def driver(folder: Path) -> Path:
    """The stand-in's libcuda, built into a folder."""
    folder.mkdir(parents=True)
    library = folder / "libcuda.so.1"
    command = ["g++", "-std=c++17", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, str(FAKE / "driver.cpp"), "-ldl", "-o", str(library)], check=True)
    return library


def compiler(folder: Path) -> Path:
    """The stand-in's nvcc, as a command that keeps in `folder` what it needs again."""
    folder.mkdir(parents=True)
    command = folder / "nvcc"
    command.write_text(
        f'#!/bin/sh\nexport FAKE_CUDA_BUILT="{folder}" FAKE_CUDA_PYTHON="{sys.executable}"\n'
        f'exec sh "{FAKE / "nvcc"}" "$@"\n'
    )
    command.chmod(0o755)
    return command


def launcher_flags(folder: Path, prefix: Path) -> str:
    """Flags for what OCCA compiles for launches only, with its headers parsed once for all."""
    header = folder / "launcher.hpp"
    header.write_text("#include <occa/mode/serial/kernel.hpp>\n#include <occa.hpp>\n")
    options = ["-fPIC", "-O0", "-I", str(prefix / "include")]
    subprocess.run(
        ["g++", *options, "-x", "c++-header", str(header), "-o", f"{header}.gch"], check=True
    )
    return f"-O0 -include {header}"


def toolkit(folder: Path) -> dict[str, str]:
    """Where the stand-in's driver and compiler are."""
    return {
        "LD_LIBRARY_PATH": str(driver(folder / "lib").parent),
        "OCCA_CUDA_COMPILER": str(compiler(folder / "bin")),
        "OCCA_CXXFLAGS": "-O0",  # of what OCCA compiles for launches only
    }


def copied(cache: Path, prefix: Path) -> dict[str, str]:
    """A cache with a copy of joulia's OCCA: what the stand-in adds to it goes nowhere else."""
    shutil.copytree(prefix, cache / prefix.name, symlinks=True)
    for built in (cache / prefix.name / "lib").glob("libocca-cuda-*"):
        built.unlink()
    return {"JOULIA_CACHE_DIR": str(cache)}
