"""boussinesq: incompressible Boussinesq flow on a C-grid, a pressure projection in each stage."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from joulia.arrays import Arrays, Host
from joulia.case import Case
from joulia.checks import Checks, Conserved, Exact, Vanishing, within
from joulia.errors import JouliaError
from joulia.grid import Tile
from joulia.kernel import Exchange, Function, Halo, Kernel, Param, Picture, Work, by_dt
from joulia.kernels import _multigrid as mg
from joulia.kernels import _rk3 as rk3
from joulia.kernels.boussinesq import states
from joulia.kernels.boussinesq.schemes import SCHEMES

CFL_LIMIT = 1.0
STAGES = 3
HALO = 3
STATE = ("u", "v", "w", "b")


# ---- a time step -----------------------------------------------------------------------------


def rate(case: Case) -> float:
    """sum_d |u_d| / h_d + 2 max(nu, kappa) sum_d 1 / h_d^2, in 1/s: over 1 / dt the CFL number."""
    per_length = [1.0 / h for h in states.spacing(case)]
    speeds = (0.0,) * 3 if case.param("advection") == "none" else states.fastest(case)
    carried = sum(u * p for u, p in zip(speeds, per_length, strict=True))
    diffusivity = max(float(case.param("nu")), float(case.param("kappa")))
    return carried + 2.0 * diffusivity * sum(p * p for p in per_length)


def oscillation(case: Case) -> float:
    """The larger of the frequencies N and |f|."""
    return max(math.sqrt(float(case.param("N2"))), abs(float(case.param("f"))))


@cache
def time_step(case: Case) -> float:
    """dt of the parameters: given, or what `cfl` allows."""
    given, cfl = float(case.param("dt")), float(case.param("cfl"))
    return given or cfl / max(rate(case), oscillation(case))


@cache
def physics(case: Case) -> tuple[float, ...]:
    """1/dx, 1/dy, 1/dz, nu, kappa, f, N2."""
    per_length = [1.0 / h for h in reversed(states.spacing(case))]
    return (*per_length, *(float(case.param(name)) for name in ("nu", "kappa", "f", "N2")))


@cache
def stages(case: Case) -> tuple[tuple[float, float, float], ...]:
    """(first, second, gain) of each stage: U* = first A + second B + gain G(U).

    Because zeta of the third stage is -gamma of the second, and projections are linear, Le and
    Moin's stages (see `joulia.kernels._rk3`) are U1 = P(U0 + g1 G(U0)), W = U1 - r (U1 - U0),
    U2 = P(W + g2 G(U1)), U3 = P(W + g3 G(U2)) with r = 17/32: W needs no projection of its own, and
    no tendency is kept.
    """
    dt = time_step(case)
    back = -rk3.HISTORY
    return (
        (1.0, 0.0, rk3.FIRST * dt),
        (1.0 - back, back, rk3.SECOND * dt),
        (1.0 - back, back, rk3.THIRD * dt),
    )


def step(ops: Any, fields: Arrays, exchange: Exchange, case: Case) -> Arrays:
    """One time step of three stages, each predicted and then made free of divergence."""
    zero, one, two = ([fields[name + stage] for name in STATE] for stage in ("", "1", "2"))
    bottom, top = mg.walls(exchange.tile)
    # Of each stage: the state that is differentiated, and where the new one goes.
    for (first, second, gain), now, new in zip(
        stages(case), (zero, one, two), (one, two, zero), strict=True
    ):
        base = zero if now is zero else one
        for box in exchange(*now):
            numbers = (bottom, top, *physics(case), first, second, gain)
            ops.predict(box, *now, *base, *zero, *new, *numbers)
        make_solenoidal(ops, fields, exchange, case, new[:3], gain)
    return fields


def make_solenoidal(
    ops: Any, fields: Arrays, exchange: Exchange, case: Case, flow: list[Any], gain: float
) -> None:
    """Take the gradient of `gain` p from the velocities, with lap p = div / gain."""
    p, q, rhs = fields["p"], fields["q"], fields["rhs"]
    per_length = physics(case)[:3]
    thin = exchange.thin
    for box in thin(*flow):
        ops.divergence(box, *flow, rhs, *(-per / gain for per in per_length))
    for _ in range(int(case.param("cycles"))):
        mg.cycle(ops, thin, levels(case), p, q, rhs)
    bottom, _ = mg.walls(exchange.tile)
    for box in thin(p):
        ops.project(box, p, *flow, bottom, *(gain * per for per in per_length))


def levels(case: Case) -> tuple[mg.Stage, ...]:
    """All levels of the pressure's equation, -lap p = -div / gain."""
    return mg.hierarchy(case.shape, states.lengths(case), case.param("z") == "periodic")


