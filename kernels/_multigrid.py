"""Multigrid V-cycles for -lap x = b on cell centres: levels, coefficients, and the order of calls.

A step of a kernel that `uses` poisson calls `cycle` or `from_zero` with its own arrays; its `align`
is `units`, its `levels` are `coarser`, its `level_fields` are `FIELDS`, and its `require` calls
`require`.

A x = 2 (cx + cy + cz) x - [cx (x_w + x_e) + cy (x_s + x_n) + cz (x_b + x_t)], with c_d = 1 / h_d^2.
Each sweep is x += omega (b - A x). Two of them are the Chebyshev polynomial of degree 2 on the part
of the spectrum that the next level does not see; after the correction they come in reverse order,
so that a cycle from zero is symmetric and may precondition conjugate gradients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from joulia.case import Shape
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernel import Exchange, Level

FIELDS = ("x", "y", "b")
"""What each coarser level holds: a solution, room for the next one, and the right-hand side."""
FAR = 1 << 20
"""Where the walls of a periodic axis are: beyond every cell."""
MOST_ALIGNED = 8
"""Cells of an axis between which ranks may cut, at most: three levels then are cut as well."""
ISOTROPIC = 1.7
"""Axes are halved whose squared spacing is below this times the least of those that can be. No
ratio of squares of spacings is just that, so that no rounding decides."""
REDUCTION = 10.0
"""What the coarsest level takes from an error, if it has several cells."""

MOST_SWEEPS = 50
"""On the coarsest level, where axes of odd extents leave it large."""
MOST_STIFF = 24.0
"""The largest eigenvalue over the least that the sweeps have to damp, on levels of more than `FEW`
cells: 6 where spacings are equal."""
FEW = 256

Reals = tuple[float, ...]
"""(u, v, wx, wy, wz) of u x + v b + wx (x_w + x_e) + wy (x_s + x_n) + wz (x_b + x_t)."""


def axis_weights(shape: Shape, lengths: tuple[float, ...]) -> tuple[float, ...]:
    """(cz, cy, cx): 1 / h_d^2, or 0 where an axis has one cell."""
    return tuple(
        (n / length) ** 2 if n > 1 else 0.0 for n, length in zip(shape, lengths, strict=True)
    )


def halved_axes(shape: Shape, lengths: tuple[float, ...]) -> tuple[int, ...]:
    """1 for each axis that the next level has half the cells of, else 0."""
    squares = [(length / n) ** 2 for n, length in zip(shape, lengths, strict=True)]
    even = [h for h, n in zip(squares, shape, strict=True) if n % 2 == 0]
    limit = ISOTROPIC * min(even, default=0.0)
    return tuple(int(n % 2 == 0 and h < limit) for h, n in zip(squares, shape, strict=True))


@dataclass(frozen=True)
class Stage:
    """One level's numbers. `halved` says which axes the next one halves, none on the coarsest.

    `before` are the two sweeps' coefficients in the order before the correction, `both` does the
    two at once from zero, `residual` averages b - A x over the cells that become one. `solve` are
    the coarsest level's sweeps, the first from zero.
    """

    shape: Shape
    halved: tuple[int, ...]
    stiffness: float
    before: tuple[Reals, ...] = ()
    both: Reals = ()
    residual: Reals = ()
    solve: tuple[Reals, ...] = ()


def coefficients(weights: tuple[float, ...], u: float, v: float, w: float) -> Reals:
    """u x + v b - w A x."""
    cz, cy, cx = weights
    return u - 2.0 * w * (cx + cy + cz), v, w * cx, w * cy, w * cz


def operator(shape: Shape, lengths: tuple[float, ...]) -> Reals:
    """A x."""
    return coefficients(axis_weights(shape, lengths), 0.0, 0.0, -1.0)


def relaxed(weights: tuple[float, ...], omega: float) -> Reals:
    """x + omega (b - A x)."""
    return coefficients(weights, 1.0, omega, omega)


@cache
def hierarchy(shape: Shape, lengths: tuple[float, ...], periodic_z: bool) -> tuple[Stage, ...]:
    """All levels of a box with these cells and lengths, [z, y, x], the finest first."""
    halved = halved_axes(shape, lengths)
    weights = axis_weights(shape, lengths)
    top = 4.0 * sum(weights)
    if not any(halved):
        sweeps = coarsest(shape, weights, periodic_z)
        return (Stage(shape, halved, 0.0, solve=sweeps),)
    spacings = [length / n for n, length, half in zip(shape, lengths, halved, strict=True) if half]
    low = 2.0 / max(spacings) ** 2
    mean, spread = (top + low) / 2.0, (top - low) / 2.0 / math.sqrt(2.0)
    first, second = 1.0 / (mean - spread), 1.0 / (mean + spread)
    share = 1.0 / 2.0 ** sum(halved)
    stage = Stage(
        shape,
        halved,
        top / low,
        (relaxed(weights, first), relaxed(weights, second)),
        coefficients(weights, first + second, 0.0, first * second),
        coefficients(weights, 0.0, share, share),
    )
    coarse = tuple(n >> half for n, half in zip(shape, halved, strict=True))
    return (stage, *hierarchy(coarse, lengths, periodic_z))


def coarsest(shape: Shape, weights: tuple[float, ...], periodic_z: bool) -> tuple[Reals, ...]:
    """Chebyshev's polynomial of the least degree that takes the error down by `REDUCTION`.

    As a product of sweeps, in Leja's order, in which no partial product grows. One cell: x = 0.
    """
    top = 4.0 * sum(weights)
    if top == 0.0:
        return ((0.0,) * 5,)
    waves = (1.0 if periodic_z else 0.5, 1.0, 1.0)
    low = min(
        4.0 * c * math.sin(math.pi * wave / n) ** 2
        for c, n, wave in zip(weights, shape, waves, strict=True)
        if n > 1
    )
    mean, spread = (top + low) / 2.0, (top - low) / 2.0
    degree = 1
    while spread > 1e-9 * top and math.cosh(degree * math.acosh(mean / spread)) < REDUCTION:
        degree += 1
    roots = [mean + spread * math.cos(math.pi * (i + 0.5) / degree) for i in range(degree)]
    first, *rest = leja(roots)
    return ((1.0 / first, 0.0, 0.0, 0.0, 0.0), *(relaxed(weights, 1.0 / root) for root in rest))


def leja(roots: list[float]) -> list[float]:
    """The same numbers, each as far from all before it as can be, by the product of distances."""
    left = sorted(roots)
    order = [left.pop()]
    while left:
        far = [float(np.sum(np.log(np.abs(np.subtract(order, root))))) for root in left]
        order.append(left.pop(int(np.argmax(far))))
    return order


def require(kernel: str, stages: tuple[Stage, ...]) -> None:
    """Raise JouliaError where cycles on these levels would not converge, or cost too much."""
    text = "x".join(map(str, stages[0].shape))
    if len(stages) == 1:
        raise JouliaError(f"{kernel} cannot halve any axis of {text}. Allowed: even extents")
    last = stages[-1]
    if len(last.solve) > MOST_SWEEPS:
        coarsest = "x".join(map(str, last.shape))
        raise JouliaError(
            f"{kernel} on {text} ends at {coarsest} cells, whose axes are odd, and needs "
            f"{len(last.solve)} sweeps there. Allowed: up to {MOST_SWEEPS}; extents that can be "
            "halved more often"
        )
    large = (stage for stage in stages if math.prod(stage.shape) > FEW)
    stiff = max(large, key=lambda stage: stage.stiffness, default=stages[0])
    if stiff.stiffness > MOST_STIFF:
        level = "x".join(map(str, stiff.shape))
        raise JouliaError(
            f"{kernel}'s sweeps leave what varies along halved axes at {level} "
            f"of {text} cells: an axis with an odd extent has the finest spacing. Allowed: an even "
            "extent there, or a longer box"
        )


def coarser(stages: tuple[Stage, ...]) -> tuple[Shape, ...]:
    """The shapes of all levels but the first."""
    return tuple(stage.shape for stage in stages[1:])


def units(stages: tuple[Stage, ...]) -> Shape:
    """Cells of each axis between which ranks may cut the first level."""
    halvings = [sum(column) for column in zip(*(s.halved for s in stages), strict=True)]
    return tuple(min(MOST_ALIGNED, 1 << n) for n in halvings)


def walls(tile: Tile) -> tuple[int, int]:
    """The bottom and the top wall as z indices of faces in the tile's padded arrays."""
    if tile.periodic[0]:
        return -FAR, FAR
    bottom = tile.halo - tile.start[0]
    return bottom, bottom + tile.grid[0]


