"""The public Python API: pose a question to a kernel, get its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from joulia import registry
from joulia.arrays import Host
from joulia.case import Case, Shape, Value
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.parallel.comm import Comm, OneRank
from joulia.simulation import end_time, verify
from joulia.simulation.run import set_up


@dataclass(frozen=True)
class Solution:
    """Fields after `steps` time steps on this rank's tile, halos cut off, in host memory.

    `before` and `after` are what the kernel's totals are made from, with halos where it wants them.
    """

    case: Case
    steps: int
    tile: Tile
    fields: dict[str, Host]
    start: dict[str, Host]
    before: dict[str, Host]
    after: dict[str, Host]

    def exact(self) -> dict[str, Host]:
        """The exact fields at the same time on the same tile."""
        kernel = registry.kernel(self.case.kernel).kernel
        exact = kernel.checks.exact
        answer = exact.fields(self.case, self.steps, self.tile) if exact else {}
        if not answer:
            raise JouliaError(f"{kernel.name} has no exact answer for these parameters")
        return answer

    def error(self, field: str, norm: str = "Linf") -> float:
        """The error of a field against the exact answer: Linf, or L1 and L2 as means over cells.

        L2 is the kernel's own where it has one: by quadrature, over the root of the volume.
        """
        known = registry.kernel(self.case.kernel).kernel.checks.exact
        if norm == "L2" and known is not None and known.l2 is not None:
            return known.l2(self.case, self.steps, self.tile, self.fields)[field]
        difference = np.abs(self.fields[field] - self.exact()[field], dtype=np.float64)
        if norm == "Linf":
            return float(difference.max())
        if norm == "L1":
            return float(difference.mean())
        if norm == "L2":
            return float(np.sqrt(np.mean(difference**2)))
        raise JouliaError(f"unknown norm '{norm}'. Allowed: L1, L2, Linf")

    def totals(self) -> dict[str, tuple[float, float]]:
        """Each conserved total on this tile, before and after."""
        conserved = registry.kernel(self.case.kernel).kernel.checks.conserved
        if conserved is None:
            return {}
        before = conserved.totals(self.case, self.tile, self.before)
        after = conserved.totals(self.case, self.tile, self.after)
        return {name: (before[name], after[name]) for name in before}


def make_case(
    kernel: str,
    backend: str = "numpy",
    *,
    size: str | None = None,
    shape: Shape | None = None,
    dtype: str = "float64",
    ranks: int = 1,
    threads: int = 1,
    params: Mapping[str, Value] | None = None,
) -> Case:
    """A checked case. JouliaError where a name or a number is not allowed."""
    sizes = registry.kernel(kernel).kernel.sizes
    where = registry.backend(backend)[0]
    if shape is None:
        size = size or "tiny"
        if size not in sizes:
            raise JouliaError(f"unknown size '{size}'. Allowed: {', '.join(sizes)}")
        shape = sizes[size]
    return registry.case(
        kernel,
        where,
        shape,
        size=size,
        dtype=dtype,
        ranks=ranks,
        threads=threads,
        params=params,
    )


def solve(
    kernel: str,
    backend: str = "numpy",
    *,
    steps: int | None = None,
    until: float | None = None,
    size: str | None = None,
    shape: Shape | None = None,
    dtype: str = "float64",
    threads: int = 1,
    params: Mapping[str, Value] | None = None,
    initial: Callable[[Case, Tile], dict[str, Host]] | None = None,
    comm: Comm | None = None,
    overlap: bool = True,
    decompose: Shape | None = None,
) -> Solution:
    """Run `steps` time steps of a kernel in this process and return the fields.

    `until` is an end time instead: the least number of equal steps, none longer than the kernel's
    own, that ends there.
    `initial(case, tile)` replaces the kernel's own initial state: it returns the fields it names on
    the padded tile, in float64. With a `comm` of several ranks, each rank gets its own tile;
    `decompose` is their number per axis, slowest first (the least surface where None), and
    `overlap` whether to compute while halos travel: the fields have the same bits either way.
    Raises Unavailable where the backend is not here, Unstable where a step leaves what the
    kernel's equations allow.
    """
    comm = comm or OneRank()
    case = make_case(
        kernel,
        backend,
        size=size,
        shape=shape,
        dtype=dtype,
        ranks=comm.size,
        threads=threads,
        params=params,
    )
    if (steps is None) == (until is None):
        raise JouliaError("solve needs steps or until. Allowed: one of them")
    if steps is None:
        assert until is not None
        case, steps = end_time.ends_at(case, until)
    run = set_up(case, comm, decompose=decompose, overlap=overlap, initial=initial)
    start = copied(run.results(run.fields))
    before = verify.for_totals(run.kernel, case, run.ops, run.fields, run.exchange)
    for done in range(1, steps + 1):
        run.step()
        if run.kernel.checks.inadmissible is not None:
            run.ops.synchronize()
            run.require_admissible(run.results(run.fields), done, comm)
    run.ops.synchronize()
    final = copied(run.results(run.fields))
    after = verify.for_totals(run.kernel, case, run.ops, run.fields, run.exchange)
    return Solution(case, steps, run.tile, final, start, before, after)


def copied(fields: dict[str, Host]) -> dict[str, Host]:
    return {name: values.copy() for name, values in fields.items()}