# ---- fields ----------------------------------------------------------------------------------


def initial(case: Case, tile: Tile) -> dict[str, Host]:
    """The flow on the padded tile; p is a first guess.

    w is zero on walls and beyond them, in every array: nothing writes there.
    """
    flow = states.STARTS[str(case.param("start"))](states.padded(case, tile))
    bottom, top = mg.walls(tile)
    planes = np.arange(tile.padded[0])
    beyond = (planes < bottom) | (planes >= top)
    for name in "uvb":
        flow[name][beyond] = np.nan
    flow["w"][beyond | (planes == bottom)] = 0.0
    blank = np.where(beyond[:, None, None], 0.0, np.full(tile.padded, np.nan))
    return {**flow, "p": np.zeros(tile.padded), "w1": blank, "w2": blank.copy()}


def exact(case: Case, steps: int, tile: Tile) -> dict[str, Host]:
    """What the scheme itself makes of a vortex at rest, a wave, or modes between walls."""
    dt, start = time_step(case), case.param("start")
    places = states.owned(case, tile)
    if start == "vortex" and not case.param("drift"):
        return decayed_vortex(case, places, steps, dt)
    if start == "wave" and case.param("advection") == "none":
        mode = states.wave_mode(case)
        k2 = mode.kx**2 + mode.ky**2 + mode.kz**2
        q = (-1j * mode.omega - float(case.param("nu")) * k2) * dt
        same = case.param("nu") == case.param("kappa")
        walled = case.param("z") == "walls" and case.param("nu")
        return states.wave(places, runge_kutta(q) ** steps) if same and not walled else {}
    return {}


def runge_kutta(q: complex) -> complex:
    """What a step multiplies a mode by whose rate times dt is q."""
    return 1.0 + q + q * q / 2.0 + q**3 / 6.0


def exact_tolerance(case: Case, steps: int, name: str) -> float:
    """What the solver leaves adds up in the velocities, and rounding."""
    return 10.0 * left_over(case) + float(np.finfo(case.dtype).eps) * steps


def decayed_vortex(case: Case, places: states.Places, steps: int, dt: float) -> dict[str, Host]:
    """Advection is balanced by pressure where both axes of the plane have the same spacing."""
    i, j, _ = states.PLANES[str(case.param("plane"))]
    h = dict(zip("zyx", states.spacing(case), strict=True))
    still = not (case.param("N2") or case.param("f"))
    if not still or abs(h[i] - h[j]) > 1e-12 * h[i] or case.param("advection") == "weno5":
        return {}
    k2 = sum((2.0 * math.sin(states.waves(case, a) * h[a] / 2.0) / h[a]) ** 2 for a in (i, j))
    factor = runge_kutta(-float(case.param("nu")) * k2 * dt).real ** steps
    return {name: factor * values for name, values in states.vortex(places).items()}


# ---- checks ----------------------------------------------------------------------------------


def inner(tile: Tile, field: Host) -> Host:
    """A tile's own cells of a padded array, in float64."""
    own: Host = np.asarray(field, np.float64)[(slice(tile.halo, -tile.halo),) * 3]
    return own


