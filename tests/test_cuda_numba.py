"""Numba's CUDA kernels in its simulator: verified, independent of ranks, mutations caught.

The simulator runs every thread in Python, one after another (support/simulator), so grids are as
small as kernels allow. What it cannot show, the machine code, is in test_cuda_ptx.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulia.case import DTYPES

from .programs_run import Boxed, fields, measured_together, program, require_same_bits
from .test_ranks import Grids, cases, different, digests

SIMULATED = "Numba's CUDA simulator: it computes, but its times mean nothing"


def simulator(path: str | None = None) -> dict[str, str]:
    """An environment in which Numba simulates, beside what is on `path`."""
    folder = str(Path(__file__).parent / "support" / "simulator")
    parts = [folder, path or os.environ.get("PYTHONPATH")]
    return {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(filter(None, parts))}


SIMULATOR = simulator()

# Odd shapes, which blocks do not divide, with every branch of the kernels.
CASES = [
    ("stream", "1031", ()),
    ("stream", "131", ("op=copy",)),
    ("stream", "11", ("op=fma",)),
    ("heat", "5x3x7", ()),
    ("column", "4x3x5", ("flux=0.1",)),
    ("emulator", "32x2x3", ("features=32",)),
    ("emulator", "32x1x3", ("features=64", "density=0.1")),
    ("emulator", "32x2x3", ("method=solver", "parts=2", "steps=4")),
    ("shallow_water", "5x7", ()),
    ("equation_of_state", "131", ()),
    ("tracer", "3x3x4", ()),
    ("tracer", "7x3x3", ("z=walls", "flow=uniform", "v=-0.5")),
    ("euler", "1x2x3", ("p=1",)),
    ("euler", "1x1x2", ("p=2", "form=split")),
    ("euler", "1x2x3", ("p=1", "viscosity=0.02", "state=wave")),
    ("poisson", "3x4x5", ("z=walls",)),
    ("boussinesq", "3x4x6", ("cycles=1",)),
    ("boussinesq", "7x3x4", ("cycles=1", "advection=weno5")),
]


MEASURED: list[Boxed] = [
    (kernel, dtype, shape, params) for kernel, shape, params in CASES for dtype in DTYPES
]


@pytest.fixture(scope="module")
def results() -> dict[Boxed, dict[str, Any]]:
    return measured_together("numba:cuda", MEASURED, SIMULATOR)


@pytest.mark.parametrize("case", MEASURED, ids=lambda case: "-".join([*case[:3], *case[3]]))
def test_every_kernel_gives_the_reference_solution(
    case: Boxed, results: dict[Boxed, dict[str, Any]]
) -> None:
    verify = results[case]["verify"]
    assert verify["passed"], results[case]["reasons"]
    assert verify["error"] <= verify["tolerance"]
    assert all(check["passed"] for check in verify["invariants"].values())


def test_what_is_simulated_has_no_time(measured: Callable[..., list[dict[str, Any]]]) -> None:
    (record,) = measured("stream", "-b", "numba:cuda", "--shape", "11", env=SIMULATOR, repeats=1)
    assert record["status"] == "invalid"
    assert record["reasons"] == [SIMULATED], record["stderr"]
    assert record["time"] is None
    assert record["verify"]["passed"]


CUT: Grids = [
    ("heat", (7, 5, 3), {}),
    ("shallow_water", (5, 7), {}),
    ("tracer", (7, 3, 4), {}),
    ("tracer", (8, 3, 3), {"z": "walls", "flow": "rotation"}),
    ("equation_of_state", (11,), {}),
    ("column", (3, 3, 5), {}),
    ("euler", (3, 1, 2), {"p": 1, "form": "weak"}),
    ("euler", (3, 1, 2), {"p": 1, "form": "split"}),
    ("poisson", (2, 3, 8), {"z": "walls"}),
    ("boussinesq", (3, 3, 12), {"cycles": 1}),
    ("emulator", (32, 2, 3), {"features": 64, "density": 0.1}),
]


def test_ranks_give_the_same_bits(tmp_path: Path) -> None:
    """1 to 3 of them in one process, in every precision; heat's under a real mpiexec as well."""
    chosen = [case | {"steps": 1} for case in cases([(CUT, DTYPES)])]
    seen = digests(tmp_path, "numba:cuda", 1, 3, env=SIMULATOR, chosen=chosen)
    assert all(len(cuts) >= 3 for cuts in seen.values())
    assert different(seen, seen) == []
    given = {"kernel": "heat", "shape": "7x5x3", "steps": 1, "env": SIMULATOR}
    alone = fields(tmp_path, "numba:cuda", 1, **given)
    require_same_bits(alone, fields(tmp_path, "numba:cuda", 2, **given))


MUTANTS = ["noop", "stale", "swapped", "flipped", "nohalo"]


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize(("kernel", "shape"), [("heat", "7x5x3"), ("tracer", "3x3x4")])
def test_a_mutated_kernel_fails_verification(mutant, kernel, shape, measured, plugins):
    (record,) = measured(
        kernel, "-b", "mutant:cuda", "--shape", shape,
        env=simulator(plugins["PYTHONPATH"]) | {"JOULIA_MUTANT": mutant},
        repeats=1,
    )  # fmt: skip
    assert record["status"] == "invalid", record
    assert [reason for reason in record["reasons"] if reason != SIMULATED]
    assert record["time"] is None


@pytest.mark.parametrize(("kernel", "shape"), [("heat", "7x5x3"), ("tracer", "3x3x4")])
def test_the_same_bridge_without_a_mutation_passes(kernel, shape, measured, plugins):
    env = simulator(plugins["PYTHONPATH"])
    (record,) = measured(kernel, "-b", "mutant:cuda", "--shape", shape, env=env, repeats=1)
    assert record["reasons"] == [SIMULATED], record["stderr"]
    assert record["verify"]["passed"]


SUMS = """
from numba import cuda
import numpy as np

def waiting(values, seen, out):
    at = cuda.grid(1)
    seen[at] = values[at]
    cuda.syncthreads()
    first = 4 * cuda.blockIdx.x
    out[at] = seen[first] + seen[first + 1] + seen[first + 2] + seen[first + 3]

def running(values, seen, out):
    at = cuda.grid(1)
    seen[at] = values[at]
    first = 4 * cuda.blockIdx.x
    out[at] = seen[first] + seen[first + 1] + seen[first + 2] + seen[first + 3]

for kernel in (waiting, running):
    values, seen, out = np.arange(8.0), np.zeros(8), np.zeros(8)
    cuda.jit(kernel)[2, 4](values, seen, out)
    print(*map(int, out))
"""


def test_threads_of_the_simulator_see_behind_a_barrier_and_not_ahead_without_one():
    waiting, running = program(SIMULATOR, "-c", SUMS).splitlines()
    assert waiting == "6 6 6 6 22 22 22 22"
    assert running == "0 1 3 6 4 9 15 22"
