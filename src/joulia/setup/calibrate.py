"""`joulia doctor --calibrate`: do this machine's meters behave as meters must? A verdict a line."""

from __future__ import annotations

import contextlib
import datetime
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

from joulia.analysis.terminal import console
from joulia.energy import uncertainty
from joulia.energy.accounting import Seen
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Window
from joulia.errors import JouliaError
from joulia.parallel.comm import OneRank
from joulia.system import machine
from joulia.system.interpreter import python

LINEAR_LIMIT = 0.05
SPIN_FACTOR = 1.1
"""A processor with all cores at work takes at least this much more than asleep."""
WHOLE_LIMIT = 1.02
PERIOD_FACTOR = 2.0
LEAST_S = 0.5
COLOURS = {"pass": "green", "fail": "red", "skip": "yellow"}

Load = Callable[[], AbstractContextManager[object]]
"""Puts all cores to work for as long as its context lasts."""


@dataclass(frozen=True)
class Verdict:
    """One check: `pass`, `fail`, or `skip` with the reason."""

    check: str
    verdict: str
    detail: str


@contextlib.contextmanager
def spin() -> Iterator[None]:
    """A process that counts on every core that this one may use."""
    loops = [
        subprocess.Popen(python("-c", "while True: pass"), stdin=subprocess.DEVNULL)
        for _ in machine.usable_cores()
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Windows:
    """Measured windows of a given length, asleep or under load."""

    def __init__(self, energy: EnergyMonitor, load: Load) -> None:
        self.energy = energy
        self.load = load

    def asleep(self, seconds: float) -> Window:
        before = self.energy.read()
        self.energy.sleep(seconds)
        return self._whole(self.energy.between(before, self.energy.read()))

    def spinning(self, seconds: float) -> Window:
        with self.load():
            # The first update periods still show the way from idle to load.
            self.energy.sleep(max(0.3, 3.0 * self.energy.slowest_s))
            before = self.energy.read()
            self.energy.sleep(seconds)
            after = self.energy.read()
        return self._whole(self.energy.between(before, after))

    @staticmethod
    def _whole(window: Window | str) -> Window:
        if isinstance(window, str):
            raise JouliaError(f"a window of the calibration is void: {window}")
        return window


def calibrate(make: Callable[[], EnergyMonitor], load: Load) -> list[Verdict]:
    """All checks, on meters that `make` opens; twice, for two readers must agree."""
    energy, second = make(), make()
    try:
        if not energy.counted:
            raise JouliaError(f"nothing to calibrate: {energy.account.problem or 'no meter'}")
        energy.infer_periods()
        unit = max(LEAST_S, 2.0 * uncertainty.window_needed(energy.slowest_s, 0.02))
        windows = Windows(energy, load)
        asleep = windows.asleep(2.0 * unit)
        spinning = [windows.spinning(factor * unit) for factor in (1.0, 2.0, 4.0)]
        return [
            sleep_and_spin(energy, asleep, spinning[-1]),
            linearity(energy, spinning),
            counter_and_samples(spinning[-1]),
            additivity(energy, second, unit),
            *components(energy.seen, spinning[-1]),
            *periods(energy),
        ]
    finally:
        energy.close()
        second.close()


def sleep_and_spin(energy: EnergyMonitor, asleep: Window, spinning: Window) -> Verdict:
    """Watts of the processors asleep and with all cores at work."""
    processor = [seen for seen in energy.account.counted if seen.kind != "gpu"]
    if not processor:
        return Verdict("sleep and spin", "skip", "no counted domain holds the processor")
    idle, busy = (w.total(processor) / w.seconds for w in (asleep, spinning))
    ok = busy >= SPIN_FACTOR * idle
    return _verdict("sleep and spin", ok, f"{idle:.1f} W asleep, {busy:.1f} W at work")


def linearity(energy: EnergyMonitor, windows: list[Window]) -> Verdict:
    """Energy over N, 2 N and 4 N seconds of the same work grows as the time does."""
    watts = [window.total(energy.account.counted) / window.seconds for window in windows]
    mean = sum(watts) / len(watts)
    off = max(abs(power / mean - 1.0) for power in watts)
    watts_text = ", ".join(
        f"{p:.1f} W over {w.seconds:.2g} s" for p, w in zip(watts, windows, strict=True)
    )
    return _verdict("linear in time", off <= LINEAR_LIMIT, f"{watts_text}: {off:.1%} off")


def counter_and_samples(window: Window) -> Verdict:
    """The counter against the integral of sampled power."""
    name = "counter and sampled power"
    off = {
        ":".join(key): window.checks[key] / window.joules[key] - 1.0
        for key in sorted(window.checks)
        if window.joules.get(key, 0.0) > 0.0
    }
    if not off:
        return Verdict(name, "skip", "no meter has both")
    off_text = ", ".join(f"{key} {value:+.1%}" for key, value in off.items())
    ok = max(abs(value) for value in off.values()) <= uncertainty.CROSSCHECK_LIMIT
    return _verdict(name, ok, off_text)


def additivity(energy: EnergyMonitor, second: EnergyMonitor, unit: float) -> Verdict:
    """Two neighbouring windows make up one over both, read by a second reader."""
    first = energy.read()
    start = second.read()
    energy.sleep(unit)
    middle = energy.read()
    energy.sleep(unit)
    last = energy.read()
    end = second.read()
    parts = [energy.between(first, middle), energy.between(middle, last)]
    whole = second.between(start, end)
    name = "neighbouring windows add up"
    for window in (whole, *parts):
        if isinstance(window, str):
            return Verdict(name, "fail", f"a window is void: {window}")
    counted = energy.account.counted
    added = sum(window.total(counted) for window in parts if isinstance(window, Window))
    assert isinstance(whole, Window)
    total = whole.total(counted)
    off = abs(added / total - 1.0)
    limit = 0.01 + 2.0 * energy.slowest_s / whole.seconds
    return _verdict(name, off <= limit, f"{added:.3g} J and {total:.3g} J: {off:.2%} off")


def components(seen: list[Seen], window: Window) -> list[Verdict]:
    """No part takes more than the whole that it lies in."""
    verdicts = []
    for outer in seen:
        inside = [other for other in seen if lies_in(other, outer) and other.key in window.joules]
        whole = window.joules.get(outer.key, 0.0)
        if not inside or not whole > 0.0:
            continue
        parts = sum(window.joules[other.key] for other in inside)
        verdicts.append(
            _verdict(
                f"parts of {outer.domain}",
                parts <= WHOLE_LIMIT * whole,
                f"{parts / window.seconds:.1f} W of {whole / window.seconds:.1f} W in "
                + ", ".join(other.domain for other in inside),
            )
        )
    return verdicts or [Verdict("parts and wholes", "skip", "no domain lies in another")]


def lies_in(part: Seen, whole: Seen) -> bool:
    """Whether a domain is directly inside another, by what they cover and by their names."""
    if part.node != whole.node or part.key == whole.key:
        return False
    if whole.kind == "node":
        return part.kind in ("package", "dram", "gpus")
    if whole.kind == "platform":
        return part.kind == "package" and part.meter == whole.meter
    return (
        whole.kind == "package"
        and part.kind == "part"
        and part.meter == whole.meter
        and part.domain.startswith((f"{whole.domain} ", f"{whole.domain}-"))
    )


def periods(energy: EnergyMonitor) -> list[Verdict]:
    """The update periods inferred against those documented."""
    verdicts = []
    for seen in energy.account.counted:
        inferred, documented = energy.periods[seen.key], energy.nominal[seen.key]
        ok = inferred <= PERIOD_FACTOR * documented
        detail = f"{inferred * 1e3:.3g} ms, documented {documented * 1e3:.3g} ms"
        if seen.source == "sampled":
            verdicts.append(
                Verdict(f"update period of {seen.domain}", "skip", f"sampled: {detail}")
            )
        else:
            verdicts.append(_verdict(f"update period of {seen.domain}", ok, detail))
    return verdicts


def _verdict(check: str, ok: bool, detail: str) -> Verdict:
    return Verdict(check, "pass" if ok else "fail", detail)


def keep(verdicts: list[Verdict]) -> None:
    """Into the machine's record: every later measurement here carries it."""
    identity = machine.describe().id
    path = machine.calibration_file(identity)
    kept = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "passed": all(verdict.verdict != "fail" for verdict in verdicts),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(kept, indent=1) + "\n")
    partial.replace(path)


def command() -> int:
    """Calibrate, print, keep; 1 where a check failed, 2 where there is nothing to calibrate."""
    first = EnergyMonitor(OneRank(), everything=True)
    first.close()
    if not first.active:
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(first.reasons.items()))
        raise JouliaError(
            f"no meter to calibrate ({reasons}). `joulia doctor` names the remedy for each"
        )
    verdicts = calibrate(lambda: EnergyMonitor(OneRank(), everything=True), spin)
    keep(verdicts)
    out = console()
    for verdict in verdicts:
        out.print(f"[{COLOURS[verdict.verdict]}]{verdict.verdict}[/] ", end="")
        out.print(f"{verdict.check}: {verdict.detail}", markup=False)
    return 1 if any(verdict.verdict == "fail" for verdict in verdicts) else 0
