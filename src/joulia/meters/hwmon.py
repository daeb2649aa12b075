"""Power sensors of Linux' hwmon: NVIDIA Grace, ACPI power meters and others.

Where a driver puts its files depends on how it registers: in `hwmonN/`, or, as the kernel's
`acpi_power_meter` long did, in `hwmonN/device/`. On Grace and Grace Hopper `powerN_oem_info` names
the sensor: `Module Power Socket n` includes `Grace Power Socket n`, which includes `CPU Power
Socket n` and `SysIO Power Socket n`. One level is counted. An ACPI power meter without such a name
measures the node: it tells a mean over seconds or minutes, and its own accuracy. Other sensors are
rails of unknown nesting: shown, never added up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Base, Clock, Domain, Missing, domain_id
from joulia.meters._files import nothing, number, state
from joulia.meters._sampled import ProcessSampler, Sampled, Sampling
from joulia.meters.occ import HWMON, files_reader
from joulia.system.files import text

SYSTEMATIC_REL = 0.05
"""NVIDIA states no bound; the order of magnitude found for NVML is assumed."""
PERIOD_S = 0.1
MOST_SAMPLED_S = 1.0
"""A mean over minutes is read this often all the same: it may be refreshed within them."""
ACPI = "power_meter"
"""The name that the driver acpi_power_meter gives; it holds ACPI000D devices."""
UNKNOWN_UW = 0xFFFF_FFFF * 1000
"""ACPI's integer for "not known", in milliwatts, as the driver passes it on: 4.29 MW."""
WHOLE = ("Meter measures total domain",)
"""What the firmware of Intel's Node Manager writes into `power1_oem_info` of the node's meter."""
LEAST_ACCURACY = 0.8
"""Below it a stated accuracy is taken for not stated: firmware exists that leaves it at 0."""
ELSEWHERE = ("ibmpowernv", "amdgpu", "nouveau", "nvme", "BAT", "amd_energy", "ucsi", "iwlwifi")
"""Drivers that another meter reads, or whose figures are not a node's power."""
LEVELS = (
    (r"Module Power Socket (\d+)", "module"),
    (r"Grace Power Socket (\d+)", "package"),
    (r"(?:CPU|SysIO) Power Socket (\d+)", "part"),
)


@dataclass(frozen=True)
class Sensor:
    """A power file, and what it is called and covers."""

    file: Path
    name: str
    domain: Domain
    acpi: bool


def microwatts(file: Path) -> int:
    power = number(file)
    if power == UNKNOWN_UW:
        raise Unavailable(f"{file} tells 4.29 MW: ACPI's sign for not known")
    return power


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """All power sensors of the node as one meter."""
    sensors: dict[str, Sensor] = {}
    lost: dict[str, Missing] = {}
    for folder in folders(root):
        for sensor in sensors_of(folder):
            name = f"{sensor.name} ({folder.name})" if sensor.name in sensors else sensor.name
            if trouble := trouble_of(sensor):
                lost[name] = trouble
            else:
                sensors[name] = sensor
    if not sensors:
        raise absent(root, lost)
    domains = {name: sensor.domain for name, sensor in sensors.items()}
    nodes = [name for name, domain in domains.items() if domain.kind == "node"]
    if len(nodes) > 1:
        # Two meters that both claim the node: which lies in which is not known.
        domains |= {name: replace(domains[name], kind="part") for name in nodes}
    files = {name: str(sensor.file) for name, sensor in sensors.items()}
    most_w = {name: MOST_WATTS[domain.kind] for name, domain in domains.items()}
    reader = files_reader(files, most_w)
    every_s = min(MOST_SAMPLED_S, *(domain.period_s for domain in domains.values()))
    meter = Sampled(domain_id(root, "hwmon"), domains, sampling(reader, every_s, clock))
    kinds = {domain.kind for domain in domains.values()}
    meter.not_covered = ("power supply loss",) + (() if "node" in kinds else ("network card",))
    meter.not_covered += tuple(trouble.reason for trouble in lost.values())
    return [meter]


def folders(root: Path) -> list[Path]:
    """The folders of hwmon by number."""
    return sorted((root / HWMON).glob("hwmon*"), key=lambda folder: numbered(folder.name))


