"""`joulia meter -- COMMAND`: joules, watts and seconds of any command, for each domain."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joulia import meters
from joulia.analysis.terminal import Column, Grid, console, draw
from joulia.analysis.units import quantity
from joulia.energy import carbon
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Window
from joulia.energy.rest import window_of
from joulia.energy.result import energy_result
from joulia.energy.uncertainty import Part, spread
from joulia.errors import JouliaError
from joulia.parallel.comm import OneRank
from joulia.records.codec import to_json
from joulia.records.parts import Carbon, Energy
from joulia.system import signals
from joulia.system.clock import raw_clock


@dataclass(frozen=True)
class MeteredDomain:
    """What one domain of one meter counted while the command ran."""

    meter: str
    domain: str
    kind: str
    """What it covers: `package`, `gpu`, `node`, ..."""
    source: str
    counted: bool
    """Whether it is part of the total."""
    joules: float | None
    """None where the command was too short for this counter."""
    watts: float | None
    uncertainty_rel: float
    """At 95 %."""
    too_short: bool


@dataclass(frozen=True)
class Metered:
    """What `joulia meter` prints and writes."""

    command: tuple[str, ...]
    exit_code: int
    seconds: float
    total: Energy | None
    reason: str | None
    """Why there is no total."""
    domains: tuple[MeteredDomain, ...]
    carbon: Carbon | None = None
    """CO2e, where the user named a grid."""


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
    with signals.held():  # the threads of meters never take a signal that the command is to have
        opened = meters.open_all(meters.root(), raw_clock, only)
        energy = EnergyMonitor(OneRank(), tolerance=tolerance, everything=True, opened=opened)
    try:
        energy.infer_periods()
        energy.idle()
        with signals.held():
            result = measured(command, program, energy, intensity)
            tell(result, energy, output)
            signals.drop()
    finally:
        energy.close()
    return result.exit_code


def measured(
    command: Sequence[str],
    program: str,
    energy: EnergyMonitor,
    intensity: carbon.Intensity | None,
) -> Metered:
    """The command's seconds and joules, however it ends; its idle after it."""

    def run() -> tuple[int, float]:
        began = raw_clock()
        code = exit_code([program, *command[1:]])
        return code, raw_clock() - began

    (code, seconds), window = window_of(energy, run)
    if energy.active:
        energy.keep(window)
    data, reason = energy_result(energy, 1)
    note = intensity.note(data.median) if intensity and data else None
    domains = domains_of(energy, window)
    return Metered(tuple(command), code, seconds, data, reason, domains, carbon=note)


def tell(result: Metered, energy: EnergyMonitor, output: Path | None) -> None:
    """Into the file first, for the terminal may be gone; on the terminal in any case."""
    try:
        if output:
            write(output, result)
    finally:
        show(result, energy)


def exit_code(command: Sequence[str]) -> int:
    """The command's exit code; 128 and the signal's number where a signal ended it.

    Signals that are to end joulia reach the command: joulia waits and still tells.
    """
    try:
        code = signals.wait_passing_on(command)
    except OSError as error:
        raise JouliaError(f"cannot run {command[0]}: {error.strerror}") from None
    return 128 - code if code < 0 else code


def domains_of(energy: EnergyMonitor, window: Window | str) -> tuple[MeteredDomain, ...]:
    """Every domain that counted anything, with how far each can be from the truth."""
    if not isinstance(window, Window):
        return ()
    domains = []
    for seen in energy.seen:
        used = window.joules.get(seen.key, 0.0)
        if not used > 0.0:
            continue
        part = Part(
            used,
            energy.periods[seen.key],
            seen.quantum_j,
            seen.systematic_rel,
            window.ends_w.get(seen.key),
        )
        error = spread([part], window.seconds)
        short = error.sigma_rel > energy.tolerance
        domains.append(
            MeteredDomain(
                seen.meter,
                seen.domain,
                seen.kind,
                seen.source,
                counted=seen.key in energy.counted,
                joules=None if short else used,
                watts=None if short else used / window.seconds,
                uncertainty_rel=error.rel95,
                too_short=short,
            )
        )
    return tuple(domains)


def write(path: Path, result: Metered) -> None:
    try:
        path.write_text(json.dumps(to_json(result), indent=1) + "\n")
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None


def show(result: Metered, energy: EnergyMonitor) -> None:
    """On stderr, so that the command's own output stays what it is."""
    sys.stdout.flush()
    out = console(stderr=True)
    if result.domains:
        draw(out, table(result.domains))
    total = result.total
    if total is None:
        out.print(f"{result.seconds:.3f} s. No joules: {result.reason}", markup=False)
        for name, error in sorted(energy.missing.items()):
            if error.remedy and not energy.seen:
                out.print(f"  {name}: {error.remedy}", markup=False)
        return
    line = (
        f"{result.seconds:.3f} s, {quantity(total.median, 'J')} "
        f"±{total.uncertainty_rel:.0%} ({total.scope}), {quantity(total.watts, 'W')}"
    )
    if total.net and total.net_ci95:
        off = quantity(0.5 * (total.net_ci95[1] - total.net_ci95[0]), "J")
        line += f", {quantity(total.net.median, 'J')} ± {off} more than idle"
    else:
        line += f"; no net: {total.net_reason}"
    out.print(line, markup=False)
    out.print("not covered: " + ", ".join(total.not_covered or ("nothing",)), markup=False)
    for flag in total.flags:
        out.print(f"! {flag}", markup=False)
    if note := result.carbon:
        out.print(f"{quantity(note.median, 'g')} CO2e ({note.source})", markup=False)


COLUMNS = (
    Column("in the total", drop=3, right=False),
    Column("meter", right=False, least=10),
    Column("domain", right=False, least=20),
    Column("J"),
    Column("W", drop=1),
    Column("± 95 %", drop=2),
)


def table(domains: Sequence[MeteredDomain]) -> Grid:
    """One row a domain."""
    return Grid(COLUMNS, [row(domain) for domain in domains], "`joulia meter -o FILE`")


def row(domain: MeteredDomain) -> list[str]:
    """A domain under `COLUMNS`."""
    where = ["yes" if domain.counted else "no", domain.meter, domain.domain]
    if domain.joules is None or domain.watts is None:
        return [*where, "too short", "", ""]
    figures = quantity(domain.joules, "J"), quantity(domain.watts, "W")
    return [*where, *figures, f"{domain.uncertainty_rel:.0%}"]
