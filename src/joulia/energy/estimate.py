"""The energy-roofline estimate for machines without a meter: never measured, never mixed with it.

E = P_static t + e_flop flops + e_byte bytes (Choi, Bedard, Fowler, Vuduc, A Roofline Model of
Energy, IPDPS 2013), with the coefficients of a named machine profile. Static power is the share of
the physical cores that this machine has of those that the profile describes. Nothing exceeds the
stated thermal design power.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulia.case import Case
from joulia.errors import JouliaError, suggest
from joulia.kernel import Work
from joulia.records.parts import DeclaredWork, Estimate
from joulia.system.files import text
from joulia.system.toml import one_of, positive, read_toml, words

FOLDER = Path(__file__).parent / "profiles"
MODEL = "energy-roofline"
LAPTOPS = {"8", "9", "10", "14", "31", "32"}
"""Chassis types of portable computers (DMTF SMBIOS, System Enclosure)."""
DEFAULTS = {"x86_64": "x86-server", "AMD64": "x86-server", "ppc64le": "power9-ac922"}
"""Profiles by architecture, for processors that none is made for."""
SINGLE = 0.5
"""A flop in fp32 over one in fp64; assumed, as half the bits."""


@dataclass(frozen=True)
class Range:
    low: float
    typical: float
    high: float
    source: str


@dataclass(frozen=True)
class Profile:
    """A machine's figures, each with its source. Watts, joules; `cores` that they are for."""

    name: str
    title: str
    kind: str
    cores: int
    tdp_w: float
    tdp_source: str
    static_w: Range
    byte_j: Range
    flop_j: Range
    match: str | None = None
    """What the processor's name has in it (a regular expression)."""
    vendor: str | None = None
    """The same of the machine's maker; unknown makers are empty text."""

    def fits(self, cpu: str, vendor: str) -> bool:
        """Whether it describes a processor of this name in a machine of this maker."""
        if self.match is None or not re.search(self.match, cpu):
            return False
        return self.vendor is None or re.search(self.vendor, vendor) is not None


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    """The profile of a name, or of a file. JouliaError in one line where it is not one."""
    path = FOLDER / f"{name}.toml"
    if name not in names():
        path = Path(name)
        if path.suffix != ".toml":
            raise suggest("profile", name, [*names(), "a .toml file"])
    data = read_toml(path)
    return Profile(
        name=words(data, "name", path),
        title=words(data, "title", path),
        kind=one_of(data, "kind", ("cpu", "gpu"), path),
        cores=int(positive(data, "cores", path)),
        tdp_w=positive(_table(data, "tdp_w", path), "value", path, "tdp_w."),
        tdp_source=words(_table(data, "tdp_w", path), "source", path, "tdp_w."),
        static_w=_range(data, "static_w", path),
        byte_j=_range(data, "byte_j", path),
        flop_j=_range(data, "flop_j", path),
        match=_pattern(data, "match", path),
        vendor=_pattern(data, "vendor", path),
    )


def _pattern(data: dict[str, Any], key: str, path: Path) -> str | None:
    value = data.get(key)
    try:
        return None if value is None else re.compile(value).pattern
    except (TypeError, re.error):
        raise JouliaError(f"{path}: {key} = {value!r}. Allowed: a regular expression") from None


def _table(data: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise JouliaError(f"{path}: [{key}] is missing. Allowed: its figures and their source")
    words(value, "source", path, f"{key}.")
    return value


def _range(data: dict[str, Any], key: str, path: Path) -> Range:
    table = _table(data, key, path)
    low, typical, high = (
        positive(table, part, path, f"{key}.") for part in ("low", "typical", "high")
    )
    if not low <= typical <= high:
        raise JouliaError(f"{path}: {key} is not ordered. Allowed: low <= typical <= high")
    return Range(low, typical, high, table["source"])


def choose(case: Case, cpu: str, arch: str, root: Path = Path("/")) -> Profile | None:
    """The profile of this machine's processor; None where none fits, or where a GPU computes."""
    if case.on_gpu:
        return None
    identity = root / "sys/class/dmi/id"
    if text(identity / "chassis_type") in LAPTOPS:
        return load("laptop")
    vendor = text(identity / "sys_vendor") or ""
    # Under emulation the system's files name the host's processor.
    foreign = {name for name in DEFAULTS.values() if name != DEFAULTS.get(arch)}
    for name in names():
        profile = load(name)
        if name not in foreign and profile.fits(cpu, vendor):
            return profile
    return load(DEFAULTS[arch]) if arch in DEFAULTS else None


def estimate(
    profile: Profile, seconds: float, work: Work | DeclaredWork, dtype: str, units: int
) -> Estimate:
    """The record's `energy_estimate`: joules a step with their range, and what they stand on.

    `units` are the physical cores of all nodes, or the GPUs where the profile is of one. A part of
    a socket may draw the whole socket's power, several sockets theirs.
    """
    share = units / profile.cores
    most_w = profile.tdp_w * max(1.0, share)
    flop = SINGLE if dtype == "float32" else 1.0

    def joules(part: str) -> float:
        modelled = (
            getattr(profile.static_w, part) * share * seconds
            + getattr(profile.flop_j, part) * flop * work.flops
            + getattr(profile.byte_j, part) * work.bytes
        )
        return float(min(modelled, most_w * seconds))

    return Estimate(
        model=MODEL,
        profile=profile.name,
        title=profile.title,
        unit="J/step",
        median=joules("typical"),
        low=joules("low"),
        high=joules("high"),
        static_share=share,
        most_w=most_w,
        sources={
            "tdp_w": profile.tdp_source,
            "static_w": profile.static_w.source,
            "byte_j": profile.byte_j.source,
            "flop_j": profile.flop_j.source,
        },
    )
