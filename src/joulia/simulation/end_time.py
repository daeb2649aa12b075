"""A problem solved to an end time, and its error against the solution of the equations."""

from __future__ import annotations

import math

import numpy as np

from joulia import registry
from joulia.case import Case
from joulia.errors import JouliaError
from joulia.kernel import Kernel
from joulia.parallel.comm import Comm
from joulia.records.parts import EndTimeError
from joulia.simulation import verify
from joulia.simulation.run import Run

NORM = "L2 of the error over L2 of the solution"


def ends_at(case: Case, until: float) -> tuple[Case, int]:
    """The case with its time step shortened so that whole steps end at `until`, and their number.

    It is the least number of equal steps, none longer than the kernel's own. A case that ends there
    already stays as it is. JouliaError where the kernel has no time step.
    """
    kernel = registry.kernel(case.kernel).kernel
    if not until > 0.0:
        raise JouliaError(f"an end time of {until} is not allowed. Allowed: a time above 0")
    if kernel.ends_at is None:
        raise JouliaError(
            f"{kernel.name} cannot be solved until a time: it has no time step. Allowed: "
            f"{', '.join(name for name, e in registry.kernels().items() if e.kernel.ends_at)}"
        )
    return kernel.ends_at(case, until)


def published(kernel: Kernel, case: Case, until: float) -> float | None:
    """A published figure of the solution at that time, where the kernel knows one."""
    frontier = kernel.frontier
    return frontier.published(case, until) if frontier and frontier.published else None


def error_at(run: Run, until: float, comm: Comm) -> EndTimeError:
    """The record's `solution`: steps to `until` and the error there, the same on every rank."""
    case, steps = ends_at(run.case, until)
    if case.params != run.case.params:
        raise JouliaError(f"{run.case.label} does not end at {until} after whole steps")
    run.reset()
    for _ in range(steps):
        run.step()
    run.ops.synchronize()
    got = run.results(run.fields)
    verify.require_finite(comm, got, steps)
    kernel, exact = run.kernel, run.kernel.checks.exact
    sampled = verify.sampled_error(case, comm, run.tile, got)
    if sampled is not None and kernel.checks.sampled is not None:
        return EndTimeError(until, steps, kernel.results[0], kernel.checks.sampled.name, sampled)
    if known := published(kernel, case, until):
        assert kernel.frontier is not None
        assert kernel.frontier.part is not None
        figure = comm.sum(kernel.frontier.part(case, run.tile, got))
        norm = "difference from the published figure over that figure"
        return EndTimeError(until, steps, kernel.frontier.figure, norm, abs(figure / known - 1.0))
    if kernel.frontier is not None and kernel.frontier.truth is not None:
        wanted = kernel.frontier.truth(case, until, run.tile)
    else:
        wanted = exact.fields(case, steps, run.tile) if exact else {}
    if not wanted:
        raise JouliaError(f"{kernel.name} has no exact answer for these parameters")
    name = kernel.frontier.result if kernel.frontier else next(iter(wanted))
    cells = math.prod(run.tile.shape)
    if exact is not None and exact.l2 is not None:
        squared = cells * exact.l2(case, steps, run.tile, got)[name] ** 2
    else:
        squared = cells * float(np.mean((got[name] - wanted[name]) ** 2, dtype=np.float64))
    difference = comm.sum(squared)
    scale = comm.sum(cells * float(np.mean(wanted[name] ** 2, dtype=np.float64)))
    error = math.sqrt(difference / scale) if scale > 0.0 else math.sqrt(difference)
    return EndTimeError(until, steps, name, NORM, error)
