"""The CUDA functions of Numba's kernels compile to what they should, on machines without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import cuda_toolkit
import pytest

from joulia import registry

from .promises import COMPLETE

PROGRAM = Path(__file__).parent / "programs" / "ptx.py"

CAPABILITIES = ["7.0", "9.0"]
REGISTERS = 65536
"""Of a multiprocessor, and the most that a block may have."""
PARAMS: dict[str, list[dict[str, Any]]] = {
    "emulator": [{}, {"method": "solver"}, {"method": "solver", "parts": 4}],
    "stream": [{"op": op} for op in ("copy", "triad", "fma")],
    "euler": [{"p": p, "form": form} for p, form in ((3, "weak"), (3, "split"), (5, "split"))],
    "boussinesq": [{"advection": scheme} for scheme in ("centred", "weno5")],
}
KERNELS = [
    name for name in registry.kernels() if registry.source(name, "numba", "cuda") is not None
]


@cache
def compiled(kernel: str, capability: str) -> dict[str, list[dict[str, Any]]]:
    """All that the kernel's steps launch, by precision; skips where it cannot be compiled."""
    cases = [
        {"dtype": dtype, "params": params}
        for dtype in ("float64", "float32")
        for params in PARAMS.get(kernel, [{}])
    ]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kernel, capability, json.dumps(cases)],
        env=cuda_toolkit.environment(capability),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode and done.stderr.strip().startswith("missing: "):
        reason = done.stderr.strip().removeprefix("missing: ")
        pytest.skip(f"no CUDA compiler for {capability}: {reason}; {cuda_toolkit.REMEDY}")
    assert done.returncode == 0, done.stderr
    launches: dict[str, list[dict[str, Any]]] = {"float64": [], "float32": []}
    for case, launched in zip(cases, json.loads(done.stdout), strict=True):
        launches[case["dtype"]] += launched
    return launches


def test_all_kernels_have_a_cuda_version():
    assert set(KERNELS) >= set(COMPLETE)


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_function_compiles_without_calls(kernel, capability):
    """A call that was not inlined would pass its arguments through local memory."""
    for launched in compiled(kernel, capability).values():
        functions = {each["function"] for each in launched}
        assert functions == {f.name for f in registry.kernel(kernel).kernel.functions}
        for each in launched:
            assert f".target sm_{capability.replace('.', '')}" in each["ptx"]
            used = cuda_toolkit.instructions(each["ptx"])
            assert [name for name in used if name.split(".")[0] == "call"] == []


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_single_precision_computes_in_single_precision(kernel, capability):
    launches = compiled(kernel, capability)
    for precision, other in (("32", "64"), ("64", "32")):
        for each in launches[f"float{precision}"]:
            used = cuda_toolkit.instructions(each["ptx"])
            assert [name for name in used if f".f{other}" in name] == []
            assert f"ld.global.f{precision}" in used


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_registers_suffice(kernel, capability, tmp_path):
    """No function spills registers to memory, and a block fits on a multiprocessor."""
    assembler = cuda_toolkit.ptxas()
    if assembler is None:
        pytest.skip(f"no ptxas here; {cuda_toolkit.REMEDY}")
    source, result = tmp_path / "kernel.ptx", tmp_path / "kernel.cubin"
    for dtype, launched in compiled(kernel, capability).items():
        for each in launched:
            source.write_text(each["ptx"])
            done = subprocess.run(
                [str(assembler), "-v", f"-arch=sm_{capability.replace('.', '')}"]
                + [str(source), "-o", str(result)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            which = f"{each['function']} in {dtype}"
            assert cuda_toolkit.local_bytes(done.stderr) == 0, which
            # Registers are given to warps, in eights a thread.
            a_thread = -(-cuda_toolkit.registers(done.stderr) // 8) * 8
            warps = -(-each["threads"] // 32)
            assert a_thread * warps * 32 <= REGISTERS, which


def test_what_is_asserted_would_show():
    ptx = "\tmov.u32 \t%r1, %tid.x;\n\t@%p1 bra \t$L__1;\n\tcall.uni (retval0), f, (x);\n"
    ptx += "\tcvt.f64.f32 \t%fd1, %f1;\n"
    assert cuda_toolkit.instructions(ptx) == ["mov.u32", "bra", "call.uni", "cvt.f64.f32"]
    report = (
        "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 80 registers, used 1 barriers\n"
    )
    assert cuda_toolkit.local_bytes(report) == 24
    assert cuda_toolkit.registers(report) == 80
