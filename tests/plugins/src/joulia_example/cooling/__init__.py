"""cooling: Newton's law, a third party's kernel of one line."""

import math

import numpy as np

from joulia.checks import Checks, Exact, within
from joulia.kernel import Function, Kernel, Param, Work


def initial(case, tile):
    return {"t": 1.0 + np.arange(tile.start[0], tile.stop[0]) % 7}


def step(ops, fields, exchange, case):
    for box in exchange():
        ops.cool(box, fields["t"], 1.0 - case.param("rate"))
    return fields


KERNEL = Kernel(
    name="cooling",
    title="Newton's law of cooling",
    fields=("t",),
    results=("t",),
    functions=(Function("cool", ("t",), reals=("factor",)),),
    sizes={"tiny": (101,), "small": (10_007,)},
    params={"rate": Param(1e-6, "a step's share of the heat", low=0.0, high=1.0)},
    initial=initial,
    step=step,
    work=lambda case: Work(2.0 * np.dtype(case.dtype).itemsize * math.prod(case.shape), 1.0),
    checks=Checks(
        reference=within(1e-15, 1e-6),
        exact=Exact(
            lambda case, steps, tile: {
                "t": initial(case, tile)["t"] * (1.0 - case.param("rate")) ** steps
            },
            lambda case, steps, name: steps * float(np.finfo(case.dtype).eps),
        ),
    ),
)
