"""Power limits and clocks as an axis: what the hardware allows, set for each case, then put back.

Of a processor, powercap's `constraint_0_power_limit_uw` of every package, and its short-term limit
with it, which would hold for whole samples instead; of a POWER9 the node's limit, through OPAL's
`powercap-current`; cpufreq's `scaling_max_freq` of every policy.
Of NVIDIA GPUs, NVML's power limit and locked clock of those that the case computes on.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import math
import os
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from joulia import meters
from joulia.case import Case, Settings
from joulia.errors import JouliaError, Unavailable
from joulia.meters import nvml
from joulia.records.record import Measured
from joulia.runner import launch, limits
from joulia.runner.limits import FILE, GPU_CLOCK, GPU_POWER, Left, Refused, Setting
from joulia.runner.limits_guard import HOLDING, READY
from joulia.system import cuda
from joulia.system.files import number, text
from joulia.system.interpreter import python

OPTIONS = {"power_limit_w": ("--power-limit", "W"), "clock_mhz": ("--clock", "MHz")}
HELD = (0.9, 1.01)
"""What a limit may read as, of what was set: drivers round down to steps of the hardware."""
SETTLE_S = 2.0
"""Seconds within which a limit holds after it was set: OPAL passes it on to another processor."""
PATIENCE_S = 30.0
"""Seconds that the guard gets to put limits back."""


class NotBack(UserWarning):
    """Limits that the guard did not put back: why, or what did."""


@dataclass(frozen=True)
class Control:
    """What limits a part of the machine: `settings` hold now, and `at` gives those of a cap.

    `low` to `high` is allowed, W or MHz.
    """

    part: str
    low: float
    high: float
    settings: tuple[Setting, ...]
    at: Callable[[float], tuple[Setting, ...]]


# ---- what can be limited here --------------------------------------------------------------


def package_power(root: Path) -> list[Control]:
    """The power limit of each processor package, W: RAPL's, through powercap."""
    controls = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9a-f]*")):
        name = text(zone / "name") or ""
        now = number(zone / "constraint_0_power_limit_uw")
        if name.startswith("package") and now is not None:
            controls.append(_zone_power(zone, name, now))
    return controls


def _zone_power(zone: Path, name: str, now: float) -> Control:
    long_term = Setting(FILE, str(zone / "constraint_0_power_limit_uw"), round(now))
    short_term = _short_term(zone)
    enabled = Setting(FILE, str(zone / "enabled"), 0) if number(zone / "enabled") == 0.0 else None

    def at(watts: float) -> tuple[Setting, ...]:
        microwatts = round(1e6 * watts)
        return (
            replace(long_term, value=microwatts),
            *(replace(each, value=min(each.value, microwatts)) for each in short_term),
            *([replace(enabled, value=1)] if enabled else []),
        )

    # RAPL tells no least value; the highest is the thermal design power, or what holds now, unless
    # the package's second interface (MMIO) holds it lower: the lower of both counts.
    low = 1e-6 * (number(zone / "constraint_0_min_power_uw") or 1e6)
    twin = number(
        zone.with_name(zone.name.replace("rapl", "rapl-mmio")) / Path(long_term.where).name
    )
    high = 1e-6 * min(max(now, number(zone / "constraint_0_max_power_uw") or 0.0), twin or math.inf)
    return Control(name, low, high, (long_term, *short_term, *([enabled] if enabled else [])), at)


def _short_term(zone: Path) -> tuple[Setting, ...]:
    file = zone / "constraint_1_power_limit_uw"
    value = number(file)
    if value is None or text(zone / "constraint_1_name") != "short_term":
        return ()
    return (Setting(FILE, str(file), round(value)),)


def node_power(root: Path) -> list[Control]:
    """The power limit of a POWER9 node, W: OPAL's, which is in whole watts."""
    folder = root / "sys/firmware/opal/powercap/system-powercap"
    now, low, high = (number(folder / f"powercap-{name}") for name in ("current", "min", "max"))
    if now is None or low is None or high is None:
        return []
    setting = Setting(FILE, str(folder / "powercap-current"), round(now))
    return [Control("the node", low, high, (setting,), partial(_node_limit, setting))]


def _node_limit(setting: Setting, watts: float) -> tuple[Setting, ...]:
    return (replace(setting, value=round(watts)),)


