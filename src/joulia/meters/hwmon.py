"""Power sensors of Linux' hwmon: NVIDIA Grace, ACPI power meters and others.

On Grace and Grace Hopper `powerN_oem_info` names the sensor: `Module Power Socket n` includes
`Grace Power Socket n`, which includes `CPU Power Socket n` and `SysIO Power Socket n`. One level is
counted. An ACPI power meter without a name measures the node. Other sensors are rails of unknown
nesting: shown, never added up.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from joulia.meters import Base, Clock, Domain, Missing, domain_id
from joulia.meters._files import nothing, state
from joulia.meters._sampled import ProcessSampler, Reader, Sampled, Sampling
from joulia.meters.occ import HWMON, power_reader
from joulia.system.files import text

SYSTEMATIC_REL = 0.05
"""NVIDIA and ACPI state no bound; the order of magnitude found for NVML is assumed."""
PERIOD_S = 0.1
ELSEWHERE = ("ibmpowernv", "amdgpu", "nouveau", "nvme", "BAT", "amd_energy", "ucsi", "iwlwifi")
"""Drivers that another meter reads, or whose figures are not a node's power."""
LEVELS = (
    (r"Module Power Socket (\d+)", "module"),
    (r"Grace Power Socket (\d+)", "package"),
    (r"(?:CPU|SysIO) Power Socket (\d+)", "part"),
)


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """All power sensors of the node as one meter."""
    files: dict[str, Path] = {}
    domains: dict[str, Domain] = {}
    lost: dict[str, str] = {}
    for folder in sorted((root / HWMON).glob("hwmon*"), key=_number):
        driver = text(folder / "name") or folder.name
        if driver.startswith(ELSEWHERE):
            continue
        for file in power_files(folder):
            name, kind = identify(file, driver)
            if name in files:
                name = f"{name} ({folder.name})"
            if (how := state(file)) != "found":
                lost[name] = how
                continue
            files[name] = file
            # How often an average is refreshed is not told: once an interval at least.
            domains[name] = Domain(
                kind, period_s(file), 1e-6, SYSTEMATIC_REL, average_s=average_s(file)
            )
    if not files:
        if lost:
            how = next(iter(lost.values()))
            raise Missing(
                how, f"power sensors ({', '.join(lost)})", "an administrator can give read access"
            )
        raise nothing(root, "no power sensor (hwmon)", "most machines have none")
    nodes = [name for name, domain in domains.items() if domain.kind == "node"]
    if len(nodes) > 1:
        # Two meters that both claim the node: which lies in which is not known.
        domains |= {name: replace(domains[name], kind="part") for name in nodes}
    names = {name: str(path) for name, path in files.items()}
    reader = Reader(power_reader(names), "joulia.meters.occ:power_reader", [names])
    meter = Sampled(
        domain_id(root, "hwmon"),
        domains,
        sampling(reader, min(d.period_s for d in domains.values()), clock),
    )
    kinds = {domain.kind for domain in domains.values()}
    meter.not_covered = ("power supply loss",) + (() if "node" in kinds else ("network card",))
    return [meter]


def _number(folder: Path) -> int:
    return int(re.sub(r"\D", "", folder.name) or "0")


def power_files(folder: Path) -> list[Path]:
    """One file a sensor: the average where there is one, else the momentary value."""
    files = {}
    for suffix in ("input", "average"):
        for file in folder.glob(f"power*_{suffix}"):
            files[int(re.sub(r"\D", "", file.name))] = file
    return [files[number] for number in sorted(files)]


def identify(file: Path, driver: str) -> tuple[str, str]:
    """A sensor's name, and what it covers."""
    stem = file.name.partition("_")[0]
    label = text(file.with_name(f"{stem}_oem_info")) or text(file.with_name(f"{stem}_label"))
    if label:
        kind = next((kind for pattern, kind in LEVELS if re.fullmatch(pattern, label)), "part")
        return label, kind
    return f"{driver} {stem}", "node" if driver == "power_meter" else "part"


def period_s(file: Path) -> float:
    """The averaging interval that the sensor tells (ms), else 0.1 s."""
    interval = text(file.with_name(file.name.partition("_")[0] + "_average_interval"))
    return max(0.001, int(interval) * 1e-3) if interval and interval.isdigit() else PERIOD_S


def average_s(file: Path) -> float:
    """How long the figure is an average over; 0 for a momentary one."""
    return period_s(file) if file.name.endswith("_average") else 0.0
