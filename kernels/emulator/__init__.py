"""emulator: a perceptron in the place of an interval of `column`'s steps, and the solver itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case, Value
from joulia.checks import Checks, Conserved, Mostly, Sampled, within
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernel import Exchange, Frontier, Function, Kernel, More, Param, Work
from joulia.kernels.emulator import columns, networks
from joulia.kernels.emulator.columns import INTERVAL, LEVELS, STABLE, UNSTABLE, Numbers
from joulia.kernels.emulator.networks import Choice
from joulia.kernels.emulator.perceptron import Layer, Network

SAMPLED = 256
"""Columns whose error is measured, spread over the grid: their truth takes 65536 steps of cells."""

HALF = 1e-3
"""What a float16 network may be off, of the largest temperature: three times what the worst of the
test set's 10,000 columns was."""

GROUP = 4
"""Weights that compiled sources take at once: so many sums are loaded and stored once."""


@cache
def chosen(case: Case) -> Choice:
    return choice_of(dict(case.params))


def choice_of(params: Mapping[str, Value]) -> Choice:
    chosen: dict[str, Any] = {
        field.name: params[field.name] for field in dataclasses.fields(Choice)
    }
    return Choice(**chosen)


def by_network(case: Case) -> bool:
    return bool(case.param("method") == "network")


def require(case: Case) -> None:
    if case.shape[0] != LEVELS:
        raise JouliaError(
            f"emulator needs {LEVELS} levels, not {case.shape[0]}. Allowed: {LEVELS}x64x64, for "
            "example"
        )
    if by_network(case):
        networks.require(chosen(case))


def numbers(case: Case, tile: Tile) -> Host:
    """The numbers of the tile's columns, (y, x), as `columns` knows them."""
    y, x = (np.arange(a, b) for a, b in zip(tile.start[1:], tile.stop[1:], strict=True))
    return (columns.TEST + y[:, None] * case.shape[2] + x).astype(np.uint64)


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """The test set's columns: means of the truth's finer levels. `after` begins as they are."""
    which = numbers(case, tile)
    fine, _ = columns.profiles(which.reshape(-1), columns.FINE * LEVELS)
    temperature = columns.coarse(fine.astype("f8")).reshape(LEVELS, *which.shape)
    return {"temperature": temperature, "after": temperature.copy()}


def folded(case: Case) -> Network:
    """The network on unscaled numbers: the scales go into its first and its last layer."""
    differences, flux, increments = networks.scales()
    network = [
        Layer(layer.w.astype("f8"), layer.b.astype("f8"), layer.relu)
        for layer in networks.load(chosen(case))
    ]
    network[0].w /= np.append(np.full(LEVELS - 1, differences), flux)
    network[-1].w *= increments
    network[-1].b *= increments
    return network


def sparse_rows(network: Network) -> dict[str, Host]:
    """All layers behind one another: weights that are not 0, their columns, where rows start.

    Rows are filled up to a multiple of GROUP with weights of 0: loops over them have no rest.
    """
    weights, places, counts = [], [], [0]
    for row in (row for layer in network for row in layer.w):
        kept = np.flatnonzero(row)
        filled = np.pad(kept, (0, -len(kept) % GROUP))
        weights.append(np.where(np.arange(len(filled)) < len(kept), row[filled], 0.0))
        places.append(filled)
        counts.append(len(filled))
    return {
        "weights": np.concatenate(weights),
        "columns": np.concatenate(places).astype(np.int32),
        "starts": np.cumsum(counts).astype(np.int32),
        "bias": np.concatenate([layer.b[:, 0] for layer in network]),
        "plan": np.array([[len(layer.b), layer.relu] for layer in network], np.int32),
    }


def tables(case: Case, tile: Tile) -> dict[str, Host]:
    """The network's rows, and the flux out of the top of each of the tile's columns."""
    which = numbers(case, tile)
    network = folded(case) if by_network(case) else []
    rows = sparse_rows(network) if network else NO_NETWORK
    return {**rows, "flux": columns.fluxes(which.reshape(-1)).reshape(which.shape).astype("f8")}


NO_NETWORK: dict[str, Host] = {
    "weights": np.zeros(1),
    "columns": np.zeros(1, np.int32),
    "starts": np.zeros(1, np.int32),
    "bias": np.zeros(1),
    "plan": np.zeros((1, 2), np.int32),
}


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    """From the same columns every time: an emulator that is fed its own answers goes astray."""
    state = fields["temperature"], fields["after"], fields["flux"]
    for box in exchange():
        if by_network(case):
            network = [fields[name] for name in NETWORK]
            forward = ops.forward_half if half(case) else ops.forward
            forward(box, *state, *network, *sizes(case), INTERVAL)
        else:
            parts, steps = case.param("parts"), case.param("steps")
            dt, levels = INTERVAL / steps, fine_levels(case)
            mixing = (STABLE * dt * levels**2, UNSTABLE * dt * levels**2, dt * levels)
            ops.solve(box, *state, parts, steps, *mixing)
    return fields


