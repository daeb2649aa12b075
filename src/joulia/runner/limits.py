"""Limits that the hardware keeps, read, set and put back: powercap's, cpufreq's, NVML's.

A setting is a number in the unit of who keeps it: microwatts and kilohertz in the kernel's files,
milliwatts and megahertz in NVML. Before a limit is changed, a process of its own holds the old
values (`joulia.runner.limits_guard`), in memory and in a file: it puts them back when its parent
ends, however that ends, and where it could not, the next joulia does (`recover`).
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from joulia import meters
from joulia.errors import Unavailable
from joulia.system.files import number
from joulia.system.locks import locked
from joulia.system.places import cache_dir

FILE, GPU_POWER, GPU_CLOCK = "file", "power limit", "clock"
UNLOCKED = 0
"""The value of a GPU's clock that is not locked. NVML does not tell whether one was before."""


@dataclass(frozen=True)
class Setting:
    """A limit's value and who keeps it: `where` is a file, or the UUID of a GPU."""

    kind: str
    where: str
    value: int

    @property
    def name(self) -> str:
        return self.where if self.kind == FILE else f"the {self.kind} of {self.where}"


class Refused(Unavailable):
    """A limit that this user may not set, with the administrator's remedy."""


# ---- one setting ---------------------------------------------------------------------------


def present(setting: Setting, library: Any = None) -> int | None:
    """The value that holds now; None where nobody tells."""
    if setting.kind == FILE:
        value = number(Path(setting.where))
        return None if value is None else round(value)
    if setting.kind == GPU_CLOCK:
        return None
    from joulia.meters import nvml

    library = library or nvml_library()
    try:
        handle = nvml.handle_of(library, setting.where)
        return int(library.nvmlDeviceGetPowerManagementLimit(handle))
    except library.NVMLError:
        return None


def put(setting: Setting, library: Any = None) -> None:
    """Set a limit. Raises Refused where this user may not, Unavailable where it fails."""
    if setting.kind == FILE:
        _put_file(setting)
        return
    from joulia.meters import nvml

    library = library or nvml_library()
    try:
        handle = nvml.handle_of(library, setting.where)
        if setting.kind == GPU_POWER:
            library.nvmlDeviceSetPowerManagementLimit(handle, setting.value)
        elif setting.value == UNLOCKED:
            library.nvmlDeviceResetGpuLockedClocks(handle)
        else:
            library.nvmlDeviceSetGpuLockedClocks(handle, setting.value, setting.value)
    except library.NVMLError as error:
        if "ermission" not in str(error):
            raise Unavailable(f"NVML, {setting.name}: {error}") from None
        option = "-pl WATTS" if setting.kind == GPU_POWER else "-lgc MHZ"
        raise Refused(
            f"NVML: {error}: only root may set {setting.name}",
            f"run joulia as root, or ask the administrator for `nvidia-smi -i {setting.where} "
            f"{option}` before a run without the option: its records keep the limit",
        ) from None


def _put_file(setting: Setting) -> None:
    try:
        Path(setting.where).write_text(f"{setting.value:d}\n")
    except OSError as error:
        reason = f"cannot set {setting.where}: {error.strerror}"
        if error.errno == errno.EROFS:
            raise Refused(reason, "a container shows it read-only: run joulia outside") from None
        if error.errno not in (errno.EACCES, errno.EPERM):
            raise Unavailable(reason) from None
        if os.geteuid() == 0:
            raise Refused(
                reason, "the firmware locks it: unlock it in the firmware's set-up"
            ) from (None)
        folder, name = os.path.split(setting.where)
        raise Refused(
            reason,
            f"run joulia as root, or ask the administrator for `chgrp GROUP {folder}/{name}; "
            f"chmod g+w {folder}/{name}` with a group of yours, and alike for those beside it",
        ) from None


@cache
def nvml_library() -> Any:
    """NVML, started; it stays so, since without any user a driver may drop its limits.

    Raises Missing where there is none.
    """
    from joulia.meters import nvml

    return nvml.load()


# ---- what is to be put back ----------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """Settings that are to be put back, and the process that changed them."""

    pid: int
    since: str
    """ISO 8601, UTC."""
    settings: tuple[Setting, ...]

    def write(self, path: Path) -> None:
        """To the disk itself, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        with partial.open("w") as file:
            file.write(json.dumps(asdict(self)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @classmethod
    def parse(cls, text: str) -> Left:
        data = json.loads(text)
        return cls(
            int(data["pid"]), data["since"], tuple(Setting(**each) for each in data["settings"])
        )


def left_file() -> Path:
    """Where this machine's old values are kept while limits are changed.

    By the boot id: a machine that was started again has its limits back by itself, and nodes may
    share the folder.
    """
    name = meters.node_id(meters.root()) or socket.gethostname()
    return cache_dir() / "limits" / f"{name}.json"


def lock_file(path: Path) -> Path:
    """Who has its lock may change limits."""
    return path.with_suffix(".lock")


def put_back(left: Left, path: Path) -> dict[str, str]:
    """Put settings back, the last one first; why some could not be, by name.

    Those stay in the file, which goes when there is none.
    """
    failed: dict[Setting, str] = {}
    for setting in reversed(left.settings):
        try:
            if present(setting) != setting.value:
                put(setting)
        except Unavailable as error:
            failed[setting] = str(error)
    if failed:
        Left(left.pid, left.since, tuple(s for s in left.settings if s in failed)).write(path)
    else:
        path.unlink(missing_ok=True)
    return {setting.name: reason for setting, reason in failed.items()}


def recover() -> str | None:
    """Put back what a joulia left that was killed with its guard; in a line, what came of it.

    None where nothing was left, or where a joulia that lives holds it.
    """
    path = left_file()
    try:
        if not path.is_file():
            return None
    except OSError:
        return None  # a folder that this user cannot look into holds nothing of his
    try:
        with locked(lock_file(path), wait=False):
            left = Left.parse(path.read_text())
            failed = put_back(left, path)
    except BlockingIOError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"limits that an earlier run changed are not back: cannot read {path}: {error}"
    who = f"that a run changed which was killed (process {left.pid}, {left.since})"
    if failed:
        reasons = "; ".join(failed.values())
        return f"limits {who} are not back: {reasons}; the values are in {path}"
    return f"limits {who} are back: {listed(left.settings)}"


def listed(settings: Sequence[Setting]) -> str:
    """Settings with their values, in the units of who keeps them."""
    return ", ".join(
        f"{each.name} reset" if each.kind == GPU_CLOCK else f"{each.name} = {each.value}"
        for each in settings
    )
