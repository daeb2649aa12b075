"""julia:cuda without a GPU: the bridge, the extension and the kernels on a CUDA.jl that computes on
the processor, a work-item a cell. What a GPU's own compiler and memory do is not seen here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stand_in_julia

from joulia import registry
from joulia.analysis.terminal import console
from joulia.bridges import _julia_cuda
from joulia.bridges import julia as bridge
from joulia.case import DTYPES
from joulia.errors import Unavailable
from joulia.setup import julia
from joulia.system import cuda

from .conftest import require
from .programs_run import PROGRAMS, boxes, fields, require_same_bits
from .promises import COMPLETE

KERNELS = Path(registry.__file__).parent / "kernels"
CELLS = bridge.PACKAGE / "src" / "cells.jl"


@pytest.fixture(scope="session")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which julia:cuda is there."""
    require("julia")
    if not shutil.which("g++"):
        pytest.skip("julia:cuda: no g++ for the stand-in of the driver (Debian: apt install g++)")
    return stand_in_julia.environment(tmp_path_factory.mktemp("gpu"))


VARIANTS = [
    *((name, dtype, ()) for name in COMPLETE for dtype in DTYPES),
    ("stream", "float64", ("op=copy",)),
    ("stream", "float64", ("op=fma",)),
    ("stream", "float32", ("op=fma",)),
    ("tracer", "float64", ("z=walls", "w=0")),
    ("tracer", "float32", ("z=walls", "w=0")),
    ("euler", "float64", ("form=split", "p=5")),
    ("euler", "float32", ("form=split",)),
    ("euler", "float64", ("p=1",)),
    ("euler", "float64", ("viscosity=0.02", "state=wave")),
]


@pytest.mark.parametrize(("kernel", "dtype", "params"), VARIANTS)
def test_every_kernel_is_valid(kernel, dtype, params, gpu, measured):
    options = [part for text in params for part in ("--param", text)]
    (record,) = measured(
        kernel, "-b", "julia:cuda", "--size", "tiny", "--dtype", dtype, *options, env=gpu
    )
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["software"]["CUDA.jl"] == "5.8.5"
    assert record["software"]["cuda-runtime"] == "12.4"
    assert record["software"]["gpu"] == "Stand-in GPU"


@pytest.mark.parametrize(
    ("kernel", "shape", "params"),
    [
        ("heat", "7x13x70", ()),
        ("column", "7x13x70", ("flux=0.1",)),
        ("shallow_water", "9x70", ()),
        ("tracer", "20x17x34", ()),
        ("tracer", "20x17x34", ("z=walls", "w=0")),
        ("euler", "3x2x9", ()),
        ("equation_of_state", "1009", ()),
        ("stream", "1009", ()),
    ],
)
def test_boxes_change_no_bit(kernel, shape, params, gpu):
    """More cells than a group on some axes, fewer on others; boxes cut at random, some empty."""
    whole, cut = boxes("julia:cuda", kernel, shape, params, gpu)
    assert cut == whole


@pytest.mark.parametrize(
    ("kernel", "shape", "params"),
    [
        ("heat", "13x10x7", ()),
        ("shallow_water", "13x10", ()),
        ("tracer", "9x10x13", ()),
        ("euler", "5x3x2", ("p=2",)),
    ],
)
def test_one_to_three_ranks_give_the_require_same_bits(kernel, shape, params, gpu, tmp_path):
    """Messages are packed on the device and sent from pinned host memory."""
    case = {"kernel": kernel, "shape": shape, "steps": 3, "params": params, "env": gpu}
    alone = fields(tmp_path, "julia:cuda", 1, **case)
    for ranks in (2, 3):
        require_same_bits(alone, fields(tmp_path, "julia:cuda", ranks, **case))


