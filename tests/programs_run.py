"""Run the programs of `programs/`: a kernel's fields over ranks, its bits whatever the boxes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from joulia.case import Case, Settings
from joulia.parallel import launchers
from joulia.runner import launch
from joulia.simulation.solve import make_case

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_S = 1500


def environment(case: Case, folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """A worker's, for programs that do not bind themselves to cores.

    OpenMP would bind the only thread of each rank, and of programs side by side, to the first core.
    """
    return launch.environment(case, Settings(), folder) | {"OMP_PROC_BIND": "false"} | dict(env)


def program(env: Mapping[str, str], *arguments: str | Path, timeout_s: int = PATIENCE_S) -> str:
    """What a Python program prints, with these variables set."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | dict(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


Boxed = tuple[str, str, str, tuple[str, ...]]
"""A kernel, a dtype, a shape as the command line has it (or a size), and parameters."""


def measured_together(
    backend: str, cases: Sequence[Boxed], env: Mapping[str, str], timeout_s: int = PATIENCE_S
) -> dict[Boxed, dict[str, Any]]:
    """By case, what its worker would find out: one process measures them all, one after another."""
    one_thread = environment(make_case("heat", backend), Path(), env)
    arguments = (PROGRAMS / "measuring.py", backend, json.dumps(cases))
    lines = program(one_thread, *arguments, timeout_s=timeout_s).splitlines()
    return dict(zip(cases, map(json.loads, lines), strict=True))


def boxes_of_all(
    backend: str, cases: Sequence[Boxed], env: Mapping[str, str], timeout_s: int = PATIENCE_S
) -> dict[Boxed, tuple[str, ...]]:
    """By case, the digests of a step in the exchange's boxes, and in boxes cut at random.

    One process computes them all: to start a runtime takes longer than a case.
    """
    output = program(
        env, PROGRAMS / "boxes.py", backend, "5", json.dumps(cases), timeout_s=timeout_s
    )
    lines = (tuple(line.split()) for line in output.splitlines())
    return dict(zip(cases, lines, strict=True))


def boxes(
    backend: str, kernel: str, shape: str, params: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None, dtype: str = "float64",
) -> tuple[str, ...]:  # fmt: skip
    """The digests of one case."""
    case = (kernel, dtype, shape, params)
    return boxes_of_all(backend, [case], env or {})[case]


def fields(
    folder: Path, backend: str, ranks: int, dtype: str = "float64", overlap: str = "overlap",
    kernel: str = "heat", shape: str = "13x10x7", steps: int = 5,
    params: tuple[str, ...] = (), env: Mapping[str, str] | None = None,
    timeout_s: int = PATIENCE_S,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The whole fields after some steps on some ranks; all of them finite."""
    case = make_case(kernel, backend, ranks=ranks)
    out = folder / f"{backend.replace(':', '-')}-{ranks}-{dtype}-{overlap}.npz"
    options = launchers.choose(ranks, 1).command
    # Through mpi4py's runner, a rank that raises takes the others down instead of hanging them.
    done = subprocess.run(
        [*options, sys.executable, "-m", "mpi4py", str(PROGRAMS / "fields.py"), backend, kernel]
        + [dtype, str(steps), overlap, shape, str(out), *params],
        env=environment(case, folder, env or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as data:
        whole_fields = dict(data)
    assert all(np.isfinite(values).all() for values in whole_fields.values())
    return whole_fields


def require_same_bits(alone: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> None:
    assert other.keys() == alone.keys()
    for name, values in alone.items():
        assert values.tobytes() == other[name].tobytes(), name
