"""`joulia meter -- COMMAND`: joules, watts and seconds of any command, for each domain."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from joulia import meters
from joulia.analysis.terminal import Column, Grid, console, draw
from joulia.analysis.units import quantity
from joulia.cli.cross_checks import Checked, CrossChecks
from joulia.energy import carbon
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Window
from joulia.energy.rest import window_of
from joulia.energy.result import energy_result
from joulia.energy.uncertainty import Part, Spread, spread
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
    period_s: float = 0.0
    """Seconds between two updates."""
    ratio: float | None = None
    """Its watts over those of the total."""
    reason: str | None = None
    """Why it told nothing."""


@dataclass(frozen=True)
class Lack:
    """Why a meter is not here, and what would bring it."""

    reason: str
    remedy: str


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
    missing: dict[str, Lack] = field(default_factory=dict)
    """Meters that are not here."""


def meter(
    command: Sequence[str],
    *,
    tolerance: float,
    only: Sequence[str] = (),
    everything: bool = False,
    grid: str | None = None,
    output: Path | None = None,
) -> int:
    """Run a command between two readings, print what it took; its exit code.

    With `everything`, or where `only` names one, the site's cross-checks are read as well.
    """
    if not command:
        raise JouliaError("no command. Allowed: joulia meter -- COMMAND [ARGUMENT]...")
    program = shutil.which(command[0])
    if program is None:
        raise JouliaError(f"{command[0]}: command not found. Allowed: a program on PATH or a path")
    intensity = carbon.load(grid) if grid else None
    everything = everything or meters.any_cross_check(only)
    checks = CrossChecks(raw_clock)
    with signals.held():  # the threads of meters never take a signal that the command is to have
        opened = meters.open_all(meters.root(), raw_clock, only)
        if everything:
            checks = CrossChecks.open(meters.root(), raw_clock, only)
            checks.start()
        energy = EnergyMonitor(OneRank(), tolerance=tolerance, everything=True, opened=opened)
    try:
        energy.infer_periods()
        energy.idle()
        with signals.held():
            result = measured(command, program, energy, intensity, checks, everything=everything)
            tell(result, output, everything=everything)
            signals.drop()
    finally:
        energy.close()
        checks.close()
    return result.exit_code


def measured(
    command: Sequence[str],
    program: str,
    energy: EnergyMonitor,
    intensity: carbon.Intensity | None,
    checks: CrossChecks,
    *,
    everything: bool,
) -> Metered:
    """The command's seconds and joules, however it ends; its idle after it."""
    readings = [checks.read()]

    def run() -> tuple[int, float]:
        began = raw_clock()
        code = exit_code([program, *command[1:]])
        return code, raw_clock() - began

    def then(seconds: float) -> None:
        readings.append(checks.read())
        energy.give_way(seconds)

    (code, seconds), window = window_of(energy, run, then)
    if energy.active:
        energy.keep(window)
    data, reason = energy_result(energy, 1)
    note = intensity.note(data.median) if intensity and data else None
    domains = domains_of(energy, window, silent=everything)
    domains += tuple(
        checked_domain(checked, energy.tolerance) for checked in checks.between(*readings)
    )
    if data:
        domains = tuple(beside(domain, data.watts) for domain in domains)
    missing = {
        name: Lack(error.reason, error.remedy)
        for name, error in sorted((energy.missing | checks.missing).items())
    }
    return Metered(tuple(command), code, seconds, data, reason, domains, note, missing)


def tell(result: Metered, output: Path | None, *, everything: bool) -> None:
    """Into the file first, for the terminal may be gone; on the terminal in any case."""
    try:
        if output:
            write(output, result)
    finally:
        show(result, everything=everything)


def exit_code(command: Sequence[str]) -> int:
    """The command's exit code; 128 and the signal's number where a signal ended it.

    Signals that are to end joulia reach the command: joulia waits and still tells.
    """
    try:
        code = signals.wait_passing_on(command)
    except OSError as error:
        raise JouliaError(f"cannot run {command[0]}: {error.strerror}") from None
    return 128 - code if code < 0 else code


def domains_of(
    energy: EnergyMonitor, window: Window | str, *, silent: bool = False
) -> tuple[MeteredDomain, ...]:
    """Every domain that counted anything, with how far each can be from the truth.

    With `silent`, also those that told nothing, and why.
    """
    if isinstance(window, str) and energy.told is not None:
        window = energy.told  # no total; what lives is shown
    if not isinstance(window, Window):
        return ()
    domains = []
    for seen in energy.seen:
        used = window.joules.get(seen.key, 0.0)
        counted = seen.key in energy.counted
        where = seen.meter, seen.domain, seen.kind, seen.source, counted
        period_s, ends_w = energy.periods[seen.key], window.ends_w.get(seen.key)
        if used > 0.0:
            part = Part(used, period_s, seen.quantum_j, seen.systematic_rel, ends_w)
            error = spread([part], window.seconds)
            domains.append(
                domain_of(where, used, window.seconds, error, energy.tolerance, period_s)
            )
        elif silent:
            reason = "stood still" if seen.key in window.joules else "not read"
            domains.append(silent_domain(where, period_s, reason))
    return tuple(domains)


Where = tuple[str, str, str, str, bool]
"""Meter, domain, what it covers, how it measures, whether it is in the total."""


def domain_of(
    where: Where, joules: float, seconds: float, error: Spread, tolerance: float, period_s: float
) -> MeteredDomain:
    short = error.sigma_rel > tolerance
    return MeteredDomain(
        *where,
        joules=None if short else joules,
        watts=None if short else joules / seconds,
        uncertainty_rel=error.rel95,
        too_short=short,
        period_s=period_s,
    )


