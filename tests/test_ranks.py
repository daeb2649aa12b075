"""Ranks: the answer does not depend on their number, bit for bit, under a real mpiexec."""

from __future__ import annotations

import pytest

from joulia import registry

from .conftest import require
from .programs_run import fields, require_same_bits


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_to_four_ranks_give_the_same_bits(backend, dtype, tmp_path):
    """An uneven grid: 13 x 10 x 7 cells divide by neither 2 nor 3 nor 4 on every axis."""
    alone = fields(tmp_path, backend, 1, dtype)
    for ranks in (2, 3, 4):
        require_same_bits(alone, fields(tmp_path, backend, ranks, dtype))


EVERY_KERNEL = [
    ("stream", "1013", ()),
    ("equation_of_state", "1013", ()),
    ("shallow_water", "13x11", ()),
    ("heat", "13x10x7", ()),
    ("tracer", "13x10x7", ()),
    ("tracer", "13x10x7", ("z=walls",)),
    ("euler", "3x2x5", ("p=2", "state=wave")),
    ("euler", "3x2x5", ("p=3", "state=wave", "form=split")),
]


def test_no_kernel_is_left_out():
    assert {kernel for kernel, *_ in EVERY_KERNEL} == set(registry.kernels())


@pytest.mark.parametrize(("kernel", "shape", "params"), EVERY_KERNEL)
def test_every_kernel_of_julias_gives_the_same_bits_on_one_to_four_ranks(
    kernel, shape, params, tmp_path
):
    require("julia")
    case = {"kernel": kernel, "shape": shape, "params": params, "steps": 3}
    alone = fields(tmp_path, "julia", 1, **case)
    for ranks in (2, 3, 4):
        require_same_bits(alone, fields(tmp_path, "julia", ranks, **case))


def test_overlap_changes_no_bit(tmp_path):
    first = fields(tmp_path, "numpy", 2, overlap="overlap")
    second = fields(tmp_path, "numpy", 2, overlap="none")
    require_same_bits(first, second)


def test_a_run_on_two_ranks_is_valid_and_says_what_exchange_cost(measured, backend):
    (record,) = measured("heat", "-b", backend, "--size", "tiny", "--ranks", "2")
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["case"]["ranks"] == 2
    assert record["parallel"]["exchange_s"] > 0
    assert record["parallel"]["compute_s"] > 0
    assert record["parallel"]["imbalance"] >= 0
