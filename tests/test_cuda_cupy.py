"""The backend `cupy` on a stand-in for CuPy, and the stand-in against CuPy where that is here."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from joulia import launch, launchers, registry
from joulia.api import make_case
from joulia.case import DTYPES, Settings

from .test_cuda_driver import stub

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
STAND_IN = HERE / "support" / "stand_in_cupy"

__all__ = ["stub"]


@pytest.fixture
def gpu(stub: Path, tmp_path: Path) -> dict[str, str]:
    """An environment with the stand-ins for NVIDIA's driver and for CuPy."""
    path = [str(STAND_IN), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "LD_LIBRARY_PATH": str(stub),
        "STUB_CUDA": "gpus=2,driver=12040",
        "CUPY_CACHE_DIR": str(tmp_path / "cupy"),
    }


def python(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


VARIANTS = [
    *((name, dtype, ()) for name in registry.kernels() for dtype in DTYPES),
    ("stream", "float64", ("op=fma",)),
    ("stream", "float32", ("op=copy",)),
    ("tracer", "float64", ("z=walls", "flow=rotation")),
    ("tracer", "float32", ("z=walls", "flow=rotation")),
    ("euler", "float64", ("form=split", "p=5")),
    ("euler", "float32", ("form=split", "p=2")),
]


@pytest.mark.parametrize(("kernel", "dtype", "params"), VARIANTS)
def test_every_kernel_is_valid(
    kernel: str, dtype: str, params: tuple[str, ...], gpu: Any, measured: Any
) -> None:
    options = [part for text in params for part in ("--param", text)]
    (record,) = measured(
        kernel, "-b", "cupy", "--size", "tiny", "--dtype", dtype, *options, env=gpu
    )
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["case"]["device"] == "cuda"
    assert record["software"]["cupy"] == "stand-in"
    assert [one["ranks"] for one in record["parallel"]["gpus"]] == [[0]]
    assert record["startup"]["cache"] == "warm", "the stand-in compiles nothing"


@pytest.mark.parametrize(
    ("kernel", "shape", "dtype", "params"),
    [
        ("heat", "7x13x9", "float64", ()),
        ("shallow_water", "9x17", "float32", ()),
        ("tracer", "14x9x11", "float32", ()),
        ("tracer", "14x9x11", "float64", ("z=walls", "flow=rotation")),
        ("euler", "3x2x5", "float64", ()),
        ("euler", "3x2x5", "float32", ("form=split",)),
        ("equation_of_state", "1009", "float32", ()),
    ],
)
def test_cutting_boxes_changes_no_bit(
    kernel: str, shape: str, dtype: str, params: tuple[str, ...], gpu: Any
) -> None:
    """Nor do slabs: the largest of them are cut as well."""
    seen = set()
    for values in ("1 << 22", "100"):
        env = gpu | {"STAND_IN_OLD": "VALUES = 1 << 22", "STAND_IN_NEW": f"VALUES = {values}"}
        env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": gpu["CUPY_CACHE_DIR"]}
        told = python(env, str(PROGRAMS / "boxes.py"), "cupy", kernel, dtype, shape, "5", *params)
        assert len(told.split()) == 2
        seen |= set(told.split())
    assert len(seen) == 1, seen


@pytest.mark.parametrize(
    ("kernel", "params"),
    [*((name, ()) for name in registry.kernels()), ("euler", ("form=split",))],
)
def test_a_step_neither_waits_nor_copies_to_or_from_the_host(
    kernel: str, params: tuple[str, ...], gpu: Any
) -> None:
    calls = json.loads(python(gpu, str(PROGRAMS / "quiet_step.py"), kernel, "3", *params))
    assert list(calls) == ["launch"], calls
    assert calls["launch"] >= 3


@pytest.mark.parametrize(("kernel", "shape"), [("shallow_water", "13x10"), ("tracer", "14x9x7")])
def test_one_to_four_ranks_give_the_same_bits(
    kernel: str, shape: str, gpu: Any, tmp_path: Path
) -> None:
    """Messages are packed on the device and sent from pinned host memory."""
    found = {}
    for ranks in (1, 2, 4):
        out = tmp_path / f"{ranks}.npz"
        environment = launch.environment(
            make_case(kernel, "cupy", ranks=ranks), Settings(), tmp_path
        )
        done = subprocess.run(
            [*launchers.choose(ranks, 1).command, sys.executable, "-m", "mpi4py"]
            + [str(PROGRAMS / "fields.py"), "cupy", kernel, "float64", "3", "overlap"]
            + [shape, str(out)],
            env=environment | gpu, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with np.load(out) as data:
            found[ranks] = {name: values.tobytes() for name, values in data.items()}
    assert found[2] == found[1]
    assert found[4] == found[1]


def test_two_ranks_have_a_gpu_each_and_pinned_messages(gpu: Any, measured: Any) -> None:
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", "--ranks", "2", env=gpu)
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert [one["ranks"] for one in record["parallel"]["gpus"]] == [[0], [1]]
    assert record["parallel"]["through"] == "pinned host buffers"


def test_ranks_may_share_a_gpu_and_the_record_says_so(gpu: Any, measured: Any) -> None:
    env = gpu | {"STUB_CUDA": "gpus=1"}
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", "--ranks", "2", env=env)
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert [one["ranks"] for one in record["parallel"]["gpus"]] == [[0, 1]]


def test_a_gpu_in_exclusive_mode_is_not_shared(gpu: Any, measured: Any) -> None:
    env = gpu | {"STUB_CUDA": "gpus=1,mode=3"}
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", "--ranks", "2", env=env)
    assert record["status"] == "skipped"
    (reason,) = record["reasons"]
    assert "is in exclusive mode, and 2 ranks would share it; use one rank a GPU" in reason


MUTATIONS = [
    ("heat", "kernels/heat/heat_cupy.py", "u[z0 + 1 : z1 + 1, y, x]", "u[z0 - 1 : z1 - 1, y, x]"),
    ("heat", "kernels/heat/heat_cupy.py", "out=result)", "out=near)"),
    ("heat", "kernels/_cupy.py", "thickness, high)", "thickness, high - 1)"),
    ("heat", "bridges/cupy.py", "flat[place] = flat[origin]", "flat[place] = flat[place]"),
    ("tracer", "kernels/tracer/tracer_cupy.py", "u[z, y, x0 : x1 + 1]", "w[z, y, x0 : x1 + 1]"),
    ("tracer", "kernels/tracer/tracer_cupy.py", "(bottoms[:-1] - ", "(bottoms[:-1] + "),
    ("tracer", "kernels/tracer/tracer_cupy.py", "if n:", "if n == 1:"),
    (
        "shallow_water", "kernels/shallow_water/shallow_water_cupy.py",
        "slice(x0, x1)", "slice(x0, x1 - 1)",
    ),
    (
        "shallow_water", "bridges/cupy.py",
        "flat[place] = flat[origin]", "flat[place] = flat[place[::-1]]",
    ),
    (
        "euler", "kernels/euler/euler_cupy.py",
        "(box, values_a_cell)", "((*box[:5], box[5] - 1), values_a_cell)",
    ),
    ("stream", "kernels/stream/stream_cupy.py", "cp.add(a[part], b[", "cp.add(a[part], c["),
    (
        "equation_of_state", "kernels/equation_of_state/equation_of_state_cupy.py",
        "VALUES, constants", "VALUES, constants | {'R010': 0.0}",
    ),
]  # fmt: skip


def source(name: str) -> str:
    return (Path(registry.__file__).parent / name).read_text()


@pytest.mark.parametrize(("kernel", "file", "old", "new"), MUTATIONS)
def test_a_mutation_is_found_out(
    kernel: str, file: str, old: str, new: str, gpu: Any, measured: Any
) -> None:
    assert old in source(file)
    env = gpu | {"STAND_IN_OLD": old, "STAND_IN_NEW": new, "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"PYTHONPYCACHEPREFIX": gpu["CUPY_CACHE_DIR"]}
    (record,) = measured(kernel, "-b", "cupy", "--size", "tiny", env=env)
    assert record["status"] == "invalid", record["reasons"] + record["stderr"]
    assert record["time"] is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("packed = flat[place]", "packed = flat[place * 0]"),
        ("flat[place] = packed", "flat[place] = packed * 0"),
    ],
)
def test_a_mutated_message_is_found_out(old: str, new: str, gpu: Any, measured: Any) -> None:
    assert old in source("bridges/cupy.py")
    env = gpu | {"STAND_IN_OLD": old, "STAND_IN_NEW": new}
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", "--ranks", "2", env=env)
    assert record["status"] == "invalid", record["reasons"] + record["stderr"]


# ---- what a user is told ---------------------------------------------------------------------


def test_both_names_are_taken(gpu: Any) -> None:
    assert registry.backend("cupy") == registry.backend("cupy:cuda") == [("cupy", "cuda")]
    assert "cupy:cuda" in registry.backends()


def test_list_says_what_was_never_seen(gpu: Any, joulia: Callable[..., Any]) -> None:
    told = joulia("list", env=gpu).stdout
    assert "cupy:cuda: unproven: no GPU has run it yet" in told


@pytest.mark.parametrize(
    ("driver", "cuda", "reason"),
    [
        (
            "driver=12040",
            "13000",
            "the driver serves CUDA 12.4, CuPy needs 13.0; update the driver, "
            "or pip install 'joulia[cuda12]'",
        ),
        (
            "driver=11040",
            "12090",
            "the driver serves CUDA 11.4, CuPy needs 12.9; update the driver",
        ),
        (
            "driver=13000,capability=70",
            "13000",
            "CUDA 13.0 of CuPy does not compile for sm_70 (Stub GPU 0); "
            "pip install 'joulia[cuda12]'",
        ),
        ("driver=13000,capability=90", "13000", None),
        ("driver=13000,capability=70", "12090", None),
    ],
)
def test_driver_gpu_and_cuda_must_go_together(
    driver: str, cuda: str, reason: str | None, gpu: Any, measured: Any
) -> None:
    env = gpu | {"STUB_CUDA": driver, "STAND_IN_CUDA": cuda}
    (record,) = measured("heat", "-b", "cupy", "--size", "tiny", env=env)
    if reason is None:
        assert record["status"] == "valid", record["reasons"]
    else:
        assert record["status"] == "skipped"
        assert record["reasons"] == [reason]


@pytest.mark.skipif(
    importlib.util.find_spec("cupy") is not None, reason="CuPy is installed (and was not to be)"
)
@pytest.mark.parametrize(
    ("driver", "extra"),
    [
        ("driver=12040,capability=90", "joulia[cuda12]"),
        ("driver=13000,capability=90", "joulia[cuda13]"),
        ("driver=13000,capability=70", "joulia[cuda12]"),
    ],
)
def test_without_cupy_the_remedy_is_the_extra_that_fits(
    driver: str, extra: str, stub: Path, joulia: Callable[..., Any]
) -> None:
    told = joulia("list", env={"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": driver}).stdout
    (line,) = [line for line in told.splitlines() if line.startswith("cupy:cuda: CuPy is not")]
    assert line == f"cupy:cuda: CuPy is not installed; pip install '{extra}'"


# ---- the stand-in itself ---------------------------------------------------------------------


@pytest.fixture
def stand_in() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stand_in", STAND_IN / "cupy" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a, h: np.asarray(a),
        lambda a, h: np.add(a, 1.0),
        lambda a, h: np.moveaxis(a, 0, 1),
        lambda a, h: a + h,
        lambda a, h: h * a,
        lambda a, h: np.float64(2.0) * a,
        lambda a, h: a[np.array([0, 1])],
        lambda a, h: a.__setitem__(slice(None), h),
    ],
)
def test_the_stand_in_refuses_what_would_leave_the_device(
    wrong: Callable[[Any, Any], Any], stand_in: ModuleType
) -> None:
    host = np.ones((2, 3))
    with pytest.raises(TypeError):
        wrong(stand_in.array(host), host)


