"""From what a user asked for to cases: the matrix, presets, ceilings, and why a case is skipped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from joulia import registry
from joulia.bridge import Device
from joulia.case import DTYPES, Case, Place, Shape, Value
from joulia.errors import suggest
from joulia.grid import divide
from joulia.kernel import Kernel
from joulia.parallel import launchers
from joulia.system import cuda
from joulia.system.machine import last_level_cache_bytes, usable_cores


@dataclass(frozen=True)
class Request:
    """What a user asked for; every sequence is swept."""

    kernels: Sequence[str] = ()
    backends: Sequence[str] = ()
    sizes: Sequence[str] = ()
    shapes: Sequence[Shape] = ()
    dtypes: Sequence[str] = ("float64",)
    ranks: Sequence[int] = (1,)
    threads: Sequence[int] | None = None
    params: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    ceilings: bool = True
    oversubscribe: bool = False
    decompose: Shape | None = None


@dataclass(frozen=True)
class Planned:
    """A case, and the reason where it cannot run here."""

    case: Case
    skip: str | None = None


PRESETS = ("quick", "full")


QUICK = {"window_s": 0.2, "repeats": 7}
"""What the quick preset measures with where the user names nothing else."""


def preset(name: str, kernels: Sequence[str], backends: Sequence[str]) -> list[Request]:
    """The requests of a preset: `quick` is one size a kernel on 1 and 2 ranks, `full` sweeps."""
    if name == "quick":
        return [
            Request([name], backends, sizes=(registry.kernel(name).kernel.quick,), ranks=(1, 2))
            for name in kernels or registry.kernels()
        ]
    if name == "full":
        return [
            Request(
                kernels,
                backends,
                sizes=("small", "medium"),
                dtypes=DTYPES,
                ranks=(1, 2),
            )
        ]
    raise suggest("preset", name, list(PRESETS))


def plan(requests: Iterable[Request]) -> list[Planned]:
    """All cases of all requests, each once, ceilings before the kernels that are held to them."""
    planned: dict[Case, Planned] = {}
    for request in requests:
        for one in expand(request):
            planned.setdefault(one.case, one)
    cases = list(planned.values())
    if any(request.ceilings for request in requests):
        for one in missing_ceilings(cases):
            planned.setdefault(one.case, one)
    order = {name: i for i, name in enumerate(registry.kernels())}
    return sorted(planned.values(), key=lambda p: (order[p.case.kernel], p.case.ranks))


def expand(request: Request) -> Iterable[Planned]:
    """The cases of a request. JouliaError for names and numbers that can never work."""
    known = request.kernels or list(registry.kernels())
    given = request.backends or registry.backends()
    pairs = list(dict.fromkeys(p for name in given for p in registry.backend(name)))
    for dtype in request.dtypes:
        if dtype not in DTYPES:
            raise suggest("dtype", dtype, list(DTYPES))
    check_params(request, known)
    for name in known:
        kernel = registry.kernel(name).kernel
        mine = {k: v for k, v in request.params.items() if k in kernel.params}
        sweep = [
            dict(zip(mine, values, strict=True)) for values in itertools.product(*mine.values())
        ]
        for (size, shape), dtype, ranks, params in itertools.product(
            shapes(kernel, request), request.dtypes, request.ranks, sweep
        ):
            if len(shape) == kernel.dims:
                divide(shape, ranks, kernel.halo, request.decompose)
            for bridge, device_name in pairs:
                device = find(bridge, device_name)
                for threads in request.threads or (None,):
                    case = Case(
                        name,
                        bridge,
                        device_name,
                        size,
                        shape,
                        dtype,
                        ranks,
                        threads if threads is not None else default_threads(device, ranks),
                        kernel.resolve(params),
                    )
                    kernel.validate(case)
                    yield Planned(case, reason(case, device, request.oversubscribe))


def check_params(request: Request, known: Sequence[str]) -> None:
    every = {p for name in known for p in registry.kernel(name).kernel.params}
    for name in request.params:
        if name not in every:
            raise suggest(f"parameter of {', '.join(known)}", name, sorted(every))


def shapes(kernel: Kernel, request: Request) -> list[tuple[str | None, Shape]]:
    for size in request.sizes:
        if size not in kernel.sizes:
            raise suggest(f"size of {kernel.name}", size, list(kernel.sizes))
    named: list[tuple[str | None, Shape]] = [(size, kernel.sizes[size]) for size in request.sizes]
    free: list[tuple[str | None, Shape]] = [(None, shape) for shape in request.shapes]
    return named + free or [("small", kernel.sizes["small"])]


def find(bridge: str, device: str) -> Device:
    return next(d for d in registry.bridge(bridge).devices() if d.name == device)


def default_threads(device: Device, ranks: int) -> int:
    """All cores, shared among the ranks, for a device with threads; else one."""
    return max(1, len(usable_cores()) // ranks) if device.threads else 1


def reason(case: Case, device: Device, oversubscribe: bool = False) -> str | None:
    """Why a case cannot run here, or None."""
    if device.missing is not None:
        return str(device.missing)
    if registry.source(case.kernel, case.bridge, case.device) is None:
        suffix = registry.suffix(case.bridge, case.device)
        return f"{case.kernel} has no version for {case.backend} ({case.kernel}{suffix})"
    if case.threads > 1 and not device.threads:
        return f"{case.backend} runs on one thread"
    cores = len(usable_cores())
    here = case.ranks == 1 or launchers.detect() == "mpiexec"  # a scheduler counts its own cores
    if case.cores > cores and here and not oversubscribe:
        return (
            f"{case.ranks} ranks x {case.threads} threads exceed the {cores} cores; "
            "--oversubscribe allows it"
        )
    return None


def missing_ceilings(planned: Sequence[Planned]) -> list[Planned]:
    """The ceilings that planned kernels are held to and no planned case measures.

    A triad for each place, and multiply-adds for each place and precision at which an
    arithmetic-heavy kernel runs; each on the first backend that can run it there.
    """
    held = [p.case for p in planned if not p.skip and p.case.kernel != "stream"]
    measured = [p.case for p in planned if not p.skip]
    triads = {(c.place, "float64") for c in held}
    triads -= {(c.place, "float64") for c in measured if is_ceiling(c)}
    adds = {(c.place, c.dtype) for c in held if is_heavy(c)}
    adds -= {(c.place, c.dtype) for c in measured if is_flop_ceiling(c)}
    found = [ceiling("triad", "medium", *wanted) for wanted in sorted(triads)]
    found += [ceiling("fma", "small", *wanted) for wanted in sorted(adds)]
    return [one for one in found if one is not None]


CEILING_BACKENDS = {
    "core": ("occa:openmp", "numba", "julia", "numpy"),
    "gpu": ("occa:cuda", "numba:cuda", "julia:cuda"),
}
"""What measures a place's ceilings, the best first."""


