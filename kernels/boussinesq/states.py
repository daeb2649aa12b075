"""Initial flows on the C-grid of a box: u, v, w on west, south and bottom faces, b at centres."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from joulia.arrays import Host
from joulia.case import Case
from joulia.grid import Tile

PI = math.pi
PLANES = {"xy": ("x", "y", "z"), "yz": ("y", "z", "x"), "zx": ("z", "x", "y")}
"""The axes of a vortex's plane, and the third."""
VELOCITY = {"x": "u", "y": "v", "z": "w"}
Flow = dict[str, Host]


def lengths(case: Case) -> tuple[float, float, float]:
    """(lz, ly, lx) of the box."""
    return float(case.param("lz")), float(case.param("ly")), float(case.param("lx"))


def spacing(case: Case) -> tuple[float, float, float]:
    """(dz, dy, dx)."""
    dz, dy, dx = (length / n for length, n in zip(lengths(case), case.shape, strict=True))
    return dz, dy, dx


@dataclass(frozen=True)
class Places:
    """Where the values of cells start <= i < stop lie: z, y and x, faces first, then centres."""

    case: Case
    tile: Tile
    stop: tuple[int, ...]
    start: tuple[int, ...]

    def at(self, name: str) -> dict[str, Host]:
        """z, y, x of a field: on the lower faces along its own axis, else at centres."""
        axes = {}
        for axis, (key, a, b, n, h) in enumerate(
            zip("zyx", self.start, self.stop, self.case.shape, spacing(self.case), strict=True)
        ):
            i = np.arange(a, b)
            # Beyond a wall coordinates go on; around a periodic axis they begin anew.
            i = i % n if self.tile.periodic[axis] else i
            place = h * (i + (0.0 if VELOCITY[key] == name else 0.5))
            axes[key] = np.expand_dims(place, tuple(d for d in range(3) if d != axis))
        return axes


def padded(case: Case, tile: Tile) -> Places:
    start = tuple(a - tile.halo for a in tile.start)
    stop = tuple(b + tile.halo for b in tile.stop)
    return Places(case, tile, stop, start)


def owned(case: Case, tile: Tile) -> Places:
    return Places(case, tile, tile.stop, tile.start)


def zeros(places: Places) -> Flow:
    shape = tuple(b - a for a, b in zip(places.start, places.stop, strict=True))
    return {name: np.zeros(shape) for name in "uvwb"}


def waves(case: Case, key: str, count: float = 1.0) -> float:
    """The wave number of that many waves along an axis of the box."""
    length = dict(zip("zyx", lengths(case), strict=True))[key]
    return 2.0 * PI * count / length


# ---- starts ----------------------------------------------------------------------------------


def billow(places: Places) -> Flow:
    """A stratified shear layer that rolls up: Kelvin and Helmholtz's instability.

    The velocities are differences of a stream function at the edges, so that they are free of
    divergence on the grid; `bend` shifts its crests along x from row to row.
    """
    case, flow = places.case, zeros(places)
    lz, _, lx = lengths(case)
    dz, _, dx = spacing(case)
    thickness = 0.05 * lz

    def psi(x: Host, y: Host, z: Host) -> Host:
        crest = 2.0 * PI * x / lx + float(case.param("bend")) * np.sin(waves(case, "y") * y)
        wave: Host = 0.05 / (2.0 * PI) * np.sin(PI * z / lz) * np.cos(crest)
        return wave

    for name in "ub":
        at = places.at(name)
        flow[name] += (0.5 if name == "u" else 0.1) * np.tanh((at["z"] - 0.5 * lz) / thickness)
    u, w = places.at("u"), places.at("w")
    z = u["z"]
    flow["u"] += (psi(u["x"], u["y"], z + 0.5 * dz) - psi(u["x"], u["y"], z - 0.5 * dz)) / dz
    x = w["x"]
    flow["w"] -= (psi(x + 0.5 * dx, w["y"], w["z"]) - psi(x - 0.5 * dx, w["y"], w["z"])) / dx
    return flow


def plume(places: Places) -> Flow:
    """A warm ball at rest near the bottom."""
    case, flow = places.case, zeros(places)
    at = places.at("b")
    lz, ly, lx = lengths(case)
    where = (at["x"] - 0.5 * lx) ** 2 + (at["y"] - 0.5 * ly) ** 2 + (at["z"] - 0.2 * lz) ** 2
    flow["b"] += np.exp(-where / (0.08 * lz) ** 2)
    return flow


def vortex(places: Places, time: float = 0.0) -> Flow:
    """Taylor's vortices in a plane, carried by a mean flow `drift` (1, 1/2, 1/4 along i, j, k).

    Without it the decay is the scheme's own, and exact; with it, that of the equations.
    """
    case, flow = places.case, zeros(places)
    i, j, k = PLANES[str(case.param("plane"))]
    drift = float(case.param("drift"))
    ki, kj = waves(case, i), waves(case, j)
    nu = float(case.param("nu"))
    decay = math.exp(-nu * (ki**2 + kj**2) * time)
    for key, share in ((i, 1.0), (j, 0.5), (k, 0.25)):
        flow[VELOCITY[key]] += drift * share
    for key, sign in ((i, 1.0), (j, -1.0)):
        at = places.at(VELOCITY[key])
        a, b = ki * (at[i] - drift * time), kj * (at[j] - 0.5 * drift * time)
        shape = np.sin(a) * np.cos(b) if key == i else np.cos(a) * np.sin(b)
        flow[VELOCITY[key]] += sign * decay * shape
    return flow


