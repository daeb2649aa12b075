"""hwmon as Linux' drivers show it: ACPI power meters and Intel GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trees import node, put


def acpi_meter(
    root: Path,
    files: Mapping[str, object],
    *,
    microwatts: int = 250_000_000,
    number: int = 1,
    device: bool = True,
) -> Path:
    """An ACPI power meter (ACPI000D) as Linux' drivers/hwmon/acpi_power_meter.c shows it.

    Its files belong to the ACPI device, which `hwmonN/device` links to: they are those of the
    listing in lm-sensors issue 460. `files` replaces their contents. A driver that registers with
    hwmon_device_register_with_info() has them in `hwmonN` itself (not `device`).
    """
    own = {
        "name": "power_meter",
        "power1_accuracy": "95.500%",
        "power1_average": microwatts,
        "power1_average_interval": 1000,
        "power1_average_interval_max": 300_000,
        "power1_average_interval_min": 1000,
        "power1_is_battery": 0,
        "power1_model_number": "",
        "power1_oem_info": "",
        "power1_serial_number": "",
    }
    folder = root / f"sys/class/hwmon/hwmon{number}"
    put(folder / "device" if device else folder, {**own, **files})
    return node(root)


def intel_gpu(root: Path, bus_id: str, number: int, files: Mapping[str, object]) -> Path:
    """A hwmon device of an Intel GPU; names and files as the kernel's ABI documents of xe and i915.

    Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon and sysfs-driver-intel-i915-hwmon:
    `hwmonN/device` links to the PCI device.
    """
    device = root / "sys/devices/pci0000:00" / bus_id
    device.mkdir(parents=True, exist_ok=True)
    folder = root / f"sys/class/hwmon/hwmon{number}"
    put(folder, files)
    (folder / "device").symlink_to(device)
    return node(root)
