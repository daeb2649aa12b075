"""`joulia meter -- COMMAND`: joules, watts and seconds of any command, for each domain."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from joulia import meters
from joulia.analysis.terminal import console
from joulia.analysis.units import quantity
from joulia.energy import carbon
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Window
from joulia.energy.result import energy_result
from joulia.energy.uncertainty import Part, spread
from joulia.errors import JouliaError
from joulia.parallel.comm import OneRank
from joulia.records.codec import to_json
from joulia.records.parts import Energy
from joulia.system.clock import raw_clock


def meter(
    command: Sequence[str],
    *,
    tolerance: float,
    only: Sequence[str] = (),
    grid: str | None = None,
    output: Path | None = None,
) -> int:
    """Run a command between two readings, print what it took; its exit code."""
    if not command:
        raise JouliaError("no command. Allowed: joulia meter -- COMMAND [ARGUMENT]...")
    program = shutil.which(command[0])
    if program is None:
        raise JouliaError(f"{command[0]}: command not found. Allowed: a program on PATH or a path")
    intensity = carbon.load(grid) if grid else None
    opened = meters.open_all(meters.root(), raw_clock, only)
    energy = EnergyMonitor(OneRank(), tolerance=tolerance, everything=True, opened=opened)
    try:
        energy.infer_periods()
        energy.idle()
        before = energy.read()
        began = raw_clock()
        code = run([program, *command[1:]])
        seconds = raw_clock() - began
        after = energy.read()
        window = energy.between(before, after) if energy.seen else "no meter"
        energy.window(before, after)
        energy.idle()
        data, reason = energy_result(energy, 1)
    finally:
        energy.close()
    told = report(energy, window, data, reason, seconds)
    if intensity and data:
        told["carbon"] = to_json(intensity.note(data.median))
    if output:
        write(output, told | {"command": list(command), "exit_code": code})
    show(told, energy)
    return code


def run(command: Sequence[str]) -> int:
    """The command's exit code; 128 and the signal's number where a signal ended it.

    An interrupt from the keyboard reaches the command too: joulia waits and still tells.
    """
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = subprocess.Popen(
            command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        )
        code = child.wait()
    except OSError as error:
        raise JouliaError(f"cannot run {command[0]}: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, previous)
    return 128 - code if code < 0 else code


def report(
    energy: EnergyMonitor,
    window: Window | str,
    data: Energy | None,
    reason: str | None,
    seconds: float,
) -> dict[str, Any]:
    """What is printed and written: seconds, the total or why there is none, every domain."""
    domains = []
    joules = window.joules if isinstance(window, Window) else {}
    for one in energy.seen:
        used = joules.get(one.key, 0.0)
        if not used > 0.0 or not isinstance(window, Window):
            continue
        part = Part(used, energy.periods[one.key], one.quantum_j, one.systematic_rel)
        error = spread([part], window.seconds)
        short = error.sigma_rel > energy.tolerance
        domains.append(
            {
                "meter": one.meter,
                "domain": one.domain,
                "kind": one.kind,
                "source": one.source,
                "counted": one.key in energy.counted,
                "joules": None if short else used,
                "watts": None if short else used / window.seconds,
                "uncertainty_rel": error.rel95,
                "too_short": short,
            }
        )
    return {"seconds": seconds, "total": to_json(data), "reason": reason, "domains": domains}


def write(path: Path, told: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(told, indent=1) + "\n")
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None


def show(told: dict[str, Any], energy: EnergyMonitor) -> None:
    """On stderr, so that the command's own output stays what it is."""
    sys.stdout.flush()
    out = console(stderr=True)
    if told["domains"]:
        out.print(table(told))
    total = told["total"]
    if total is None:
        out.print(f"{told['seconds']:.3f} s. No joules: {told['reason']}", markup=False)
        for name, error in sorted(energy.missing.items()):
            if error.remedy and not energy.seen:
                out.print(f"  {name}: {error.remedy}", markup=False)
        return
    net = total["net"]
    line = (
        f"{told['seconds']:.3f} s, {quantity(total['median'], 'J')} "
        f"±{total['uncertainty_rel']:.0%} ({total['scope']}), {quantity(total['watts'], 'W')}"
    )
    line += (
        f", {quantity(net['median'], 'J')} more than idle"
        if net
        else f"; no net: {total['net_reason']}"
    )
    out.print(line, markup=False)
    out.print("not covered: " + ", ".join(total["not_covered"] or ["nothing"]), markup=False)
    for flag in total["flags"]:
        out.print(f"! {flag}", markup=False)
    if note := told.get("carbon"):
        out.print(f"{quantity(note['median'], 'g')} CO2e ({note['source']})", markup=False)


def table(told: dict[str, Any]) -> Table:
    view = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (
        ("meter", "left"), ("domain", "left"), ("J", "right"), ("W", "right"),
        ("± 95 %", "right"), ("in the total", "left"),
    ):  # fmt: skip
        view.add_column(name, justify=justify)  # type: ignore[arg-type]
    for one in told["domains"]:
        figures = (
            ["too short", "", ""]
            if one["too_short"]
            else [
                quantity(one["joules"], "J"),
                quantity(one["watts"], "W"),
                f"{one['uncertainty_rel']:.0%}",
            ]
        )
        view.add_row(one["meter"], one["domain"], *figures, "yes" if one["counted"] else "")
    return view