def cycle(ops: Any, exchange: Exchange, stages: tuple[Stage, ...], x: Any, y: Any, b: Any) -> None:
    """One V(2,2) cycle: x becomes a better solution of A x = b. y is room for another one."""
    stage = stages[0]
    first, second = stage.before
    ends = walls(exchange.tile)
    for box in exchange(x):
        ops.sweep(box, x, b, y, *ends, *first)
    for box in exchange(y):
        ops.sweep(box, y, b, x, *ends, *second)
    correct(ops, exchange, exchange.levels, stages, x, y, b)


def from_zero(
    ops: Any, exchange: Exchange, stages: tuple[Stage, ...], x: Any, y: Any, b: Any
) -> None:
    """x = V b: one cycle from x = 0, a symmetric and positive operator."""
    stage = stages[0]
    for box in exchange(b):
        ops.sweep(box, b, b, x, *walls(exchange.tile), *stage.both)
    correct(ops, exchange, exchange.levels, stages, x, y, b)


def correct(
    ops: Any,
    exchange: Exchange,
    levels: Any,
    stages: tuple[Stage, ...],
    x: Any,
    y: Any,
    b: Any,
) -> None:
    """Add to x what the coarser levels find, and sweep twice."""
    stage, level = stages[0], levels[0]
    first, second = stage.before
    ends = walls(exchange.tile)
    places = (*located(exchange.tile, level.part, level.exchange.tile, stage.halved), *ends)
    for _ in exchange(x):
        pass
    for _ in exchange():
        ops.coarsen(level.part, x, b, level.fields["b"], *places, *stage.residual)
    level.gather(level.fields["b"])
    correction = solved(ops, level, levels[1:], stages[1:])
    for _ in level.exchange(correction):
        pass
    for box in exchange():
        ops.correct(box, x, correction, b, y, *places, *second)
    for box in exchange(y):
        ops.sweep(box, y, b, x, *ends, *first)