def totals(case: Case, tile: Tile, fields: Any) -> dict[str, float]:
    """What the flow keeps: momentum where nothing turns it, b, and the sum of both energies.

    Kinetic energy alone changes with what buoyancy does, b^2 / (2 N2) or, between walls, b (lz - z)
    balance that; without either there is no energy to be held to. All sums are over cells.
    """
    own = {name: np.asarray(fields[name], np.float64) for name in STATE}
    kept: dict[str, float] = {}
    if not case.param("f"):
        kept |= {name: float(own[name].sum()) for name in "uv"}
    n2, walled = float(case.param("N2")), case.param("z") == "walls"
    if walled or not n2:
        kept["b"] = float(own["b"].sum())
    kinetic = sum(float(np.square(own[name]).sum()) for name in "uvw") / 2.0
    if n2:
        kept["energy"] = kinetic + float(np.square(own["b"]).sum()) / (2.0 * n2)
    elif walled:
        depth = states.lengths(case)[0] - states.owned(case, tile).at("b")["z"]
        kept["energy"] = kinetic + float((own["b"] * depth).sum())
    return kept


LEFT = {1: 1e-3, 2: 1e-4, 3: 2e-5}
"""Of a velocity, what so many cycles leave at most; each further one leaves a fifth of that."""


def left_over(case: Case) -> float:
    """What the solver may leave of the divergence: relative to the velocity, times a cell."""
    cycles = int(case.param("cycles"))
    rounding = 1e-12 if case.dtype == "float64" else 1e-4
    return LEFT.get(cycles, 2e-5 * 0.2 ** (cycles - 3)) + rounding


def total_tolerance(case: Case, steps: int, total: str) -> float:
    """Sums of u, v and b hold but for rounding, and b's for the divergence that is left under N2.

    Energy may fall by what viscosity, diffusion and upwind values take, and RK3 takes
    (omega dt)^4 / 12 a step from what goes round with omega, at most 1 / dt by the CFL number.
    """
    eps = float(np.finfo(case.dtype).eps)
    rounding = (1e-13 if case.dtype == "float64" else 2e-6) + eps * steps
    if total in "uv" or (total == "b" and not case.param("N2")):
        return rounding
    left = rounding + left_over(case) * steps * time_step(case)
    if total == "b":
        return left
    if case.param("advection") == "weno5":
        return 1.0
    spread = max(float(case.param("nu")), float(case.param("kappa")))
    finest = sum(4.0 / h**2 for h in states.spacing(case))
    lost = 1.0 - math.exp(-2.0 * spread * finest * steps * time_step(case))
    return left + lost + steps * (time_step(case) * rate(case)) ** 4 / 12.0


def divergence(case: Case, tile: Tile, fields: Any) -> dict[str, tuple[float, float]]:
    """The largest divergence times the finest spacing, and the largest velocity."""
    flow = {name: np.asarray(fields[name], np.float64) for name in "uvw"}
    total = sum(
        np.diff(flow[name], axis=axis)[tuple(slice(tile.halo, tile.halo + n) for n in tile.shape)]
        / h
        for name, axis, h in zip("wvu", range(3), states.spacing(case), strict=True)
    )
    largest = max(float(np.max(np.abs(inner(tile, f)))) for f in flow.values())
    return {"divergence": (float(np.max(np.abs(total))) * min(states.spacing(case)), largest)}


def work(case: Case) -> Work:
    cells = math.prod(case.shape)
    item = np.dtype(case.dtype).itemsize
    cycles = float(case.param("cycles"))
    values = 4.0 * rk3.VALUES / STAGES + 4.0 + 7.0 + 15.75 * cycles
    flops = {"centred": 142.0, "weno5": 947.0, "none": 89.0}[str(case.param("advection"))]
    return Work(values * item * STAGES * cells, (flops + 73.0 * cycles) * STAGES * cells)


def require(case: Case) -> None:
    mg.require("boussinesq", levels(case))
    dt = time_step(case)
    cfl = dt * rate(case)
    if cfl > CFL_LIMIT * (1.0 + 1e-12):
        raise JouliaError(
            f"boussinesq is not run at a CFL number of {cfl:g} "
            f"(dt (sum |u|/h + 2 max(nu, kappa) sum 1/h^2)). Allowed: up to {CFL_LIMIT:g}"
        )
    if dt * oscillation(case) > 1.0 + 1e-12:
        raise JouliaError(
            f"boussinesq is not run with dt max(N, |f|) of {dt * oscillation(case):g}. "
            "Allowed: up to 1"
        )
    require_walls(case)


