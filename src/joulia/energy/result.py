"""From measured windows to the record's `energy`: medians, errors, net, what to distrust."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from joulia.energy import uncertainty
from joulia.energy.accounting import Seen
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.readings import Key, Window
from joulia.energy.uncertainty import Part, Spread
from joulia.errors import Unavailable
from joulia.meters import Meter, asked
from joulia.records import stats
from joulia.records.parts import DeviceUse, Energy, Summary, Waiting

BUSY_LIMIT = 0.05
"""More than this share of all cores busy while this job slept: somebody else is on the node."""


def energy_result(
    energy: EnergyMonitor, steps: int, bytes_per_step: float = 0.0
) -> tuple[Energy | None, str | None]:
    """(`energy`, None) or (None, the reason), the same on every rank. Joules are per step."""
    comm = energy.comm
    errors = [error for part in comm.allgather(energy.read_errors) for error in part]
    wraps = sum(comm.allgather(sum(wraps_of(meter) for meter in energy.meters)))
    busy = max((load for part in comm.allgather(energy.busy) for load in part), default=None)
    if reason := absent(energy):
        return None, reason
    energy.follow_samplers()
    spreads = [errors_of(energy, window) for window in energy.windows]
    worst = max(spreads, key=lambda spread: spread.sigma_rel)
    if worst.sigma_rel > energy.tolerance:
        return None, too_short(energy, worst)
    totals = [window.total(energy.account.counted) for window in energy.windows]
    summary = stats.summary([total / steps for total in totals])
    watts = sum(totals) / sum(window.seconds for window in energy.windows)
    crosscheck = cross_check(energy.windows)
    phases = between_phases(energy)
    random_rel = math.hypot(max(spread.random95_rel for spread in spreads), phases or 0.0)
    idle = idle_watts(energy)
    above, reason = net(energy, steps, totals, idle)
    beside, beside_reason = unused(energy, steps)
    data = Energy(
        **vars(summary),
        unit="J/step",
        source="+".join(sorted({domain.source for domain in energy.account.counted})),
        scope=energy.account.scope,
        meters=tuple(sorted({domain.meter for domain in energy.account.counted})),
        counted=tuple(":".join(domain.key) for domain in energy.account.counted),
        domains=domains(energy.windows, steps),
        watts=watts,
        window_s=min(window.seconds for window in energy.windows),
        windows_s=tuple(window.seconds for window in energy.windows),
        repeats=len(energy.windows),
        void_windows=tuple(energy.voids),
        update_period_s=energy.slowest_s,
        tolerance_rel=energy.tolerance,
        end_points_rel=worst.sigma_rel,
        quantisation_rel=worst.quantisation_rel,
        systematic_rel=worst.systematic_rel,
        uncertainty_rel=worst.systematic_rel + random_rel,
        crosscheck_rel=crosscheck,
        cost_rel=max(window.cost_s / window.seconds for window in energy.windows),
        waiting=waiting(energy.windows, totals, steps),
        devices=devices(energy, steps),
        not_covered=tuple(energy.account.not_covered),
        shared_by_ranks={
            meter: tuple(ranks) for meter, ranks in sorted(energy.account.users.items())
        },
        exclusive=None if busy is None else busy <= BUSY_LIMIT,
        wraps=wraps,
        read_errors=len(errors),
        comparable="DC component counters over the timed phase: not Green500 comparable",
        idle_w=idle,
        net=above,
        net_reason=reason,
        net_ci95=net_interval(energy, steps, above, summary, random_rel) if above else None,
        phases_rel=phases,
        unused=beside,
        unused_domains=tuple(":".join(d.key) for d in energy.account.unused) if beside else (),
        unused_reason=beside_reason,
    )
    return replace(data, flags=tuple(flags(energy, data, bytes_per_step))), None


def without_advice(reason: str | None) -> str:
    """Why there are no joules; the advice in it is an option of `joulia run`."""
    return (reason or "no joules").partition(" (joulia run ")[0]


def wraps_of(meter: Meter) -> int:
    """Wraps of a meter's counters so far; 0 where it tells none."""
    try:
        return asked(meter.id, lambda: int(getattr(meter, "wraps", 0)))
    except Unavailable:
        return 0


def absent(energy: EnergyMonitor) -> str | None:
    """Why there are no joules at all, or None."""
    if not energy.seen:
        reasons = [f"{name}: {reason}" for name, reason in sorted(energy.reasons.items())]
        return "no meter on this machine" + (f" ({'; '.join(reasons)})" if reasons else "")
    if energy.account.problem:
        return energy.account.problem
    if not energy.windows:
        return f"every window was void: {energy.voids[0] if energy.voids else 'no window'}"
    return None


