"""A case in place: one set-up for measuring, for solving and for pictures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulia import registry
from joulia.arrays import Arrays, Host
from joulia.bridge import Ops, Source
from joulia.case import Case, Shape
from joulia.device_memory import DeviceOps
from joulia.errors import Unavailable, Unstable
from joulia.grid import Box, Tile, divide, slices, tile_of
from joulia.kernel import Kernel
from joulia.parallel.comm import Comm
from joulia.parallel.gpus import require_room, sends_directly
from joulia.parallel.halo import HaloExchange
from joulia.parallel.levels import exchange_of
from joulia.simulation import verify
from joulia.simulation.feed import Feed
from joulia.simulation.fields import allocate, owned, tables

clock = time.perf_counter
Initial = Callable[[Case, Tile], dict[str, Host]]


@dataclass
class Dry:
    """An exchange that fills no halos, and hands out every box that a run's may: for compiling."""

    exchange: HaloExchange

    @property
    def tile(self) -> Tile:
        return self.exchange.tile

    @property
    def levels(self) -> Sequence[DryLevel]:
        return [
            DryLevel(Dry(level.exchange), level.fields, level.part)
            for level in self.exchange.levels
        ]

    @property
    def thin(self) -> Dry:
        return Dry(self.exchange.thin)

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        return iter(self.exchange.boxes())

    def dots(self, *pairs: tuple[Any, Any]) -> list[float]:
        return [1.0] * len(pairs)


@dataclass
class DryLevel:
    """A coarser grid of which nothing is gathered."""

    exchange: Dry
    fields: Arrays
    part: Box

    def gather(self, array: Any) -> None:
        pass


