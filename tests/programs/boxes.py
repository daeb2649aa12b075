"""Take a step in the boxes of the exchange, and again with each cut at random, of many cases.

python boxes.py BACKEND SEED CASES

CASES is a JSON list of [kernel, dtype, shape, params]; both results of each are printed in a line.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from sharing import once

from joulia import registry
from joulia.grid import Box, flatten, pairs
from joulia.parallel.comm import OneRank
from joulia.parallel.halo import HaloExchange
from joulia.simulation.run import Run, set_up
from joulia.simulation.solve import make_case


class Cut:
    """An exchange whose boxes are cut into many, some of them empty along some axes or all.

    Axes that a kernel needs whole are not cut.
    """

    def __init__(self, exchange: HaloExchange, whole: tuple[int, ...], seed: int) -> None:
        self.exchange = exchange
        self.whole = whole
        self.tile, self.levels = exchange.tile, exchange.levels
        self.thin = self if exchange.thin is exchange else Cut(exchange.thin, whole, seed)
        self.dots = exchange.dots
        self.rng = np.random.default_rng(seed)

    def __call__(self, *arrays: Any) -> Iterator[Box]:
        for box in self.exchange(*arrays):
            ranges = []
            for axis, (low, high) in enumerate(pairs(box)):
                first, second = sorted(map(int, self.rng.integers(low, high + 1, 2)))
                ends = [low, first, first, second, high]
                cuts = [(low, high)] if axis in self.whole else list(itertools.pairwise(ends))
                ranges.append(cuts)
            for part in itertools.product(*ranges):
                yield flatten(list(part))


def digest(run: Run, exchange: Any) -> str:
    run.reset()
    fields = run.kernel.step(run.ops, run.fields, exchange, run.case)
    run.ops.synchronize()
    results = run.results(fields)
    assert all(np.isfinite(values).all() for values in results.values())
    return hashlib.sha256(b"".join(values.tobytes() for values in results.values())).hexdigest()


backend, seed, cases = sys.argv[1:]
once(registry.bridge(registry.backend(backend)[0][0]))
for kernel, dtype, shape, params in json.loads(cases):
    case = make_case(
        kernel,
        backend,
        dtype=dtype,
        shape=tuple(map(int, shape.split("x"))),
        params=dict(text.split("=") for text in params),
    )
    run = set_up(case, OneRank())
    print(
        *(
            digest(run, exchange)
            for exchange in (run.exchange, Cut(run.exchange, run.kernel.whole, int(seed)))
        )
    )