def test_the_stand_in_counts_what_waits(stand_in: ModuleType) -> None:
    array = stand_in.array(np.ones(3))
    stand_in.calls.clear()
    assert array[0] > 0.5
    assert float(array[1]) == 1.0
    array.get()
    stand_in.cuda.get_current_stream().synchronize()
    assert stand_in.calls["to_host"] == 3
    assert stand_in.calls["wait"] == 1


def test_the_stand_in_has_nothing_that_cupy_lacks(stand_in: ModuleType) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

    def names(one: Any) -> set[str]:
        own = {n for n in vars(one) if not n.startswith("_") or n.startswith(("__i", "__r"))}
        return own - {"calls", "OLD", "NEW", "annotations", "__init__"}

    modules = {"ctypes", "os", "np", "Counter", "Callable", "Iterator", "Sequence", "Any"}
    modules |= {"SourceFileLoader", "SimpleNamespace", "MemoryPointer", "Stream", "cuda"}
    assert [n for n in names(stand_in) - modules if not hasattr(cupy, n)] == []
    assert [n for n in names(stand_in.ndarray) if not hasattr(cupy.ndarray, n)] == []
    pairs = [
        (stand_in.MemoryPointer, cupy.cuda.MemoryPointer), (stand_in.Stream, cupy.cuda.Stream),
        (stand_in.cuda, cupy.cuda), (stand_in.cuda.runtime, cupy.cuda.runtime),
    ]  # fmt: skip
    for mine, real in pairs:
        assert [n for n in names(mine) if not hasattr(real, n)] == []
    for name in ("add", "subtract", "multiply", "sqrt", "maximum"):
        assert isinstance(getattr(cupy, name), cupy.ufunc), f"{name} takes out="
