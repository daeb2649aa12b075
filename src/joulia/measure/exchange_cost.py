"""What communication costs: whether to overlap it, what it takes, what a model says it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from joulia.measure.calibrate import calibrate
from joulia.parallel import gpus
from joulia.parallel.comm import Comm
from joulia.parallel.network import hops, ping_pong
from joulia.records.parts import Gpu, LevelCost, Parallel
from joulia.simulation.run import Run


@dataclass(frozen=True)
class Overlap:
    """Whether to compute while halos travel, and how much faster that was where it was timed."""

    chosen: bool | None
    gain: float | None


def choose_overlap(run: Run, asked: bool | None, window_s: float, comm: Comm) -> Overlap:
    """Whether the run computes while halos travel: as asked, else what is faster here.

    A core and a shell cost more than one box, and not every MPI moves messages while nobody calls
    it. Where nobody decided, a few short runs of either kind, in turn, do.
    """
    if comm.size == 1:
        return Overlap(None, None)
    gain = None
    if asked is None:
        steps = max(1, calibrate(run, window_s, 0.0, comm)[0] // 20)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(5):
            for overlap, times in seconds.items():
                run.exchange.overlap = overlap
                times.append(run.seconds(steps, comm))
        gain = float(np.median(seconds[False]) / np.median(seconds[True])) - 1.0
        asked = gain > 0.0
        run.reset()
    run.exchange.overlap = asked
    return Overlap(asked, gain)


def waiting_share(seconds: float, exchange: float, comm: Comm) -> float:
    """The share of a window that the ranks spent in exchange or done before the slowest, 0 to 1.

    One rank waits for nobody: what it copies around a periodic grid is work.
    """
    if comm.size == 1:
        return 0.0
    slowest = comm.max(seconds)
    return comm.sum(exchange + slowest - seconds) / (comm.size * slowest)


def parallel(
    run: Run,
    nodes: int,
    overlap: Overlap,
    computing: list[tuple[float, float]],
    steps: int,
    comm: Comm,
) -> Parallel:
    """How the ranks shared a step, from the (seconds, seconds in exchange) of this rank's windows.

    What one step sends, the network as a ping-pong measures it, and the time that both predict: the
    slowest rank's, without packing and without what overlap hides. All ranks pack at once;
    `packing_bytes_per_s` is the slowest one's rate times their number.
    """
    exchange = [e / steps for _, e in computing]
    compute = [(t - e) / steps for t, e in computing]
    by_rank = comm.allgather((sum(exchange) / len(exchange), sum(compute) / len(compute)))
    mean = sum(c for _, c in by_rank) / comm.size
    alone = Parallel(
        parts=run.parts,
        nodes=nodes,
        exchange_s=sum(e for e, _ in by_rank) / comm.size,
        compute_s=mean,
        imbalance=max(c for _, c in by_rank) / mean - 1.0 if mean > 0 else 0.0,
        exchange_s_by_rank=tuple(e for e, _ in by_rank),
        compute_s_by_rank=tuple(c for _, c in by_rank),
        overlap=overlap.chosen,
        overlap_gain=overlap.gain,
        gpus=tuple(
            Gpu(gpu.uuid, gpu.name, gpu.capability, ranks)
            for gpu, ranks in gpus.shared(run.case, comm)
        ),
    )
    alone = replace(alone, levels=level_costs(run, comm))
    run.exchange.reset_costs()
    run.step()
    run.ops.synchronize()
    alone = replace(alone, collectives=run.exchange.collectives)
    if comm.size == 1:
        return alone
    sent = comm.allgather(run.exchange.sent())
    network = ping_pong(comm)
    more = run.exchange.collectives * hops(comm.size)
    return replace(
        alone,
        through=run.ops.through,
        packing_bytes_per_s=-comm.size * comm.max(-run.exchange.packing()),
        messages=max(m for m, _ in sent),
        bytes=max(b for _, b in sent),
        latency_s=network.latency_s,
        bandwidth_bytes_per_s=network.bandwidth_bytes_per_s,
        predicted_exchange_s=max(network.seconds(m + more, b) for m, b in sent),
    )


TIMED = 3
"""Steps that are timed box by box: the first meets caches as the windows left them."""


def level_costs(run: Run, comm: Comm) -> tuple[LevelCost, ...]:
    """What each grid costs in a step, timed box by box; nothing where there is only one."""
    if not run.exchange.levels:
        return ()
    exchanges = [run.exchange, *run.exchange.others()]
    exchange_s, compute_s = ([math.inf] * len(exchanges) for _ in range(2))
    for _ in range(TIMED):
        run.exchange.reset_costs()
        for exchange in exchanges:
            exchange.timed = True
        run.step()
        run.ops.synchronize()
        for number, exchange in enumerate(exchanges):
            exchange.timed = False
            exchange_s[number] = min(exchange_s[number], exchange.exchange_s)
            compute_s[number] = min(compute_s[number], exchange.computing_s)
    return tuple(
        LevelCost(
            shape=exchange.tile.grid,
            whole=exchange.tile.shape == exchange.tile.grid,
            exchanges=exchange.exchanges,
            messages=int(comm.max(exchange.sent_messages)),
            bytes=int(comm.max(exchange.sent_bytes)),
            exchange_s=comm.max(exchange_s[number]),
            compute_s=comm.max(compute_s[number]),
            width=exchange.width,
            arrays=exchange.filled,
            gathers=exchange.gathers,
        )
        for number, exchange in enumerate(exchanges)
    )
