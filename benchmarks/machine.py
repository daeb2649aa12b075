"""Tell asv about this machine: `python -m benchmarks.machine`, once, before the first `asv run`.

Every key that may ever matter is there from the first day, since a key that appears later splits
every series. The kernel's release is not among them: an update of the system is no new machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
from pathlib import Path

NONE = "none"


def describe(root: Path = Path("/")) -> dict[str, str]:
    """All keys, as text; `none` for what the machine does not have or does not tell."""
    from joulia.system import machine

    facts = machine.describe()
    return {
        "machine": socket.gethostname(),
        "os": platform.system(),
        "arch": platform.machine(),
        "cpu": facts.cpu,
        "num_cpu": str(os.cpu_count()),
        "ram": str(facts.memory_bytes),
        "cpu_power_cap_w": cpu_power_cap(root),
        **gpu(),
    }


def cpu_power_cap(root: Path) -> str:
    """The long-term limit of the first package in watts."""
    limit = root / "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw"
    try:
        return f"{int(limit.read_text()) / 1e6:g}"
    except (OSError, ValueError):
        return NONE


def gpu() -> dict[str, str]:
    """Name, number, driver and power limit of NVIDIA's devices."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return dict.fromkeys(("gpu", "gpu_driver", "gpu_power_cap_w"), NONE)
    handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    caps = set()
    for handle in handles:
        try:
            caps.add(f"{pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1e3:g}")
        except pynvml.NVMLError:
            caps.add(NONE)
    names = sorted({pynvml.nvmlDeviceGetName(handle) for handle in handles})
    return {
        "gpu": f"{len(handles)} x {', '.join(names)}" if handles else NONE,
        "gpu_driver": pynvml.nvmlSystemGetDriverVersion(),
        "gpu_power_cap_w": ", ".join(sorted(caps)) or NONE,
    }


def main() -> None:
    from asv.machine import MachineCollection

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", help="how results name this machine (its host name)")
    name = parser.parse_args().name
    facts = describe()
    if name:
        facts["machine"] = name
    MachineCollection.save(facts["machine"], facts)
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))


if __name__ == "__main__":
    main()
