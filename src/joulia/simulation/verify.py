"""Is the answer right? Against the NumPy reference, the exact answer, and what is conserved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from joulia import registry
from joulia.arrays import Arrays, Host
from joulia.bridge import Ops
from joulia.case import Case
from joulia.checks import Tolerance
from joulia.errors import Unstable
from joulia.grid import Box, Tile
from joulia.kernel import Exchange, Kernel
from joulia.parallel.comm import Comm
from joulia.parallel.halo import HaloExchange
from joulia.records.parts import Check, Verification
from joulia.simulation.fields import owned

CHUNK = 1 << 16
"""Values that are looked at together."""
NORM = (
    "largest difference over the field's largest magnitude, after 1 step, against NumPy in float64"
)


def failures(reference: Check | None, invariants: dict[str, Check]) -> list[str]:
    """What did not pass, in words."""
    named = dict(invariants)
    if reference is not None:
        named = {"the NumPy reference after 1 step": reference, **invariants}
    return [
        f"differs from {name} by {check.error:.3g}, allowed {check.tolerance:.3g}"
        for name, check in named.items()
        if not check.passed
    ]


def verification(
    reference: Check | None, invariants: dict[str, Check], first_step_digest: dict[str, str]
) -> Verification:
    """The record's `verify`."""
    return Verification(
        NORM,
        reference.error if reference else None,
        reference.tolerance if reference else None,
        not failures(reference, invariants),
        invariants,
        first_step_digest,
    )


def shared(scales: dict[str, float], vectors: tuple[tuple[str, ...], ...]) -> dict[str, float]:
    """The scales by name, with the largest of a vector's components for each of them."""
    for vector in vectors:
        here = [name for name in vector if name in scales]  # totals may have other names
        scales = scales | dict.fromkeys(here, max((scales[name] for name in here), default=0.0))
    return scales


def relative_differences(
    comm: Comm,
    got: dict[str, Host],
    want: dict[str, Host],
    vectors: tuple[tuple[str, ...], ...] = (),
) -> dict[str, float]:
    """The largest difference of each field over that field's largest magnitude; inf for a NaN.

    The components of a vector share its largest magnitude: one of them may be zero.
    """
    largest = shared({name: comm.max(magnitude(x)) for name, x in want.items()}, vectors)
    differences = {}
    for name, expected in want.items():
        scale = largest[name] or 1.0
        difference = magnitude(got[name], expected) / scale
        # NaN does not survive every maximum: carry it as infinity.
        differences[name] = comm.max(math.inf if math.isnan(difference) else difference)
    return differences


