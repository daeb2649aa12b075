"""What all versions of a kernel share. A kernel's folder defines one `KERNEL = Kernel(...)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case, Shape, Value
from joulia.checks import Checks
from joulia.errors import JouliaError, suggest
from joulia.grid import Box, Layout, Tile


class Exchange(Protocol):
    """Fills halos, and hands out the boxes that may be computed.

    `for box in exchange(u): ops.f(box, u, out)` computes every cell of the tile once: the core
    while the halos of `u` travel, then the shell. The boxes are disjoint and cover the tile.
    `tile` tells where the tile lies in the grid, for kernels with walls. `levels` are the coarser
    grids of a kernel that has some, the finest of them first. `dots(*pairs)` are the dot products
    of pairs of fields over the whole grid, the same on every rank and for any number of them.
    `thin` is the same exchange for functions that need one cell of the halo and no diagonal
    neighbours, where a kernel with levels has a wider halo for others; else it is this one.
    """

    @property
    def tile(self) -> Tile: ...

    @property
    def levels(self) -> Sequence[Level]: ...

    @property
    def thin(self) -> Exchange: ...

    def __call__(self, *arrays: Any) -> Iterator[Box]: ...

    def dots(self, *pairs: tuple[Any, Any]) -> list[float]: ...


class Level(Protocol):
    """A grid with half the cells along some axes of the one before it, as a rank has it.

    Either each rank has the cells of its own finer ones, or every rank has all of them. `part` is
    where in this grid's arrays the rank's finer cells lie; `gather` completes an array of which
    every rank has computed its part.
    """

    @property
    def fields(self) -> Arrays: ...

    @property
    def part(self) -> Box: ...

    @property
    def exchange(self) -> Exchange: ...

    def gather(self, array: Any) -> None: ...


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
class More:
    """What a case's parameters add to its kernel: fields, functions, exchanges in a step."""

    fields: tuple[str, ...]
    functions: tuple[Function, ...] = ()
    exchanges: int = 0


@dataclass(frozen=True)
class Work:
    """The declared minimum of one time step over the whole grid: bytes moved, flops done."""

    bytes: float
    flops: float


@dataclass(frozen=True)
class Ceiling:
    """A bound of a machine that a kernel's cases measure when they have these parameters.

    `bound` is what other kernels are held against: `bytes` a second through fields of
    a given footprint, or `flops` a second. `size` is what it is measured with where no planned
    case does.
    """

    bound: str
    size: str
    params: Mapping[str, Value]


@dataclass(frozen=True)
class Halo:
    """What a step needs of neighbouring tiles: `width` cells on every side, diagonal neighbours'
    as well where `corners`, filled `exchanges` times a step."""

    width: int
    exchanges: int = 1
    corners: bool = False


@dataclass(frozen=True)
class Frontier:
    """What `joulia frontier` sweeps, and how it gets an error: accuracy against cost.

    The problem of `params` is solved until the time `until` on each of `shapes` and with each value
    of `sweep`, or where these are no rectangle, with each of `choices`. `truth(case, time, tile)`
    is the solution of the differential equations on the unpadded tile; without it, the kernel's
    exact answer. `result` names the field whose error counts. Where `published(case, time)` knows a
    figure of the solution, the error is that of this figure instead: `figure` says what it is,
    `part(case, tile, results)` is what a tile's cells give to it, added up over tiles.
    """

    until: float
    shapes: tuple[Shape, ...]
    result: str
    params: Mapping[str, Value] = field(default_factory=dict)
    sweep: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    choices: tuple[Mapping[str, Value], ...] = ()
    truth: Callable[[Case, float, Tile], dict[str, Host]] | None = None
    figure: str = ""
    published: Callable[[Case, float], float | None] | None = None
    part: Callable[[Case, Tile, Mapping[str, Host]], float] | None = None


