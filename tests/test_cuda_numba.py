"""Numba's CUDA kernels in its simulator: verified, independent of ranks, mutations caught.

The simulator runs a thread of Python for each of CUDA's, so grids are as small as kernels allow.
What it cannot show, the machine code, is in test_cuda_ptx.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from joulia import launch, launchers, registry
from joulia.api import make_case
from joulia.case import Settings

from .programs_run import fields

SIMULATED = "Numba's CUDA simulator: it computes, but its times mean nothing"
SIMULATOR = {"NUMBA_ENABLE_CUDASIM": "1"}
ELEMENTS = Path(__file__).parent / "programs" / "elements.py"

# Odd shapes, which blocks do not divide, with every branch of the kernels.
CASES = [
    ("stream", "1031", ()),
    ("stream", "131", ("op=copy",)),
    ("stream", "11", ("op=fma",)),
    ("heat", "5x3x7", ()),
    ("shallow_water", "5x7", ()),
    ("equation_of_state", "131", ()),
    ("tracer", "4x3x5", ()),
    ("tracer", "9x3x3", ("z=walls", "flow=uniform", "v=-0.5")),
    ("euler", "1x2x3", ("p=1",)),
    ("euler", "1x1x2", ("p=2", "form=split")),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("kernel", "shape", "params"), CASES)
def test_every_kernel_gives_the_reference_solution(kernel, shape, params, dtype, measured):
    given = [argument for each in params for argument in ("--param", each)]
    (record,) = measured(
        kernel, "-b", "numba:cuda", "--shape", shape, "--dtype", dtype, *given, env=SIMULATOR
    )
    assert record["status"] == "invalid"
    assert record["reasons"] == [SIMULATED], record["stderr"]
    assert record["time"] is None
    assert record["verify"]["passed"]
    assert record["verify"]["error"] <= registry.kernel(kernel).kernel.tolerance[dtype]
    assert all(check["passed"] for check in record["verify"]["invariants"].values())


@pytest.mark.parametrize(
    ("kernel", "shape", "ranks", "params"),
    [
        ("heat", "7x5x3", (2, 3), ()),
        ("shallow_water", "5x7", (2,), ()),
        ("tracer", "7x3x4", (2,), ()),
        ("tracer", "8x3x3", (2,), ("z=walls", "flow=rotation")),
        ("equation_of_state", "11", (2,), ()),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ranks_give_the_same_bits(kernel, shape, ranks, params, dtype, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    given = {"kernel": kernel, "shape": shape, "steps": 1, "params": params}
    alone = fields(tmp_path, "numba:cuda", 1, dtype, **given)
    for count in ranks:
        together = fields(tmp_path, "numba:cuda", count, dtype, **given)
        for name, field in alone.items():
            assert field.tobytes() == together[name].tobytes(), f"{name} on {count} ranks"


def test_ranks_give_the_same_bits_of_elements(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    jobs, found = tmp_path / "jobs.json", {}
    cases = [("weak", "float64"), ("split", "float32")]
    jobs.write_text(
        json.dumps(
            [
                {"name": form, "shape": [3, 1, 2], "dtype": dtype, "steps": 1}
                | {"params": {"p": 1, "form": form}}
                for form, dtype in cases
            ]
        )
    )
    for ranks in (1, 2):
        case = make_case("euler", "numba:cuda", ranks=ranks)
        out = tmp_path / f"{ranks}.npz"
        done = subprocess.run(
            [*launchers.choose(ranks, 1).command, sys.executable, "-m", "mpi4py", str(ELEMENTS)]
            + ["numba:cuda", str(jobs), str(out), "ranks"],
            env=launch.environment(case, Settings(), tmp_path),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with np.load(out) as data:
            found[ranks] = dict(data)
    for form, _ in cases:
        assert np.isfinite(found[1][form]).all()
        assert found[1][form].tobytes() == found[2][form].tobytes()


MUTANTS = ["noop", "stale", "swapped", "flipped", "nohalo"]


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize(("kernel", "shape"), [("heat", "7x5x3"), ("tracer", "6x3x4")])
def test_a_mutated_kernel_fails_verification(mutant, kernel, shape, measured, plugins):
    (record,) = measured(
        kernel, "-b", "mutant:cuda", "--shape", shape,
        env=plugins | SIMULATOR | {"JOULIA_MUTANT": mutant},
    )  # fmt: skip
    assert record["status"] == "invalid", record
    assert [reason for reason in record["reasons"] if reason != SIMULATED]
    assert record["time"] is None


@pytest.mark.parametrize(("kernel", "shape"), [("heat", "7x5x3"), ("tracer", "6x3x4")])
def test_the_same_bridge_without_a_mutation_passes(kernel, shape, measured, plugins):
    (record,) = measured(kernel, "-b", "mutant:cuda", "--shape", shape, env=plugins | SIMULATOR)
    assert record["reasons"] == [SIMULATED], record["stderr"]
    assert record["verify"]["passed"]