def silent_domain(where: Where, period_s: float, reason: str) -> MeteredDomain:
    return MeteredDomain(*where, None, None, 0.0, too_short=False, period_s=period_s, reason=reason)


def checked_domain(checked: Checked, tolerance: float) -> MeteredDomain:
    """A cross-check as a domain that is in no total."""
    where = checked.meter, checked.name, checked.domain.kind, checked.source, False
    if checked.reason is not None:
        return silent_domain(where, checked.domain.period_s, checked.reason)
    return domain_of(
        where, checked.joules, checked.seconds, checked.error, tolerance, checked.domain.period_s
    )


def beside(domain: MeteredDomain, total_w: float) -> MeteredDomain:
    return replace(domain, ratio=None if domain.watts is None else domain.watts / total_w)


def write(path: Path, result: Metered) -> None:
    try:
        path.write_text(json.dumps(to_json(result), indent=1) + "\n")
    except OSError as error:
        raise JouliaError(f"cannot write {path}: {error.strerror}") from None


def show(result: Metered, *, everything: bool) -> None:
    """On stderr, so that the command's own output stays what it is."""
    sys.stdout.flush()
    out = console(stderr=True)
    if result.domains:
        draw(out, all_meters(result.domains) if everything else table(result.domains))
    if everything and result.domains:
        kinds = dict.fromkeys(domain.kind for domain in result.domains)
        out.print("; ".join(f"{kind}: {COVERS[kind]}" for kind in kinds), markup=False)
    total(out, result)
    if result.missing and (everything or not result.domains):
        not_here(out, result.missing)


def total(out: Console, result: Metered) -> None:
    """The joules of what counts, or why there are none."""
    energy = result.total
    if energy is None:
        out.print(f"{result.seconds:.3f} s. No joules: {reason_of(result)}", markup=False)
        return
    line = (
        f"{result.seconds:.3f} s, {quantity(energy.median, 'J')} "
        f"±{energy.uncertainty_rel:.0%} ({energy.scope}), {quantity(energy.watts, 'W')}"
    )
    if energy.net and energy.net_ci95:
        off = quantity(0.5 * (energy.net_ci95[1] - energy.net_ci95[0]), "J")
        line += f", {quantity(energy.net.median, 'J')} ± {off} more than idle"
    else:
        line += f"; no net: {energy.net_reason}"
    out.print(line, markup=False)
    out.print("not covered: " + ", ".join(energy.not_covered or ("nothing",)), markup=False)
    for flag in energy.flags:
        out.print(f"! {flag}", markup=False)
    if note := result.carbon:
        out.print(f"{quantity(note.median, 'g')} CO2e ({note.source})", markup=False)


def reason_of(result: Metered) -> str:
    """Why there is no total; what is missing for it is listed below, once."""
    if not result.domains and result.missing:
        return "no meter on this machine"
    if all(domain.kind == "cross-check" for domain in result.domains):
        return "a cross-check is never a total"
    return str(result.reason)


def not_here(out: Console, missing: Mapping[str, Lack]) -> None:
    """A line for each reason and remedy; a remedy that several have in common stands for them."""
    names: dict[str, list[str]] = {}
    for name, lack in missing.items():
        shared = sum(other.remedy == lack.remedy for other in missing.values()) > 1
        text = lack.reason + (f" -> {lack.remedy}" if lack.remedy else "")
        names.setdefault(lack.remedy if lack.remedy and shared else text, []).append(name)
    for text, who in names.items():
        line = textwrap.fill(
            f"{', '.join(who)}: {text}",
            out.width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        out.print(line, markup=False)


COVERS = {
    "node": "the whole node behind its power supply",
    "platform": "a system on chip",
    "module": "a superchip, processor and GPU",
    "package": "a processor socket",
    "dram": "its memory",
    "gpus": "the GPUs of a socket",
    "gpu": "one GPU",
    "battery": "all that drains it",
    "part": "inside another one",
    "cross-check": "what the site says, slowly, of a scope of its own",
}
"""What a domain of each kind covers, for people who wonder why figures differ."""

COLUMNS = (
    Column("in the total", drop=3, right=False),
    Column("meter", right=False, least=10),
    Column("domain", right=False, least=20),
    Column("J"),
    Column("W", drop=1),
    Column("± 95 %", drop=2),
)
ALL_COLUMNS = (
    *COLUMNS[:3],
    Column("covers", right=False),
    *COLUMNS[3:],
    Column("every", drop=1),
    Column("of the total"),
)


def table(domains: Sequence[MeteredDomain]) -> Grid:
    """One row a domain."""
    return Grid(COLUMNS, [row(domain) for domain in domains], ELSEWHERE)


def all_meters(domains: Sequence[MeteredDomain]) -> Grid:
    """One row a domain: what it covers, how often it is updated, and its share of the total."""
    rows = []
    for domain in domains:
        *where, joules, watts, error = row(domain)
        every = quantity(domain.period_s, "s") if domain.period_s else ""
        ratio = "" if domain.ratio is None else f"{domain.ratio:.2f}"
        rows.append([*where, domain.kind, joules, watts, error, every, ratio])
    return Grid(ALL_COLUMNS, rows, ELSEWHERE)


ELSEWHERE = "`joulia meter -o FILE`"


def row(domain: MeteredDomain) -> list[str]:
    """A domain under `COLUMNS`."""
    # What tells this node's meters apart is not the node.
    meter = domain.meter.removeprefix(f"{meters.node_id(meters.root())}/")
    where = ["yes" if domain.counted else "no", meter, domain.domain]
    if domain.joules is None or domain.watts is None:
        return [*where, domain.reason or "too short", "", ""]
    figures = quantity(domain.joules, "J"), quantity(domain.watts, "W")
    return [*where, *figures, f"{domain.uncertainty_rel:.0%}"]