def magnitude(host: Host, other: Host | None = None) -> float:
    """The largest magnitude in an array, or in its difference from another; NaN where one is.

    By parts that stay in a cache: on large grids fresh memory for the whole costs more than to
    compute.
    """
    rows = max(1, CHUNK // max(1, math.prod(host.shape[1:])))
    largest = np.float64(0.0)
    for low in range(0, len(host), rows):
        part = host[low : low + rows]
        if other is not None:
            part = part - np.broadcast_to(other, host.shape)[low : low + rows]
        largest = np.maximum(largest, np.max(np.abs(part), initial=0.0))
    return float(largest)


def worst(differences: dict[str, float], allowed: Tolerance, case: Case, steps: int) -> Check:
    """The check of the field that comes nearest to its tolerance, or goes farthest beyond."""
    checks = [
        Check.of(difference, allowed(case, steps, name)) for name, difference in differences.items()
    ]
    return max(checks, key=lambda check: (not check.passed, check.error / (check.tolerance or 1.0)))


def reference_check(
    kernel: Kernel, case: Case, comm: Comm, got: dict[str, Host], want: dict[str, Host]
) -> Check | None:
    """The difference from the NumPy reference after one step; None where there is no reference."""
    if not want:
        return None
    differences = relative_differences(comm, got, want, kernel.checks.vectors)
    return worst(differences, kernel.checks.reference, case, 1)


def mostly_check(
    kernel: Kernel, case: Case, comm: Comm, got: dict[str, Host], want: dict[str, Host]
) -> dict[str, Check]:
    """The share of values that differ by more than most may, where the kernel tells it."""
    mostly = kernel.checks.mostly
    if mostly is None or not want:
        return {}
    allowed, shares = 0.0, []
    for name, expected in want.items():
        allowed = mostly.tolerance(case, 1, name)
        scale = comm.max(magnitude(expected)) or 1.0
        near = np.count_nonzero(np.abs(got[name] - expected) <= allowed * scale)
        shares.append(comm.sum(float(got[name].size - near)) / comm.sum(float(got[name].size)))
    named = f"the NumPy reference, in a share of values beyond {allowed:.0e},"
    return {named: Check.of(max(shares), mostly.but(case))}


def require_admissible(
    kernel: Kernel, case: Case, comm: Comm, tile: Tile, fields: dict[str, Host], when: str
) -> None:
    """Raise Unstable, on every rank, where a field left what the equations allow."""
    if kernel.checks.inadmissible is None:
        return
    problems = comm.allgather(kernel.checks.inadmissible(case, tile, fields))
    if problem := next(filter(None, problems), None):
        raise Unstable(f"{problem} {when}")


class Watching:
    """An exchange that looks at the fields before it moves anything: `step` shows its stages."""

    def __init__(self, exchange: Exchange, look: Callable[[tuple[Any, ...]], None]) -> None:
        self.exchange = exchange
        self.tile = exchange.tile
        self.levels = exchange.levels
        self.thin = exchange.thin
        self.dots = exchange.dots
        self.look = look

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        self.look(arrays)
        yield from self.exchange(*arrays)


def replay(
    kernel: Kernel,
    case: Case,
    comm: Comm,
    tile: Tile,
    ops: Ops,
    fields: Arrays,
    exchange: Exchange,
    steps: int,
) -> None:
    """Step again from the start and raise Unstable where a stage first leaves what is allowed.

    At the end of a step the first bad element is lost: what is no number has spread from it.
    """
    done = stage = 0

    def look(arrays: tuple[Any, ...]) -> None:
        nonlocal stage
        if len(arrays) != len(kernel.results):
            return  # what a stage makes for itself travels
        ops.synchronize()
        now = owned(
            ops,
            dict(zip(kernel.results, arrays, strict=True)),
            tile,
            kernel.results,
            kernel.cells(case),
        )
        when = f"in stage {stage} of step {done + 1}" if stage else f"after {done} steps"
        require_admissible(kernel, case, comm, tile, now, when)
        stage += 1

    watching = Watching(exchange, look)
    for step in range(steps):
        done, stage = step, 0
        fields = kernel.step(ops, fields, watching, case)


def bad_field(comm: Comm, fields: dict[str, Host]) -> str | None:
    """The first field that holds something that is not a number on any rank, the same on all."""
    for name, host in fields.items():
        # The sum is quick, and not finite where a value is not; it may also overflow.
        suspect = not np.isfinite(np.sum(host, dtype=np.float64))
        if comm.max(float(suspect and not np.isfinite(host).all())) > 0.0:
            return name
    return None


def require_finite(comm: Comm, fields: dict[str, Host], step: int) -> None:
    """Raise Unstable, on every rank, where a field is not finite after step number `step`."""
    name = bad_field(comm, fields)
    if name is not None:
        raise Unstable(f"field {name} is not finite after step {step}")


def for_totals(
    kernel: Kernel, case: Case, ops: Ops, fields: Arrays, exchange: HaloExchange
) -> dict[str, Host]:
    """What a kernel's `totals` want to see of its results, copied: own cells, or halos as well."""
    if kernel.checks.conserved is not None and kernel.checks.conserved.with_halo:
        return with_halos(kernel, ops, fields, exchange)
    own = owned(ops, fields, exchange.tile, kernel.results, kernel.cells(case))
    return {name: host.copy() for name, host in own.items()}


def with_halos(kernel: Kernel, ops: Ops, fields: Arrays, exchange: HaloExchange) -> dict[str, Host]:
    """The results on the padded tile, copied, with filled halos."""
    for _ in exchange(*[fields[name] for name in kernel.results]):
        pass
    return {name: ops.host(fields[name]).copy() for name in kernel.results}


def vanishing_checks(
    kernel: Kernel,
    case: Case,
    comm: Comm,
    ops: Ops,
    fields: Arrays,
    exchange: HaloExchange,
    steps: int,
) -> dict[str, Check]:
    """How large is what should be zero after `steps` steps, relative to what it is made of?"""
    vanishing = kernel.checks.vanishing
    if vanishing is None:
        return {}
    padded = with_halos(kernel, ops, fields, exchange)
    checks = {}
    for name, sizes in vanishing.sizes(case, exchange.tile, padded).items():
        size, scale = (comm.max(math.inf if math.isnan(value) else value) for value in sizes)
        error = size / (scale or 1.0)
        allowed = vanishing.tolerance(case, steps, name)
        checks[f"no {name} after {steps} steps"] = Check.of(error, allowed)
    return checks


def exact_check(
    case: Case, comm: Comm, tile: Tile, final: dict[str, Host], steps: int
) -> dict[str, Check]:
    """The difference from the exact answer after `steps` steps, where there is one."""
    checks = registry.kernel(case.kernel).kernel.checks
    if checks.exact is None or checks.exact.tolerance is None:
        return {}
    exact = checks.exact.fields(case, steps, tile)
    if not exact:
        return {}
    differences = relative_differences(comm, final, exact, checks.vectors)
    check = worst(differences, checks.exact.tolerance, case, steps)
    return {f"the exact answer after {steps} steps": check}


def sampled_error(case: Case, comm: Comm, tile: Tile, final: dict[str, Host]) -> float | None:
    """The relative root mean square error over the kernel's sample of cells, where it has one."""
    sampled = registry.kernel(case.kernel).kernel.checks.sampled
    if sampled is None:
        return None
    error, scale = sampled.squares(case, tile, final)
    error, scale = comm.sum(error), comm.sum(scale)
    return math.sqrt(error / scale) if scale > 0.0 else math.inf


def sampled_check(case: Case, comm: Comm, tile: Tile, final: dict[str, Host]) -> dict[str, Check]:
    """The error over a sample of cells, against what the kernel allows these parameters."""
    error = sampled_error(case, comm, tile, final)
    sampled = registry.kernel(case.kernel).kernel.checks.sampled
    if error is None or sampled is None:
        return {}
    return {sampled.name: Check.of(error, sampled.tolerance(case))}


def drift_checks(
    case: Case,
    comm: Comm,
    tile: Tile,
    initial: dict[str, Host],
    final: dict[str, Host],
    steps: int,
) -> dict[str, Check]:
    """The drift of each conserved total, relative to that total of the initial magnitudes.

    What boundaries let in is no drift. Magnitudes, since a total may be zero: the mass of a wave,
    the momentum of a vortex.
    """
    kernel = registry.kernel(case.kernel).kernel
    conserved = kernel.checks.conserved
    if conserved is None:
        return {}
    before = conserved.totals(case, tile, initial)
    after = conserved.totals(case, tile, final)
    sizes = conserved.totals(case, tile, {name: np.abs(host) for name, host in initial.items()})
    scales = shared({name: comm.sum(size) for name, size in sizes.items()}, kernel.checks.vectors)
    gained = conserved.gained(case, steps) if conserved.gained else {}
    checks = {}
    for name, start in before.items():
        change = comm.sum(after[name]) - comm.sum(start)
        drift = abs(change - gained.get(name, 0.0)) / (scales[name] or 1.0)
        allowed = conserved.tolerance(case, steps, name)
        checks[f"the initial total of {name}"] = Check.of(drift, allowed)
    return checks
