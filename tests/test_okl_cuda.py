"""The OKL kernels through NVIDIA's own compilers, where they are; no GPU is needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nvrtc
import pytest
import stand_in

from joulia import registry
from joulia.bridges import _occa_cuda, _occa_library, occa
from joulia.errors import Unavailable
from joulia.setup import occa_cuda
from joulia.simulation.solve import make_case

from .conftest import require
from .promises import COMPLETE

REGISTERS = 65536 // 512
"""What a thread may use, so that the largest block (tracer's) fits into an SM."""
CASES = [
    *((kernel, "float64", {}) for kernel in COMPLETE),
    *((kernel, "float32", {}) for kernel in COMPLETE),
    ("euler", "float64", {"form": "split", "p": 5}),
    ("euler", "float64", {"p": 15}),
    ("euler", "float64", {"viscosity": 0.01, "state": "wave"}),
    ("boussinesq", "float64", {"advection": "weno5"}),
    ("moves", "float64", {}),
]


@pytest.fixture(scope="session")
def prefix():
    require("occa:serial")
    library = _occa_library.find_library()
    if not _occa_library.is_own(library):
        pytest.skip("OCCA's translator: needs the OCCA that joulia builds (joulia prepare occa)")
    return _occa_library.own_prefix()


def translated(prefix: Path, kernel: str, dtype: str, params: dict[str, object]) -> str:
    """A kernel's CUDA C++, by OCCA's own translator."""
    case = make_case("heat" if kernel == "moves" else kernel, "occa:cuda", dtype=dtype)
    path, defines = occa.MOVES, occa.defines(case)
    if kernel != "moves":
        case = make_case(kernel, "occa:cuda", dtype=dtype, params=params)
        entry = registry.kernel(kernel)
        path = entry.folder / f"{kernel}_gpu.okl"
        defines = occa.defines(case, entry.kernel)
    properties = occa.kernel_properties(defines, path)
    done = subprocess.run(
        [str(prefix / "bin" / "occa"), "translate", "--mode", "CUDA"]
        + ["--kernel-props", properties, str(path)],
        env=os.environ | {"LD_LIBRARY_PATH": str(prefix / "lib"), "OCCA_DIR": str(prefix)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def compiled(source: str, architecture: str, folder: Path) -> tuple[str, str]:
    """ptxas's report and the PTX; skips, with the reason, where no compiler does this."""
    if library := nvrtc.library():
        return nvrtc.compile_(library, source, architecture)
    try:
        command = _occa_cuda.nvcc()
        known = _occa_cuda.told_by(command, "--list-gpu-code").split()
        why = f"{command} does not compile for it"
    except Unavailable as error:
        known, why = [], error.reason
    if architecture not in known:
        pytest.skip(f"{architecture}: {why}, and no NVRTC: pip install nvidia-cuda-nvrtc-cu12")
    file, ptx = folder / "kernel.cu", folder / "kernel.ptx"
    file.write_text(source)
    common = [command, "-O3", f"-arch={architecture}", "-x", "cu", str(file)]
    done = subprocess.run(
        [*common, "-Xptxas", "-v", "-cubin", "-o", str(folder / "kernel.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    subprocess.run([*common, "-ptx", "-o", str(ptx)], check=True, capture_output=True)
    return done.stderr, ptx.read_text()


@pytest.mark.parametrize("architecture", ["sm_70", "sm_90"])
@pytest.mark.parametrize(("kernel", "dtype", "params"), CASES)
def test_kernels_compile_without_spilling(kernel, dtype, params, architecture, prefix, tmp_path):
    """Single precision computes in single precision: a double literal would spread."""
    source = translated(prefix, kernel, dtype, params)
    report, ptx = compiled(source, architecture, tmp_path)
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", report)]
    functions = 3 if kernel == "moves" else len(registry.kernel(kernel).kernel.functions)
    assert len(registers) >= functions, report
    assert max(registers) <= REGISTERS
    spilled = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", report)
    assert spilled, report
    assert set(spilled) == {("0", "0")}
    suffix, other = (".f64", ".f32") if dtype == "float64" else (".f32", ".f64")
    assert f"ld.global{suffix}" in ptx
    assert other not in ptx


def test_the_cuda_mode_builds_with_a_real_toolkit_and_loads_with_any_driver(prefix, tmp_path):
    """The stand-in driver has the first version of each call only, as drivers for CUDA 11 have."""
    try:
        version = _occa_cuda.toolkit()
    except Unavailable as error:
        pytest.skip(f"nvcc: {error}")
    assert version >= (11, 0)
    library = occa_cuda.build(prefix, tmp_path / "scratch")
    driver = stand_in.driver(tmp_path / "driver")
    script = (
        "import ctypes, sys\n"
        "occa, driver, mode = sys.argv[1:]\n"
        "ctypes.CDLL(occa); ctypes.CDLL(driver, mode=ctypes.RTLD_GLOBAL); ctypes.CDLL(mode)\n"
    )
    arguments = [str(prefix / "lib" / "libocca.so"), str(driver), str(library)]
    subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"LD_LIBRARY_PATH": str(prefix / "lib")},
        check=True,
    )
