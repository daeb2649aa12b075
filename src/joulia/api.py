"""The public Python API: pose a question to a kernel, get its fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from joulia import registry, verify
from joulia.case import Case, Shape, Value
from joulia.errors import JouliaError, Unstable
from joulia.grid import Tile, decompose, tile_of
from joulia.kernel import Host
from joulia.ranks import Comm, HaloExchange, OneRank


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
        exact = kernel.exact(self.case, self.steps, self.tile) if kernel.exact else {}
        if not exact:
            raise JouliaError(f"{kernel.name} has no exact answer for these parameters")
        return exact

    def error(self, field: str, norm: str = "Linf") -> float:
        """The error of a field against the exact answer: Linf, or L1 and L2 as means over cells.

        L2 is the kernel's own where it has one: by quadrature, over the root of the volume.
        """
        kernel = registry.kernel(self.case.kernel).kernel
        if norm == "L2" and kernel.l2 is not None:
            return kernel.l2(self.case, self.steps, self.tile, self.fields)[field]
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
        kernel = registry.kernel(self.case.kernel).kernel
        if kernel.totals is None:
            return {}
        before = kernel.totals(self.case, self.tile, self.before)
        after = kernel.totals(self.case, self.tile, self.after)
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
    found = registry.kernel(kernel).kernel
    bridge, device = registry.backend(backend)[0]
    if shape is None:
        size = size or "tiny"
        if size not in found.sizes:
            raise JouliaError(f"unknown size '{size}'. Allowed: {', '.join(found.sizes)}")
        shape = found.sizes[size]
    resolved = found.resolve(params or {})
    case = Case(kernel, bridge, device, size, tuple(shape), dtype, ranks, threads, resolved)
    found.validate(case)
    return case


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
) -> Solution:
    """Run `steps` time steps of a kernel in this process and return the fields.

    `until` is an end time instead: the least number of equal steps, none longer than the kernel's
    own, that ends there.
    `initial(case, tile)` replaces the kernel's own initial state: it returns the fields it names on
    the padded tile, in float64. With a `comm` of several ranks, each rank gets its own tile.
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
        case, steps = fitted(case, until)
    found = registry.kernel(kernel).kernel
    bridge = registry.bridge(case.bridge)
    source = registry.source(kernel, case.bridge, case.device)
    if source is None:
        raise JouliaError(f"{kernel} has no version for {case.backend}")
    bridge.start(case)
    parts = decompose(case.shape, comm.size, found.halo)
    tile = tile_of(case.shape, parts, comm.rank, found.halo, found.wraps(case))
    if comm.rank == 0:
        ops = bridge.load(found, source, case)
    comm.barrier()
    if comm.rank != 0:
        ops = bridge.load(found, source, case)
    host = verify.allocate(found, case, tile)
    if initial is not None:
        host |= {k: v.astype(dtype) for k, v in initial(case, tile).items()}
    fields: dict[str, Any] = {name: ops.array(array) for name, array in host.items()}
    layout = found.cells(case)
    start = {k: v.copy() for k, v in verify.owned(ops, fields, tile, found.results, layout).items()}
    exchange = HaloExchange(
        ops, tile, parts, comm, corners=found.corners, overlap=overlap, layout=layout
    )
    before = verify.for_totals(found, case, ops, fields, exchange)
    for done in range(1, steps + 1):
        fields = found.step(ops, fields, exchange, case)
        if found.inadmissible is None:
            continue
        ops.synchronize()
        now = verify.owned(ops, fields, tile, found.results, layout)
        try:
            verify.require_admissible(found, case, comm, tile, now, f"after {done} steps")
        except Unstable:
            again = {name: ops.array(array) for name, array in host.items()}
            verify.replay(found, case, comm, tile, ops, again, exchange, done)
            raise
    ops.synchronize()
    final = {k: v.copy() for k, v in verify.owned(ops, fields, tile, found.results, layout).items()}
    after = verify.for_totals(found, case, ops, fields, exchange)
    return Solution(case, steps, tile, final, start, before, after)


def fitted(case: Case, until: float) -> tuple[Case, int]:
    """The case with a time step of which a whole number ends at `until`, and that number."""
    kernel = registry.kernel(case.kernel).kernel
    if kernel.time_step is None:
        raise JouliaError(f"{kernel.name} has no time step of its own. Allowed: steps")
    if not until > 0.0:
        raise JouliaError(f"until={until} is not allowed. Allowed: a time above 0")
    steps = math.ceil(until / kernel.time_step(case) * (1.0 - 1e-12))
    params = kernel.resolve(dict(case.params) | {"dt": until / steps})
    return replace(case, params=params), steps