def ceiling(op: str, size: str, place: Place, dtype: str) -> Planned | None:
    """A case of `stream` on a place, on the first backend that can run it."""
    kernel = registry.kernel("stream").kernel
    kind, count = place
    for name in CEILING_BACKENDS[kind]:
        if name not in registry.backends():
            continue
        bridge, device_name = registry.backend(name)[0]
        device = find(bridge, device_name)
        threads = count if device.threads else 1
        case = Case(
            "stream",
            bridge,
            device_name,
            size,
            kernel.sizes[size],
            dtype,
            count // threads,
            threads,
            kernel.resolve({"op": op}),
        )
        if reason(case, device) is None:
            return Planned(case)
    return None


def is_heavy(case: Case) -> bool:
    """Whether arithmetic may bound a case: below a flop a byte, memory does on every machine."""
    work = registry.kernel(case.kernel).kernel.work(case)
    return work.flops > work.bytes


def is_flop_ceiling(case: Case) -> bool:
    """Whether a case measures the rate of multiply-adds."""
    return case.kernel == "stream" and bool(case.param("op") == "fma")


def is_ceiling(case: Case) -> bool:
    """Whether a case measures the memory's bandwidth: a triad over four times the caches."""
    if case.kernel != "stream" or case.param("op") != "triad":
        return False
    return exceeds_caches(case)


def exceeds_caches(case: Case) -> bool:
    """Whether a case's fields are large enough that memory, not a cache, serves them."""
    held = registry.kernel(case.kernel).kernel.bytes_held(case)
    return held >= 4 * cache_bytes(case)


def cache_bytes(case: Case) -> int:
    """The last level of cache behind a case's memory."""
    if not case.on_gpu:
        return last_level_cache_bytes()
    gpus = cuda.survey().gpus if cuda.missing() is None else ()
    return sum(gpu.l2_bytes for gpu in gpus[: case.ranks])