def numbered(name: str) -> int:
    return int(re.sub(r"\D", "", name) or "0")


def attribute(folder: Path, name: str) -> str | None:
    """An attribute's text, in `hwmonN` or in `hwmonN/device`."""
    own = text(folder / name)
    return own if own is not None else text(folder / "device" / name)


def sensors_of(folder: Path) -> Iterator[Sensor]:
    """The power sensors of one hwmon device."""
    driver = attribute(folder, "name") or folder.name
    if driver.startswith(ELSEWHERE):
        return
    for file in power_files(folder) or power_files(folder / "device"):
        stem = file.name.partition("_")[0]
        label = attribute(folder, f"{stem}_oem_info") or attribute(folder, f"{stem}_label")
        level = next((kind for pattern, kind in LEVELS if re.fullmatch(pattern, label or "")), None)
        acpi = driver == ACPI
        kind = level or ("node" if acpi and measures_node(folder, stem, label) else "part")
        name = label if label and kind != "node" else f"{driver} {stem}"
        every_s = period_s(folder, stem)
        # How often an average is refreshed is not told: once an interval at least.
        average_s = every_s if file.name.endswith("_average") else 0.0
        domain = Domain(kind, every_s, 1e-6, systematic_rel(folder, stem), average_s=average_s)
        yield Sensor(file, name, domain, acpi)


def power_files(folder: Path) -> list[Path]:
    """One file a sensor: the average where there is one, else the momentary value."""
    files = {}
    for suffix in ("input", "average"):
        for file in folder.glob(f"power*_{suffix}"):
            files[numbered(file.name)] = file
    return [files[number] for number in sorted(files)]


def measures_node(folder: Path, stem: str, label: str | None) -> bool:
    """Whether an ACPI meter without one of Grace's names is the node's.

    It is where it has no name, one that says so, or `measures/` (ACPI's _PMD) holds the root of the
    system's devices; and never where it says that it watches a battery.
    """
    if attribute(folder, f"{stem}_is_battery") == "1":
        return False
    if not label or label in WHOLE:
        return True
    return any((folder / "device/measures").glob("LNXSYBUS:*"))


def period_s(folder: Path, stem: str) -> float:
    """The averaging interval that the sensor tells (ms), else 0.1 s."""
    interval = attribute(folder, f"{stem}_average_interval")
    return max(0.001, int(interval) * 1e-3) if interval and interval.isdigit() else PERIOD_S


def systematic_rel(folder: Path, stem: str) -> float:
    """The gain error that the sensor's stated accuracy leaves, else what is assumed.

    acpi_power_meter prints thousandths of a per cent as `%u.%u%%`, without zeros between: 95.5 %
    is `95.500%`, and `95.5%` is 95.005 %.
    """
    stated = re.fullmatch(r"(\d+)\.(\d{1,3})%", attribute(folder, f"{stem}_accuracy") or "")
    if stated is None:
        return SYSTEMATIC_REL
    accuracy = (int(stated[1]) + int(stated[2]) * 1e-3) * 1e-2
    return 1.0 - accuracy if LEAST_ACCURACY <= accuracy < 1.0 else SYSTEMATIC_REL


def trouble_of(sensor: Sensor) -> Missing | None:
    """Why a sensor that is there tells nothing; None where it does."""
    if (how := state(sensor.file)) != "found":
        return Missing(how, sensor.name, "an administrator can give read access")
    try:
        power = microwatts(sensor.file)
    except Unavailable as error:
        return Missing("absent", f"{sensor.name}: {error.reason}", "ask for newer firmware")
    if sensor.acpi and power == 0:
        return Missing("absent", f"{sensor.name} tells 0 W", "ask for newer firmware")
    return None


def absent(root: Path, lost: dict[str, Missing]) -> Missing:
    if not lost:
        return nothing(root, "no power sensor (hwmon)", "most machines have none")
    worst = next((m for m in lost.values() if m.state != "absent"), next(iter(lost.values())))
    if worst.state == "absent":
        return worst
    return Missing(worst.state, f"power sensors ({', '.join(lost)})", worst.remedy)
