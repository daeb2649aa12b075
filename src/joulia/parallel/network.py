"""A model of what communication costs: latency and bandwidth, measured by a ping-pong.

Hockney's model (R. W. Hockney, Parallel Computing 20, 1994): a message of m bytes takes
latency + m / bandwidth. A step exchanges once for each stage; the messages of a rank leave at the
same time, so they share the bandwidth and each pays the latency.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SIZES = (8, 64, 512, 4096, 32768, 262144, 2097152)
"""Bytes of the ping-pong's messages."""


@dataclass(frozen=True)
class Transport:
    """Seconds that a message of no bytes takes, and bytes per second of a long one."""

    latency_s: float
    bandwidth_bytes_per_s: float

    def seconds(self, messages: float, total_bytes: float) -> float:
        """The time of `messages` messages that hold `total_bytes` together."""
        return messages * self.latency_s + total_bytes / self.bandwidth_bytes_per_s


def hops(ranks: int) -> int:
    """Messages one after another that a collective of so many ranks takes at least."""
    return math.ceil(math.log2(ranks))


def ping_pong(comm: Any) -> Transport:
    """Measure between the first rank and the last, the farthest apart; shared with all ranks.

    One way is half a round trip; each size keeps its fastest of several batches.
    """
    last = comm.size - 1
    times = []
    for size in SIZES:
        buffer = np.zeros(size, np.uint8)
        rounds = 40 if size <= 32768 else 6
        best = float("inf")
        for _ in range(5):
            comm.barrier()
            began = time.perf_counter()
            for _ in range(rounds):
                if comm.rank == 0:
                    comm.send(buffer, last)
                    comm.receive(buffer, last)
                elif comm.rank == last:
                    comm.receive(buffer, 0)
                    comm.send(buffer, 0)
            best = min(best, (time.perf_counter() - began) / (2 * rounds))
        times.append(best)
    fitted: Transport = comm.bcast(fit(SIZES, times))
    return fitted


def fit(sizes: Sequence[float], times: Sequence[float]) -> Transport:
    """Latency from the quickest message, bandwidth from what the longest adds to it.

    Where it adds nothing, as where ranks wait for a turn on a core, all of its time is taken for
    its bytes: the bandwidth is that at least.
    """
    latency = min(times)
    added = times[-1] - latency
    if added > 0.0:
        return Transport(latency, (sizes[-1] - sizes[0]) / added)
    return Transport(latency, sizes[-1] / times[-1])
