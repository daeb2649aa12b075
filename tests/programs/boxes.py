"""Take a step in the boxes of the exchange, and again with each cut at random; print both results.

python boxes.py BACKEND KERNEL DTYPE SHAPE SEED [NAME=VALUE ...]
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from joulia.grid import Box, flatten, pairs
from joulia.parallel.comm import OneRank
from joulia.parallel.halo import HaloExchange
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case


class Cut:
    """An exchange whose boxes are cut into many, some of them empty along some axes or all."""

    def __init__(self, exchange: HaloExchange, seed: int) -> None:
        self.exchange = exchange
        self.tile = exchange.tile
        self.rng = np.random.default_rng(seed)

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        for box in self.exchange(*arrays):
            ranges = []
            for low, high in pairs(box):
                first, second = sorted(map(int, self.rng.integers(low, high + 1, 2)))
                ends = [low, first, first, second, high]
                ranges.append(list(itertools.pairwise(ends)))
            for part in itertools.product(*ranges):
                yield flatten(list(part))


backend, kernel, dtype, shape, seed, *params = sys.argv[1:]
case = make_case(
    kernel,
    backend,
    dtype=dtype,
    shape=tuple(map(int, shape.split("x"))),
    params=dict(text.split("=") for text in params),
)
run = set_up(case, OneRank())
for exchange in (run.exchange, Cut(run.exchange, int(seed))):
    run.reset()
    fields = run.kernel.step(run.ops, run.fields, exchange, case)
    run.ops.synchronize()
    results = run.results(fields)
    assert all(np.isfinite(values).all() for values in results.values())
    digest = hashlib.sha256(b"".join(values.tobytes() for values in results.values()))
    print(digest.hexdigest())
