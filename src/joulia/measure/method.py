"""The measuring method: one case, from start-up to statistics, in this process and its ranks."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from joulia.case import Case, Settings
from joulia.energy.result import energy_result
from joulia.measure.beginning import NOT_ASKED, begin
from joulia.measure.calibrate import MOST_ANEW, calibrate
from joulia.measure.conditions import Watch
from joulia.measure.exchange_cost import choose_overlap, parallel, waiting_share
from joulia.measure.threads import ThreadTimes, counts, farthest
from joulia.measure.threads import failures as thread_failures
from joulia.parallel.comm import Comm
from joulia.records import stats
from joulia.records.parts import SHORT, Check, DeclaredWork, Feed, Rates, Startup, Timing
from joulia.records.record import Measured
from joulia.simulation import end_time, verify
from joulia.simulation import feed as feeding
from joulia.simulation.digest import fields_digest
from joulia.simulation.reference import reference_step

clock = time.perf_counter


def measure(case: Case, settings: Settings, comm: Comm, cores: Sequence[int] = ()) -> Measured:
    """Measure a case on all ranks; the measured part of its record, the same on every rank.

    `cores` are those of a node that its ranks might use, besides the ones they are bound to. Raises
    Unavailable where the backend is not here, Unstable where the simulation is not finite.
    """
    begun = begin(case, settings, comm)
    run, energy, first, waits = begun.run, begun.energy, begun.first_s, begun.waits

    # Correctness first: one step against NumPy, before anything is timed.
    got = run.results(run.fields)
    run.require_sound(got, 1, comm)
    first_step, overlap = fields_digest(comm, run.tile, got), run.exchange.overlap
    want = reference_step(case, run.tile)
    reference = verify.reference_check(run.kernel, case, comm, got, want)
    mostly = verify.mostly_check(run.kernel, case, comm, got, want)

    watch = Watch(comm, [user.node for user in energy.users], run.ops.device_id(), cores)
    longest = 0.5 * settings.timeout_s / (settings.repeats + 2)
    # Rank 0 fixes the numbers of steps and repeats: deciding per rank would hang in collectives.
    window_s = comm.bcast(energy.window_s(settings.window_s, longest))
    overlapped = choose_overlap(run, settings.overlap, window_s, comm)
    # A window is work that already runs: the counters lag, and would tell of the rest before it.
    steps, lead = calibrate(run, window_s, energy.lead_s(window_s), comm)

    energy.idle()
    samples: list[float] = []
    computing, endings, feeds = [], [], []
    threads, anew = ThreadTimes(run, comm), 0
    while len(samples) < settings.repeats:
        run.reset()
        watch.before()
        energy.spread_phases(window_s)
        run.steps(lead)
        run.exchange.reset_costs()
        if run.feed is not None:
            run.feed.restart()
        comm.barrier()
        before = energy.read()
        comm.barrier()
        threads.before()
        began = clock()
        run.steps(steps)
        seconds = clock() - began
        threads.after(steps)
        comm.barrier()
        after = energy.read()
        watch.after()
        samples.append(comm.max(seconds) / steps)
        computing.append((seconds, run.exchange.seconds))
        feeds.append(fed(run.feed, seconds, comm))
        energy.window(before, after, waiting_share(seconds, run.exchange.seconds, comm))
        final = run.results(run.fields)
        run.require_sound(final, lead + steps, comm)
        endings.append([float(np.sum(final[name], dtype=np.float64)) for name in final])
        if anew < MOST_ANEW and samples[-1] * steps < SHORT * window_s:
            # Others had the cores while steps were counted: these windows would be of a few.
            anew += 1
            steps, lead = calibrate(run, window_s, energy.lead_s(window_s), comm)
            for kept in (samples, computing, endings, feeds):
                kept.clear()
            watch.samples, threads = [], ThreadTimes(run, comm)
            energy.windows, energy.voids = [], []

    energy.idle()

    invariants = mostly | verify.exact_check(case, comm, run.tile, final, lead + steps)
    invariants |= verify.sampled_check(case, comm, run.tile, final)
    first_state, last_state = (
        verify.for_totals(run.kernel, case, run.ops, fields, run.exchange)
        for fields in (run.start, run.fields)
    )
    invariants |= verify.vanishing_checks(
        run.kernel, case, comm, run.ops, run.fields, run.exchange, lead + steps
    )
    invariants |= verify.drift_checks(case, comm, run.tile, first_state, last_state, lead + steps)
    same = all(ending == endings[0] for ending in endings)
    differs = comm.max(0.0 if same else 1.0)
    invariants["the first repeat's final state"] = Check.of(differs, 0.0)
    # A function that stopped computing after a while ends every repeat alike and conserves all.
    # Like is compared with like: the step overlaps, or not, as the first one did.
    run.exchange.overlap = overlap
    run.reset()
    run.steps(1)
    same = fields_digest(comm, run.tile, run.results(run.fields)) == first_step
    invariants["the first step, again"] = Check.of(0.0 if same else 1.0, 0.0)

    declared = run.kernel.work(case)
    joules, reason = energy_result(energy, steps, declared.bytes)
    reason = reason if settings.joules else NOT_ASKED
    energy.close()
    work = DeclaredWork(declared.bytes, declared.flops, run.kernel.updates_a_step(case))
    times = stats.summary(samples)
    thread_counts = counts(threads)
    failures = verify.failures(reference, invariants)
    failures += thread_failures(thread_counts, case.threads, os.environ)
    if run.ops.simulated:
        failures = [*failures, f"{run.ops.simulated}: it computes, but its times mean nothing"]
    return Measured(
        status="invalid" if failures else "valid",
        reasons=tuple(failures),
        time=Timing(**vars(times), unit="s/step", steps_per_sample=steps),
        energy=joules,
        energy_reason=reason,
        work=work,
        rates=rates(work, times.median),
        startup=Startup(
            run.import_s,
            run.load_s,
            run.cache,
            first,
            run.call_overhead(comm),
            energy_reason=begun.reason,
        ),
        start=begun.start,
        parallel=parallel(run, energy.nodes, overlapped, computing, steps, comm),
        verify=verify.verification(reference, invariants, first_step),
        runtime=run.versions,
        conditions=replace(
            watch.conditions(), waits=waits, threads=farthest(thread_counts, case.threads)
        ),
        feed=typical(feeds),
        solution=end_time.error_at(run, settings.until, comm) if settings.until else None,
    )


def fed(feed: feeding.Feed | None, seconds: float, comm: Comm) -> Feed | None:
    """The input of the steps that just took `seconds`; the same on every rank."""
    if feed is None:
        return None
    feed.settle()
    read, files = comm.sum(float(feed.nbytes)), comm.sum(float(feed.file_bytes))
    slowest = comm.max(feed.reading / feed.reads)
    return Feed(int(read), read / slowest, comm.max(feed.waited / seconds), int(files))


def typical(feeds: Sequence[Feed | None]) -> Feed | None:
    """That of the sample whose idle share is the median."""
    told = sorted((feed for feed in feeds if feed), key=lambda feed: feed.idle_share)
    return told[len(told) // 2] if told else None


def rates(work: DeclaredWork, seconds: float) -> Rates:
    """The declared work of a step over the time that it took."""
    return Rates(
        updates_per_s=work.updates / seconds,
        ns_per_update=1e9 * seconds / work.updates,
        bytes_per_s=work.bytes / seconds,
        flops_per_s=work.flops / seconds,
    )
