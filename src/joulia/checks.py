"""How a measured run is held against what is right: a kernel's `Checks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from joulia.arrays import Host
from joulia.case import Case
from joulia.grid import Tile

Tolerance = Callable[[Case, int, str], float]
"""The largest relative difference that is allowed after `steps` steps, of the result or the total
of this name: relative to the largest magnitude of a field, or to the total of magnitudes."""


def within(float64: float, float32: float) -> Tolerance:
    """The same tolerance for every step, result and total, by precision."""
    by_dtype = {"float64": float64, "float32": float32}
    return lambda case, steps, name: by_dtype[case.dtype]


@dataclass(frozen=True)
class Exact:
    """An exact answer: of the scheme, or of the equations that the scheme converges to.

    `fields(case, steps, tile)` gives results on the unpadded tile after `steps` steps, none where
    these parameters have no exact answer. Measured runs are held to it where there is a
    `tolerance`; otherwise it serves for error norms only. `l2` are L2 errors by the method's own
    quadrature, divided by the root of the volume.
    """

    fields: Callable[[Case, int, Tile], dict[str, Host]]
    tolerance: Tolerance | None = None
    l2: Callable[[Case, int, Tile, Mapping[str, Host]], dict[str, float]] | None = None


@dataclass(frozen=True)
class Conserved:
    """What a step must conserve.

    `totals(case, tile, results)` are a tile's own sums, by name, from its cells, or from the padded
    tile with filled halos where `with_halo`. `gained(case, steps)` is what fluxes through the
    domain's boundary add to those of the whole grid, nothing unless given. `tolerance` bounds their
    drift from that over all ranks, relative to the totals of the fields' magnitudes.
    """

    totals: Callable[[Case, Tile, Mapping[str, Host]], dict[str, float]]
    tolerance: Tolerance
    with_halo: bool = False
    gained: Callable[[Case, int], dict[str, float]] | None = None


@dataclass(frozen=True)
class Mostly:
    """How nearly most values agree with the reference, where a step decides by comparisons.

    Rounding then decides as well, now and then: `Checks.reference` bounds what comes of it, and all
    but the share `but(case)` of a field's values agree to within `tolerance`.
    """

    tolerance: Tolerance
    but: Callable[[Case], float]


@dataclass(frozen=True)
class Sampled:
    """An error against a truth that is too dear to have for every cell, so from some of them.

    `squares(case, tile, results)` are the tile's sums of squares of the error and of what it is
    relative to, over its cells of the sample. The root of their ratio over all ranks is held to
    `tolerance`, and is the error of `joulia frontier`. `name` says what the truth is.
    """

    name: str
    squares: Callable[[Case, Tile, Mapping[str, Host]], tuple[float, float]]
    tolerance: Callable[[Case], float]


@dataclass(frozen=True)
class Vanishing:
    """What has to become small, and stay so: a residual, a divergence.

    `sizes(case, tile, results)` are, by name, the largest magnitude on the padded tile with filled
    halos and the one that it is relative to. `tolerance` bounds the quotient of their maxima over
    all ranks after that many steps.
    """

    sizes: Callable[[Case, Tile, Mapping[str, Host]], dict[str, tuple[float, float]]]
    tolerance: Tolerance


@dataclass(frozen=True)
class Checks:
    """How a measured run is held against what is right.

    `reference` bounds the difference from NumPy in float64 after one step, and `mostly` that of
    most values, where it is far less. `vectors` names results (and totals) that are one vector's
    components: their differences are relative to its largest one. `inadmissible` says which result
    is beyond what the equations allow, and where.
    """

    reference: Tolerance
    mostly: Mostly | None = None
    exact: Exact | None = None
    sampled: Sampled | None = None
    conserved: Conserved | None = None
    vectors: tuple[tuple[str, ...], ...] = ()
    inadmissible: Callable[[Case, Tile, Mapping[str, Host]], str | None] | None = None
    vanishing: Vanishing | None = None
