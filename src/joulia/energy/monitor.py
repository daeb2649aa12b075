"""Joules of a window: read by one rank a node, added up over meters, or null with the reason."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from joulia import meters
from joulia.energy import accounting, uncertainty
from joulia.energy.accounting import Seen, User
from joulia.energy.readings import Key, Reading, Window, minus
from joulia.energy.update_periods import update_periods
from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Meter
from joulia.parallel.comm import Comm, OneRank
from joulia.system import topology
from joulia.system.clock import raw_clock
from joulia.system.conditions import cpu_time

LEAST_IDLE_S, MOST_IDLE_S = 0.2, 5.0
NODE_CORES = os.cpu_count() or 1
"""A sampler takes one core of these; the work has the others."""
MARGIN, LEAST_MARGIN = 1.5, 1.2
"""A window is planned this much longer than it must be: steps are counted before it, not in it."""


class EnergyMonitor:
    """The meters of all nodes behind a few calls, each of which every rank makes.

    One rank a node opens and reads them: the lowest of those with the node's boot id. `device` is
    the UUID or PCI bus id of the GPU that this rank computes on; None where it uses none.
    `everything` counts all GPUs. `tolerance` is the relative error (one sigma) above which a
    window is too short. `opened` replaces the meters of the file tree in tests.
    """

    def __init__(
        self,
        comm: Comm | None = None,
        *,
        tolerance: float = 0.02,
        device: str | None = None,
        everything: bool = False,
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
        self.random = random.Random(0)
        root = meters.root()
        self.root = root
        node = meters.node_id(root) or socket.gethostname()
        ranks = comm.allgather((node, device, topology.bound()))
        self.users = [User(name, used) for name, used, _ in ranks]
        self.reads = comm.rank == min(r for r, user in enumerate(self.users) if user.node == node)
        self.meters: list[Meter] = []
        self.missing: dict[str, Unavailable] = {}
        self.read_errors: list[str] = []
        self.faults: dict[str, int] = {}
        if self.reads:
            self.meters, self.missing = opened or meters.open_all(root, clock)
        self._settle(node)
        if any(
            comm.allgather(self._start({c for n, _, cores in ranks if n == node for c in cores}))
        ):
            self._settle(node)
        parts = comm.allgather({name: error.reason for name, error in self.missing.items()})
        self.reasons: dict[str, str] = {k: v for part in reversed(parts) for k, v in part.items()}
        self.windows: list[Window] = []
        self.idles: list[Window] = []
        self.voids: list[str] = []
        self.busy: list[float] = []
        self._polling = threading.Event()
        self._poll()

    def _settle(self, node: str) -> None:
        """What all readers see, and what of it counts; the same on every rank."""
        own = [domain for meter in self.meters for domain in _seen(node, meter)]
        seen = [domain for part in self.comm.allgather(own) for domain in part]
        self.seen = sorted(seen, key=lambda domain: domain.key)
        self.account = accounting.account(seen, self.users, everything=self.everything)
        self.counted = {domain.key for domain in self.account.counted}
        self.active = bool(self.counted) and not self.account.problem
        self.nominal = {domain.key: domain.period_s for domain in seen}
        self.periods = dict(self.nominal)
        self.sources = {domain.meter: domain.source for domain in seen}

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
                    meter.start(busy)
            except Unavailable as error:
                self.missing[meter.id] = error
                self.meters.remove(meter)
                lost = True
        return lost

    def _poll(self) -> None:
        """Read counters that wrap often enough, also in a window longer than a wrap."""
        polls = [m for m in self.meters if isinstance(m, Base) and m.poll_s is not None]
        every = min((m.poll_s for m in polls if m.poll_s), default=0.0)
        if not 0.0 < every < 3600.0 or self.clock is not raw_clock:
            return

        def watch() -> None:
            while not self._polling.wait(every):
                for meter in polls:
                    try:
                        meter.read()
                    except Unavailable as error:
                        self._fault(meter, error)

        threading.Thread(target=watch, daemon=True).start()

    def _fault(self, meter: Meter, error: Unavailable) -> None:
        """A failed read: what the meter accumulated across it is not to be trusted."""
        self.read_errors.append(error.reason)
        self.faults[meter.id] = self.faults.get(meter.id, 0) + 1

    def close(self) -> None:
        self._polling.set()
        for meter in self.meters:
            if isinstance(meter, Base):
                meter.close()

    # What must be known before the first window.

    def infer_periods(self) -> None:
        """Watch the counters change: the real time between updates, on every rank."""
        if not self.active:
            return
        inferred: dict[Key, float | None] = {}
        for meter in self.meters:
            if self.sources.get(meter.id) != "sampled":
                inferred |= self._watch(meter)
        still = []
        for part in self.comm.allgather(inferred):
            self.periods |= {key: seconds for key, seconds in part.items() if seconds}
            still += [key for key, seconds in part.items() if seconds is None]
        self._leave_out(still)

    def _leave_out(self, still: Sequence[Key]) -> None:
        """Memory whose counter never moves is not counted by this processor: unknown, not 0 J."""
        dead = [o for o in self.account.counted if o.key in still and o.kind == "dram"]
        notes = tuple(f"{_name(domain.key)}: its counter stands still" for domain in dead)
        self.account = replace(
            self.account,
            counted=tuple(domain for domain in self.account.counted if domain not in dead),
            not_covered=self.account.not_covered + notes,
        )
        self.counted -= {domain.key for domain in dead}

    def follow_samplers(self) -> None:
        """Where samples came slower than planned, their real period is the update period."""
        periods: dict[Key, float] = {}
        for meter in self.meters:
            if isinstance(meter, Base) and meter.source == "sampled":
                try:
                    periods |= dict.fromkeys(
                        ((meter.id, n) for n in meter.domains), meter.period_s()
                    )
                except Unavailable as error:
                    self._fault(meter, error)  # the windows since it died are void already
        for part in self.comm.allgather(periods):
            for key, seconds in part.items():
                self.periods[key] = max(self.periods[key], seconds)

    def _watch(self, meter: Meter) -> dict[Key, float | None]:
        names = {domain.domain for domain in self.account.counted if domain.meter == meter.id}
        if not names:
            return {}
        nominal = max(self.nominal[meter.id, name] for name in names)
        try:
            periods = update_periods(meter, names, nominal, self.clock, self.sleep)
        except Unavailable as error:
            self._fault(meter, error)
            return {}
        return {(meter.id, name): seconds for name, seconds in periods.items()}

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
        """Measure the power of doing nothing; all ranks sleep, for a barrier would spin."""
        if not self.active:
            return
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
        whole = self.between(before, after)
        if isinstance(whole, Window):
            self.idles.append(whole)

    def jitter(self) -> None:
        """Wait a random part of an update period, so that windows begin at all its phases."""
        if self.active:
            self.sleep(self.random.uniform(0.0, self.slowest_s))

    # Windows.

    def read(self) -> Reading:
        """This rank's joules now; a domain whose read failed is not in it."""
        began = self.clock()
        reading = Reading(began, 0.0)
        counted = {meter for meter, _ in self.counted}
        for meter in self.meters:
            try:
                for name, joules in meter.read().items():
                    reading.joules[meter.id, name] = joules
            except Unavailable as error:
                self._fault(meter, error)
                continue
            if isinstance(meter, Base):
                reading.sampler_s += meter.cost_s()
                if meter.id not in counted:
                    continue
                try:
                    for name, joules in meter.check().items():
                        reading.checks[meter.id, name] = joules
                    if (active := meter.active_s()) is not None:
                        reading.active[meter.id] = active
                except Unavailable as error:
                    self.read_errors.append(error.reason)
        ended = self.clock()
        reading.faults = dict(self.faults)
        # Meters are read one after the other: the middle is the moment of all of them.
        reading.at = 0.5 * (began + ended)
        reading.cost_s = ended - began
        return reading

    def window(self, before: Reading, after: Reading, waiting: float = 0.0) -> None:
        """Keep the difference of two readings; a failed read voids the window on every rank.

        `waiting` is the share of the window that ranks spent waiting, the same on every rank.
        """
        if not self.active:
            return
        whole = self.between(before, after)
        if isinstance(whole, str):
            self.voids.append(whole)
        else:
            whole.waiting = waiting
            self.windows.append(whole)

    def between(self, before: Reading, after: Reading) -> Window | str:
        """The union over meters of all nodes, or why it is void."""
        faulty = {m for m, count in after.faults.items() if count != before.faults.get(m, 0)}
        own = Window(
            after.at - before.at,
            before.cost_s + after.cost_s + (after.sampler_s - before.sampler_s) / NODE_CORES,
            minus(after.joules, before.joules, faulty),
            minus(after.checks, before.checks, faulty),
            {
                meter: min(1.0, max(0.0, (seconds - before.active[meter]) / (after.at - before.at)))
                for meter, seconds in after.active.items()
                if meter in before.active
            },
        )
        parts = self.comm.allgather((self.reads, own, self.read_errors[-1:]))
        readers = [part for reads, part, _ in parts if reads]
        whole = Window(
            max(part.seconds for part in readers),
            max(part.cost_s for part in readers),
            {},
            {},
        )
        for part in readers:
            whole.joules |= part.joules
            whole.checks |= part.checks
            whole.active |= part.active
        if lost := sorted(self.counted - whole.joules.keys()):
            errors = [error for _, _, last_errors in parts for error in last_errors]
            return f"{_name(lost[0])}: {errors[-1] if errors else 'not read'}"
        if still := sorted(key for key in self.counted if not whole.joules[key] > 0.0):
            return f"{_name(still[0])}: the counter stood still for {whole.seconds:.2g} s"
        return whole


def _seen(node: str, meter: Meter) -> list[Seen]:
    try:
        domains = meters.domains(meter)
    except Unavailable:
        return []
    return [
        Seen(
            node,
            meter.id,
            name,
            domain.kind,
            meter.source,
            domain.period_s,
            domain.quantum_j,
            domain.systematic_rel,
            domain.window_s,
            device=getattr(meter, "device", None),
            bus_id=getattr(meter, "bus_id", None),
            unattributable=getattr(meter, "unattributable", None),
            not_covered=getattr(meter, "not_covered", ()),
        )
        for name, domain in domains.items()
    ]


def _name(key: Key) -> str:
    return f"{key[0]}:{key[1]}"