MUTATIONS = [
    ("heat", CELLS, "at .+ origin", "at"),
    ("heat", CELLS, "array[sources[i]+1]", "array[sources[i]+2]"),
    ("tracer", "tracer.jl", "@synchronize", ""),
    ("tracer", "tracer.jl", "j == HEIGHT &&", "false &&"),
    ("tracer", "tracer.jl", "i <= HEIGHT * DEPTH", "i < HEIGHT * DEPTH"),
    ("tracer", "tracer.jl", "(i, j, k + 1), corner", "(i, j, k), corner"),
    ("shallow_water", "shallow_water.jl", "vorticity(u, v, h, f, idx, idy, x + 1, y),",
     "vorticity(u, v, h, f, idx, idy, x, y),"),
    ("equation_of_state", CELLS, "at[1]:at[1]", "1:1"),
    ("column", "column.jl", "below, here = above, over", "below, here = below, over"),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "file", "old", "new"), MUTATIONS)
def test_a_mutated_source_is_found_out(kernel, file, old, new, gpu, measured):
    path = KERNELS / kernel / file
    (record,) = measured(
        kernel, "-b", "julia:cuda", "--shape", registry_shape(kernel),
        env=gpu | {"FAKE_CUDA_JL_MUTATION": "\t".join([str(path), old, new])},
    )  # fmt: skip
    assert record["status"] == "invalid", record["reasons"] + record["stderr"]
    assert record["time"] is None


def registry_shape(kernel: str) -> str:
    """More cells than a group of work-items has, on every axis."""
    return {"tracer": "9x9x40", "equation_of_state": "1009"}.get(kernel, "x".join(
        str(n) for n in registry.kernel(kernel).kernel.sizes["tiny"]
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"FAKE_CUDA_JL_FAULT": "no kernel image"}, "CUDA.jl cannot use the GPU: "),
        ({"FAKE_CUDA_JL_FAULT": "no kernel image"}, "no kernel image"),
        ({"FAKE_CUDA_DRIVER": "11080"}, "the driver serves CUDA 11.8, CUDA.jl needs 12.4"),
        (
            {"FAKE_CUDA_CAPABILITY": "70", "FAKE_CUDA_JL_RUNTIME": "13.0"}
            | {"FAKE_CUDA_DRIVER": "13000"},
            "CUDA 13.0 of CUDA.jl does not compile for sm_70 (Stand-in GPU)",
        ),
    ],
)
def test_what_does_not_go_together_is_said(settings, reason, gpu, measured):
    (record,) = measured("heat", "-b", "julia:cuda", "--size", "tiny", env=gpu | settings)
    assert record["status"] == "skipped"
    assert reason in record["reasons"][0]


# ---- what a work-item compiles to ------------------------------------------------------------