def unused(energy: EnergyMonitor, steps: int) -> tuple[Summary | None, str | None]:
    """Joules a step of GPUs that no rank used, in each window; or None and why, where there are.

    Together with the total they must be as sure as that was asked to be.
    """
    beside = energy.account.unused
    if not beside:
        return None, None
    if any(not window.joules.get(d.key, 0.0) > 0.0 for window in energy.windows for d in beside):
        return None, "their counters were not read, or stood still, in some window"
    every = (*energy.account.counted, *beside)
    if any(errors_of(energy, w, every).sigma_rel > energy.tolerance for w in energy.windows):
        slowest = max(energy.periods[domain.key] for domain in every)
        need = uncertainty.window_needed(slowest, energy.tolerance)
        return None, f"windows too short for their counters (joulia run --window {need:.2g})"
    return stats.summary([window.total(beside) / steps for window in energy.windows]), None


def errors_of(
    energy: EnergyMonitor, window: Window, domains: Sequence[Seen] | None = None
) -> Spread:
    """The errors of a window's total, or of the sum of these domains."""
    parts = [
        Part(
            window.joules[domain.key],
            energy.periods[domain.key],
            domain.quantum_j,
            domain.systematic_rel,
            window.ends_w.get(domain.key),
        )
        for domain in domains or energy.account.counted
    ]
    return uncertainty.spread(parts, window.seconds)


def too_short(energy: EnergyMonitor, worst: Spread) -> str:
    window = min(window.seconds for window in energy.windows)
    need = uncertainty.window_needed(energy.slowest_s, energy.tolerance)
    return (
        f"too short: a window of {window:.2g} s against an update period of "
        f"{energy.slowest_s:.2g} s is off by {worst.sigma_rel:.1%} (one sigma), more than the "
        f"{energy.tolerance:.1%} asked for; it takes {need:.2g} s (joulia run --window {need:.2g})"
    )


def domains(windows: list[Window], steps: int) -> dict[str, float]:
    """Mean joules a step of every domain, also of those that lie inside others."""
    keys: set[Key] = set.intersection(*(set(window.joules) for window in windows))
    return {
        ":".join(key): sum(window.joules[key] for window in windows) / len(windows) / steps
        for key in sorted(keys)
    }


def cross_check(windows: list[Window]) -> float | None:
    """The largest relative difference between a counter and the sampled power beside it."""
    keys: set[Key] = set.intersection(*(set(window.checks) for window in windows))
    worst = None
    for key in keys:
        counter = sum(window.joules.get(key, 0.0) for window in windows)
        if counter > 0.0:
            off = abs(sum(window.checks[key] for window in windows) / counter - 1.0)
            worst = max(off, worst or 0.0)
    return worst


def idle_watts(energy: EnergyMonitor) -> tuple[float, ...] | None:
    """Watts of doing nothing, before and after the windows; None unless both were measured.

    A counter that does not move at rest tells too coarsely for it: no machine rests at 0 W.
    """
    idle = tuple(
        window.total(energy.account.counted) / window.seconds
        for window in energy.idles
        if all(window.joules.get(key, 0.0) > 0.0 for key in energy.counted)
    )
    return idle if len(idle) == 2 else None


def net(
    energy: EnergyMonitor, steps: int, totals: list[float], idle: tuple[float, ...] | None
) -> tuple[Summary | None, str | None]:
    """Joules a step beyond the idle watts; None, with the reason, where idle drifted."""
    if energy.spins:
        return None, "threads spin while they wait, so that there is no idle to measure"
    if idle is None:
        return None, "idle was not measured twice"
    base = sum(idle) / 2.0
    if base > 0.0 and abs(idle[1] - idle[0]) > uncertainty.IDLE_LIMIT * base:
        return None, f"idle power went from {idle[0]:.1f} W to {idle[1]:.1f} W, more than 5 %"
    samples = [
        (total - base * window.seconds) / steps
        for total, window in zip(totals, energy.windows, strict=True)
    ]
    return stats.summary(samples), None


def net_interval(
    energy: EnergyMonitor, steps: int, above: Summary, gross: Summary, random_rel: float
) -> tuple[float, float]:
    """95 % interval of the median net joules a step.

    Both idle windows enter every repeat alike, so that more repeats do not average their errors
    out: the idle power may lie anywhere between the two, and each of them has ends of its own.
    """
    seconds = statistics.median(window.seconds for window in energy.windows)
    idles = [window.total(energy.account.counted) / window.seconds for window in energy.idles]
    own = [
        watts * errors_of(energy, window).random95_rel
        for watts, window in zip(idles, energy.idles, strict=True)
    ]
    drift = 0.5 * abs(idles[1] - idles[0])
    idle = (0.5 * math.hypot(*own) + drift) * seconds / steps
    low, high = gross.ci95 or (gross.median, gross.median)
    gain = errors_of(energy, energy.windows[0]).systematic_rel * abs(above.median)
    half = gain + math.hypot(idle, random_rel * gross.median, 0.5 * (high - low))
    return above.median - half, above.median + half