@dataclass
class Run:
    """A case in place: its functions, its tile, its fields, and what it took to come there.

    `import_s` and `load_s` are the slowest rank's seconds for the runtime and for the functions,
    `cache` says whether those were compiled.
    """

    case: Case
    kernel: Kernel
    ops: Ops
    tile: Tile
    parts: Shape
    exchange: HaloExchange
    initial: Initial | None
    start: Arrays
    fields: Arrays
    versions: dict[str, str]
    import_s: float
    load_s: float
    cache: str
    feed: Feed | None = None

    def step(self) -> None:
        if self.feed is not None:
            self.feed.into(self.ops, self.fields)
        self.fields = self.kernel.step(self.ops, self.fields, self.exchange, self.case)

    def steps(self, count: int) -> None:
        """Steps whose work is done when this returns."""
        for _ in range(count):
            self.step()
        self.ops.synchronize()

    def seconds(self, count: int, comm: Comm) -> float:
        """What that many steps take on the slowest rank."""
        comm.barrier()
        began = clock()
        self.steps(count)
        return comm.max(clock() - began)

    def results(self, fields: Arrays) -> dict[str, Host]:
        """What a step computes, on the cells of the tile, in host memory."""
        layout = self.kernel.cells(self.case)
        return owned(self.ops, fields, self.tile, self.kernel.results, layout)

    def require_admissible(self, results: dict[str, Host], steps: int, comm: Comm) -> None:
        """Raise Unstable, with the stage where it began, where the equations do not allow this."""
        try:
            when = f"after {steps} steps"
            verify.require_admissible(self.kernel, self.case, comm, self.tile, results, when)
        except Unstable:
            self.restart()
            verify.replay(
                self.kernel, self.case, comm, self.tile, self.ops, self.fields, self.exchange, steps
            )
            raise

    def require_sound(self, results: dict[str, Host], steps: int, comm: Comm) -> None:
        """Raise Unstable where the fields are not finite or beyond what the equations allow."""
        self.require_admissible(results, steps, comm)
        if verify.bad_field(comm, results):
            locate_instability(self, steps, comm)

    def reset(self) -> None:
        """Back to the initial state: every repeat does the same work on the same numbers."""
        for name, values in self.start.items():
            self.ops.copy(values, self.fields[name])

    def restart(self) -> None:
        """As `reset`, and the other fields: they too may hold what is no number."""
        host = initial_fields(self.kernel, self.case, self.tile, self.initial)
        for name in host.keys() - self.start.keys():
            self.ops.copy(self.ops.array(host[name]), self.fields[name])
        self.reset()

    def call_overhead(self, comm: Comm, calls: int = 2000) -> float:
        """Seconds that a call across the bridge costs: the first function on an empty box."""
        call_twice = empty_calls(self.kernel, self.ops, self.fields, self.tile)
        best = math.inf
        for _ in range(5):
            began = clock()
            for _ in range(calls // 10):
                call_twice()
            self.ops.synchronize()
            best = min(best, (clock() - began) / (2 * (calls // 10)))
        return comm.max(best)


def empty_calls(kernel: Kernel, ops: Ops, fields: Arrays, tile: Tile) -> Callable[[], None]:
    """Two calls of the first function on empty boxes with its usual arguments.

    The arguments differ from call to call, as they do in a time step that swaps its buffers.
    """
    first = tuple(v for a in tile.interior[::2] for v in (a, a))
    second = tuple(v for b in tile.interior[1::2] for v in (b, b))
    f = kernel.functions[0]
    arguments = [
        *(fields[name] for name in f.arrays),
        *(0 for _ in f.ints),
        *(0.5 for _ in f.reals),
    ]
    function = ops.functions[f.name]

    def call_twice() -> None:
        function(first, *arguments)
        function(second, *arguments)

    return call_twice


def initial_fields(
    kernel: Kernel, case: Case, tile: Tile, initial: Initial | None
) -> dict[str, Host]:
    """The fields on a tile as a run begins with them, in host memory."""
    host = allocate(kernel, case, tile)
    if initial is not None:
        host |= {name: values.astype(case.dtype) for name, values in initial(case, tile).items()}
    return host


def set_up(
    case: Case,
    comm: Comm,
    *,
    decompose: Shape | None = None,
    overlap: bool = True,
    gpu_exchange: str = "auto",
    initial: Initial | None = None,
    after: Callable[[str], None] = lambda part: None,
) -> Run:
    """Start the runtime, load the kernel, cut the grid, fill the fields.

    `decompose` is the number of ranks per axis, slowest first (the least surface where None);
    `overlap` is whether to compute while halos travel; `gpu_exchange` says where messages of GPUs
    lie. `initial(case, tile)` replaces the kernel's own initial state: it returns the fields it
    names on the padded tile, in float64. `after` is called on every rank at the end of each part,
    by its name: `room`, `import`, `fields`, `load`. Raises Unavailable where the backend is not
    here or a GPU has no room, JouliaError where the cut is not allowed.
    """
    bridge = registry.bridge(case.bridge)
    kernel = registry.kernel(case.kernel).kernel.of(case)
    for name in kernel.uses:
        source_of(name, case)
    own_source = source_of(case.kernel, case)
    if lacks := registry.lacking(registry.kernel(case.kernel).kernel, own_source, case):
        raise Unavailable(lacks)
    align = kernel.units(case)
    parts = divide(case.shape, comm.size, kernel.least(case.shape), decompose, align)
    require_room(kernel, case, comm)
    after("room")
    began = clock()
    versions = bridge.start(case)
    importing = clock() - began
    after("import")

    tile = tile_of(case.shape, parts, comm.rank, kernel.halo.width, kernel.wraps(case), align)
    host = initial_fields(kernel, case, tile, initial)
    constant = tables(kernel, case, tile)

    caches: list[str] = []

    def load_functions(name: str) -> Ops:
        own = kernel if name == case.kernel else registry.kernel(name).kernel
        ops = bridge.load(own, source_of(name, case), case)
        # Runtimes that compile at the first call do it here, on an empty box of small arrays.
        small = [ops.array(corner.copy()) for _ in range(most)]
        fixed = {table: ops.array(array) for table, array in constant.items()}
        for f in own.functions:
            numbers = [*(0 for _ in f.ints), *(0.5 for _ in f.reals)]
            arrays = [fixed.get(of, any_) for of, any_ in zip(f.arrays, small, strict=False)]
            ops.functions[f.name](empty, *arrays, *numbers)
        ops.synchronize()
        caches.append(bridge.cache())
        return ops

    def load() -> Ops:
        others = [load_functions(name) for name in kernel.uses]
        ops = load_functions(case.kernel)
        for other in others:
            ops.supply(other.functions)
        return ops

    sides = slices((0, 2 * kernel.halo.width + 1) * kernel.dims)
    empty = (kernel.halo.width,) * (2 * kernel.dims)
    corner = next(iter(host.values()))[sides]
    used = (registry.kernel(name).kernel for name in kernel.uses)
    most = max(len(f.arrays) for each in (kernel, *used) for f in each.functions)
    after("fields")
    # One rank fills the runtime's cache before the others look into it: caches race.
    began = clock()
    ops = load() if comm.rank == 0 else None
    loading = clock() - began
    comm.barrier()
    if ops is None:
        began = clock()
        ops = load()
        loading = clock() - began
    after("load")
    if isinstance(ops, DeviceOps):
        ops.directly = sends_directly(gpu_exchange, comm, ops.addressable)
    exchange = exchange_of(kernel, case, ops, tile, parts, comm, overlap=overlap)
    # Halos start as NaN: an exchange that forgets one shows in the first step.
    for link in [*exchange.local, *exchange.remote]:
        for name in kernel.results:
            host[name][slices(link.receive)] = np.nan
    start = {name: ops.array(host[name]) for name in kernel.carried(case)}
    fields = {name: ops.array(array) for name, array in (host | constant).items()}
    began = clock()
    ops.prepare(lambda: kernel.step(ops, fields, Dry(exchange), case))
    loading += clock() - began
    return Run(
        case,
        kernel,
        ops,
        tile,
        parts,
        exchange,
        initial,
        start,
        fields,
        versions,
        import_s=comm.max(importing),
        load_s=comm.max(loading),
        cache=comm.bcast("cold" if "cold" in caches else caches[0]),
        feed=feed_of(kernel, case, host),
    )


def source_of(kernel: str, case: Case) -> Source:
    """A kernel's source for a case's backend; Unavailable where it has none."""
    source = registry.source(kernel, case.bridge, case.device, case.variant)
    if source is None:
        raise Unavailable(
            f"{kernel} has no version for {case.backend}",
            f"add {kernel}{registry.suffixes(case.bridge, case.device, case.variant)[0]}",
        )
    return source


def feed_of(kernel: Kernel, case: Case, host: dict[str, Host]) -> Feed | None:
    """Where the fields of a step come from, where they are not in memory already."""
    mode, names = kernel.fed(case) if kernel.fed is not None else ("memory", ())
    return Feed({name: host[name] for name in names}, mode) if names else None


def locate_instability(run: Run, steps: int, comm: Comm) -> None:
    """Raise Unstable with the step at which a run of `steps` steps went wrong, and the field.

    The run is repeated from its initial state with a look at every step, which no timed run takes.
    """
    run.restart()
    for number in range(1, steps + 1):
        run.step()
        run.ops.synchronize()
        verify.require_finite(comm, run.results(run.fields), number)
    raise Unstable(f"a field is not finite after {steps} steps, but is when they are run again")
