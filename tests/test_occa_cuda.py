"""occa:cuda without a GPU: OCCA's own CUDA mode on a driver that runs its kernels on processors.

The bridge, OCCA, its translation of the kernels and its launches are the real ones; the driver and
nvcc are stand-ins (support/fake_cuda). What a GPU's own compiler and memory do is not seen here;
what ranks exchange is on a real device, occa:opencl (test_device_memory).
"""

from __future__ import annotations

import pytest
import stand_in

from joulia.bridges import _occa_library

from .conftest import require
from .programs_run import (
    PROGRAMS,
    boxes_of_all,
    measured_together,
    program,
)
from .promises import COMPLETE


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """The stand-in's environment, with an OCCA that has no CUDA mode yet."""
    require("occa:serial")
    if not _occa_library.is_own(_occa_library.find_library()):
        pytest.skip("occa:cuda: needs the OCCA that joulia builds (joulia prepare occa)")
    cache = tmp_path_factory.mktemp("bare") / "cache"
    toolkit = stand_in.toolkit(tmp_path_factory.mktemp("toolkit"))
    return toolkit | stand_in.copied(cache, _occa_library.own_prefix())


@pytest.fixture(scope="session")
def gpu(tmp_path_factory, bare):
    """The stand-in's environment, with a CUDA mode built as `joulia prepare occa` builds it."""
    cache = tmp_path_factory.mktemp("gpu") / "cache"
    env = bare | stand_in.copied(cache, _occa_library.own_prefix())
    output = program(
        env,
        "-c",
        "from rich.console import Console; from joulia.setup import occa_cuda as p\n"
        "p.prepare(Console(width=1000)); p.prepare(Console(width=1000))",
    )
    assert "occa: built " in output
    assert output.splitlines()[-1].startswith("occa: found its CUDA mode")
    headers = tmp_path_factory.mktemp("headers")
    return env | {"OCCA_CXXFLAGS": stand_in.launcher_flags(headers, _occa_library.own_prefix())}


ADDRESSES = """
import ctypes, gc

driver = ctypes.CDLL("libcuda.so.1")
seen = (ctypes.c_double * 60).from_address(ops.address(a))
assert list(seen) == list(values[:, ::-1].ravel())
before = driver.fake_allocations()
kept = ops.array(values)
assert driver.fake_allocations() == before + 1
del kept
gc.collect()
assert driver.fake_allocations() == before
"""


def test_the_primitives_of_device_memory(gpu):
    """And where arrays lie, as the driver knows it, and that they go."""
    shared = (PROGRAMS / "primitives.py").read_text()
    program(gpu, "-c", shared + ADDRESSES, "occa:cuda")


VARIANTS = [
    *((name, "float64", ()) for name in COMPLETE),
    *((name, "float32", ()) for name in ("equation_of_state", "euler", "tracer")),
    ("stream", "float64", ("op=fma",)),
    ("emulator", "float32", ("features=64", "density=0.1")),
    ("emulator", "float64", ("method=solver", "parts=2", "steps=24")),
    ("tracer", "float64", ("z=walls", "w=0")),
    ("euler", "float64", ("form=split", "p=5")),
    ("euler", "float64", ("viscosity=0.02", "state=wave")),
    ("boussinesq", "float32", ("advection=weno5",)),
]


MEASURED = [(kernel, dtype, "tiny", params) for kernel, dtype, params in VARIANTS]


@pytest.fixture(scope="module")
def results(gpu):
    return measured_together("occa:cuda", MEASURED, gpu)


@pytest.mark.parametrize("case", MEASURED, ids=lambda case: "-".join([*case[:2], *case[3]]))
def test_every_kernel_is_valid_in_occas_cuda_mode(case, results):
    result = results[case]
    assert result["status"] == "valid", result["reasons"]
    assert result["verify"]["error"] <= result["verify"]["tolerance"]


