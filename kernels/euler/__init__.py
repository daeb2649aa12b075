"""euler: dq/dt + div f(q) = 0 with q = (rho, rho v1, rho v2, rho v3, E).

The compressible Euler equations by a nodal discontinuous Galerkin method (DGSEM), and with a
viscosity those of Navier and Stokes; cells are elements with (p + 1)^3 Legendre-Gauss-Lobatto
nodes; see README.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case, Value
from joulia.checks import Checks, Conserved, Exact, within
from joulia.errors import JouliaError
from joulia.grid import Layout, Tile
from joulia.kernel import Exchange, Frontier, Function, Halo, Kernel, More, Param, Work
from joulia.kernels.euler import lgl, viscous
from joulia.kernels.euler.states import GAMMA, REFERENCE, STATES, Point, State

COMPONENTS = ("rho", "rho_u", "rho_v", "rho_w", "E")

RK_A = (
    0.0,
    -567301805773 / 1357537059087,
    -2404267990393 / 2016746695238,
    -3550918686646 / 2091501179385,
    -1275806237668 / 842570457699,
)
RK_B = (
    1432997174477 / 9575080441755,
    5161836677717 / 13612068292357,
    1720146321549 / 2090206949498,
    3134564353537 / 4481467310338,
    2277821191437 / 14882151754819,
)
"""Carpenter and Kennedy (1994): five-stage fourth-order Runge-Kutta in two registers."""

STAGES = len(RK_A)


# ---- geometry --------------------------------------------------------------------------------


def state(case: Case) -> State:
    return STATES[case.param("state")]


def spacing(case: Case) -> tuple[float, ...]:
    """The sides (dz, dy, dx) of an element."""
    return tuple(state(case).length / n for n in case.shape)


def points(case: Case, start: tuple[int, ...], stop: tuple[int, ...], p: int) -> Point:
    """Coordinates (x, y, z) of the nodes of degree p in elements start <= index < stop.

    Each has six axes, [z][y][k][j][i][x], of which two are longer than one.
    """
    nodes, _ = lgl.rule(p)
    cube = state(case)
    coordinates = []
    for axis, (side, a, b) in enumerate(zip(spacing(case), start, stop, strict=True)):
        # Elements beyond the edge are the periodic ones: the same numbers to the last bit.
        index = np.arange(a, b) % case.shape[axis]
        grid = (
            cube.centre - 0.5 * cube.length + side * (index[:, None] + 0.5 * (1.0 + nodes[None, :]))
        )
        shape = [1] * 6
        element = (0, 1, 5)[axis]
        shape[element], shape[2 + axis] = b - a, p + 1
        coordinates.append((grid.T if element == 5 else grid).reshape(shape))
    return coordinates[::-1]


@cache
def time_step(case: Case) -> float:
    """dt as given, or CFL / ((p + 1) max sum_d (|v_d| + c) / dx_d) over the initial state.

    With viscosity, 1 / dt has 1 / (CFL `longest`) on top. With an end time, shortened so that a
    whole number of steps ends there.
    """
    dt: float = case.param("dt")
    if not dt:
        inverse = [1.0 / side for side in spacing(case)[::-1]]
        rate = state(case).rate(inverse, case.param("plane"))
        dt = case.param("cfl") / ((case.param("p") + 1) * rate)
        if viscous.viscosity(case):
            dt = 1.0 / (1.0 / dt + 1.0 / (case.param("cfl") * longest(case)))
    end = case.param("t_end")
    return end / math.ceil(end / dt - 1e-9) if end else dt


def longest(case: Case) -> float:
    """The longest time step with which viscosity damps every wave; infinite without any."""
    inverse = [1.0 / side for side in spacing(case)]
    rate = viscous.rate(case, inverse, state(case).thinnest)
    return viscous.damped(RK_A, RK_B) / rate if rate else math.inf


def require(case: Case) -> None:
    """Raise JouliaError where viscosity and the time step do not fit."""
    if viscous.viscosity(case):
        viscous.require(case, time_step(case), longest(case))


def ends_at(case: Case, until: float) -> tuple[Case, int]:
    """The case that ends at `until`, and its steps."""
    ending = case.with_params(t_end=until)
    return ending, round(until / time_step(ending))


# ---- the state -------------------------------------------------------------------------------


def conserved(rho: Host, v1: Host, v2: Host, v3: Host, p: Host) -> dict[str, Host]:
    energy = p / (GAMMA - 1.0) + 0.5 * rho * (v1 * v1 + v2 * v2 + v3 * v3)
    return dict(zip(COMPONENTS, (rho, rho * v1, rho * v2, rho * v3, energy), strict=True))


def pressure(fields: Mapping[str, Host]) -> Host:
    rho, m1, m2, m3, energy = (fields[name].astype(np.float64) for name in COMPONENTS)
    p: Host = (GAMMA - 1.0) * (energy - 0.5 * (m1 * m1 + m2 * m2 + m3 * m3) / rho)
    return p


def at(
    case: Case, time: float, start: tuple[int, ...], stop: tuple[int, ...], p: int
) -> dict[str, Host]:
    """Conserved variables at the nodes of degree p in elements start <= index < stop."""
    point = points(case, start, stop, p)
    full = np.broadcast_shapes(*(x.shape for x in point))
    primitive = state(case).at(point, time, case.param("plane"), viscous.viscosity(case))
    return conserved(*(np.broadcast_to(x, full) for x in primitive))


def pack(components: Mapping[str, Host]) -> Host:
    """One array with the component axis where the layout has it."""
    return np.stack([components[name] for name in COMPONENTS], axis=2)


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    h = tile.halo
    start = tuple(a - h for a in tile.start)
    stop = tuple(b + h for b in tile.stop)
    q = pack(at(case, 0.0, start, stop, case.param("p")))
    return {"q": q, "k": np.zeros_like(q)}


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """The exact solution at the nodes; none where the state has none."""
    return exact_at(case, steps, tile, case.param("p"))


def exact_at(case: Case, steps: int, tile: Tile, p: int) -> dict[str, Host]:
    solved = state(case).viscous if viscous.viscosity(case) else state(case).exact
    if not solved:
        return {}
    return at(case, steps * time_step(case), tile.start, tile.stop, p)


def quadrature(p: int) -> Host:
    """Weights of the nodes [k][j][i] of an element, of unit sum, shaped for [z][y][k][j][i][x]."""
    _, w = lgl.rule(p)
    weights: Host = (w[:, None, None] * w[:, None] * w / 8.0)[..., None]
    return weights


def l2_error(case: Case, steps: int, tile: Tile, fields: Mapping[str, Host]) -> dict[str, float]:
    """The L2 error of each component over the square root of the volume.

    Integrated with the rule of degree 2p, so that the error between the nodes counts.
    """
    p = case.param("p")
    refine = lgl.interpolation(p, 2 * p)
    solution = exact_at(case, steps, tile, 2 * p)
    if not solution:
        raise JouliaError(
            f"euler has no exact answer for state={case.param('state')}"
            + (" with viscosity" if viscous.viscosity(case) else "")
        )
    errors = {}
    for name in COMPONENTS:
        fine = fields[name].astype(np.float64)
        for axis in (2, 3, 4):
            fine = np.moveaxis(np.tensordot(refine, fine, (1, axis)), 0, axis)
        square = quadrature(2 * p) * (fine - solution[name]) ** 2
        errors[name] = math.sqrt(float(np.sum(square)) / math.prod(tile.shape))
    return errors


def totals(case: Case, tile: Tile, fields: Mapping[str, Host]) -> dict[str, float]:
    """Integrals over the tile: mass, momentum, energy."""
    volume = math.prod(spacing(case))
    weights = volume * quadrature(case.param("p"))
    return {name: float(np.sum(weights * fields[name], dtype=np.float64)) for name in COMPONENTS}


def kinetic_energy(case: Case, tile: Tile, fields: Mapping[str, Host]) -> float:
    """The tile's part of the mean of rho |v|^2 / 2 over the cube."""
    rho, *momenta = (fields[name].astype(np.float64) for name in COMPONENTS[:4])
    energy = sum(m * m for m in momenta) / (2.0 * rho)
    return float(np.sum(quadrature(case.param("p")) * energy)) / math.prod(case.shape)


