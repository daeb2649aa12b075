"""Hold a bridge's device memory against NumPy: `python primitives.py BACKEND`."""

from __future__ import annotations

import sys

import numpy as np

from joulia import registry
from joulia.simulation.solve import make_case

case = make_case("heat", sys.argv[1])
bridge = registry.bridge(case.bridge)
bridge.start(case)
ops = bridge.load(
    registry.kernel("heat").kernel, registry.source("heat", case.bridge, case.device), case
)

rng = np.random.default_rng(2)
values = rng.random((3, 4, 5))
a, b = ops.array(values[:, ::-1]), ops.array(np.zeros((3, 4, 5)))
assert (ops.shape(a), ops.dtype(a)) == ((3, 4, 5), "float64")
assert (ops.host(a) == values[:, ::-1]).all()

ops.copy(a, b)
assert (ops.host(b) == ops.host(a)).all()
ops.upload(values, b)
assert (ops.host(b) == values).all()

places, others = (ops.array(np.array(at, np.int64)) for at in ([59, 0, 7], [1, 30, 58]))
buffer = ops.array(np.full(6, -1.0))
ops.gather(b, places, buffer, 2)
flat = values.ravel()
assert list(ops.host(buffer)) == [-1.0, -1.0, flat[59], flat[0], flat[7], -1.0]
ops.scatter(buffer, 1, others, b)
moved = flat.copy()
moved[[1, 30, 58]] = [-1.0, flat[59], flat[0]]
assert (ops.host(b).ravel() == moved).all()
ops.move(b, places, others)
moved[[1, 30, 58]] = moved[[59, 0, 7]]
assert (ops.host(b).ravel() == moved).all()
assert ops.host(ops.array(np.zeros((0, 3)))).shape == (0, 3)
