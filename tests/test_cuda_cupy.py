"""cupy without a GPU: the bridge and the kernels on a stand-in for CuPy (support/fake_cupy).

It computes with NumPy when somebody waits, and refuses what CuPy refuses; the driver is a stand-in
as well. What CuPy compiles, and what that costs, is not seen here.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import joulia
from joulia.case import DTYPES
from joulia.grid import Box, slices
from joulia.kernels._cupy import parts

from .programs_run import (
    PROGRAMS,
    Boxed,
    boxes_of_all,
    fields,
    measured_together,
    program,
    require_same_bits,
)
from .promises import COMPLETE

HERE = Path(__file__).parent
FAKE = HERE / "support" / "fake_cupy"

VARIANTS: list[tuple[str, tuple[str, ...]]] = [
    *((name, ()) for name in COMPLETE),
    ("stream", ("op=copy",)),
    ("stream", ("op=fma",)),
    ("emulator", ("features=64", "density=0.1")),
    ("emulator", ("products=float16",)),
    ("emulator", ("method=solver", "parts=2", "steps=24")),
    ("tracer", ("z=walls", "w=0")),
    ("euler", ("form=split", "p=4")),
    ("euler", ("viscosity=0.02", "state=wave", "p=2")),
    ("boussinesq", ("advection=weno5", "cycles=1")),
]
SHAPES = {
    "boussinesq": "8x6x4",
    "column": "9x7x8",
    "emulator": "32x9x8",
    "euler": "2x3x4",
    "heat": "9x8x10",
    "poisson": "6x7x8",
    "shallow_water": "17x13",
    "tracer": "9x7x8",
}


def environment(stub: Path, cache: Path) -> dict[str, str]:
    """An environment with the stand-ins."""
    path = [str(FAKE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "LD_LIBRARY_PATH": str(stub),
        "PYTHONPATH": os.pathsep.join(path),
        "JOULIA_CACHE_DIR": str(cache),
    }


@pytest.fixture
def gpu(stub: Path, tmp_path: Path) -> dict[str, str]:
    """The stand-ins, and nothing compiled."""
    return environment(stub, tmp_path / "cache")


@pytest.fixture(scope="module")
def shared_gpu(stub: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return environment(stub, tmp_path_factory.mktemp("shared") / "cache")


def options(params: tuple[str, ...]) -> list[str]:
    return [part for text in params for part in ("--param", text)]


# ---- kernels -----------------------------------------------------------------------------------


MEASURED: list[Boxed] = [
    (kernel, dtype, "tiny", params) for kernel, params in VARIANTS for dtype in DTYPES
]


@pytest.fixture(scope="module")
def results(shared_gpu: dict[str, str]) -> dict[Boxed, dict[str, Any]]:
    return measured_together("cupy", MEASURED, shared_gpu)


@pytest.mark.parametrize("case", MEASURED, ids=lambda case: "-".join([*case[:2], *case[3]]))
def test_every_kernel_is_valid(case: Boxed, results: dict[Boxed, dict[str, Any]]) -> None:
    result = results[case]
    assert result["status"] == "valid", result["reasons"]
    assert result["verify"]["error"] <= result["verify"]["tolerance"]


def test_a_record_tells_the_device_and_the_versions(gpu, measured):
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", env=gpu)
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["case"]["device"] == "cuda"
    assert record["software"]["cupy"] == "0.0 (a stand-in)"
    assert record["software"]["cuda-runtime"] == "12.4"


BOXED = [
    (kernel, dtype, SHAPES.get(kernel, "1000"), params)
    for kernel, params in VARIANTS
    for dtype in DTYPES
]


@pytest.fixture(scope="module")
def boxed(shared_gpu: dict[str, str]) -> dict[Boxed, tuple[str, ...]]:
    return boxes_of_all("cupy", BOXED, shared_gpu)


@pytest.mark.parametrize("case", BOXED, ids=lambda case: "-".join([*case[:2], *case[3]]))
def test_no_bit_depends_on_the_boxes(case: Boxed, boxed: dict[Boxed, tuple[str, ...]]) -> None:
    whole, cut = boxed[case]
    assert whole == cut


@pytest.fixture(scope="module")
def second_steps(shared_gpu: dict[str, str]) -> list[list[dict[str, int]]]:
    """By variant and precision, how often a second step waits and uploads."""
    lines = program(shared_gpu, PROGRAMS / "cupy_step.py", json.dumps(VARIANTS)).splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda variant: "-".join([variant[0], *variant[1]])
)
def test_a_step_neither_waits_nor_uploads(
    variant: tuple[str, tuple[str, ...]], second_steps: list[list[dict[str, int]]]
) -> None:
    assert len(second_steps) == len(VARIANTS)
    neither = {"synchronizations": 0, "uploads": 0}
    assert second_steps[VARIANTS.index(variant)] == [neither] * len(DTYPES)


@pytest.mark.parametrize(
    ("kernel", "fault", "ranks"),
    [
        ("heat", "stale", 1),
        ("heat", "unordered", 2),
        ("euler", "maximum", 1),
        ("tracer", "square", 1),
    ],
)
def test_a_gpu_that_computes_wrongly_is_found_out(kernel, fault, ranks, gpu, measured):
    (record,) = measured(
        kernel, "-b", "cupy", "--size", "tiny", "--ranks", str(ranks),
        env=gpu | {"FAKE_CUPY_FAULT": fault},
    )  # fmt: skip
    assert record["status"] == "invalid", record
    assert record["time"] is None


NEIGHBOURS = "        below, above = (elements(q, part, d, shift) for shift in (-1, 1))"
SWAPPED = NEIGHBOURS.replace("(-1, 1)", "(1, -1)")
MUTATIONS: list[tuple[str, tuple[str, ...], str, str, str]] = [
    ("heat", (), "kernels/heat/heat_cupy.py", "x0 + 1 : x1 + 1", "x0 : x1"),
    ("tracer", (), "kernels/tracer/tracer_cupy.py", "below[:-1] - below[1:]", "below[:-1]"),
    ("tracer", ("z=walls", "w=0"), "kernels/tracer/tracer_cupy.py", "top - n)", "top - n - 1)"),
    ("euler", (), "kernels/euler/euler_cupy.py", 8 * " " + NEIGHBOURS, 8 * " " + SWAPPED),
    ("emulator", (), "kernels/emulator/emulator_cupy.py", "x[-1, :count] = out", "x[-1] += out[0]"),
    ("euler", (), "kernels/euler/euler_cupy.py", "slice(l, l + 1)", "slice(0, 1)"),
    ("euler", ("form=split",), "kernels/euler/euler_cupy.py", "(high, lower)", "(high, upper)"),
    (
        "heat",
        (),
        "bridges/cupy.py",
        "flat[targets] = flat[sources]",
        "flat[targets] = flat[targets]",
    ),
]


@pytest.mark.parametrize(("kernel", "params", "file", "old", "new"), MUTATIONS)
def test_a_mutated_source_is_found_out(kernel, params, file, old, new, gpu, measured, tmp_path):
    package = Path(joulia.__file__).parent
    copy = tmp_path / "mutated" / "joulia"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / file).read_text()
    assert source.count(old) == 1
    (copy / file).write_text(source.replace(old, new))
    path = os.pathsep.join([str(copy.parent), gpu["PYTHONPATH"]])
    (record,) = measured(
        kernel, "-b", "cupy", "--size", "tiny", *options(params), env=gpu | {"PYTHONPATH": path}
    )
    assert record["status"] == "invalid", record["reasons"]
    assert record["time"] is None


@pytest.mark.parametrize("limit", [8, 100, 1000, 1 << 20])
@pytest.mark.parametrize("box", [(3, 40), (1, 6, 2, 9), (2, 7, 1, 9, 3, 14), (1, 4, 2, 2, 0, 5)])
def test_parts_cover_a_box_once_and_are_no_larger_than_asked(box: Box, limit: int) -> None:
    covered = np.zeros((41, 10, 15)[: len(box) // 2], int)
    expected = covered.copy()
    expected[slices(box)] = 1
    pieces = list(parts(box, 8, limit))
    for part in pieces:
        assert 0 < 8 * covered[slices(part)].size <= limit
        covered[slices(part)] += 1
    assert (covered == expected).all()
    assert len(pieces) == 1 or limit < 1 << 20 or not expected.any()


# ---- the bridge --------------------------------------------------------------------------------


def test_arrays_are_copied_packed_and_moved(gpu):
    checks = json.loads(program(gpu, PROGRAMS / "cupy_arrays.py", timeout_s=120))
    assert checks.pop("through") == "pinned host buffers"
    assert checks == dict.fromkeys(("copied", "packed", "unpacked", "moved", "addressed"), True)


@pytest.mark.parametrize(("kernel", "shape"), [("heat", "13x10x7"), ("tracer", "9x8x7")])
def test_one_and_two_ranks_give_the_require_same_bits(kernel, shape, gpu, tmp_path):
    """Messages are packed by CuPy and sent from pinned host memory."""
    case = {"kernel": kernel, "shape": shape, "steps": 3, "env": gpu, "timeout_s": 120}
    alone = fields(tmp_path, "cupy", 1, **case)
    require_same_bits(alone, fields(tmp_path, "cupy", 2, **case))


def test_a_cold_start_compiles_and_a_warm_one_does_not(gpu, measured):
    case = ("heat", "-b", "cupy", "--size", "tiny")
    first, warm = [measured(*case, "--no-resume", env=gpu)[-1] for _ in range(2)]
    cold = measured(*case, "--cold", env=gpu)[-1]
    assert [record["startup"]["cache"] for record in (first, warm, cold)] == [
        "cold",
        "warm",
        "cold",
    ]


@pytest.mark.parametrize(
    ("settings", "reason", "remedy"),
    [
        ({"STUB_CUDA": "fault=100"}, "the NVIDIA driver shows no GPU", "--gpus all"),
        (
            {"FAKE_CUPY_FAULT": "compiler"},
            "CuPy cannot use the GPU: RuntimeError: CuPy failed to load libnvrtc",
            "pip install 'joulia[cuda12]'",
        ),
        (
            {"FAKE_CUPY_FAULT": "version"},
            "the driver serves CUDA 12.4, CuPy needs 99.0",
            "pip install 'joulia[cuda12]'",
        ),
    ],
)
def test_what_is_missing_is_said(settings, reason, remedy, gpu, measured):
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", env=gpu | settings)
    assert record["status"] == "skipped"
    assert reason in record["reasons"][0]
    assert remedy in record["reasons"][0]


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is here")
@pytest.mark.parametrize(
    ("driver", "extra"),
    [("12040", "cuda12"), ("13000", "cuda12"), ("13000,capability=90", "cuda13")],
)
def test_without_cupy_the_one_for_the_driver_is_named(driver, extra, stub, measured):
    env = {"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": f"driver={driver}"}
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", env=env)
    assert record["status"] == "skipped"
    assert "cupy is not installed" in record["reasons"][0]
    assert f"pip install 'joulia[{extra}]'" in record["reasons"][0]


# ---- the stand-in ------------------------------------------------------------------------------


@pytest.fixture
def cupy() -> Any:
    """The stand-in, beside a CuPy that may be here."""
    spec = importlib.util.spec_from_file_location("fake_cupy", FAKE / "cupy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFUSED: dict[str, Callable[[Any, Any, Any], object]] = {
    "an implicit copy": lambda cupy, a, host: np.asarray(a),
    "a host array as an operand": lambda cupy, a, host: a + host,
    "a host array on the left": lambda cupy, a, host: host * a,
    "a host array assigned": lambda cupy, a, host: a.__setitem__(slice(0, 3), host),
    "a host array as an index": lambda cupy, a, host: a[np.array([0, 1])],
    "a host array as a result": lambda cupy, a, host: np.add(a, a, out=host),
    "a mask": lambda cupy, a, host: a[a > 0.0],
    "where= of a ufunc": lambda cupy, a, host: np.add(a, a, where=a > 0.0),
    "a reduction": lambda cupy, a, host: np.add.reduce(a),
    "a scalar of another dtype": lambda cupy, a, host: np.float32(2.0) * a,
    "what NumPy alone has": lambda cupy, a, host: np.ascontiguousarray(a),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_stand_in_refuses(what: str, cupy: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    host = np.arange(3.0)
    with pytest.raises(TypeError):
        REFUSED[what](cupy, cupy.array(host), host)


def test_the_stand_in_works_late_and_counts(
    cupy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    host = np.arange(3.0)
    a = cupy.array(np.zeros(3))
    a.set(host)
    b = 2.0 * a
    host[:] = 5.0  # too early
    assert cupy.synchronizations == 0
    assert np.isnan(b._memory).all()
    assert list(b.get()) == [10.0, 10.0, 10.0]
    assert float(b[1]) == 10.0
    assert bool(b[1] > 0.0)
    assert cupy.synchronizations == 3
    assert cupy.uploads == 2


def test_cupy_has_what_the_stand_in_has(cupy: Any) -> None:
    """Names, and that the calls made here fit CuPy's signatures."""
    real = pytest.importorskip("cupy")
    for name in cupy.UFUNCS:
        assert isinstance(getattr(real, name), real.ufunc)
    made: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
        "array": ((1,), {}),
        "asarray": ((1,), {}),
        "ascontiguousarray": ((1,), {}),
        "concatenate": (([],), {}),
        "copyto": ((1, 2), {}),
        "empty": (((1,), "f8"), {}),
        "empty_like": ((1,), {"shape": (1,)}),
        "matmul": ((1, 2), {}),
        "moveaxis": ((1, 2, 0), {}),
        "where": ((1, 2, 3), {}),
        "zeros": ((1,), {}),
        "zeros_like": ((1,), {}),
    }
    assert set(cupy.FUNCTIONS) <= set(made)
    for name, (arguments, more) in made.items():
        inspect.signature(getattr(real, name)).bind(*arguments, **more)
    for name in vars(cupy.ndarray):
        if not name.startswith("_"):
            assert hasattr(real.ndarray, name)
    assert real.cuda.runtime.runtimeGetVersion() > 11000
    assert callable(real.cuda.get_current_stream)
    assert callable(real.cuda.Stream.synchronize)
