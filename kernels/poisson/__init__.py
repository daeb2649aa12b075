"""poisson: -lap x = b on a box, by multigrid V-cycles or conjugate gradients preconditioned so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case, Shape
from joulia.checks import Checks, Exact, Vanishing
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernel import Exchange, Function, Halo, Kernel, More, Param, Work
from joulia.kernels import _multigrid as mg
from joulia.kernels.poisson import problems


def stages(case: Case) -> tuple[mg.Stage, ...]:
    """All levels of a case."""
    return mg.hierarchy(case.shape, problems.lengths(case), not problems.walled(case))


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    """One V-cycle, or one iteration of conjugate gradients."""
    if case.param("method") == "mg":
        mg.cycle(ops, exchange, stages(case), *(fields[name] for name in "xyb"))
    else:
        iterate(ops, fields, exchange, case)
    return fields


def iterate(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> None:
    """z = V r, and a step along p, the part of z that is conjugate to the p before: q is A p.

    Where r is 0 already, nothing moves.
    """
    x, y, r, z, p, q = (fields[name] for name in "xyrzpq")
    inside = exchange.tile.interior
    mg.from_zero(ops, exchange, stages(case), z, y, r)
    zq, pq = exchange.dots((z, q), (p, q))
    ops.add(inside, z, p, 1.0, -zq / pq if pq else 0.0)
    ends = mg.walls(exchange.tile)
    for box in exchange(p):
        ops.sweep(box, p, p, q, *ends, *mg.operator(case.shape, problems.lengths(case)))
    zr, pq = exchange.dots((z, r), (p, q))
    length = zr / pq if pq else 0.0
    ops.add(inside, p, x, length, 1.0)
    ops.add(inside, q, r, -length, 1.0)


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """b, and x = 0; for conjugate gradients r = b, and no direction yet."""
    b, zero = problems.right_hand_side(case, tile), np.zeros(tile.padded)
    if case.param("method") == "mg":
        return {"b": b, "x": zero}
    return {"b": b, "x": zero, "r": b.copy(), "p": zero.copy(), "q": zero.copy()}


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """phi solves the discrete problem where b was made from it by A."""
    if case.param("start") == "smooth":
        return {}
    return {"x": problems.solution(case, tile.start, tile.stop)}


def exact_tolerance(case: Case, steps: int, name: str) -> float:
    """A cycle leaves less than half of the error, until rounding does not let it."""
    floor = 1e-12 if case.dtype == "float64" else 1e-5
    return max(0.5**steps, floor + float(np.finfo(case.dtype).eps) * steps)


def residual(case: Case, tile: Tile, fields: Any) -> dict[str, tuple[float, float]]:
    """The largest |b - A x|, and the largest |b|."""
    x = np.asarray(fields["x"], np.float64)
    if problems.walled(case):
        # Beyond walls nothing is filled: there the value is the one inside.
        if tile.start[0] == 0:
            x[0] = x[1]
        if tile.stop[0] == tile.grid[0]:
            x[-1] = x[-2]
    b = fields["b"][1:-1, 1:-1, 1:-1]
    size = np.max(np.abs(b - problems.applied(case, x)))
    return {"residual": (float(size), float(np.max(np.abs(b))))}


def residual_tolerance(case: Case, steps: int, name: str) -> float:
    """A cycle leaves at most 0.3 of a residual, but makes steps between coarse cells first, which A
    multiplies, as it does rounding."""
    weights = mg.axis_weights(case.shape, problems.lengths(case))
    rounding = 4.0 * sum(weights) * float(np.finfo(case.dtype).eps)
    return max(0.4**steps * max(case.shape), rounding)


def work(case: Case) -> Work:
    """Values and flops of each level's cells, as the README counts them."""
    conjugate = case.param("method") == "cg"
    values = flops = 0.0
    for number, stage in enumerate(stages(case)[:-1]):
        cells = math.prod(stage.shape)
        guess = number == 0 and not conjugate
        values += cells * ((14.0 if guess else 10.0) + 2.0 / 2.0 ** sum(stage.halved))
        flops += cells * (65.0 if guess else 53.0)
    if conjugate:
        values += 10.0 * math.prod(case.shape)
        flops += 22.0 * math.prod(case.shape)
    return Work(values * np.dtype(case.dtype).itemsize, flops)


def require(case: Case) -> None:
    if case.param("method") == "cg" and case.dtype == "float32":
        raise JouliaError(
            "poisson method=cg is not offered in float32: it goes astray below a residual of 1e-4. "
            "Allowed: float64, or method=mg"
        )
    mg.require("poisson", stages(case))


def periodic(case: Case) -> tuple[bool, ...]:
    return (not problems.walled(case), True, True)


def align(case: Case) -> Shape:
    return mg.units(stages(case))


def levels(case: Case) -> tuple[Shape, ...]:
    return mg.coarser(stages(case))


COMBINATION = ("u", "v", "wx", "wy", "wz")
PLACES = ("sz", "sy", "sx", "oz", "oy", "ox", "my", "mx", "bottom", "top")

KERNEL = Kernel(
    name="poisson",
    title="multigrid V-cycles for the pressure's equation",
    fields=("x", "y", "b"),
    results=("b", "x"),
    functions=(
        Function("sweep", ("x", "b", "y"), reals=COMBINATION, ints=("bottom", "top")),
        Function("coarsen", ("x", "b", "y"), reals=COMBINATION, ints=PLACES),
        Function("correct", ("x", "b", "b", "y"), reals=COMBINATION, ints=PLACES),
        Function("add", ("x", "y"), reals=("a", "c")),
    ),
    sizes={
        "tiny": (12, 10, 8),
        "small": (64, 64, 64),
        "medium": (256, 256, 256),
        "large": (512, 512, 512),
    },
    params={
        "method": Param("mg", "a V-cycle or an iteration a step", choices=("mg", "cg"), shown=True),
        "start": Param(
            "discrete",
            "b: from a discrete solution, of the differential equation, or of one mode",
            choices=("discrete", "smooth", "mode"),
        ),
        "z": Param("periodic", "the z axis", choices=("periodic", "walls")),
        "lx": Param(1.0, "the box's length along x", low=1e-12),
        "ly": Param(1.0, "the box's length along y", low=1e-12),
        "lz": Param(1.0, "the box's length along z", low=1e-12),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=lambda case, steps, name: 1e-13 if case.dtype == "float64" else 1e-5,
        exact=Exact(exact, exact_tolerance),
        vanishing=Vanishing(residual, residual_tolerance),
    ),
    halo=Halo(1),
    periodic=periodic,
    align=align,
    levels=levels,
    level_fields=mg.FIELDS,
    more=lambda case: More(("r", "z", "p", "q")) if case.param("method") == "cg" else None,
    kept=lambda case: ("r", "p", "q") if case.param("method") == "cg" else (),
    require=require,
    quick="small",
)