def products(case: Case) -> str:
    """What weights and activations are kept in; sums are in the case's precision."""
    return case.dtype if case.param("products") == "dtype" else str(case.param("products"))


def half(case: Case) -> bool:
    """Whether a network multiplies in float16."""
    return by_network(case) and products(case) == "float16"


def more(case: Case) -> More | None:
    """The forward pass in float16, where a source has it."""
    return More((), (replace(KERNEL.functions[0], name="forward_half"),)) if half(case) else None


@cache
def sizes(case: Case) -> tuple[int, int]:
    """The number of layers, and the most values that any of them takes or gives."""
    network = networks.load(chosen(case))
    return len(network), max(max(layer.w.shape) for layer in network)


def heat(case: Case, tile: Tile, fields: Any) -> dict[str, float]:
    return {"heat": float(np.sum(fields["after"], dtype=np.float64))}


def lost(case: Case, steps: int) -> dict[str, float]:
    """What the fluxes take from all columns in the interval, however often it is computed."""
    every = np.arange(math.prod(case.shape[1:]), dtype=np.uint64) + np.uint64(columns.TEST)
    rounded = columns.fluxes(every).astype(case.dtype).astype("f8")
    return {"heat": -INTERVAL * LEVELS * float(rounded.sum()) if steps else 0.0}


def sample(case: Case) -> Numbers:
    """Columns of the grid, by place, whose error is measured: spread over it."""
    count = math.prod(case.shape[1:])
    return (
        np.arange(min(SAMPLED, count), dtype=np.uint64)
        * np.uint64(count)
        // np.uint64(min(SAMPLED, count))
    )


def squares(case: Case, tile: Tile, fields: Any) -> tuple[float, float]:
    """Of the error and of the true increments, over the tile's columns of the sample."""
    every = sample(case)
    y, x = np.divmod(every.astype(np.int64), case.shape[2])
    (_, _), (y0, y1), (x0, x1) = zip(tile.start, tile.stop, strict=True)
    here = (y0 <= y) & (y < y1) & (x0 <= x) & (x < x1)
    before, after = (states[:, here] for states in columns.truth(tuple(map(int, every))))
    got = fields["after"][:, y[here] - y0, x[here] - x0].astype("f8")
    return float(((got - after) ** 2).sum()), float(((after - before) ** 2).sum())


def largest_error(case: Case) -> float:
    """Twice what the test set shows (README): a sample of 256 columns has a few of the worst."""
    if by_network(case):
        return 2.0 * networks.test_error(chosen(case))
    return 0.5


def ends_at(case: Case, until: float) -> tuple[Case, int]:
    if until != INTERVAL:
        raise JouliaError(f"emulator predicts one interval. Allowed: --until {INTERVAL}")
    return case, 1


def work(case: Case) -> Work:
    """Per column: every weight a multiply and an add, its row's bias, activation and mean; or
    `column`'s 12 flops for every fine level and step. A level is read once and written once."""
    count = math.prod(case.shape[1:])
    moved = (2.0 * LEVELS + 1.0) * np.dtype(case.dtype).itemsize * count
    if by_network(case):
        network = networks.load(chosen(case))
        flops = sum(2.0 * np.count_nonzero(x.w) + len(x.b) * (1 + x.relu) for x in network)
        return Work(moved, (flops + 5.0 * LEVELS) * count)
    return Work(moved, 12.0 * fine_levels(case) * case.param("steps") * count)


def agreement(case: Case, steps: int, name: str) -> float:
    """With NumPy in float64.

    By rounding the solver takes some nearly neutral faces for the others. In one step that keeps
    from a cell, or leaves in it, at most what the flux takes out of the top one, 0.57 dt / dz. An
    eighth of that is allowed, beside temperatures of up to 2 to 4; the worst of 4096 columns had
    a third of it, in 8 to 32 steps on 32 to 128 levels in float32.
    """
    if by_network(case):
        return rounding(case, steps, name)
    dt, dz = INTERVAL / int(case.param("steps")), 1.0 / fine_levels(case)
    return 0.125 * columns.LARGEST_FLUX * dt / dz


def rounding(case: Case, steps: int, name: str) -> float:
    """What all values of a network differ by at most, and most of the solver's."""
    if half(case):
        return HALF
    if by_network(case):
        return within(1e-12, 1e-5)(case, steps, name)
    return within(1e-12, 1e-4)(case, steps, name)


