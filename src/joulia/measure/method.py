"""The measuring method: one case, from start-up to statistics, in this process and its ranks."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from joulia.case import Case, Settings
from joulia.energy.monitor import EnergyMonitor
from joulia.energy.result import energy_result
from joulia.measure.calibrate import calibrate
from joulia.measure.exchange_cost import choose_overlap, communication, shares, waiting
from joulia.parallel.comm import Comm
from joulia.parallel.gpus import gpus
from joulia.records import stats
from joulia.simulation import end_time, verify
from joulia.simulation.digest import fields_digest
from joulia.simulation.reference import reference_step
from joulia.simulation.run import set_up

clock = time.perf_counter


def measure(case: Case, settings: Settings, comm: Comm) -> dict[str, Any]:
    """Measure a case on all ranks; the measured part of its record, the same on every rank.

    Raises Unavailable where the backend is not here, Unstable where the simulation is not finite.
    """
    run = set_up(
        case,
        comm,
        decompose=settings.decompose,
        overlap=settings.overlap is not False,
        gpu_exchange=settings.gpu_exchange,
    )

    # Correctness first: one step against NumPy, before anything is timed.
    first = run.seconds(1, comm)
    got = run.results(run.fields)
    run.require_sound(got, 1, comm)
    first_step, overlap = fields_digest(comm, run.tile, got), run.exchange.overlap
    error = verify.relative_difference(
        comm, got, reference_step(case, run.tile), run.kernel.vectors
    )
    reference = verify.Check(error, run.kernel.tolerance[case.dtype])
    checked = verify.Verification(reference)

    energy = EnergyMonitor(comm, tolerance=settings.energy_tolerance, device=run.ops.device_id())
    energy.infer_periods()
    longest = 0.5 * settings.timeout_s / (settings.repeats + 2)
    # Rank 0 fixes the numbers of steps and repeats: deciding per rank would hang in collectives.
    window_s = comm.bcast(energy.window_s(settings.window_s, longest))
    overlapped = choose_overlap(run, settings.overlap, window_s, comm)
    steps = calibrate(run, window_s, comm)

    energy.idle()
    samples, computing, endings = [], [], []
    for _ in range(settings.repeats):
        run.reset()
        run.exchange.seconds = 0.0
        run.ops.synchronize()
        energy.jitter()
        comm.barrier()
        before = energy.read()
        comm.barrier()
        began = clock()
        run.steps(steps)
        mine = clock() - began
        comm.barrier()
        after = energy.read()
        samples.append(comm.max(mine) / steps)
        computing.append((mine, run.exchange.seconds))
        energy.window(before, after, waiting(mine, run.exchange.seconds, comm))
        final = run.results(run.fields)
        run.require_sound(final, steps, comm)
        endings.append([float(np.sum(final[name], dtype=np.float64)) for name in final])

    energy.idle()

    checked.invariants |= verify.exact_check(case, comm, run.tile, final, steps)
    first_state, last_state = (
        verify.for_totals(run.kernel, case, run.ops, fields, run.exchange)
        for fields in (run.start, run.fields)
    )
    checked.invariants |= verify.drift_checks(case, comm, run.tile, first_state, last_state, steps)
    same = all(ending == endings[0] for ending in endings)
    checked.invariants["the first repeat's final state"] = verify.Check(
        comm.max(0.0 if same else 1.0), 0.0
    )
    # A function that stopped computing after a while ends every repeat alike and conserves all.
    # Like is compared with like: the step overlaps, or not, as the first one did.
    run.exchange.overlap = overlap
    run.reset()
    run.steps(1)
    same = fields_digest(comm, run.tile, run.results(run.fields)) == first_step
    checked.invariants["the first step, again"] = verify.Check(0.0 if same else 1.0, 0.0)
    checked.digest = first_step

    work = run.kernel.work(case)
    joules, reason = energy_result(energy, steps, work.bytes)
    energy.close()
    updates = run.kernel.updates_a_step(case)
    median = stats.summary(samples)
    failures = checked.failures
    if run.ops.simulated:
        failures = [*failures, f"{run.ops.simulated}: it computes, but its times mean nothing"]
    return {
        "status": "invalid" if failures else "valid",
        "reasons": failures,
        "time": {"unit": "s/step", **median, "steps_per_sample": steps},
        "energy": joules,
        "energy_reason": reason,
        "rates": {
            "updates_per_s": updates / median["median"],  # type: ignore[operator]
            "ns_per_update": 1e9 * median["median"] / updates,  # type: ignore[operator]
            "bytes_per_s": work.bytes / median["median"],  # type: ignore[operator]
            "flops_per_s": work.flops / median["median"],  # type: ignore[operator]
        },
        "startup": run.startup
        | {"first_call_s": first, "call_overhead_s": run.call_overhead(comm)},
        "parallel": {"parts": list(run.parts), "nodes": energy.nodes}
        | overlapped
        | shares(computing, steps, comm)
        | communication(run, comm)
        | gpus(case, comm),
        "verify": checked.to_json(),
        "runtime": run.versions,
        "solution": end_time.error_at(run, settings.until, comm) if settings.until else None,
    }
