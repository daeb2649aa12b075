"""How many values of a column differ where it lies elsewhere in a tile: emulator in NumPy.

Prints a line a network and precision: its name and the number.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from joulia.kernels import emulator
from joulia.kernels.emulator import emulator_numpy, networks
from joulia.simulation.solve import make_case

COUNT = 600
rng = np.random.default_rng(1)


def differing(choice: networks.Choice, dtype: str) -> int:
    params = dataclasses.asdict(choice)
    case = make_case("emulator", shape=(32, 1, COUNT), dtype=dtype, params=params)
    rows = emulator.sparse_rows(emulator.folded(case))
    network = [
        rows[name].astype(dtype) if rows[name].dtype.kind == "f" else rows[name]
        for name in emulator.NETWORK
    ]
    before = rng.random((32, 1, COUNT)).astype(dtype)
    flux = rng.random((1, COUNT)).astype(dtype)

    def after(which: np.ndarray) -> np.ndarray:
        t, q = before[:, :, which].copy(), flux[:, which].copy()
        out = np.empty_like(t)
        box = (0, 32, 0, 1, 0, len(which))
        emulator_numpy.forward(box, t, out, q, *network, *emulator.sizes(case), 0.25)
        return out

    whole = after(np.arange(COUNT))
    others = [rng.permutation(COUNT), *(np.arange(n) for n in (1, 3, 50, 255, 257))]
    return sum(int(np.count_nonzero(after(n) != whole[:, :, n])) for n in others)


for dtype in ("float64", "float32"):
    for choice in networks.SHIPPED:
        print(dtype, choice, differing(choice, dtype), sep=": ")
