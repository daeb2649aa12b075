"""Ranks: the answer does not depend on their number or on the cut, bit for bit.

Every cut of every kernel is taken by ranks that run one after another in one process
(`programs/together.py`); under mpiexec each backend takes one cut, and those must be the same bits.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from joulia import registry
from joulia.case import DTYPES
from joulia.parallel import launchers
from joulia.simulation.solve import make_case

from .conftest import VARIANTS, device, require
from .programs_run import PATIENCE_S, PROGRAMS, environment
from .promises import COMPLETE

Grids = list[tuple[str, tuple[int, ...], dict[str, Any]]]

GRIDS: Grids = [
    ("stream", (1013,), {}),
    ("equation_of_state", (1013,), {}),
    ("shallow_water", (96, 100), {}),
    ("column", (9, 20, 100), {"flux": 0.05}),
    ("heat", (24, 20, 100), {}),
    ("tracer", (24, 20, 100), {}),
    ("tracer", (24, 20, 100), {"z": "walls"}),
    ("poisson", (24, 20, 104), {}),
    ("poisson", (24, 20, 104), {"z": "walls"}),
    ("boussinesq", (8, 12, 104), {}),
    ("emulator", (32, 20, 100), {"features": 64, "density": 0.2}),
    ("emulator", (32, 20, 100), {"features": 64}),
    ("euler", (4, 4, 37), {"p": 2, "state": "wave"}),
    ("euler", (4, 4, 37), {"p": 3, "state": "wave", "form": "split"}),
]
"""Rows with a vector body and a rest, for every width of vectors, also where they are cut."""
ODD: Grids = [
    ("shallow_water", (13, 11), {}),
    ("column", (13, 10, 7), {}),
    ("heat", (13, 10, 7), {}),
    ("tracer", (13, 10, 7), {}),
    ("tracer", (13, 10, 7), {"z": "walls"}),
    ("poisson", (12, 18, 20), {"z": "walls"}),
    ("poisson", (12, 18, 20), {"method": "cg"}),
    ("boussinesq", (12, 18, 20), {"advection": "weno5"}),
    ("euler", (3, 2, 5), {"p": 3, "state": "wave", "form": "split"}),
    ("euler", (3, 2, 5), {"p": 2, "state": "wave", "viscosity": 0.02}),
]
"""Grids that divide by neither 2 nor 3 nor 4 on every axis."""


def others() -> Grids:
    """Kernels that are not joulia's own, at their smallest."""
    named = {kernel for kernel, *_ in GRIDS}
    every = registry.kernels().items()
    return [(name, entry.kernel.sizes["tiny"], {}) for name, entry in every if name not in named]


LONG: Grids = [
    ("euler", (3, 2, 5), {"p": 2, "state": "wave"}),
    ("euler", (3, 2, 5), {"p": 3, "state": "taylor_green", "form": "split"}),
]
"""Over many steps, where something is compiled: a bit that differs has time to grow."""
STEPS, MANY_STEPS = 3, 100


def cases(which: Sequence[tuple[Grids, Sequence[str]]] | None = None) -> list[dict[str, Any]]:
    """Cases of grids in precisions; every one where none are named."""
    every = ((GRIDS + others(), DTYPES), (ODD, DTYPES[:1]), (LONG, DTYPES))
    return [
        {
            "name": f"{kernel} {'x'.join(map(str, shape))} {dtype} {params}",
            "kernel": kernel,
            "shape": shape,
            "dtype": dtype,
            "params": params,
            "threads": 1,
            "steps": MANY_STEPS if grids is LONG else STEPS,
            "least": registry.kernel(kernel).kernel.least(shape),
            "align": aligned(kernel, shape, params),
        }
        for grids, dtypes in which or every
        for kernel, shape, params in grids
        for dtype in dtypes
    ]


def aligned(kernel: str, shape: tuple[int, ...], params: dict[str, Any]) -> tuple[int, ...]:
    """Cells of each axis between which a kernel's grid may be cut."""
    case = make_case(kernel, "numpy", shape=shape, params=params)
    return registry.kernel(kernel).kernel.units(case)