def published_energy(case: Case, time: float) -> float | None:
    """The mean kinetic energy of the Taylor-Green vortex at Re 1600, where it is published."""
    same = case.param("state") == "taylor_green" and math.isclose(
        viscous.viscosity(case), 1.0 / 1600.0
    )
    return REFERENCE.get(time) if same else None


def inadmissible(case: Case, tile: Tile, fields: Mapping[str, Host]) -> str | None:
    """The first element of the tile where density or pressure is not positive, or None."""
    with np.errstate(all="ignore"):
        density_and_pressure = {"rho": fields["rho"], "p": pressure(fields)}
    for name, values in density_and_pressure.items():
        good = values > 0.0  # false for what is not a number
        if not good.all():
            z, y, *_, x = at = tuple(int(i) for i in np.argwhere(~good)[0])
            element = tuple(i + a for i, a in zip((z, y, x), tile.start, strict=True))
            return f"{name} is {float(values[at]):.3g} in element {element} (z, y, x)"
    return None


# ---- the method ------------------------------------------------------------------------------


def layout(case: Case) -> Layout:
    return Layout(COMPONENTS, case.param("p") + 1)


@cache
def constants(case: Case) -> dict[str, Value]:
    """What every source is compiled for.

    `volume` is the matrix V[i, l], row by row: minus `lgl.derivative_weak`, for sum_l V_il f_l of
    the fluxes at nodes, or minus `lgl.derivative_split`, for sum_l V_il f#_il of two-point fluxes.
    `lift` is 1 / w_0. Only with viscosity there is `slope`.
    """
    p = case.param("p")
    _, w = lgl.rule(p)
    split = case.param("form") == "split"
    volume = -lgl.derivative_split(p) if split else -lgl.derivative_weak(p)
    viscous_only = {"slope": viscous.slope(p)} if viscous.viscosity(case) else {}
    return viscous_only | {
        "nodes": p + 1,
        "split": int(split),
        "volume": ", ".join(repr(float(v)) for v in volume.ravel()),
        "lift": float(1.0 / w[0]),
        "lanes": 32 // np.dtype(case.dtype).itemsize,
    }