def share_of_others(case: Case) -> float:
    """Of values that may differ by more: the solver's, where it took a face for another.

    Of 16384 columns in float64 those were 0.3 % at most; in float32 1.2 % of the values of 80
    columns. Of few columns it may be one.
    """
    if by_network(case):
        return 0.0
    return max(within(0.01, 0.03)(case, 1, ""), 1.0 / math.prod(case.shape[1:]))


def kept_heat(case: Case, steps: int, name: str) -> float:
    """As in `column`: the solver rounds by a unit in the last place of the mean a step."""
    allowed = within(1e-13, 1e-6)(case, steps, name)
    if by_network(case):
        return allowed
    return max(allowed, float(np.finfo(case.dtype).eps) * int(case.param("steps")))


def fine_levels(case: Case) -> int:
    """The levels that the solver computes on."""
    return LEVELS * int(case.param("parts"))


def named(params: Mapping[str, Value]) -> str:
    """The network, or the solver's levels and steps; and where columns come from."""
    if params["method"] == "solver":
        chosen = f"solver, {LEVELS * int(params['parts'])} levels, {params['steps']} steps"
    else:
        network = choice_of(params)
        chosen = f"{network}" + ("" if network.density < 1.0 or network.rank else ", dense")
        chosen += "" if params["products"] == "dtype" else f", products in {params['products']}"
    return chosen if params["feed"] == "memory" else f"feed={params['feed']} {chosen}"


def fed(case: Case) -> tuple[str, tuple[str, ...]]:
    mode = str(case.param("feed"))
    return mode, () if mode == "memory" else ("temperature",)


FEEDS = ("memory", "sync", "prefetch")
DENSITIES = tuple(sorted({choice.density for choice in networks.SHIPPED}, reverse=True))
FEATURES = tuple(sorted({choice.features for choice in networks.SHIPPED}))
NETWORK = ("weights", "bias", "starts", "columns", "plan")

KERNEL = Kernel(
    name="emulator",
    title="a network in the place of vertical mixing: dense, sparse or of low rank",
    fields=("temperature", "after"),
    results=("after",),
    functions=(
        Function(
            "forward",
            ("temperature", "after", "flux", *NETWORK),
            ("interval",),
            ("layers", "widest"),
        ),
        Function(
            "solve",
            ("temperature", "after", "flux"),
            ints=("parts", "steps"),
            reals=("stable", "unstable", "cooling"),
        ),
    ),
    sizes={
        "tiny": (LEVELS, 8, 10),
        "small": (LEVELS, 64, 64),
        "medium": (LEVELS, 512, 512),
        "large": (LEVELS, 1024, 1024),
    },
    params={
        "method": Param(
            "network", "or the solver that it replaces", choices=("network", "solver"), shown=True
        ),
        "layers": Param(2, "hidden layers", choices=(1, 2)),
        "features": Param(128, "of each hidden layer", choices=FEATURES, shown=True),
        "density": Param(1.0, "share of the weights that is kept", choices=DENSITIES, shown=True),
        "mask": Param("ticket", "which are kept", choices=("ticket", "random")),
        "rank": Param(0, "of the middle matrix; 0 is full", choices=(0, 16, 32)),
        "stride": Param(1, "an output every so many levels", choices=(1, 2, 4)),
        "products": Param(
            "dtype",
            "weights and activations as the fields, or in float16 with sums as the fields",
            choices=("dtype", "float16"),
            shown=True,
        ),
        "feed": Param(
            "memory",
            "the columns come from memory, or in batches from a file",
            choices=FEEDS,
            shown=True,
        ),
        "parts": Param(1, "method=solver: its levels for each of the grid's", low=1, high=4),
        "steps": Param(128, "method=solver: its steps in the interval", low=1),
    },
    initial=initial,
    tables=tables,
    named=named,
    fed=fed,
    more=more,
    step=step,
    work=work,
    checks=Checks(
        reference=agreement,
        mostly=Mostly(rounding, share_of_others),
        sampled=Sampled(f"the truth of up to {SAMPLED} columns", squares, largest_error),
        conserved=Conserved(heat, kept_heat, gained=lost),
    ),
    periodic=lambda case: (False, True, True),
    whole=(0,),
    require=require,
    ends_at=ends_at,
    quick="small",
    frontier=Frontier(
        until=INTERVAL,
        shapes=((LEVELS, 64, 64),),
        result="after",
        choices=(
            *(
                {"method": "network", **dataclasses.asdict(choice), "products": "dtype"}
                for choice in networks.SHIPPED
            ),
            {"method": "network", **dataclasses.asdict(Choice(2, 128)), "products": "float16"},
            *({"method": "solver", "parts": 1, "steps": steps} for steps in (8, 16, 32, 128)),
            *({"method": "solver", "parts": 2, "steps": steps} for steps in (20, 24, 32)),
        ),
    ),
)
