"""What CuPy's arrays do under the bridge's primitives; print it as JSON."""

from __future__ import annotations

import json
import math

import numpy as np

from joulia.grid import slices
from joulia.parallel.comm import OneRank
from joulia.simulation.run import set_up
from joulia.simulation.solve import make_case

run = set_up(make_case("heat", "cupy", size="tiny"), OneRank())
ops = run.ops
host = np.random.default_rng(5).random((6, 7, 8))
checks = {}

array, other = ops.array(host), ops.array(np.zeros_like(host))
ops.copy(array, other)
checks["copied"] = bool((ops.host(other) == host).all())

box = (1, 4, 2, 5, 3, 8)
inside = slices(box)
parcel = ops.parcel(host.shape, box, 2, "float64")
parcel.pack([array, array])
checks["packed"] = bool((parcel.message.reshape(2, 3, 3, 5) == host[inside]).all())

target = ops.array(np.zeros_like(host))
sent = np.arange(parcel.message.size, dtype=float)
parcel.message[:] = sent
parcel.unpack([target, array])
parcel.message[:] = math.nan  # the next message comes
expected = np.zeros_like(host)
expected[inside] = sent[:45].reshape(3, 3, 5)
checks["unpacked"] = bool((ops.host(target) == expected).all())

ops.copier(host.shape, [((0, 2, 0, 7, 0, 8), (4, 6, 0, 7, 0, 8))])(other)
expected = host.copy()
expected[4:6] = host[:2]
checks["moved"] = bool((ops.host(other) == expected).all())

checks["addressed"] = ops.address(array[1:]) - ops.address(array) == array[0].nbytes
checks["through"] = ops.through
print(json.dumps(checks))