def processor_clock(root: Path) -> list[Control]:
    """The highest clock of each group of cores, MHz: cpufreq's."""
    controls = []
    for policy in sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy[0-9]*")):
        files = ("scaling_max_freq", "scaling_min_freq", "cpuinfo_max_freq")
        now, low, high = (number(policy / name) for name in files)
        if now is not None and low is not None and high is not None:
            setting = Setting(FILE, str(policy / files[0]), round(now))
            at = partial(_policy_clock, setting, round(high))
            controls.append(Control(policy.name, 1e-3 * low, 1e-3 * high, (setting,), at))
    # Efficient cores beside fast ones take what they can.
    fastest = max((control.high for control in controls), default=0.0)
    return [replace(control, high=fastest) for control in controls]


def _policy_clock(setting: Setting, most_khz: int, mhz: float) -> tuple[Setting, ...]:
    return (replace(setting, value=min(most_khz, round(1e3 * mhz))),)


def gpu_power(library: Any, uuid: str) -> Control:
    """A GPU's power limit, W. Raises Unavailable where it has none."""
    try:
        handle = nvml.handle_of(library, uuid)
        low, high = library.nvmlDeviceGetPowerManagementLimitConstraints(handle)
        now = library.nvmlDeviceGetPowerManagementLimit(handle)
    except library.NVMLError as error:
        raise Unavailable(f"{uuid} has no power limit to set (NVML: {error})") from None
    setting = Setting(GPU_POWER, uuid, int(now))
    return Control(
        uuid, 1e-3 * low, 1e-3 * high, (setting,),
        lambda watts: (replace(setting, value=round(1e3 * watts)),),
    )  # fmt: skip


def gpu_clock(library: Any, uuid: str) -> Control:
    """A GPU's locked clock, MHz. Raises Unavailable where it has none."""
    try:
        handle = nvml.handle_of(library, uuid)
        memory = max(library.nvmlDeviceGetSupportedMemoryClocks(handle))
        known = library.nvmlDeviceGetSupportedGraphicsClocks(handle, memory)
    except library.NVMLError as error:
        raise Unavailable(f"{uuid} has no clock to set (NVML: {error})") from None
    setting = Setting(GPU_CLOCK, uuid, limits.UNLOCKED)
    return Control(
        uuid, float(min(known)), float(max(known)), (setting,),
        lambda mhz: (replace(setting, value=round(mhz)),),
    )  # fmt: skip


def uuids(case: Case) -> list[str]:
    """The GPUs that a case's ranks compute on, as they go round those of this node."""
    found = [gpu.uuid for gpu in cuda.survey().gpus]
    if any(uuid.startswith("MIG-") for uuid in found):
        raise Unavailable("a MIG instance has no limits of its own", "measure a whole GPU")
    return found[: case.ranks]


def controls(case: Case, name: str, root: Path, library: Any = None) -> list[Control]:
    """What `power_limit_w` or `clock_mhz` of a case limits. Raises Unavailable where nothing is."""
    if case.on_gpu:
        library = library or limits.nvml_library()
        of_gpu = {"power_limit_w": gpu_power, "clock_mhz": gpu_clock}[name]
        return [of_gpu(library, uuid) for uuid in uuids(case)]
    if name == "power_limit_w":
        found = package_power(root) or node_power(root)
        place = "no package with constraint_0_power_limit_uw below"
        where = root / "sys/class/powercap"
    else:
        found, place = processor_clock(root), "no policy with scaling_max_freq below"
        where = root / "sys/devices/system/cpu/cpufreq"
    if not found:
        raise Unavailable(
            f"this machine lets nobody set that of its processor ({place} {where})",
            "-b with a GPU's backend, or a machine that is not virtual",
        )
    return found


# ---- set for a case, and put back ----------------------------------------------------------


def held(setting: Setting, holds: int | None) -> bool:
    """Whether a limit is as it was set, as far as anybody tells."""
    return holds is None or HELD[0] <= holds / max(1, setting.value) <= HELD[1]