@cache
def items(dtype: str) -> dict[str, str]:
    require("julia")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "items.json"
        done = subprocess.run(
            [sys.executable, str(PROGRAMS / "items.py"), dtype, str(out)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(out.read_text())
        return found


def calls(code: str) -> set[str]:
    """What code calls beside LLVM's own functions."""
    called = re.findall(r"call [^@\n]*@\"?([\w.#]+)", code)
    return {name for name in called if not name.startswith("llvm.")}


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_work_item_calls_nothing(dtype):
    """A GPU has no runtime of Julia's: a dynamic call, an allocation or an error would be one."""
    found = items(dtype)
    assert len(found) == 17
    assert {name: calls(code) for name, code in found.items() if calls(code)} == {}


def test_single_precision_computes_in_single_precision():
    assert [name for name, code in items("float32").items() if "double" in code] == []
    assert [name for name, code in items("float64").items() if "float" in code] == []


def test_what_is_asserted_would_show():
    assert calls("  %1 = call double @llvm.fma.f64(double %2)\n") == set()
    assert calls(
        '  %1 = call nonnull {}* @ijl_apply_generic({}* null)\n  call void @"j_f_1"()'
    ) == {
        "ijl_apply_generic",
        "j_f_1",
    }


# ---- finding and preparing, which need no Julia ------------------------------------------------


MANIFEST = '[[deps.JouliaKernels]]\nuuid = "6f"\nweakdeps = ["CUDA"]\n'


@pytest.mark.parametrize(
    ("files", "there"),
    [
        ({}, False),
        ({"Project.toml": '[deps]\nCUDA = "05"\n'}, True),
        ({"Project.toml": '[weakdeps]\nCUDA = "05"\n'}, False),
        ({"Manifest.toml": MANIFEST}, False),
        ({"Manifest.toml": MANIFEST + '[[deps.CUDA]]\nuuid = "05"\n'}, True),
        ({"Manifest-v1.11.toml": '[[deps.CUDA]]\nuuid = "05"\n'}, True),
        ({"Manifest.toml": '[[CUDA]]\nuuid = "05"\n'}, True),
        ({"Project.toml": "not toml ["}, False),
    ],
)
def test_cuda_jl_is_looked_for_in_the_projects_files(files, there, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert _julia_cuda.in_project(tmp_path) is there


def test_julia_and_python_want_the_same_cuda_jl():
    package = tomllib.loads((bridge.PACKAGE / "Project.toml").read_text())
    assert package["compat"]["CUDA"] == _julia_cuda.VERSIONS
    assert package["weakdeps"]["CUDA"] == _julia_cuda.UUID
    assert "CUDA" not in package["deps"]


def test_why_julia_cuda_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(bridge, "find", lambda: ("julia", str(tmp_path)))
    monkeypatch.setattr(cuda, "missing", lambda: Unavailable("no driver", "install it"))

    def missing() -> Any:
        processor, gpu = bridge.devices()
        assert processor.missing is None
        assert gpu.name == "cuda"
        assert gpu.unproven
        return gpu.missing

    assert missing().reason == "no driver"
    monkeypatch.setattr(cuda, "missing", lambda: None)
    assert missing().reason == f"no CUDA.jl in {tmp_path}"
    assert "`joulia prepare julia`" in missing().remedy
    (tmp_path / "Project.toml").write_text('[deps]\nCUDA = "05"\n')
    assert missing() is None


@pytest.fixture
def juliapkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for juliapkg, and the file in which it notes its calls."""
    log = tmp_path / "calls"
    (tmp_path / "juliapkg.py").write_text(
        "import os\n"
        f"def note(*a, **k): print(*a, *k.values(), file=open({str(log)!r}, 'a'))\n"
        "def add(*a, **k): note('add', *a, **k)\n"
        "def rm(*a): note('rm', *a)\n"
        "def resolve():\n"
        f"    last = open({str(log)!r}).read().splitlines()[-1]\n"
        "    if os.environ.get('NO_CUDA_JL') and last.startswith('add'):\n"
        "        raise SystemExit('no such version')\n"
        "def executable(): return 'julia'\n"
        f"def project(): return {str(tmp_path)!r}\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
                       if "PYTHONPATH" in os.environ else str(tmp_path))  # fmt: skip
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv(bridge.EXE, raising=False)
    monkeypatch.delenv(bridge.PROJECT, raising=False)
    return log


ADDED = f"add CUDA {_julia_cuda.UUID} {_julia_cuda.VERSIONS}"


@pytest.mark.parametrize(
    ("gpu_there", "fails", "expected"),
    [(True, "", [ADDED]), (False, "", ["rm CUDA"]), (True, "1", [ADDED, "rm CUDA"])],
)
def test_cuda_jl_is_added_where_there_is_a_gpu(
    gpu_there, fails, expected, juliapkg, monkeypatch, capsys
):
    why = None if gpu_there else Unavailable("no driver", "")
    monkeypatch.setattr(cuda, "missing", lambda: why)
    monkeypatch.setattr(cuda, "current", lambda: SimpleNamespace(name="Some GPU"))
    if fails:
        monkeypatch.setenv("NO_CUDA_JL", fails)
    julia.prepare(console(stderr=True), None)
    assert juliapkg.read_text().splitlines() == expected
    assert json.loads(bridge.prepared().read_text())["exe"] == "julia"
    said = capsys.readouterr().err
    assert ("with CUDA.jl for Some GPU" in said) is gpu_there
    assert ("without CUDA.jl: " in said) is bool(fails)