@cache
def located(
    tile: Tile, part: tuple[int, ...], coarse: Tile, halved: tuple[int, ...]
) -> tuple[int, ...]:
    """(sz, sy, sx, oz, oy, ox, my, mx): how a level's cells find theirs in the next."""
    # Functions count cells of an array from 1, where a halo of one cell ends.
    origins = (
        start - (tile.halo - 1 >> half) for start, half in zip(part[::2], halved, strict=True)
    )
    return (*halved, *origins, *coarse.padded[1:])


def solved(ops: Any, level: Level, levels: Any, stages: tuple[Stage, ...]) -> Any:
    """The array with what a cycle from zero makes of a coarser level's b."""
    stage, exchange = stages[0], level.exchange
    x, y, b = (level.fields[name] for name in FIELDS)
    ends = walls(exchange.tile)
    if not levels:
        return swept(ops, exchange, stage.solve, x, y, b)
    for box in exchange(b):
        ops.sweep(box, b, b, x, *ends, *stage.both)
    correct(ops, exchange, levels, stages, x, y, b)
    return x


def swept(ops: Any, exchange: Exchange, solve: tuple[Reals, ...], x: Any, y: Any, b: Any) -> Any:
    """The array with the coarsest level's solution."""
    ends = walls(exchange.tile)
    source, target, other = b, x, y
    for reals in solve:
        for box in exchange(source):
            ops.sweep(box, source, b, target, *ends, *reals)
        source, target, other = target, other, target
    return source