class Caps:
    """Measures cases under their limits; what held before is put back by `close`.

    Nothing is changed before the first case is measured. JouliaError, before anything is measured,
    where a value is not allowed.
    """

    def __init__(self, cases: Sequence[Case], root: Path | None = None, library: Any = None):
        self.root, self.library = root or meters.root(), library
        self.known: dict[tuple[bool, int, str], list[Control]] = {}
        self.guard: subprocess.Popen[str] | None = None
        self.cases = cases
        self._look()

    def _look(self) -> None:
        """Read what holds now, and check every case against what is allowed."""
        self.known.clear()
        for case, name in itertools.product(self.cases, OPTIONS):
            if getattr(case, name) is not None:
                self._check(case, name)

    def _check(self, case: Case, name: str) -> None:
        value, (option, unit) = getattr(case, name), OPTIONS[name]
        try:
            parts = self._controls(case, name)
        except Unavailable as error:
            raise JouliaError(f"{option} for {case.backend}: {error}") from None
        low, high = max(each.low for each in parts), min(each.high for each in parts)
        if not low <= value <= high:
            where = ", ".join(each.part for each in parts)
            raise JouliaError(
                f"{option} {value:g} is not allowed for {case.backend} ({where}). "
                f"Allowed: {low:g} to {high:g} {unit}"
            )

    def _controls(self, case: Case, name: str) -> list[Control]:
        key = (case.on_gpu, case.ranks if case.on_gpu else 0, name)
        if key not in self.known:
            self.known[key] = controls(case, name, self.root, self.library)
        return self.known[key]

    def wanted(self, case: Case) -> list[Setting]:
        """The settings of a case's limits; of what another case limits, those that were."""
        changed = {
            (setting.kind, setting.where): setting
            for name in OPTIONS
            if (value := getattr(case, name)) is not None
            for control in self._controls(case, name)
            for setting in control.at(value)
        }
        return [changed.get((s.kind, s.where), s) for s in self.before()]

    def before(self) -> list[Setting]:
        """What held before, of all that is changed, each once."""
        every = [s for parts in self.known.values() for control in parts for s in control.settings]
        return list(dict.fromkeys(every))

    def measured(self, case: Case, settings: Settings) -> Measured:
        """As `launch.measured`, under the case's limits: `failed` where they did not hold."""
        self.hold()
        if self.guard is None or self.guard.poll() is not None:
            raise JouliaError(
                "the process that puts limits back ended; what was measured is kept. Allowed: the "
                "same command again"
            )
        wanted = self.wanted(case)
        try:
            for setting in wanted:
                limits.put(setting, self.library)
            self._require_held(wanted, SETTLE_S)
            part = launch.measured(case, settings)
            self._require_held(wanted)
        except Unavailable as error:
            return Measured("failed", (str(error),))
        return part

    def _require_held(self, wanted: Sequence[Setting], within_s: float = 0.0) -> None:
        """Raise Unavailable where a setting does not hold, at the latest after so many seconds."""
        end = time.monotonic() + within_s
        for setting in wanted:
            while not held(setting, holds := limits.present(setting, self.library)):
                if time.monotonic() < end:
                    time.sleep(0.01)
                    continue
                raise Unavailable(
                    f"{setting.name} is {holds}, where {setting.value} was set: something else "
                    "changes it"
                )

    def hold(self) -> None:
        """Have the old values held, and see that they may be set. JouliaError where not."""
        if self.guard is not None:
            return
        self.guard = subprocess.Popen(
            python("-m", "joulia.runner.limits_guard", str(limits.left_file())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._hear(READY)
        # Only now nobody else changes them: what was seen before may have been another's limit.
        self._look()
        before = self.before()
        try:
            for setting in before:  # to what it is: whether this user may
                limits.put(setting, self.library)
        except Refused as error:
            raise JouliaError(str(error)) from None
        except Unavailable as error:
            raise JouliaError(f"limits cannot be set: {error}") from None
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with contextlib.suppress(BrokenPipeError):
            left = asdict(Left(os.getpid(), since, tuple(before)))
            print(json.dumps(left), file=self.guard.stdin, flush=True)
        self._hear(HOLDING)

    def _hear(self, expected: str) -> None:
        """The guard's next line. JouliaError, with what it says, where that is another one."""
        assert self.guard is not None
        assert self.guard.stdout is not None
        answer = self.guard.stdout.readline().strip()
        if answer != expected:
            raise JouliaError(f"limits are not changed: {answer or 'their guard ended'}")

    def close(self) -> None:
        """Put back what held before; NotBack is warned where something is not."""
        if self.guard is None:
            return
        # It puts limits back at the end of its input, also where nobody waits for that any more.
        try:
            reasons, _ = self.guard.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            reasons = f"process {self.guard.pid} still tries to put them back"
        if reasons.strip():
            line = f"limits are not as they were: {' '.join(reasons.split())}"
            warnings.warn(line, NotBack, stacklevel=2)
        elif self.guard.poll() != 0 and (line := limits.recover() or ""):
            warnings.warn(line, NotBack, stacklevel=2)


@contextlib.contextmanager
def holding(cases: Sequence[Case]) -> Iterator[Caps | None]:
    """The caps of a run's cases, put back at its end; None where no case has one."""
    capped = [case for case in cases if case.cap]
    if not capped:
        yield None
        return
    caps = Caps(capped)
    try:
        yield caps
    finally:
        caps.close()