def test_a_record_tells_the_gpu(gpu, measured):
    (record,) = measured("heat", "-b", "occa:cuda", "--size", "tiny", env=gpu)
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["software"]["gpu"] == "Stand-in GPU"
    assert record["parallel"]["gpus"][0]["capability"] == [9, 0]


BOXED = [
    ("heat", "float64", "7x13x70", ()),
    ("column", "float64", "7x13x70", ("flux=0.1",)),
    ("shallow_water", "float64", "9x70", ()),
    ("tracer", "float64", "20x17x34", ()),
    ("tracer", "float64", "20x17x34", ("z=walls", "w=0")),
    ("euler", "float64", "3x2x5", ()),
    ("equation_of_state", "float64", "1009", ()),
    ("poisson", "float64", "8x12x72", ("z=walls",)),
    ("boussinesq", "float64", "20x16x36", ("advection=weno5", "cycles=1")),
]
"""More cells than a tile on some axes, fewer on others."""


@pytest.fixture(scope="module")
def boxed(gpu):
    """What boxes cut at random, some of them empty, give in each order of a block's threads."""
    orders = ("forward", "backward", "shuffled")
    return [boxes_of_all("occa:cuda", BOXED, gpu | {"EMULATED_ORDER": o}) for o in orders]


@pytest.mark.parametrize("case", BOXED, ids=lambda case: "-".join([case[0], *case[3]]))
def test_neither_boxes_nor_the_order_of_threads_change_a_bit(case, boxed):
    seen = {digest for digests in boxed for digest in digests[case]}
    assert len(seen) == 1, seen


MUTATIONS = [
    ("heat", "threadIdx.y", "0"),
    ("heat", "(4 * blockIdx.y)", "(5 * blockIdx.y)"),
    ("tracer", "__syncthreads()", ""),
    ("tracer", "under = over", "under = under"),
    ("shallow_water", "at + nx", "at"),
    ("euler", "% elements", "% (elements - 1)"),
    ("equation_of_state", "threadIdx.x", "2 * threadIdx.x"),
    ("column", "below = above", "below = below"),
    ("poisson", "(z - oz) << sz", "z << sz"),
    ("boussinesq", "souths[1][j + 1][i]", "souths[1][j][i]"),
]


@pytest.mark.parametrize(("kernel", "old", "new"), MUTATIONS)
def test_a_mutated_translation_is_found_out(kernel, old, new, gpu, measured):
    (record,) = measured(
        kernel, "-b", "occa:cuda", "--size", "tiny", "--cold",
        env=gpu | {"FAKE_CUDA_OLD": old, "FAKE_CUDA_NEW": new},
    )  # fmt: skip
    assert record["status"] in ("invalid", "failed"), record["status"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"FAKE_CUDA_DRIVER": "11080"}, "the driver serves CUDA 11.8, nvcc 12.4 needs 12.4"),
        ({"FAKE_CUDA_CAPABILITY": "120"}, "nvcc 12.4 does not compile for sm_120 (Stand-in GPU)"),
        ({"FAKE_CUDA_CAPABILITY": "30"}, "use an older CUDA toolkit"),
        ({"OCCA_CUDA_COMPILER": "/nonexistent/nvcc"}, "OCCA_CUDA_COMPILER is /nonexistent/nvcc"),
    ],
)
def test_what_does_not_go_together_is_said(settings, reason, gpu, measured):
    (record,) = measured("heat", "-b", "occa:cuda", "--size", "tiny", env=gpu | settings)
    assert record["status"] == "skipped"
    assert reason in record["reasons"][0]


def test_an_occa_without_cuda_is_a_reason_with_a_remedy(bare, measured):
    (record,) = measured("heat", "-b", "occa:cuda", "--size", "tiny", env=bare)
    assert record["status"] == "skipped"
    assert "joulia's OCCA was built without CUDA" in record["reasons"][0]
    assert "`joulia prepare occa` where the CUDA toolkit is" in record["reasons"][0]