def between_phases(energy: EnergyMonitor) -> float | None:
    """The largest relative difference of a window from the median, where a meter looks at a part
    of each period: what windows at spread phases do not agree on, nobody saw whole."""
    parts = [domain for domain in energy.account.counted if domain.looks_rel < 1.0]
    if not parts or len(energy.windows) < 2:
        return None
    watts = [window.total(energy.account.counted) / window.seconds for window in energy.windows]
    middle = statistics.median(watts)
    return max(abs(power / middle - 1.0) for power in watts)


def waiting(windows: list[Window], totals: list[float], steps: int) -> Waiting:
    """Joules a step at work and at waiting: the time in exchange and imbalance times the power."""
    waited = sum(w.waiting * total for w, total in zip(windows, totals, strict=True))
    share = waited / sum(totals)
    mean = sum(totals) / len(totals) / steps
    return Waiting(share, mean * (1.0 - share), mean * share)


def devices(energy: EnergyMonitor, steps: int) -> dict[str, DeviceUse]:
    """For each GPU that is counted: how much of the windows it computed, and joules a step without.

    `utilisation` is the driver's: the share of time in which a kernel was running, however small.
    `idle_share` is the rest; where no utilisation is told, the ranks' waiting stands for it
    (`told_by`). `idle` is that time at the power drawn before and after the windows, with the
    device's context open. `waiting` is the share of the time that ranks spent in exchange and
    imbalance, whatever the device did.
    """
    windows = energy.windows
    seconds = sum(window.seconds for window in windows)
    waited = sum(window.waiting * window.seconds for window in windows) / seconds
    uses: dict[str, DeviceUse] = {}
    for domain in energy.account.counted:
        if domain.kind != "gpu":
            continue
        reported = all(domain.meter in window.active for window in windows)
        active = (
            sum(w.active[domain.meter] * w.seconds for w in windows) / seconds if reported else None
        )
        idle = waited if active is None else 1.0 - active
        watts = [w.joules[domain.key] / w.seconds for w in energy.idles if w.joules.get(domain.key)]
        base = sum(watts) / len(watts) if watts else None
        a_step = seconds / len(windows) / steps
        uses[domain.meter] = DeviceUse(
            utilisation=active,
            waiting=waited,
            idle_share=idle,
            told_by="utilisation" if reported else "waiting",
            idle_w=base,
            idle=None if base is None else base * idle * a_step,
        )
    return uses


def flags(energy: EnergyMonitor, data: Energy, bytes_per_step: float) -> list[str]:
    """What makes the figure doubtful, in words."""
    doubts = list(energy.account.notes)
    crosscheck, cost = data.crosscheck_rel, data.cost_rel
    if crosscheck is not None and crosscheck > uncertainty.CROSSCHECK_LIMIT:
        doubts.append(f"counter and sampled power differ by {crosscheck:.1%}")
    if data.window_s < energy.least_s:
        doubts.append(
            f"a window of {data.window_s:.2g} s, where this GPU's counter takes "
            f"{energy.least_s:g} s (--window {1.2 * energy.least_s:g}, and --timeout to match)"
        )
    if cost > uncertainty.COST_LIMIT:
        doubts.append(f"measuring took {cost:.1%} of the window")
    if data.exclusive is False:
        doubts.append("other work ran on this node")
    doubts += [
        f"{':'.join(domain.key)} updates every {energy.periods[domain.key]:.2g} s instead of "
        f"{energy.nominal[domain.key]:.2g} s"
        for domain in energy.account.counted
        if energy.periods[domain.key] > 2.0 * energy.nominal[domain.key] > 0.0
    ]
    if data.phases_rel is not None and data.phases_rel > uncertainty.CROSSCHECK_LIMIT:
        doubts.append(
            f"windows at other phases of the GPU's sensor, which looks at a part of each period, "
            f"differ by {data.phases_rel:.0%}: the load repeats about as often"
        )
    doubts += [
        f"one window, of which {':'.join(domain.key)} saw {domain.looks_rel:.0%}: a load that "
        f"repeats about every {energy.periods[domain.key] * 1e3:.0f} ms, or twice as often, may "
        "be told wrong by half (`joulia run` spreads its windows over the phases)"
        for domain in energy.account.counted
        if domain.looks_rel < 1.0 and len(energy.windows) == 1
    ]
    devices = {user.device for user in energy.users if user.device}
    on_gpus = sum(data.domains[":".join(o.key)] for o in energy.account.counted if o.kind == "gpu")
    per_byte = on_gpus / bytes_per_step if bytes_per_step and on_gpus else None
    if devices and per_byte is not None and per_byte < uncertainty.HBM_J_PER_BYTE:
        doubts.append(
            f"{per_byte * 1e12:.3g} pJ a byte, less than HBM takes: measured wrongly, or cache hits"
        )
    return doubts
