"""Reading the kernel's one-number files, and telling apart the ways in which they are not there."""

from __future__ import annotations

import os
from pathlib import Path

from joulia.errors import Unavailable
from joulia.meters import Missing
from joulia.system.files import text


def number(path: Path) -> int:
    """The number in a file. Raises Unavailable: a failed read is never 0."""
    # Samplers do this all the time: the plain system calls cost a sixth of Path.read_text.
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            content = os.read(descriptor, 64)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    try:
        return int(content)
    except ValueError:
        decoded = content.decode(errors="replace").strip()
        raise Unavailable(f"{path} holds {decoded!r} instead of a number") from None


def state(path: Path) -> str:
    """`found`, `absent`, `unreadable`, or `masked` where a link leads to nothing or to a device.

    A container runtime hides /sys/devices/virtual/powercap behind an empty file system, which
    leaves the links in /sys/class dangling; others put /dev/null over single files.
    """
    if path.is_symlink() and not path.exists():
        return "masked"
    try:
        with path.open("rb") as file:
            file.read(1)
    except PermissionError:
        return "unreadable"
    except FileNotFoundError:
        return "masked" if path.parent.is_symlink() and not path.parent.exists() else "absent"
    except OSError:
        return "unreadable"
    return "masked" if path.is_char_device() else "found"


def in_container(root: Path) -> bool:
    """Whether this is inside a container, as its runtime leaves traces of."""
    if any((root / trace).exists() for trace in (".dockerenv", "run/.containerenv")):
        return True
    groups = text(root / "proc/1/cgroup") or ""
    return any(word in groups for word in ("docker", "kubepods", "libpod", "lxc", "containerd"))


def in_virtual_machine(root: Path) -> bool:
    """Whether the processor says that a hypervisor is below."""
    flags = text(root / "proc/cpuinfo") or ""
    return " hypervisor" in flags or (root / "sys/hypervisor/type").exists()


def nothing(root: Path, what: str, remedy: str) -> Missing:
    """The error for hardware that is not there, with the likely cause."""
    if in_virtual_machine(root):
        return Missing(
            "absent",
            f"{what} in this virtual machine",
            "hypervisors hand out no energy counters: measure on the bare machine",
        )
    return Missing("absent", what, remedy)