def digests(
    folder: Path,
    backend: str,
    least: int,
    most: int,
    dtypes: tuple[str, ...] = DTYPES,
    env: dict[str, str] | None = None,
    chosen: list[dict[str, Any]] | None = None,
    launcher: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """By case and cut, the digests of the whole grid's fields on `least` to `most` ranks.

    They are those of one process, or of MPI where there is a launcher of `most`.
    """
    # What compilers may not do in plain sources they would do in the first step.
    longest = STEPS if backend in ("numpy", "c++", "fortran", *VARIANTS) else MANY_STEPS
    if chosen is None:
        chosen = [c for c in cases() if c["dtype"] in dtypes and c["steps"] <= longest]
    (folder / "cases.json").write_text(json.dumps(chosen))
    # Through mpi4py's runner, a rank that raises takes the others down instead of hanging them.
    runner = [*launcher, sys.executable, *(["-m", "mpi4py"] if launcher else [])]
    case = make_case("heat", backend, ranks=most, threads=chosen[0]["threads"])
    done = subprocess.run(
        [*runner, str(PROGRAMS / "cuts.py"), backend, str(folder / "cases.json")]
        + [str(least), str(most)],
        env=environment(case, folder, env or {}),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    by_case: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return by_case


def different(seen: dict[str, dict[str, Any]], alone: dict[str, dict[str, Any]]) -> list[str]:
    """The cuts of cases that have other digests than the one rank."""
    return [
        f"{name}: {cut}"
        for name, cuts in seen.items()
        for cut, fields in cuts.items()
        if fields != next(iter(alone[name].values()))
    ]


FEW: Grids = [
    ("stream", (1013,), {}),
    ("equation_of_state", (1013,), {}),
    ("shallow_water", (13, 11), {}),
    ("column", (13, 10, 7), {}),
    ("heat", (13, 10, 7), {}),
    ("tracer", (13, 10, 7), {"z": "walls"}),
    ("poisson", (3, 2, 12), {"z": "walls"}),
    ("boussinesq", (3, 3, 12), {"cycles": 1}),
    ("emulator", (32, 20, 26), {"features": 64, "density": 0.2}),
    ("euler", (3, 2, 5), {"p": 1, "state": "wave", "form": "split"}),
]
"""For JAX, which compiles each box of each cut anew."""


def require_mpi_gives(
    together: dict[str, dict[str, Any]], folder: Path, backend: str, ranks: int
) -> None:
    """Under mpiexec, in its first cut with and without overlap, each kernel has the same bits."""
    named = {case["kernel"]: case for case in cases() if together.get(case["name"])}
    chosen = [case | {"cuts": 1} for case in named.values()]
    launcher = launchers.choose(ranks, 1).command
    seen = digests(folder, backend, ranks, ranks, chosen=chosen, launcher=launcher)
    assert all(len(cuts) == 2 for cuts in seen.values())
    assert different(seen, together) == []


def require_threads_give(
    alone: dict[str, dict[str, Any]], folder: Path, backend: str, which: list[dict[str, Any]]
) -> None:
    """Two threads give the same bits in these cases, which are of every kernel here."""
    chosen = [case | {"threads": 2} for case in which if alone.get(case["name"])]
    assert {case["kernel"] for case in chosen} == {name.split()[0] for name in alone if alone[name]}
    assert different(digests(folder, backend, 1, 1, chosen=chosen), alone) == []


def test_no_cut_changes_a_bit_of_jax(tmp_path: Path) -> None:
    """Every kernel, 1 and 2 ranks in cuts along every axis, with and without overlap."""
    require("jax")
    few = cases([(FEW, DTYPES[:1])])
    seen = digests(tmp_path, "jax", 1, 2, chosen=few)
    assert {case["kernel"] for case in few if len(seen[case["name"]]) >= 3} >= set(COMPLETE)
    assert different(seen, seen) == []
    require_mpi_gives(seen, tmp_path, "jax", 2)
    require_threads_give(seen, tmp_path, "jax", few)


BACKENDS = ["numpy", "c++", "fortran", "numba", "occa:serial", "occa:openmp", "julia"]
"""Others are in their own files: test_occa_opencl.py, test_kokkos.py, test_cuda_*.py."""


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_cut_changes_a_bit(backend: str, tmp_path: Path) -> None:
    """Every kernel, 1 to 4 ranks in cuts along every axis, with and without overlap."""
    require(backend)
    # No compiler chooses anything for NumPy by the precision; its BLAS does (emulator's README).
    seen = digests(tmp_path, backend, 1, 4, ("float64",) if backend == "numpy" else DTYPES)
    assert {case["kernel"] for case in cases() if seen.get(case["name"])} >= set(COMPLETE)
    assert all(len(cuts) >= 7 for cuts in seen.values() if cuts)
    assert different(seen, seen) == []
    require_mpi_gives(seen, tmp_path, backend, 4)
    if device(backend).threads:
        require_threads_give(seen, tmp_path, backend, cases([(GRIDS + others(), DTYPES)]))


@pytest.mark.parametrize("backend", VARIANTS)
def test_no_cut_changes_a_bit_of_another_version(backend: str, tmp_path: Path) -> None:
    """The same on 1 and 2 ranks: what fills halos is shared with the tuned version."""
    require(backend)
    seen = digests(tmp_path, backend, 1, 2, DTYPES[:1])
    here = {kernel for kernel in COMPLETE if registry.source(kernel, *registry.backend(backend)[0])}
    assert {case["kernel"] for case in cases() if seen.get(case["name"])} >= here
    assert all(len(cuts) >= 3 for cuts in seen.values() if cuts)
    assert different(seen, seen) == []
    if here and device(backend).threads:
        require_threads_give(seen, tmp_path, backend, cases([(GRIDS + others(), DTYPES[:1])]))


WIDTHS = {"the compiler's": None, "128": "avx", "512": "avx512f"}
"""Widths of vectors in bits, and the flag of a processor on which each can be chosen."""


@pytest.fixture(scope="module")
def scalar(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What OCCA's kernels give without vectors, in float64."""
    require("occa:serial")
    from joulia.bridges import occa

    none = {"OCCA_CXXFLAGS": f"{occa.flags()} -fno-tree-vectorize"}
    return digests(tmp_path_factory.mktemp("scalar"), "occa:serial", 1, 1, ("float64",), none)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_of_vectors_changes_a_bit(
    width: str, scalar: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The same bits by vectors of any width, and by none: what is fused stands in the source."""
    from joulia.bridges import occa

    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if WIDTHS[width] not in (None, *flags.split()):
        pytest.skip(f"no vectors of {width} bits on this processor, or none that can be chosen")
    # The compiler's own choice is what joulia compiles with: that is there already.
    chosen = f"{occa.flags()} -mprefer-vector-width={width}"
    env = {"OCCA_CXXFLAGS": chosen} if width.isdigit() else {}
    assert different(digests(tmp_path, "occa:serial", 2, 2, ("float64",), env), scalar) == []


def test_the_digest_tells_a_bit_and_a_place() -> None:
    """One bit of one cell, or two cells exchanged, make another digest."""
    import numpy as np

    from joulia.grid import Tile
    from joulia.parallel.comm import OneRank
    from joulia.simulation.digest import fields_digest

    tile = Tile((5, 7), (0, 0), (5, 7), 1, (True, True))
    field = np.random.default_rng(0).random((5, 7))
    nudged, exchanged = field.copy(), field.copy()
    nudged[3, 4] = np.nextafter(nudged[3, 4], 1.0)
    exchanged[[1, 2]] = exchanged[[2, 1]]
    seen = [fields_digest(OneRank(), tile, {"u": f})["u"] for f in (field, nudged, exchanged)]
    assert len(set(seen)) == 3
    assert fields_digest(OneRank(), tile, {"u": field.copy()})["u"] == seen[0]


def test_no_kernel_is_left_out() -> None:
    assert {kernel for kernel, *_ in GRIDS} >= set(COMPLETE)


def test_a_run_on_two_ranks_is_valid_and_says_what_exchange_cost(measured, backend):
    (record,) = measured("heat", "-b", backend, "--size", "tiny", "--ranks", "2")
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["case"]["ranks"] == 2
    assert record["parallel"]["exchange_s"] > 0
    assert record["parallel"]["compute_s"] > 0
    assert record["parallel"]["imbalance"] >= 0


def test_records_of_any_number_of_ranks_hold_one_digest(measured):
    """What a reader holds against each other without the fields."""
    records = measured("heat", "-b", "numba", "--size", "tiny", "--ranks", "1,2", "--threads", "1")
    alone, cut = (record["verify"]["first_step_digest"] for record in records)
    assert alone == cut
    assert len(alone["u"]) == 16
