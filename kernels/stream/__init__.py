"""stream: a = c and a = b + s c, the measured bandwidth of a machine (McCalpin's STREAM).

And `fma`, chains of y = y s + b, its measured rate of fused multiply-adds. They are what other
kernels' speeds are held against.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host, Words, mixed
from joulia.case import Case
from joulia.checks import Checks, Exact, within
from joulia.grid import Tile
from joulia.kernel import Ceiling, Exchange, Function, Kernel, Param, Work

SCALAR = 0.4
CHAIN, PASSES = 16, 64
"""`fma` updates an element CHAIN times in a register, PASSES times from the first-level cache:
chains of dependent operations, several of which are in flight at once."""
CONTRACTION = 0.5
"""y = y / 2 + b, again and again, ends at 2 b."""


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """b and c vary with the global index, so that a shifted or stale array shows.

    `smooth` numbers have few digits, `random` ones have all of them, and sign and exponent vary;
    `zeros` flip no bit. Electronics draws power for bits that change.
    """
    n = tile.shape[0]
    if case.param("data") == "zeros":
        return {"b": np.zeros(n), "c": np.zeros(n)}
    if case.param("data") == "random":
        index = np.arange(tile.start[0], tile.start[0] + n, dtype=np.uint64)
        return {"b": scattered(index, 1), "c": scattered(index, 2)}

    def repeat(values: Host) -> Host:
        values = np.roll(values, -(tile.start[0] % values.size))
        every, whole = np.empty(n), n // values.size * values.size
        every[:whole].reshape(-1, values.size)[...] = values
        every[whole:] = values[: n - whole]
        return every

    return {
        "b": repeat(1.0 + np.arange(1021) / 1024.0),
        "c": repeat(2.0 - np.arange(509) / 512.0),
    }


def scattered(index: Words, which: int) -> Host:
    """Numbers from -1 to 1 that look random and depend on the global index alone.

    A generator of NumPy would draw everything before a tile's first number.
    """
    bits = mixed(index * np.uint64(2) + np.uint64(which))
    sign = 1.0 - 2.0 * (bits & np.uint64(1))
    return sign * ((bits >> np.uint64(11)) * 2.0**-53)


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    a, b, c = fields["a"], fields["b"], fields["c"]
    if case.param("op") == "copy":
        for box in exchange():
            ops.copy_to(box, c, a)
    elif case.param("op") == "fma":
        for box in exchange():
            ops.multiply_add(box, b, a, CONTRACTION)
    else:
        for box in exchange():
            ops.triad(box, b, c, a, SCALAR)
    return fields


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """Idempotent: the same after every step."""
    start = initial(case, tile)
    if case.param("op") == "copy":
        return {"a": start["c"]}
    if case.param("op") == "fma":
        return {"a": 2.0 * start["b"]}
    answer = SCALAR * start["c"]
    answer += start["b"]
    return {"a": answer}


def exact_tolerance(case: Case, steps: int, name: str) -> float:
    """One rounding of the product and one of the sum, and, in float32, of the scalar."""
    return 4.0 * float(np.finfo(case.dtype).eps)


def work(case: Case) -> Work:
    """Bytes as STREAM counts them: without the write-allocate of `a`."""
    n = case.shape[0]
    item = np.dtype(case.dtype).itemsize
    per_element = {"copy": (2, 0), "triad": (3, 2), "fma": (2, 2 * CHAIN * PASSES)}
    values, flops = per_element[case.param("op")]
    return Work(float(values * item * n), float(flops * n))


KERNEL = Kernel(
    name="stream",
    title="STREAM copy and triad, and fused multiply-adds: the ceilings",
    fields=("a", "b", "c"),
    results=("a",),
    functions=(
        Function("copy_to", ("c", "a")),
        Function("triad", ("b", "c", "a"), reals=("s",)),
        Function("multiply_add", ("b", "a"), reals=("s",)),
    ),
    sizes={"tiny": (4099,), "small": (2**20,), "medium": (2**25,), "large": (2**27,)},
    params={
        "op": Param("triad", "which loop a step is", choices=("triad", "copy", "fma"), shown=True),
        "data": Param(
            "smooth",
            "what the arrays hold, which joules depend on",
            choices=("smooth", "random", "zeros"),
            shown=True,
        ),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(reference=within(4e-16, 2.5e-7), exact=Exact(exact, exact_tolerance)),
    ceilings=(
        Ceiling("bytes", "medium", {"op": "triad"}),
        Ceiling("flops", "small", {"op": "fma"}),
    ),
)
