"""The measuring method: one case, from start-up to statistics, in this process and its ranks."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulia import registry, solution, stats, verify
from joulia.bridge import Ops
from joulia.case import Case, Settings, Shape
from joulia.device_memory import DeviceOps
from joulia.energy import Energy
from joulia.errors import Unavailable, Unstable
from joulia.gpus import gpus, require_room, sends_directly
from joulia.grid import Tile, divide, slices, tile_of
from joulia.kernel import Arrays, Host, Kernel
from joulia.ranks import Comm, HaloExchange
from joulia.transport import ping_pong

clock = time.perf_counter


def measure(case: Case, settings: Settings, comm: Comm) -> dict[str, Any]:
    """Measure a case on all ranks; the measured part of its record, the same on every rank.

    Raises Unavailable where the backend is not here, Unstable where the simulation is not finite.
    """
    run, startup = prepare(case, settings, comm)

    # Correctness first: one step against NumPy, before anything is timed.
    first = run.seconds(1, comm)
    got = run.results(run.fields)
    run.require_sound(got, 1, comm)
    one_step = checksum(got)
    error = verify.relative_difference(
        comm, got, verify.reference_step(case, run.tile), run.kernel.vectors
    )
    reference = verify.Check(error, run.kernel.tolerance[case.dtype])
    checked = verify.Verification(reference)

    energy = Energy(comm, tolerance=settings.energy_tolerance, device=run.ops.device_id())
    energy.infer_periods()
    longest = 0.5 * settings.timeout_s / (settings.repeats + 2)
    # Rank 0 fixes the numbers of steps and repeats: deciding per rank would hang in collectives.
    window_s = comm.share(energy.window_s(settings.window_s, longest))
    overlapped = choose_overlap(run, settings.overlap, window_s, comm)
    steps = calibrate(run, window_s, comm)

    energy.idle()
    samples, computing, endings = [], [], []
    for _ in range(settings.repeats):
        run.reset()
        run.exchange.seconds = 0.0
        run.ops.synchronize()
        energy.jitter()
        comm.barrier()
        before = energy.read()
        comm.barrier()
        began = clock()
        run.steps(steps)
        mine = clock() - began
        comm.barrier()
        after = energy.read()
        samples.append(comm.max(mine) / steps)
        computing.append((mine, run.exchange.seconds))
        energy.window(before, after, waiting(mine, run.exchange.seconds, comm))
        final = run.results(run.fields)
        run.require_sound(final, steps, comm)
        endings.append([float(np.sum(final[name], dtype=np.float64)) for name in final])

    energy.idle()

    checked.invariants |= verify.exact_check(case, comm, run.tile, final, steps)
    first_state, last_state = (
        verify.for_totals(run.kernel, case, run.ops, fields, run.exchange)
        for fields in (run.start, run.fields)
    )
    checked.invariants |= verify.drift_checks(case, comm, run.tile, first_state, last_state, steps)
    same = all(ending == endings[0] for ending in endings)
    checked.invariants["the first repeat's final state"] = verify.Check(
        comm.max(0.0 if same else 1.0), 0.0
    )
    # A function that stopped computing after a while ends every repeat alike and conserves all.
    run.reset()
    run.steps(1)
    same = checksum(run.results(run.fields)) == one_step
    checked.invariants["the first step, again"] = verify.Check(comm.max(0.0 if same else 1.0), 0.0)

    work = run.kernel.work(case)
    joules, reason = energy.result(steps, work.bytes)
    energy.close()
    updates = run.kernel.updates_a_step(case)
    median = stats.summary(samples)
    failures = checked.failures
    if run.ops.simulated:
        failures = [*failures, f"{run.ops.simulated}: it computes, but its times mean nothing"]
    return {
        "status": "invalid" if failures else "valid",
        "reasons": failures,
        "time": {"unit": "s/step", **median, "steps_per_sample": steps},
        "energy": joules,
        "energy_reason": reason,
        "rates": {
            "updates_per_s": updates / median["median"],  # type: ignore[operator]
            "ns_per_update": 1e9 * median["median"] / updates,  # type: ignore[operator]
            "bytes_per_s": work.bytes / median["median"],  # type: ignore[operator]
            "flops_per_s": work.flops / median["median"],  # type: ignore[operator]
        },
        "startup": startup | {"first_call_s": first, "call_overhead_s": run.call_overhead(comm)},
        "parallel": {"parts": list(run.parts), "nodes": energy.nodes}
        | overlapped
        | shares(computing, steps, comm)
        | communication(run, comm)
        | gpus(case, comm),
        "verify": checked.to_json(),
        "runtime": run.versions,
        "solution": solution.solve(run, settings.until, comm) if settings.until else None,
    }


@dataclass
class Run:
    """A case in place: its functions, its tile, its fields."""

    case: Case
    kernel: Kernel
    ops: Ops
    tile: Tile
    parts: Shape
    exchange: HaloExchange
    start: Arrays
    fields: Arrays
    versions: dict[str, str]

    def step(self) -> None:
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
        return verify.owned(self.ops, fields, self.tile, self.kernel.results, layout)

    def require_sound(self, results: dict[str, Host], steps: int, comm: Comm) -> None:
        """Raise Unstable where the fields are not finite or beyond what the equations allow."""
        kernel, case, tile = self.kernel, self.case, self.tile
        try:
            when = f"after {steps} steps"
            verify.require_admissible(kernel, case, comm, tile, results, when)
        except Unstable:
            self.reset()
            verify.replay(kernel, case, comm, tile, self.ops, self.fields, self.exchange, steps)
            raise
        if verify.bad_field(comm, results):
            locate_instability(self, steps, comm)

    def reset(self) -> None:
        """Back to the initial state: every repeat does the same work on the same numbers."""
        for name in self.kernel.results:
            self.ops.copy(self.start[name], self.fields[name])

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


def prepare(case: Case, settings: Settings, comm: Comm) -> tuple[Run, dict[str, Any]]:
    """Start the runtime, load the kernel, fill the fields; and what the first two cost."""
    bridge = registry.bridge(case.bridge)
    kernel = registry.kernel(case.kernel).kernel
    source = registry.source(case.kernel, case.bridge, case.device)
    if source is None:
        raise Unavailable(
            f"{kernel.name} has no version for {case.backend}",
            f"add {kernel.name}{registry.suffix(case.bridge, case.device)}",
        )
    require_room(kernel, case, comm)
    began = clock()
    versions = bridge.start(case)
    importing = clock() - began

    parts = divide(case.shape, comm.size, kernel.halo, settings.decompose)
    tile = tile_of(case.shape, parts, comm.rank, kernel.halo, kernel.wraps(case))
    host = verify.allocate(kernel, case, tile)

    def load() -> Ops:
        ops = bridge.load(kernel, source, case)
        # Runtimes that compile at the first call do it here, on an empty box of small arrays.
        small = {name: ops.array(array[corner].copy()) for name, array in host.items()}
        empty = (kernel.halo,) * (2 * kernel.dims)
        for f in kernel.functions:
            numbers = [*(0 for _ in f.ints), *(0.5 for _ in f.reals)]
            ops.functions[f.name](empty, *[small[name] for name in f.arrays], *numbers)
        ops.synchronize()
        return ops

    corner = slices((0, 2 * kernel.halo + 1) * kernel.dims)
    # One rank fills the runtime's cache before the others look into it: caches race.
    began = clock()
    ops = load() if comm.rank == 0 else None
    loading = clock() - began
    comm.barrier()
    if ops is None:
        began = clock()
        ops = load()
        loading = clock() - began
    if isinstance(ops, DeviceOps):
        ops.directly = sends_directly(settings.gpu_exchange, comm)
    startup = {
        "import_s": comm.max(importing),
        "load_s": comm.max(loading),
        "cache": comm.share(bridge.cache()),
    }

    exchange = HaloExchange(
        ops,
        tile,
        parts,
        comm,
        corners=kernel.corners,
        overlap=settings.overlap is not False,
        layout=kernel.cells(case),
    )
    # Halos start as NaN: an exchange that forgets one shows in the first step.
    for link in [*exchange.local, *exchange.remote]:
        for name in kernel.results:
            host[name][slices(link.receive)] = np.nan
    start = {name: ops.array(host[name]) for name in kernel.results}
    fields = {name: ops.array(array) for name, array in host.items()}
    return Run(case, kernel, ops, tile, parts, exchange, start, fields, versions), startup


def locate_instability(run: Run, steps: int, comm: Comm) -> None:
    """Raise Unstable with the step at which a run of `steps` steps went wrong, and the field.

    The run is repeated from its initial state with a look at every step, which no timed run takes.
    """
    run.reset()
    for number in range(1, steps + 1):
        run.step()
        run.ops.synchronize()
        verify.require_finite(comm, run.results(run.fields), number)
    raise Unstable(f"a field is not finite after {steps} steps, but is when they are run again")


def calibrate(run: Run, window_s: float, comm: Comm) -> int:
    """The number of steps that fills a window, from timing ever more steps."""
    steps = 1
    while True:
        seconds = run.seconds(steps, comm)
        if seconds >= 0.1 * window_s or steps >= 1 << 24:
            return int(comm.share(max(1, math.ceil(window_s / seconds * steps))))
        steps *= 2


def choose_overlap(run: Run, asked: bool | None, window_s: float, comm: Comm) -> dict[str, Any]:
    """Whether the run computes while halos travel: as asked, else what is faster here.

    A core and a shell cost more than one box, and not every MPI moves messages while nobody calls
    it. Where nobody decided, a few short runs of either kind, in turn, do.
    """
    if comm.size == 1:
        return {}
    gain = None
    if asked is None:
        steps = max(1, calibrate(run, window_s, comm) // 20)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(5):
            for overlap, times in seconds.items():
                run.exchange.overlap = overlap
                times.append(run.seconds(steps, comm))
        gain = float(np.median(seconds[False]) / np.median(seconds[True])) - 1.0
        asked = gain > 0.0
        run.reset()
    run.exchange.overlap = asked
    return {"overlap": asked, "overlap_gain": gain}


def checksum(values: dict[str, Host]) -> int:
    """One number for all bits of some arrays."""
    found = 0
    for name in sorted(values):
        found = zlib.crc32(values[name].tobytes(), found)
    return found


def waiting(mine: float, exchange: float, comm: Comm) -> float:
    """The share of a window that the ranks spent in exchange or done before the slowest, 0 to 1.

    One rank waits for nobody: what it copies around a periodic grid is work.
    """
    if comm.size == 1:
        return 0.0
    slowest = comm.max(mine)
    return comm.sum(exchange + slowest - mine) / (comm.size * slowest)


def shares(computing: list[tuple[float, float]], steps: int, comm: Comm) -> dict[str, Any]:
    """Seconds a step that a rank exchanges and computes (means), and how uneven the ranks are.

    `imbalance` is the slowest rank's computing time over the mean, minus one. Exchange covers
    packing, waiting and unpacking, and the copies of a grid that wraps onto one rank.
    """
    exchange = [e / steps for _, e in computing]
    compute = [(t - e) / steps for t, e in computing]
    by_rank = comm.gather((sum(exchange) / len(exchange), sum(compute) / len(compute)))
    mean = sum(c for _, c in by_rank) / comm.size
    return {
        "exchange_s": sum(e for e, _ in by_rank) / comm.size,
        "compute_s": mean,
        "imbalance": max(c for _, c in by_rank) / mean - 1.0 if mean > 0 else 0.0,
        "exchange_s_by_rank": [e for e, _ in by_rank],
        "compute_s_by_rank": [c for _, c in by_rank],
    }


def communication(run: Run, comm: Comm) -> dict[str, Any]:
    """What one step sends, the transport as a ping-pong measures it, and the time both predict.

    The prediction is the slowest rank's, without packing and without what overlap hides. All ranks
    pack at once; `packing_bytes_per_s` is the slowest one's rate times their number.
    """
    if comm.size == 1:
        return {}
    exchange = run.exchange
    exchange.sent_messages = exchange.sent_bytes = 0
    run.step()
    run.ops.synchronize()
    sent = comm.gather((exchange.sent_messages, exchange.sent_bytes))
    transport = ping_pong(comm)
    return {
        "through": run.ops.through,
        "packing_bytes_per_s": -comm.size * comm.max(-exchange.packing()),
        "messages": max(m for m, _ in sent),
        "bytes": max(b for _, b in sent),
        **transport.to_json(),
        "predicted_exchange_s": max(transport.seconds(m, b) for m, b in sent),
    }