def wave(places: Places, growth: complex = 1.0) -> Flow:
    """An inertia-gravity wave, a mode of the scheme's linear terms; `growth` multiplies it."""
    case, flow = places.case, zeros(places)
    amplitude, f = float(case.param("amplitude")), float(case.param("f"))
    n2, walls = float(case.param("N2")), case.param("z") == "walls"
    mode = wave_mode(case)
    kh, kz = math.hypot(mode.kx, mode.ky), mode.kz
    coriolis = f * mode.cx * mode.cy
    along = -(kz / kh) * amplitude
    across = -(coriolis * kz / (kh * mode.omega)) * amplitude

    def phases(name: str) -> tuple[Host, Host]:
        """cos and sin at a field's places, of the wave minus its mirror's where there are walls."""
        at = places.at(name)
        flat = waves(case, "x") * at["x"] + waves(case, "y") * at["y"]
        m = waves(case, "z", 1.5 if walls else 2.0)
        full = growth * np.exp(1j * (flat + m * at["z"]))
        if walls:  # of the mirrored wave kz has the other sign, and so have u and v
            sign = -1.0 if name in "wb" else 1.0
            full = full + sign * growth * np.exp(1j * (flat - m * at["z"]))
        return full.real, full.imag

    for name, x, y in (("u", mode.kx, -mode.ky), ("v", mode.ky, mode.kx)):
        cos, sin = phases(name)
        flow[name] += along * x / kh * cos + across * y / kh * sin
    cos, _ = phases("w")
    flow["w"] += amplitude * cos
    _, sin = phases("b")
    flow["b"] += amplitude * n2 * mode.cz / mode.omega * sin
    return flow


@dataclass(frozen=True)
class Mode:
    """The difference operators' factors of a wave, and its frequency."""

    kx: float
    ky: float
    kz: float
    cx: float
    cy: float
    cz: float
    omega: float


def wave_mode(case: Case) -> Mode:
    dz, dy, dx = spacing(case)
    walls = case.param("z") == "walls"
    k = [waves(case, "x"), waves(case, "y"), waves(case, "z", 1.5 if walls else 2.0)]
    kx, ky, kz = (2.0 * math.sin(a * h / 2.0) / h for a, h in zip(k, (dx, dy, dz), strict=True))
    cx, cy, cz = (math.cos(a * h / 2.0) for a, h in zip(k, (dx, dy, dz), strict=True))
    kh2, coriolis = kx**2 + ky**2, float(case.param("f")) * cx * cy
    omega2 = (float(case.param("N2")) * cz**2 * kh2 + coriolis**2 * kz**2) / (kh2 + kz**2)
    return Mode(kx, ky, kz, cx, cy, cz, math.sqrt(omega2))


def tg3(places: Places) -> Flow:
    """Taylor and Green's vortices of the whole box."""
    case, flow = places.case, zeros(places)
    m = waves(case, "z", 0.5 if case.param("z") == "walls" else 1.0)
    for name, sign in (("u", 1.0), ("v", -1.0)):
        at = places.at(name)
        x, y = waves(case, "x") * at["x"], waves(case, "y") * at["y"]
        shape = np.sin(x) * np.cos(y) if name == "u" else np.cos(x) * np.sin(y)
        flow[name] += sign * shape * np.cos(m * at["z"])
    return flow


def shears(places: Places) -> Flow:
    """Shears along every axis: each velocity depends on the other two."""
    case, flow = places.case, zeros(places)
    walls = case.param("z") == "walls"
    m = 0.5 if walls else 1.0
    kx, ky, kz = waves(case, "x"), waves(case, "y"), waves(case, "z", m)
    u, v, w = (places.at(name) for name in "uvw")
    flow["u"] += np.sin(kz * u["z"]) + np.cos(2.0 * ky * u["y"] + 0.3)
    flow["v"] += np.sin(kx * v["x"] + 0.2) + np.cos(2.0 * kz * v["z"])
    if not walls:
        flow["w"] += np.sin(ky * w["y"]) + np.cos(2.0 * kx * w["x"] + 0.1)
    return flow


def modes(places: Places) -> Flow:
    """Modes of diffusion between walls, each of its own field."""
    case, flow = places.case, zeros(places)
    for name, count in (("u", 0.5), ("v", 1.0), ("b", 1.5)):
        flow[name] += np.cos(waves(case, "z", count) * places.at(name)["z"])
    return flow


STARTS: dict[str, Callable[[Places], Flow]] = {
    "billow": billow,
    "plume": plume,
    "vortex": vortex,
    "wave": wave,
    "tg3": tg3,
    "shears": shears,
    "modes": modes,
}


def fastest(case: Case) -> tuple[float, float, float]:
    """Bounds of |w|, |v| and |u| at the start, or of what the start soon becomes."""
    start, drift = case.param("start"), abs(float(case.param("drift")))
    lz, _, lx = lengths(case)
    if start == "vortex":
        speed = dict(zip(PLANES[str(case.param("plane"))], (1.0, 0.5, 0.25), strict=True))
        third = PLANES[str(case.param("plane"))][2]
        w, v, u = (drift * speed[key] + (0.0 if key == third else 1.0) for key in "zyx")
        return w, v, u
    if start == "wave":
        mode = wave_mode(case)
        a = (2.0 if case.param("z") == "walls" else 1.0) * abs(float(case.param("amplitude")))
        flat = a * mode.kz / math.hypot(mode.kx, mode.ky) * math.sqrt(2.0)
        return a, flat, flat
    if start == "plume":
        rise = math.sqrt(0.4 * lz)
        return rise, 0.5 * rise, 0.5 * rise
    if start == "billow":
        return 0.3, 0.3, 0.5 + 0.025 / lz + 0.1 * (lz / lx)
    if start == "shears":
        return (0.0 if case.param("z") == "walls" else 2.0), 2.0, 2.0
    return 0.25, 1.0, 1.0