def require_walls(case: Case) -> None:
    """Raise JouliaError where a start does not fit the ends of the z axis."""
    start, walled = case.param("start"), case.param("z") == "walls"
    if walled and start == "vortex" and (case.param("plane") != "xy" or case.param("drift")):
        raise JouliaError(
            "w does not vanish at the walls: start=vortex with z=walls needs plane=xy and drift=0. "
            "Allowed: z=periodic, or those"
        )
    if not walled and start in ("modes", "billow", "plume"):
        raise JouliaError(f"start={start} lies between walls. Allowed: z=walls, or another start")


KERNEL = Kernel(
    name="boussinesq",
    title="Boussinesq flow on a C-grid with a pressure projection, RK3",
    fields=(*STATE, "p", "q", "rhs", *(name + stage for stage in "12" for name in STATE)),
    results=STATE,
    functions=(
        Function(
            "predict",
            (*STATE, *(f"{name}1" for name in STATE), *STATE, *(f"{name}2" for name in STATE)),
            ints=("bottom", "top"),
            reals=("idx", "idy", "idz", "nu", "kappa", "f", "N2", "first", "second", "gain"),
        ),
        Function("divergence", ("u1", "v1", "w1", "rhs"), reals=("sx", "sy", "sz")),
        Function("project", ("p", "u1", "v1", "w1"), ints=("bottom",), reals=("gx", "gy", "gz")),
    ),
    sizes={
        "tiny": (16, 12, 8),
        "small": (64, 64, 64),
        "medium": (192, 192, 192),
        "large": (384, 384, 384),
    },
    params={
        "start": Param("billow", "the initial flow", choices=tuple(states.STARTS)),
        "advection": Param(
            "centred", "how the velocities carry", choices=tuple(SCHEMES), shown=True
        ),
        "cycles": Param(3, "V-cycles of the pressure in a stage", low=1, high=40),
        "z": Param("walls", "the z axis", choices=("walls", "periodic")),
        "lx": Param(1.0, "length of the box along x, m", low=1e-12),
        "ly": Param(1.0, "length of the box along y, m", low=1e-12),
        "lz": Param(1.0, "length of the box along z, m", low=1e-12),
        "nu": Param(2e-4, "viscosity, m2/s", low=0.0),
        "kappa": Param(2e-4, "diffusivity, m2/s", low=0.0),
        "f": Param(0.1, "Coriolis parameter, 1/s"),
        "N2": Param(0.1, "stratification: the square of the buoyancy frequency, 1/s2", low=0.0),
        "bend": Param(0.5, "bend of the billow's crests along y"),
        "plane": Param("xy", "of the vortex", choices=tuple(states.PLANES)),
        "drift": Param(0.0, "mean flow that carries the vortex, m/s"),
        "amplitude": Param(1.0, "of the wave's w, m/s"),
        "cfl": Param(0.4, "dt (sum |u|/h + 2 max(nu, kappa) sum 1/h^2)", low=1e-12, high=CFL_LIMIT),
        "dt": Param(0.0, "time step in s; 0: from cfl", low=0.0),
    },
    initial=initial,
    step=step,
    work=work,
    checks=Checks(
        reference=within(1e-13, 1e-5),
        exact=Exact(exact, exact_tolerance),
        conserved=Conserved(totals, total_tolerance),
        vanishing=Vanishing(divergence, lambda case, steps, name: left_over(case)),
        vectors=(("u", "v", "w"),),
    ),
    halo=Halo(HALO, exchanges=STAGES, corners=True),
    uses=("poisson",),
    align=lambda case: mg.units(levels(case)),
    levels=lambda case: mg.coarser(levels(case)),
    level_fields=mg.FIELDS,
    kept=lambda case: ("p",),
    periodic=lambda case: (case.param("z") == "periodic", True, True),
    constants=lambda case: {
        "single": int(case.dtype == "float32"),
        "advection": SCHEMES[str(case.param("advection"))],
    },
    require=require,
    ends_at=by_dt(time_step),
    picture=Picture({"N2": 0.0, "f": 0.0, "bend": 0.0}, until=4.0, field="b", upright=True),
    quick="small",
)
