"""From what a user asked for to cases: the matrix, presets, ceilings, and why a case is skipped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulia import registry
from joulia.case import DTYPES, TUNED, Backend, Case, Shape, Value
from joulia.errors import JouliaError, suggest
from joulia.grid import divide
from joulia.kernel import Kernel
from joulia.runner.cases import Planned, default_threads, reason
from joulia.runner.ceilings import missing_ceilings


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
    waits: Sequence[str] = ("default",)
    variants: Sequence[str] = ()
    aside: bool = True
    """Whether devices that the quick preset leaves out are measured."""


PRESETS = ("quick", "full", "gpu")
MEASURED_WITH: dict[str, dict[str, Any]] = {
    "quick": {"window_s": 0.15, "repeats": 7},
    "gpu": {"window_s": 0.2, "repeats": 5},
}
"""What presets measure with where the user names nothing else."""
GPU_BYTES = 1 << 28
"""What the fields of the GPU preset hold at least in float64: above four times a GPU's cache."""


def preset(
    name: str,
    kernels: Sequence[str],
    backends: Sequence[str],
    variants: Sequence[str] = (),
    dtypes: Sequence[str] = (),
) -> list[Request]:
    """The requests of a preset, in the precisions that are named or its own.

    `quick` is one size a kernel on 1 and 2 ranks, `full` sweeps, `gpu` is one size a kernel that a
    GPU has enough work in, on 1 rank, on every backend of GPUs where none is named.
    """
    if name == "full":
        sizes, ranks = ("small", "medium"), (1, 2)
        return [
            Request(
                kernels, backends, sizes, dtypes=dtypes or DTYPES, ranks=ranks, variants=variants
            )
        ]
    every = kernels or list(registry.kernels())
    if name == "quick":
        return [
            Request(
                [kernel],
                backends,
                sizes=(registry.kernel(kernel).kernel.quick,),
                dtypes=dtypes or DTYPES[:1],
                ranks=(1, 2),
                variants=variants,
                aside=bool(backends),
            )
            for kernel in every
        ]
    if name == "gpu":
        named = list(backends) or registry.gpu_backends()
        return [
            Request(
                [kernel],
                named,
                shapes=(large_enough(registry.kernel(kernel).kernel),),
                dtypes=dtypes or DTYPES,
                variants=variants,
            )
            for kernel in every
        ]
    raise suggest("preset", name, list(PRESETS))


def large_enough(kernel: Kernel) -> Shape:
    """Its size `medium`, or else its last one, the last axis doubled until GPU_BYTES are held."""
    shape = kernel.sizes.get("medium") or [*kernel.sizes.values()][-1]
    while kernel.bytes_held(registry.case(kernel.name, ("numpy", "cpu"), shape)) < GPU_BYTES:
        shape = (*shape[:-1], 2 * shape[-1])
    return shape


def plan(requests: Iterable[Request]) -> list[Planned]:
    """All cases of all requests, each once, ceilings before the kernels that are held to them."""
    planned: dict[Case, Planned] = {}
    for request in requests:
        for entry in expand(request):
            planned.setdefault(entry.case, entry)
    cases = list(planned.values())
    if any(request.ceilings for request in requests):
        for entry in missing_ceilings(cases):
            planned.setdefault(entry.case, entry)
    order = {name: i for i, name in enumerate(registry.kernels())}
    return sorted(planned.values(), key=lambda p: (order[p.case.kernel], p.case.ranks))


def expand(request: Request) -> Iterable[Planned]:
    """The cases of a request. JouliaError for names and numbers that can never work."""
    known = request.kernels or list(registry.kernels())
    backends = chosen(request)
    for dtype in request.dtypes:
        if dtype not in DTYPES:
            raise suggest("dtype", dtype, list(DTYPES))
    check_params(request, known)
    for name in known:
        kernel = registry.kernel(name).kernel
        swept = {k: v for k, v in request.params.items() if k in kernel.params}
        sweep = [
            dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())
        ]
        for (size, shape), dtype, ranks, params in itertools.product(
            shapes(kernel, request), request.dtypes, request.ranks, sweep
        ):
            for backend in backends:
                device = registry.device(backend.bridge, backend.device)
                if not request.backends and optional(name, backend):
                    continue
                for threads, wait in itertools.product(request.threads or (None,), request.waits):
                    case = registry.case(
                        name,
                        backend,
                        shape,
                        size=size,
                        dtype=dtype,
                        ranks=ranks,
                        threads=threads if threads is not None else default_threads(device, ranks),
                        params=params,
                        wait=wait,
                    )
                    least, units = kernel.least(shape), kernel.units(case)
                    divide(shape, ranks, least, request.decompose, units)
                    why = reason(case, device, request.oversubscribe)
                    if not (why or request.aside) and device.aside:
                        why = f"not in the quick preset unless named: {device.aside}"
                    yield Planned(case, why)


def optional(kernel: str, backend: Backend) -> bool:
    """Whether this is a further version of a kernel's sources that the kernel does not have."""
    return backend.variant != TUNED and registry.source(kernel, *backend) is None


def chosen(request: Request) -> list[Backend]:
    """The backends of a request: all where it names none, whose variants it may name apart."""
    named = [backend for name in request.backends for backend in registry.backend(name)]
    every = list(dict.fromkeys(named or registry.every_backend()))
    if not request.variants:
        return every
    if any("/" in name for name in request.backends):
        raise JouliaError("a variant is named twice. Allowed: --variant plain, or -b numba/plain")
    places = dict.fromkeys((backend.bridge, backend.device) for backend in every)
    known = dict.fromkeys(variant for place in places for variant in registry.variants(*place))
    for variant in request.variants:
        if variant not in known:
            raise suggest("variant", variant, list(known))
    return [
        Backend(*place, variant)
        for place in places
        for variant in dict.fromkeys(request.variants)
        if variant in registry.variants(*place)
    ]


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
