"""What all versions of a kernel share. A kernel's folder defines one `KERNEL = Kernel(...)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from joulia.case import Case, Shape, Value
from joulia.errors import JouliaError, suggest
from joulia.grid import Box, Layout, Tile

Host = NDArray[Any]
"""A NumPy array in host memory."""
Arrays = dict[str, Any]
"""A runtime's own arrays by field name; only the bridge that made them looks inside."""


class Exchange(Protocol):
    """Fills halos, and hands out the boxes that may be computed.

    `for box in exchange(u): ops.f(box, u, out)` computes every cell of the tile once: the core
    while the halos of `u` travel, then the shell. The boxes are disjoint and cover the tile.
    `tile` tells where the tile lies in the grid, for kernels with walls.
    """

    tile: Tile

    def __call__(self, *arrays: Any) -> Iterator[Box]: ...


@dataclass(frozen=True)
class Function:
    """One function that each language supplies: `f(box, *arrays, *ints, *reals)`.

    It computes the cells of `box` and nothing else. `arrays` names the fields it is usually called
    with, first the ones read, last the ones written; `reals` are passed in the case's precision.
    """

    name: str
    arrays: tuple[str, ...]
    reals: tuple[str, ...] = ()
    ints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Param:
    """A parameter that a user may set with `--param name=value`.

    `shown` ones stand beside the kernel's name in every table: without them its figures cannot be
    read.
    """

    default: Value
    help: str
    choices: tuple[Value, ...] | None = None
    low: float | None = None
    high: float | None = None
    shown: bool = False

    def parse(self, name: str, given: Value) -> Value:
        """The value in the default's type, or JouliaError with what is allowed."""
        try:
            value: Value = type(self.default)(given)
        except ValueError:
            value = str(given)
        wrong = (
            type(value) is not type(self.default)
            or (self.choices is not None and value not in self.choices)
            or (self.low is not None and not float(value) >= self.low)
            or (self.high is not None and not float(value) <= self.high)
        )
        if wrong:
            raise JouliaError(f"parameter {name}={given} is not allowed. Allowed: {self.allowed}")
        return value

    @property
    def allowed(self) -> str:
        if self.choices is not None:
            return ", ".join(map(str, self.choices))
        kind = {int: "an integer", float: "a number", str: "text"}[type(self.default)]
        low = "" if self.low is None else f" from {self.low:g}"
        high = "" if self.high is None else f" to {self.high:g}"
        return kind + low + high


@dataclass(frozen=True)
class Work:
    """The declared minimum of one time step over the whole grid: bytes moved, flops done."""

    bytes: float
    flops: float


@dataclass(frozen=True)
class Ceiling:
    """A bound of a machine that a kernel's cases measure when they have these parameters.

    `bound` is what other kernels are held against: `bytes` a second of memory, where the case
    exceeds the caches, or `flops` a second. `size` is what it is measured with where no planned
    case does.
    """

    bound: str
    size: str
    params: Mapping[str, Value]


@dataclass(frozen=True)
class Frontier:
    """What `joulia frontier` sweeps, and how it gets an error: accuracy against cost.

    The problem of `params` is solved until the time `until` on each of `shapes` and with each value
    of `sweep`. `fitted(case, until)` is the case with its time step shortened so that whole steps
    end there, and their number; without it, the kernel's `time_step` and its parameter `dt` do
    that. `truth(case, time, tile)` is the solution of the differential equations on the unpadded
    tile; without it, the kernel's `exact`. `result` names the field whose error counts.
    """

    until: float
    shapes: tuple[Shape, ...]
    result: str
    params: Mapping[str, Value] = field(default_factory=dict)
    sweep: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    fitted: Callable[[Case, float], tuple[Case, int]] | None = None
    truth: Callable[[Case, float, Tile], dict[str, Host]] | None = None