@cache
def stages(case: Case) -> list[tuple[float, ...]]:
    """The arguments (a, b, cx, cy, cz) of the five stages, with c_d = 2 dt / dx_d."""
    scales = [2.0 * time_step(case) / side for side in spacing(case)[::-1]]
    return [(a, b, *scales) for a, b in zip(RK_A, RK_B, strict=True)]


def more(case: Case) -> More | None:
    return viscous.more(STAGES) if viscous.viscosity(case) else None


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    if viscous.viscosity(case):
        return viscous_step(ops, fields, exchange, case)
    q, k, out = fields["q"], fields["k"], fields["out"]
    for reals in stages(case):
        for box in exchange(q):
            ops.stage(box, q, k, out, *reals)
        q, out = out, q
    return {"q": q, "k": k, "out": out}


@cache
def viscous_reals(case: Case) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The arguments (mu, kappa, 1 / dx_d) of the fluxes, and dt / dx_d of their divergence."""
    inverse = [1.0 / side for side in spacing(case)[::-1]]
    scales = tuple(time_step(case) * i for i in inverse)
    return (viscous.viscosity(case), viscous.conductivity(case), *inverse), scales


def viscous_step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    """In each stage the fluxes, of the gradients of q, travel as well."""
    q, k, out = fields["q"], fields["k"], fields["out"]
    fluxes = [fields[name] for name in viscous.FLUXES]
    gradients, scales = viscous_reals(case)
    for reals in stages(case):
        for box in exchange(q):
            ops.viscous_flux(box, q, *fluxes, *gradients)
            ops.stage(box, q, k, out, *reals)
        for box in exchange(*fluxes):
            ops.viscous(box, *fluxes, k, out, reals[1], *scales)
        q, out = out, q
    return {**fields, "q": q, "k": k, "out": out}


def updates(case: Case) -> float:
    """Updates of a node in a stage."""
    return float(STAGES * math.prod(case.shape) * (case.param("p") + 1) ** 3)


def flops_a_node(n: int, form: str) -> float:
    """The least flops of a node and stage with n nodes a line; divisions and roots count 1.

    README.md counts them. Each face's flux counts once for its two elements.
    """
    weak = 7 + 5 * (2 * n - 1) + 10  # a flux, the sum over the line, added to the node
    split = (n - 1) / 2 * (28 + 2 * 10)  # two-point fluxes, each added to its two nodes
    volume = split if form == "split" else weak
    primitives, rusanov, added, update = 12, 55, 10, 20
    return primitives + 3 * volume + 3 / n * (rusanov + 2 * added) + update


def work(case: Case) -> Work:
    """A node reads and writes q and k, 20 values, and reads its share of six neighbouring faces."""
    n = case.param("p") + 1
    item = np.dtype(case.dtype).itemsize
    values, flops = 20 + 30 / n, flops_a_node(n, case.param("form"))
    if viscous.viscosity(case):
        values += viscous.values_a_node(n)
        flops += viscous.flops_a_node(n)
    return Work(values * item * updates(case), flops * updates(case))


KERNEL = Kernel(
    name="euler",
    title="compressible Euler, nodal discontinuous Galerkin",
    fields=("q", "k", "out"),
    results=("q",),
    functions=(Function("stage", ("q", "k", "out"), reals=("a", "b", "cx", "cy", "cz")),),
    sizes={
        "tiny": (4, 3, 2),
        "small": (12, 12, 12),
        "medium": (24, 24, 24),
        "large": (64, 64, 64),
    },
    params={
        "p": Param(3, "polynomial degree", low=1, high=15, shown=True),
        "form": Param("weak", "volume integral", choices=("weak", "split"), shown=True),
        "state": Param("vortex", "initial state", choices=tuple(STATES)),
        "plane": Param("xy", "plane of the vortex", choices=("xy", "yz", "zx")),
        "cfl": Param(0.5, "dt (p + 1) max sum_d (|v_d| + c) / dx_d", low=1e-12, high=4.0),
        "dt": Param(0.0, "time step, 0 for the one that cfl sets", low=0.0),
        "t_end": Param(0.0, "end time that a whole number of steps reaches, 0 for none", low=0.0),
        **viscous.PARAMS,
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=within(1e-13, 1e-5),
        # The scheme converges to the exact solution: it serves for error norms, not for a check.
        exact=Exact(exact, l2=l2_error),
        conserved=Conserved(totals, within(1e-13, 1e-5)),
        vectors=(("rho_u", "rho_v", "rho_w"),),
        inadmissible=inadmissible,
    ),
    halo=Halo(1, exchanges=STAGES),
    layout=layout,
    constants=constants,
    require=require,
    more=more,
    ends_at=ends_at,
    frontier=Frontier(
        until=0.5,
        shapes=((1, 8, 8), (1, 16, 16), (1, 32, 32)),
        result="rho",
        sweep={"p": (2, 3, 5)},
        figure="kinetic energy",
        published=published_energy,
        part=kinetic_energy,
    ),
    updates=updates,
    quick="small",
)
