"""One point of the matrix, and the settings it is measured under."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

Value = int | float | str
Shape = tuple[int, ...]
Place = tuple[str, int]
"""("core", the number of cores) or ("gpu", the number of ranks, each with a GPU)."""
DTYPES = ("float64", "float32")
GPU_EXCHANGES = ("auto", "device", "host")
WAITS = ("default", "active", "passive")
TUNED = "tuned"
"""The variant of a source that is named by kernel and language alone: `heat_numba.py`."""


class Backend(NamedTuple):
    """What computes a case: a bridge, its device, and the variant of the sources it reads there."""

    bridge: str
    device: str
    variant: str = TUNED

    @property
    def name(self) -> str:
        """What a user gives: `numba`, `occa:openmp` where it is not the processor at large,
        `numba/plain` where it is not the tuned variant."""
        place = self.bridge if self.device == "cpu" else f"{self.bridge}:{self.device}"
        return place if self.variant == TUNED else f"{place}/{self.variant}"


@dataclass(frozen=True)
class Case:
    """One point of the matrix, hashable, the key of a record."""

    kernel: str
    """What is computed."""
    bridge: str
    """How Python reaches the runtime that computes it."""
    device: str
    """Where the runtime computes: `cpu`, `openmp`, `cuda`, ..."""
    size: str | None
    """The name of the shape, where it was asked for by name."""
    shape: Shape
    """Cells of the whole grid, slowest axis first (`[z][y][x]`), halo not included."""
    dtype: str
    """`float64` or `float32`."""
    ranks: int = 1
    """MPI ranks."""
    threads: int = 1
    """Threads a rank."""
    params: tuple[tuple[str, Value], ...] = ()
    """The kernel's parameters, sorted by name and complete: defaults are filled in."""
    on_gpu: bool = False
    """Whether an NVIDIA GPU computes, one a rank, instead of the processor's cores."""
    power_limit_w: float | None = None
    """The power limit set for it, W, of each processor package or GPU; null: as it was."""
    clock_mhz: float | None = None
    """The clock set for it, MHz: the processor's highest, or a GPU's; null: as it was."""
    wait: str = "default"
    """How threads and ranks wait for each other: `active` (they spin), `passive` (they sleep), or
    by `default` as each runtime does. A single thread waits for nobody: `default`."""
    variant: str = TUNED
    """Which of a kernel's sources for the bridge: `tuned`, `plain` (as from the paper), ..."""
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Cases key per-step caches: hash once, not at every step.
        key = (self.kernel, self.bridge, self.device, self.shape, self.dtype, self.params)
        more = (self.ranks, self.threads, self.wait, self.variant)
        object.__setattr__(self, "_hash", hash((key, more)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def backend(self) -> str:
        return Backend(self.bridge, self.device, self.variant).name

    @property
    def cores(self) -> int:
        return self.ranks * self.threads

    @property
    def place(self) -> Place:
        """What its speed is held against: cases of one place share their ceilings."""
        return ("gpu", self.ranks) if self.on_gpu else ("core", self.cores)

    @property
    def cap(self) -> str:
        """The limits set for it, in words: `at 150 W`; empty where none was."""
        limits = ((self.power_limit_w, "W"), (self.clock_mhz, "MHz"))
        known = " ".join(f"{value:g} {unit}" for value, unit in limits if value is not None)
        return f"at {known}" if known else ""

    @property
    def label(self) -> str:
        shape = "x".join(map(str, self.shape))
        params = " ".join(f"{k}={v}" for k, v in self.params)
        where = f"{self.ranks}r x {self.threads}t{self.waiting}"
        parts = [self.kernel, self.backend, shape, self.dtype, where, params, self.cap]
        return " ".join(filter(None, parts))

    @property
    def waiting(self) -> str:
        """What a label says of how it waits, with a blank before it; nothing for the default."""
        return "" if self.wait == "default" else f" {self.wait}"

    def param(self, name: str) -> Any:
        for key, value in self.params:
            if key == name:
                return value
        raise KeyError(name)

    def with_params(self, **changed: Value) -> Case:
        """The same case with other values of some of its parameters."""
        return replace(self, params=tuple(sorted((dict(self.params) | changed).items())))

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        del data["_hash"]
        if self.variant == TUNED:  # as in the first versions' records, whose ids stay what they are
            del data["variant"]
        return data | {"shape": list(self.shape), "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Case:
        return cls(
            kernel=data["kernel"],
            bridge=data["bridge"],
            device=data["device"],
            size=data.get("size"),
            shape=tuple(data["shape"]),
            dtype=data["dtype"],
            ranks=data.get("ranks", 1),
            threads=data.get("threads", 1),
            params=tuple(sorted(data.get("params", {}).items())),
            # Records of the first versions do not say it: there it was the device's name.
            on_gpu=data.get("on_gpu", data["device"] == "cuda"),
            power_limit_w=data.get("power_limit_w"),
            clock_mhz=data.get("clock_mhz"),
            wait=data.get("wait", "default"),
            variant=data.get("variant", TUNED),
        )


def count_of(place: Place) -> str:
    """A place in words: 2 cores, 1 GPU."""
    kind, count = place
    noun = {"core": "core", "gpu": "GPU"}[kind]
    return f"{count} {noun}" + ("s" if count > 1 else "")


@dataclass(frozen=True)
class Settings:
    """How a case is measured."""

    window_s: float = 0.5
    """The least length of one sample, s."""
    repeats: int = 9
    """The number of samples."""
    timeout_s: float = 600.0
    """Ends a case that hangs, s."""
    cold: bool = False
    """Whether every runtime starts with empty caches."""
    overlap: bool | None = None
    """Whether to compute while halos travel; null: what is faster, timed before the windows."""
    energy_tolerance: float = 0.02
    """The relative error (one sigma) up to which joules are given."""
    profile: str | None = None
    """The machine profile of the estimate where there is no meter; null: what fits."""
    carbon: str | None = None
    """A grid's intensity, g/kWh, or a site's file."""
    oversubscribe: bool = False
    """Whether more threads than hardware threads, or than a CPU quota, are allowed."""
    decompose: tuple[int, ...] | None = None
    """Ranks per axis, slowest first; null: the least surface."""
    launcher: str = "auto"
    """What starts the ranks."""
    gpu_exchange: str = "auto"
    """Where ranks on GPUs put their messages: in `device` memory, in pinned `host` buffers, or as
    MPI takes (`auto`)."""
    until: float | None = None
    """An end time to which the problem is solved as well, and its error recorded."""
    machine: str | None = None
    """What the user calls the machine; null: its hardware names it."""
    joules: bool = True
    """Whether meters are read, for which windows are as long as these need."""

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        if self.joules:  # as in the first versions' records, whose ids stay what they are
            del data["joules"]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Settings:
        parts = data.get("decompose")
        known = {field.name for field in fields(cls)}  # a newer joulia may have more
        given = {name: value for name, value in data.items() if name in known}
        return cls(**given | {"decompose": tuple(parts) if parts else None})


def digest(*parts: Any) -> str:
    """A short, stable name for JSON-like data."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