@dataclass(frozen=True)
class Kernel:
    """A simulation kernel: fields, sizes, one time step, its exact answer, its work.

    `step(ops, fields, exchange, case)` is one time step, written once for all bridges; it returns
    the fields by name (buffers may have changed roles). `initial(case, tile)` gives the fields it
    names on the padded tile, in float64; the others start as NaN, so that a cell that was not
    written shows. `exact(case, steps, tile)` gives fields on the unpadded tile after `steps`
    steps, none where these parameters have no exact answer; `exact_tolerance` is None where it
    serves for error norms only. `totals` are the local sums of what must be conserved, from the
    tile's own cells, or from the padded tile with filled halos where `totals_with_halo`; their
    largest drift, relative to the totals of the fields' magnitudes, is `total_tolerance`: by dtype,
    or a function of the case, the steps and the total's name. `time_step` is the time that one step
    advances; a kernel that has it takes another as its parameter `dt`. `tolerance` bounds the
    difference from the NumPy reference in float64 after one step, relative to the field's maximum,
    by dtype.

    `layout` says what a cell holds where that is not one number: every field has it, exchanges move
    the nodes on faces only, and results are known by the names of the components. `vectors` names
    results that are one vector's components: their differences are relative to its largest one.
    `l2` are L2 errors by the method's own quadrature, divided by the root of the volume.
    A kernel with `ceilings` measures the machine: others are held to it, itself to nothing.
    `inadmissible` says which result is beyond what the equations allow, and where. `updates` counts
    what a step updates where that is not the grid's cells once. `quick` is the preset's size.
    """

    name: str
    title: str
    dims: int
    halo: int
    fields: tuple[str, ...]
    functions: tuple[Function, ...]
    sizes: Mapping[str, Shape]
    initial: Callable[[Case, Tile], dict[str, Host]]
    step: Callable[[Any, Arrays, Exchange, Case], Arrays]
    work: Callable[[Case], Work]
    tolerance: Mapping[str, float]
    results: tuple[str, ...]
    params: Mapping[str, Param] = field(default_factory=dict)
    exact: Callable[[Case, int, Tile], dict[str, Host]] | None = None
    exact_tolerance: Callable[[Case, int], float | None] | None = None
    totals: Callable[[Case, Tile, Mapping[str, Host]], dict[str, float]] | None = None
    totals_with_halo: bool = False
    total_tolerance: Mapping[str, float] | Callable[[Case, int, str], float] = field(
        default_factory=dict
    )
    time_step: Callable[[Case], float] | None = None
    constants: Callable[[Case], dict[str, Value]] | None = None
    check: Callable[[Case], None] | None = None
    exchanges: int = 1
    corners: bool = False
    periodic: Callable[[Case], tuple[bool, ...]] | None = None
    ceilings: tuple[Ceiling, ...] = ()
    layout: Callable[[Case], Layout] | None = None
    vectors: tuple[tuple[str, ...], ...] = ()
    l2: Callable[[Case, int, Tile, Mapping[str, Host]], dict[str, float]] | None = None
    inadmissible: Callable[[Case, Tile, Mapping[str, Host]], str | None] | None = None
    updates: Callable[[Case], float] | None = None
    quick: str = "medium"
    frontier: Frontier | None = None

    @property
    def ranked(self) -> bool:
        """Whether its fraction of the machine's bounds is asked for."""
        return not self.ceilings

    def bound(self, case: Case) -> str | None:
        """Which bound of the machine a case of this kernel measures: bytes, flops or none."""
        given = dict(case.params)
        for ceiling in self.ceilings:
            if all(given.get(name) == value for name, value in ceiling.params.items()):
                return ceiling.bound
        return None

    def label(self, case: Case) -> str:
        """The name with the parameters without which the case's figures cannot be read."""
        shown = [name for name, param in self.params.items() if param.shown]
        return " ".join([self.name, *(f"{k}={v}" for k, v in case.params if k in shown)])

    def updates_a_step(self, case: Case) -> float:
        return self.updates(case) if self.updates else float(math.prod(case.shape))

    def cells(self, case: Case) -> Layout:
        """What each cell of a field holds."""
        return self.layout(case) if self.layout else Layout()

    def wraps(self, case: Case) -> tuple[bool, ...]:
        return self.periodic(case) if self.periodic else (True,) * self.dims

    def allowed_drift(self, case: Case, steps: int, total: str) -> float:
        """The largest relative drift of a total in `steps` steps."""
        if callable(self.total_tolerance):
            return self.total_tolerance(case, steps, total)
        return self.total_tolerance[case.dtype]

    def resolve(self, given: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """The complete, checked parameters for what a user gave."""
        for name in given:
            if name not in self.params:
                raise suggest(f"parameter of {self.name}", name, sorted(self.params))
        return tuple(
            (name, param.parse(name, given.get(name, param.default)))
            for name, param in sorted(self.params.items())
        )

    def validate(self, case: Case) -> None:
        """Raise JouliaError where the kernel cannot run this case."""
        if len(case.shape) != self.dims:
            raise JouliaError(
                f"{self.name} needs a shape of {self.dims} axes, not "
                f"{'x'.join(map(str, case.shape))}. Allowed: for example "
                f"{'x'.join(map(str, self.sizes['small']))}"
            )
        least = max(1, self.halo)
        if any(n < least for n in case.shape):
            raise JouliaError(
                f"{self.name} needs at least {least} cells an axis, not "
                f"{'x'.join(map(str, case.shape))}"
            )
        if self.check is not None:
            self.check(case)

    def bytes_held(self, case: Case) -> float:
        """Memory of all fields in bytes, halos left out."""
        values = np.prod(self.cells(case).shape(case.shape), dtype=float)
        return float(values) * len(self.fields) * np.dtype(case.dtype).itemsize
