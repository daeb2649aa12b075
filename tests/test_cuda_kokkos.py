"""Kokkos' sources as NVIDIA's compiler makes them for a GPU, on machines without one.

Kokkos' headers are set up as `Kokkos_ENABLE_CUDA` does it; its library, which would need a driver,
is not needed for that.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from joulia import registry
from joulia.bridges import _compilers, _kokkos_library, _occa_cuda, kokkos
from joulia.errors import Unavailable
from joulia.simulation.solve import make_case

from .conftest import require
from .promises import COMPLETE

PARAMS = {"euler": {"form": "split", "viscosity": 0.02}}
"""Of all that a kernel has, what takes all its functions."""
ENABLED = ("ENABLE_CUDA", "ENABLE_CUDA_LAMBDA", "ARCH_MAXWELL", "ARCH_MAXWELL50")
"""For the oldest GPUs: the half precision of Kokkos 3.4 is not what CUDA's headers have since."""
SPACE = {"DeclareBackend": "decl/Kokkos_Declare", "FwdBackend": "fwd/Kokkos_Fwd"} | {
    "SetupBackend": "setup/Kokkos_Setup"
}


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Where Kokkos' headers are: those that its build writes come first."""
    require("kokkos:openmp")
    include = _kokkos_library.find().include
    folder = tmp_path_factory.mktemp("kokkos")
    text = (include / "KokkosCore_config.h").read_text()
    text = text.replace("#define KOKKOS_ENABLE_OPENMP\n", "")
    for name in ENABLED:
        text = text.replace(f"/* #undef KOKKOS_{name} */", f"#define KOKKOS_{name}")
        assert f"#define KOKKOS_{name}\n" in text
    (folder / "KokkosCore_config.h").write_text(text)
    for name, header in SPACE.items():
        spaces = ["Serial", "Cuda"] if name != "SetupBackend" else ["Cuda"]
        lines = [f"#include <{header}_{space.upper()}.hpp>" for space in spaces]
        own = "\n".join(["#pragma once", *lines]).replace("Setup_CUDA", "Setup_Cuda")
        (folder / f"KokkosCore_Config_{name}.hpp").write_text(own + "\n")
    return [folder, include]


@pytest.mark.parametrize("kernel", COMPLETE)
def test_every_function_compiles_without_spilling(
    kernel: str, headers: list[Path], tmp_path: Path
) -> None:
    try:
        command = _occa_cuda.nvcc()
    except Unavailable as error:
        pytest.skip(f"nvcc: {error}")
    on_processor = make_case(kernel, "kokkos:serial", params=PARAMS.get(kernel))
    case = replace(on_processor, device="cuda", on_gpu=True)
    source = registry.source(kernel, "kokkos", "cuda")
    assert source is not None
    file = tmp_path / f"{kernel}.cu"
    entry = registry.kernel(kernel).kernel
    file.write_text(kokkos.LANGUAGE.text(entry, source, case))
    folders = [*headers, source.path.parent, *_compilers.HEADERS]
    done = subprocess.run(
        [command, "-std=c++17", "-O3", "-arch=sm_90", *_kokkos_library.NVCC.split()]
        + [f"-I{folder}" for folder in folders]
        + ["-Xptxas", "-v", "-cubin", str(file), "-o", str(tmp_path / "kernel.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spilled = re.findall(r"properties for (\S+)\n.+frame, (\d+) bytes .+, (\d+) bytes", done.stderr)
    for function in entry.of(case).functions:
        # A lambda's name has that of the function that it stands in.
        lambdas = f"Z{len(function.name)}{function.name}E"
        (here,) = [(stored, loaded) for name, stored, loaded in spilled if lambdas in name]
        assert here == ("0", "0"), function.name
