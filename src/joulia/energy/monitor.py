"""Joules of a window: read by one rank a node, added up over meters, or null with the reason."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from joulia import meters
from joulia.energy import accounting, counters, opening, polling, uncertainty
from joulia.energy.accounting import Seen, User
from joulia.energy.readings import Key, Reading, Window, difference, union
from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Meter, SomeFailed, asked
from joulia.parallel.comm import Comm, OneRank
from joulia.system import topology
from joulia.system.clock import raw_clock
from joulia.system.conditions import cpu_time

LEAST_IDLE_S, MOST_IDLE_S = 0.2, 5.0
NODE_CORES = os.cpu_count() or 1
"""A sampler takes one core of these; the work has the others."""
STRETCHED = 10.0
"""Windows grow up to so many times what was asked for, for the sake of the whole node's meter."""
CATCH_UP = 1.5
"""After so many update periods no counter tells of earlier power any more, also where steps are
quicker than they were when they were counted."""
GOLDEN = (5.0**0.5 - 1.0) / 2.0
"""Multiples of the golden ratio lie spread over a period, however many there are."""
MARGIN, LEAST_MARGIN = 1.5, 1.2
"""A window is planned this much longer than it must be: steps are counted before it, not in it."""


class EnergyMonitor:
    """The meters of all nodes behind a few calls, each of which every rank makes.

    One rank a node opens and reads them: the lowest of those with the node's boot id. A rank whose
    GPU that one does not see (Slurm's --gpus-per-task) opens the meter of its own. `device` is the
    UUID or PCI bus id of the GPU that this rank computes on; None where it uses none.
    `everything` counts all GPUs. `spins` says that threads spin all the time, so that there is no
    idle to measure. `tolerance` is the relative error (one sigma) above which a window is too
    short. `window_s` is the window asked for, where that is known beforehand: a node's meter that
    would stretch it more than `STRETCHED` times gives way to the node's parts. `opened` are meters
    in the place of those of the file tree.
    """

    def __init__(
        self,
        comm: Comm | None = None,
        *,
        tolerance: float = 0.02,
        device: str | None = None,
        everything: bool = False,
        window_s: float = math.inf,
        spins: bool = False,
        clock: Clock = raw_clock,
        sleep: Callable[[float], None] = time.sleep,
        opened: tuple[list[Meter], dict[str, Unavailable]] | None = None,
    ) -> None:
        comm = comm or OneRank()
        self.comm = comm
        self.tolerance = tolerance
        self.clock = clock
        self.sleep = sleep
        self.everything = everything
        self.spins = spins
        self.bearable_s = uncertainty.slowest_period(STRETCHED * window_s, tolerance)
        self.random = random.Random()
        self.phases = itertools.count()
        root = meters.root()
        self.root = root
        node = meters.node_id(root) or socket.gethostname()
        ranks = comm.allgather((node, device, topology.bound()))
        self.users = [User(name, used) for name, used, _ in ranks]
        self.reads = comm.rank == min(r for r, user in enumerate(self.users) if user.node == node)
        self.meters: list[Meter] = []
        self.missing: dict[str, Unavailable] = {}
        self.read_errors: list[str] = []
        self.faults: dict[Key, int] = {}
        self.last_errors: dict[Key, str] = {}
        self.left_out: dict[Key, str] = {}
        if self.reads:
            self.meters, self.missing = opened or meters.open_all(root, clock)
        own, missing = opening.own_meters(comm, node, device, self.meters, root, clock)
        self.meters = [*self.meters, *own]
        self.missing = missing | self.missing
        self._settle(node)
        if any(
            comm.allgather(self._start({c for n, _, cores in ranks if n == node for c in cores}))
        ):
            self._settle(node)
        self.windows: list[Window] = []
        self.idles: list[Window] = []
        self.voids: list[str] = []
        self.told: Window | None = None
        """What all meters told in the last window, also where it is void."""
        self.busy: list[float] = []
        # On a virtual clock nothing wraps while nobody looks.
        self._polling = polling.start(self.meters if clock is raw_clock else (), self._joules)

    def begin_anew(self, idles: Sequence[Window] = ()) -> None:
        """Forget what was measured: the same meters measure something else.

        `idles` is rest that was measured just before it.
        """
        self.windows, self.voids, self.idles = [], [], list(idles)
        self.busy, self.read_errors = [], []

    def _settle(self, node: str) -> None:
        """What all readers see, and what of it counts; the same on every rank."""
        own = [domain for meter in self.meters for domain in opening.seen(node, meter)]
        seen = [domain for part in self.comm.allgather(own) for domain in part]
        self.seen = sorted(seen, key=lambda domain: domain.key)
        self.nominal = {domain.key: domain.period_s for domain in seen}
        self.periods = dict(self.nominal)
        self.sources = {domain.meter: domain.source for domain in seen}
        self.reasons, self.lost = opening.reasons(self.comm, self.missing)
        self._choose(self.seen)

    def _choose(self, seen: Sequence[Seen]) -> None:
        """What counts of these."""
        chosen = accounting.account(
            seen, self.users, everything=self.everything, slowest_s=self.bearable_s
        )
        problem = chosen.problem
        if problem and self.lost:
            problem = f"{problem} ({'; '.join(self.lost)})"
        notes = tuple(f"{_name(key)}: {reason}" for key, reason in self.left_out.items())
        self.account = replace(
            chosen, problem=problem, not_covered=(*chosen.not_covered, *self.lost, *notes)
        )
        self.counted = {domain.key for domain in self.account.counted}
        self.active = bool(self.counted) and not self.account.problem

    def _start(self, busy: set[int]) -> bool:
        """Start the samplers of what counts, and read nothing that would need another one.

        True where a meter was lost, because its sampler did not start.
        """
        counted = {meter for meter, _ in self.counted}
        lost = False
        for meter in list(self.meters):
            if meter.id not in counted and not self.everything:
                if meter.source == "sampled":
                    self.meters.remove(meter)
                continue
            try:
                if isinstance(meter, Base):
                    names = {name for owner, name in self.counted if owner == meter.id}
                    asked(meter.id, partial(self._begin, meter, names, busy))
            except Unavailable as error:
                self.missing[meter.id] = error
                self.meters.remove(meter)
                lost = True
        return lost

    def _begin(self, meter: Base, counted: set[str], busy: set[int]) -> None:
        if not self.everything:
            meter.only(counted)
        meter.start(busy)

    def _joules(self, meter: Meter) -> dict[str, float]:
        """What a meter tells now. Domains whose read failed are not in it, and are noted."""
        try:
            return asked(meter.id, meter.read)
        except SomeFailed as failed:
            for name, error in failed.errors.items():
                self._fault([(meter.id, name)], error)
            return failed.values
        except Unavailable as error:
            self._fault([key for key in self.nominal if key[0] == meter.id], error)
            return {}

    def _fault(self, keys: Sequence[Key], error: Unavailable) -> None:
        """A failed read: what was accumulated across it is not to be trusted."""
        self.read_errors.append(error.reason)
        for key in keys:
            self.faults[key] = self.faults.get(key, 0) + 1
            self.last_errors[key] = error.reason

    def close(self) -> None:
        self._polling.set()
        for meter in self.meters:
            if isinstance(meter, Base):
                with contextlib.suppress(Unavailable):
                    asked(meter.id, meter.close)

    # What must be known before the first window.

    def infer_periods(self) -> None:
        """Watch the counters change: the real time between updates, on every rank."""
        if not self.active:
            return
        inferred: dict[Key, float | None] = {}
        copies: dict[Key, str] = {}
        for meter in self.meters:
            if self.sources.get(meter.id) != "sampled":
                periods, repeated = self._watch(meter)
                inferred |= periods
                copies |= repeated
        left_out: dict[Key, str] = {}
        for periods, repeated in self.comm.allgather((inferred, copies)):
            self.periods |= {key: seconds for key, seconds in periods.items() if seconds}
            left_out |= repeated
            left_out |= counters.still(periods, self.seen, everything=self.everything)
        self._leave_out(left_out)
        # The watch ends at an update: what follows would always be at that phase.
        self.sleep(self.random.uniform(0.0, self.slowest_s))

    def _leave_out(self, reasons: Mapping[Key, str]) -> None:
        """Count without these; the same on every rank."""
        new = {key: reason for key, reason in reasons.items() if key not in self.left_out}
        if not new:
            return
        self.left_out |= new
        self._choose(self._readable())
        self.windows = [w for w in self.windows if self.counted <= w.joules.keys()]

    def _readable(self) -> list[Seen]:
        """What may count: a sampler that was not started tells nothing."""
        return [
            domain
            for domain in self.seen
            if domain.key not in self.left_out
            and (domain.source != "sampled" or self.everything or domain.key in self.counted)
        ]

    def follow_samplers(self) -> None:
        """Where samples came slower than planned, their real period is the update period."""
        periods: dict[Key, float] = {}
        for meter in self.meters:
            if isinstance(meter, Base) and meter.source == "sampled":
                keys = [(meter.id, name) for name in meter.domains]
                try:
                    every_s = asked(meter.id, meter.period_s)
                    periods |= {
                        (meter.id, name): every_s + domain.average_s
                        for name, domain in meter.domains.items()
                    }
                except Unavailable as error:
                    self._fault(keys, error)  # the windows since it died are void already
        for part in self.comm.allgather(periods):
            for key, seconds in part.items():
                self.periods[key] = max(self.periods[key], seconds)

    def _watch(self, meter: Meter) -> tuple[dict[Key, float | None], dict[Key, str]]:
        """The update periods of a meter's counters, and those that repeat another one."""
        here = [domain for domain in self.seen if domain.meter == meter.id]
        if not any(domain.key in self.counted for domain in here):
            return {}, {}
        watched = [d for d in here if d.key in self.counted or d.kind in counters.OPTIONAL]
        try:
            return counters.watch(meter, watched, self.clock, self.sleep)
        except Unavailable as error:
            self._fault([domain.key for domain in here], error)
            return {}, {}

    def give_way(self, window_s: float) -> None:
        """Count the parts of a node whose own meter is too slow for a window of this length."""
        self.bearable_s = uncertainty.slowest_period(window_s, self.tolerance)
        whole = [domain for domain in self.account.counted if domain.kind == "node"]
        if any(domain.period_s > self.bearable_s for domain in whole):
            self._choose(self._readable())

    @property
    def nodes(self) -> int:
        """The number of nodes that the ranks run on."""
        return len({user.node for user in self.users})

    @property
    def slowest_s(self) -> float:
        return max((self.periods[key] for key in self.counted), default=0.0)

    @property
    def least_s(self) -> float:
        """The shortest window that all meters stand for."""
        return max((domain.window_s for domain in self.account.counted), default=0.0)

    def window_s(self, asked: float, longest: float) -> float:
        """The length of a window: what was asked for, or more where the tolerance needs it.

        Where it would need more than `longest`, what was asked for: the verdict is "too short".
        """
        need = MARGIN * uncertainty.window_needed(self.slowest_s, self.tolerance)
        need = max(need, LEAST_MARGIN * self.least_s)
        return max(asked, need) if need <= longest else asked

    def idle(self) -> None:
        """Measure the power of doing nothing; all ranks sleep, for a barrier would spin.

        What the counters still have to tell of work before it is waited for.
        """
        if not self.active or self.spins:
            return
        self.sleep(self.lead_s(MOST_IDLE_S))
        need = uncertainty.window_needed(self.slowest_s, self.tolerance)
        seconds = min(max(LEAST_IDLE_S, need), MOST_IDLE_S)
        self.comm.barrier()
        before, load = self.read(), cpu_time(self.root) if self.reads else None
        self.sleep(seconds if self.reads else seconds + 0.005)
        after = self.read()
        if load and (then := cpu_time(self.root)) and then.total > load.total:
            # What the hypervisor took draws power as well.
            worked = then.busy + then.stolen - load.busy - load.stolen
            self.busy.append(worked / (then.total - load.total))
        whole = self.between(before, after, at_rest=True)
        if isinstance(whole, Window):
            self.idles.append(whole)

    def lead_s(self, seconds: float) -> float:
        """How long until no counter tells of earlier power, for a window of so many seconds.

        A counter that is slower than the window gives it no joules: nobody waits for that one.
        """
        keys = self.periods.keys() if self.everything else self.counted
        periods = [self.periods[key] for key in keys if self.periods[key] <= seconds]
        return CATCH_UP * max(periods, default=0.0) if self.active else 0.0

    def spread_phases(self, seconds: float) -> None:
        """Wait a part of an update period, so that windows begin at phases spread over it.

        A meter that looks at 25 of every 100 ms then sees all of a load that repeats as often.
        """
        if not self.active or not 0.0 < self.slowest_s <= seconds:
            return
        phase = next(self.phases) * GOLDEN - self.clock() / self.slowest_s
        self.sleep(self.comm.bcast(phase % 1.0 * self.slowest_s))

    # Windows.

    def read(self) -> Reading:
        """This rank's joules now; a domain whose read failed is not in it."""
        began = self.clock()
        reading = Reading(began, 0.0)
        counted = {meter for meter, _ in self.counted}
        for meter in self.meters:
            joules = self._joules(meter)
            reading.joules |= {(meter.id, name): value for name, value in joules.items()}
            if joules and isinstance(meter, Base):
                try:
                    asked(meter.id, partial(self._beside, meter, reading, meter.id in counted))
                except Unavailable as error:
                    self.read_errors.append(error.reason)
        ended = self.clock()
        reading.faults = dict(self.faults)
        # Meters are read one after the other: the middle is the moment of all of them.
        reading.at = 0.5 * (began + ended)
        reading.cost_s = ended - began
        return reading

    @staticmethod
    def _beside(meter: Base, reading: Reading, counted: bool) -> None:
        """What a meter tells beside its joules: its cost, and of what counts the second way."""
        reading.sampler_s += meter.cost_s()
        if not counted:
            return
        reading.checks |= {(meter.id, name): joules for name, joules in meter.check().items()}
        if (active := meter.active_s()) is not None:
            reading.active[meter.id] = active

    def window(self, before: Reading, after: Reading, waiting: float = 0.0) -> None:
        """Keep the difference of two readings; a failed read voids the window on every rank.

        `waiting` is the share of the window that ranks spent waiting, the same on every rank.
        """
        if self.active:
            self.keep(self.between(before, after), waiting)

    def keep(self, whole: Window | str, waiting: float = 0.0) -> None:
        """A window among those that count, or the reason why it is void among those."""
        if isinstance(whole, str):
            self.voids.append(whole)
        else:
            whole.waiting = waiting
            self.windows.append(whole)

    def between(self, before: Reading, after: Reading, *, at_rest: bool = False) -> Window | str:
        """The union over meters of all nodes, or why it is void.

        A counter that stands still while there is work is no 0 J; at rest it may be a coarse one.
        """
        faulty = {key for key, n in after.faults.items() if n != before.faults.get(key, 0)}
        own = difference(before, after, faulty, NODE_CORES)
        parts = self.comm.allgather((self.reads or bool(self.meters), own, self.last_errors))
        readers = [part for reads, part, _ in parts if reads]
        whole = union(readers)
        errors = {key: reason for _, _, part in parts for key, reason in part.items()}
        mad = counters.impossible(whole, self.seen)
        for key in mad:
            del whole.joules[key]
        errors |= mad
        self.told = whole
        self._leave_out(
            counters.less_than_parts(whole, [d for d in self.seen if d.key not in self.left_out])
        )
        if lost := sorted(self.counted - whole.joules.keys()):
            return f"{_name(lost[0])}: {errors.get(lost[0], 'not read')}"
        still = sorted(key for key in self.counted if not whole.joules[key] > 0.0)
        if still and not at_rest:
            return f"{_name(still[0])}: the counter stood still for {whole.seconds:.2g} s"
        return whole


def _name(key: Key) -> str:
    return f"{key[0]}:{key[1]}"