@dataclass(frozen=True)
class Picture:
    """What `joulia simulate` shows where it is not told: a problem in which something moves.

    `params` are used beside a user's; it ends at the time `until` and shows `field`, both the
    frontier's where there is none. Where gravity pulls along the first of three axes, an `upright`
    plane shows what rises and falls.
    """

    params: Mapping[str, Value] = field(default_factory=dict)
    until: float | None = None
    field: str = ""
    upright: bool = False


def by_dt(time_step: Callable[[Case], float]) -> Callable[[Case, float], tuple[Case, int]]:
    """`Kernel.ends_at` of a kernel whose parameter `dt` takes the place of its own `time_step`."""

    def ends_at(case: Case, until: float) -> tuple[Case, int]:
        steps = math.ceil(until / time_step(case) * (1.0 - 1e-12))
        return case.with_params(dt=until / steps), steps

    return ends_at


@dataclass(frozen=True)
class Kernel:
    """A simulation kernel: fields, sizes, one time step, its work, and how it is checked.

    What is computed: `initial(case, tile)` gives the fields it names on the padded tile, in
    float64; the others start as NaN, so that a cell that was not written shows. `step(ops, fields,
    exchange, case)` is one time step, written once for all bridges; it returns the fields by name
    (buffers may have changed roles), `results` are those that count. `work` is the declared minimum
    of one step. `checks` is how it is held against what is right.

    On which grid: `halo`, none for pointwise kernels; `periodic` axes, all unless told; `whole` are
    the numbers of axes that ranks do not cut, since a step needs them in one piece; `layout` says
    what a cell holds where that is not one number: every field has it, exchanges move the nodes on
    faces only, and results are known by the names of the components. Ranks' tiles are cut at
    multiples of `align(case)` cells of each axis, which divide its extent. `levels(case)` are the
    shapes of coarser grids, each with half the cells of the one before along some axes, and arrays
    named `level_fields` on each: they carry nothing from step to step.

    With `uses`, a step calls the functions of other kernels as well, in the same language. What a
    step reads before it writes it, and is no result, is `kept(case)`: `initial` gives it, and every
    repeat begins with that.

    With which parameters: `params` are a user's; `constants` go into the sources when they are
    compiled; `tables(case, tile)` are arrays beside the fields, of any shape, that no step changes
    (weights, operators, what flows through a boundary): functions take them by their names,
    integers as int32 and the others in the case's precision; `named(params)` is what they choose,
    in words, for tables and the frontier, where a list of them would not be read; `fed(case)` says
    which fields a step gets from a file, if any, and how: `sync` or `prefetch`; `require` raises
    JouliaError for a case that cannot be run. `more(case)` is what some parameters need beyond the
    fields, functions and exchanges of all cases, which has no part in the others: not in their
    memory, nor in what is compiled. `ends_at(case, until)` is the case with its time step shortened
    so that whole steps end there, and their number: the least, none longer than the case's own.

    How it is measured: `quick` is the preset's size; `updates` counts what a step updates where
    that is not the grid's cells once; `frontier` is what is swept. A kernel with `ceilings`
    measures the machine: others are held to it, itself to nothing.
    """

    name: str
    title: str
    fields: tuple[str, ...]
    results: tuple[str, ...]
    functions: tuple[Function, ...]
    sizes: Mapping[str, Shape]
    initial: Callable[[Case, Tile], dict[str, Host]]
    step: Callable[[Any, Arrays, Exchange, Case], Arrays]
    work: Callable[[Case], Work]
    checks: Checks

    halo: Halo = Halo(0, exchanges=0)
    periodic: Callable[[Case], tuple[bool, ...]] | None = None
    whole: tuple[int, ...] = ()
    layout: Callable[[Case], Layout] | None = None
    align: Callable[[Case], Shape] | None = None
    levels: Callable[[Case], tuple[Shape, ...]] | None = None
    level_fields: tuple[str, ...] = ()

    uses: tuple[str, ...] = ()
    kept: Callable[[Case], tuple[str, ...]] | None = None

    params: Mapping[str, Param] = field(default_factory=dict)
    constants: Callable[[Case], dict[str, Value]] | None = None
    tables: Callable[[Case, Tile], dict[str, Host]] | None = None
    named: Callable[[Mapping[str, Value]], str] | None = None
    fed: Callable[[Case], tuple[str, tuple[str, ...]]] | None = None
    require: Callable[[Case], None] | None = None
    more: Callable[[Case], More | None] | None = None
    ends_at: Callable[[Case, float], tuple[Case, int]] | None = None

    quick: str = "medium"
    updates: Callable[[Case], float] | None = None
    frontier: Frontier | None = None
    picture: Picture = Picture()
    ceilings: tuple[Ceiling, ...] = ()

    @property
    def dims(self) -> int:
        """The number of the grid's axes."""
        return len(next(iter(self.sizes.values())))

    @property
    def ranked(self) -> bool:
        """Whether its fraction of the machine's bounds is asked for."""
        return not self.ceilings

    def of(self, case: Case) -> Kernel:
        """The kernel with what this case's parameters add to it."""
        more = self.more(case) if self.more else None
        if more is None:
            return self
        return replace(
            self,
            fields=self.fields + more.fields,
            functions=self.functions + more.functions,
            halo=replace(self.halo, exchanges=self.halo.exchanges + more.exchanges),
            more=None,
        )

    def bound(self, case: Case) -> str | None:
        """Which bound of the machine a case of this kernel measures: bytes, flops or none."""
        given = dict(case.params)
        for ceiling in self.ceilings:
            if all(given.get(name) == value for name, value in ceiling.params.items()):
                return ceiling.bound
        return None

    def label(self, case: Case) -> str:
        """The name with the parameters without which the case's figures cannot be read."""
        if chosen := self.choice(case):
            return f"{self.name} {chosen}"
        shown = [name for name, param in self.params.items() if param.shown]
        return " ".join([self.name, *(f"{k}={v}" for k, v in case.params if k in shown)])

    def choice(self, case: Case) -> str:
        """What the case's parameters choose, in words, where the kernel has some for it.

        Parameters that a record of an earlier version lacks are at their defaults.
        """
        if self.named is None:
            return ""
        return self.named({k: p.default for k, p in self.params.items()} | dict(case.params))

    def updates_a_step(self, case: Case) -> float:
        return self.updates(case) if self.updates else float(math.prod(case.shape))

    def cells(self, case: Case) -> Layout:
        """What each cell of a field holds."""
        return self.layout(case) if self.layout else Layout()

    def carried(self, case: Case) -> tuple[str, ...]:
        """The fields that a step continues from: the results, and what is kept."""
        return self.results + (self.kept(case) if self.kept else ())

    def units(self, case: Case) -> Shape:
        """The cells of each axis that ranks' tiles are made up of."""
        return self.align(case) if self.align else (1,) * len(case.shape)

    def coarser(self, case: Case) -> tuple[Shape, ...]:
        """The shapes of its coarser grids, the finest of them first."""
        return self.levels(case) if self.levels else ()

    def wraps(self, case: Case) -> tuple[bool, ...]:
        return self.periodic(case) if self.periodic else (True,) * self.dims

    def least(self, shape: Shape) -> Shape:
        """The fewest cells of each axis that a rank may have of a grid."""
        fewest = max(1, self.halo.width)
        return tuple(n if axis in self.whole else fewest for axis, n in enumerate(shape))

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
        least = max(1, self.halo.width)
        if any(n < least for n in case.shape):
            raise JouliaError(
                f"{self.name} needs at least {least} cells an axis, not "
                f"{'x'.join(map(str, case.shape))}"
            )
        if self.require is not None:
            self.require(case)

    def bytes_held(self, case: Case) -> float:
        """Memory of all fields in bytes, halos left out."""
        values = np.prod(self.cells(case).shape(case.shape), dtype=float)
        values *= len(self.of(case).fields)
        values += sum(map(math.prod, self.coarser(case))) * len(self.level_fields)
        return float(values) * np.dtype(case.dtype).itemsize
