"""The conditions of a case, watched around each of its samples and told of all nodes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joulia import meters
from joulia.meters import Clock, _nvml_state
from joulia.parallel.comm import Comm
from joulia.records.conditions import Conditions, GpuConditions
from joulia.system import conditions as system
from joulia.system import topology
from joulia.system.conditions import DISTURBED, SPELL_S, CpuTime, Shares


@dataclass(frozen=True)
class Moment:
    """One rank, and where it leads a node the node, at one moment. Seconds, Hz, degrees Celsius."""

    at: float
    own_s: float
    bound: CpuTime | None = None
    usable: CpuTime | None = None
    clock_hz: float | None = None
    temperature_c: float | None = None
    throttlings: int | None = None
    held_back_s: float | None = None
    gpu: _nvml_state.State | None = None


@dataclass(frozen=True)
class Watched:
    """What one rank saw; `facts` are those of the node that it leads."""

    node: str
    leads: bool
    samples: Sequence[tuple[Moment, Moment]]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Watch:
    """Looks before and after each sample; only `conditions` and the start are collective.

    `nodes` names every rank's node, `device` is the UUID or PCI bus id of this rank's GPU, `cores`
    those that the node's ranks might have used besides the ones that they are bound to.
    """

    def __init__(
        self,
        comm: Comm,
        nodes: Sequence[str],
        device: str | None,
        cores: Iterable[int] = (),
        *,
        root: Path | None = None,
        clock: Clock = time.perf_counter,
        own: Clock = time.process_time,
    ) -> None:
        self.comm, self.clock, self.own = comm, clock, own
        self.root = root or meters.root()
        self.node = nodes[comm.rank]
        self.leads = nodes.index(self.node) == comm.rank
        self.cores = comm.allgather(tuple(topology.bound()))
        bound = zip(nodes, self.cores, strict=True)
        self.bound = sorted({core for node, cores in bound if node == self.node for core in cores})
        self.usable = sorted({*self.bound, *cores})
        self.gpu = _nvml_state.state_reader(device) if device else None
        self.facts = self._facts() if self.leads else {}
        self.samples: list[tuple[Moment, Moment]] = []
        self.began: Moment | None = None

    def _facts(self) -> dict[str, Any]:
        physical = len(topology.read(self.bound, self.root).cores)
        return system.facts(self.root, self.bound) | {"physical_cores": physical}

    def before(self) -> None:
        """Look before a sample."""
        self.began = self._look()

    def after(self) -> None:
        """Look after it."""
        assert self.began is not None
        self.samples.append((self.began, self._look()))

    def _look(self) -> Moment:
        moment = Moment(self.clock(), self.own(), gpu=self.gpu() if self.gpu else None)
        if not self.leads:
            return moment
        return replace(
            moment,
            # What the ranks leave behind first: their clocks fall while the rest is read.
            clock_hz=system.clock_hz(self.root, self.bound),
            bound=system.cpu_time(self.root, self.bound),
            usable=system.cpu_time(self.root, self.usable),
            temperature_c=system.temperature_c(self.root),
            throttlings=system.throttlings(self.root),
            held_back_s=system.quota_throttled_s(self.root),
        )

    def conditions(self) -> Conditions:
        """What all ranks saw, the same on every rank."""
        ranks = self.comm.allgather(Watched(self.node, self.leads, self.samples, self.facts))
        leaders = [rank for rank in ranks if rank.leads]
        by_node = [
            shares_by_sample(leader, [r for r in ranks if r.node == leader.node])
            for leader in leaders
        ]
        taken = [
            worst(each for each in shares if each is not None)
            for shares in zip(*by_node, strict=True)
        ]
        disturbed = tuple(i for i, each in enumerate(taken) if each and each.taken > DISTURBED)
        node_facts = [leader.facts for leader in leaders]
        looks = [leader.samples for leader in leaders]
        seen = Conditions(
            disturbed=disturbed,
            note=None,
            limit=DISTURBED,
            others=tuple(each.others if each else None for each in taken),
            stolen=tuple(each.stolen if each else None for each in taken),
            load=highest(facts["load"] for facts in node_facts),
            governor=joined(facts["governor"] for facts in node_facts),
            turbo=highest(facts["turbo"] for facts in node_facts),
            smt=highest(facts["smt"] for facts in node_facts),
            clock_before_hz=lowest(samples[0][0].clock_hz for samples in looks),
            clock_hz=lowest(middle(after.clock_hz for _, after in samples) for samples in looks),
            temperature_before_c=highest(samples[0][0].temperature_c for samples in looks),
            temperature_c=highest(a.temperature_c for samples in looks for _, a in samples),
            throttlings=grown(looks, lambda moment: moment.throttlings),
            package_limits_w=tuple(w for facts in node_facts for w in facts["package_limits_w"]),
            quota_cores=lowest(facts["quota_cores"] for facts in node_facts),
            quota_throttled_s=grown(looks, lambda moment: moment.held_back_s),
            huge_pages=joined(facts["huge_pages"] for facts in node_facts),
            memory_nodes=joined(facts["memory_nodes"] for facts in node_facts),
            wait=node_facts[0]["wait"],
            gpus=gpus(ranks),
            cores=tuple(self.cores),
            physical_cores=sum(facts["physical_cores"] for facts in node_facts),
        )
        return replace(seen, note=note(seen))


def shares_by_sample(leader: Watched, ranks: Sequence[Watched]) -> list[Shares | None]:
    """What others had of a node in each sample, of its own ranks' cores or of all usable ones."""
    shares: list[Shares | None] = [None] * len(leader.samples)
    for spell in spells(leader.samples):
        first, last = spell[0], spell[-1]
        own_s = sum(rank.samples[last][1].own_s - rank.samples[first][0].own_s for rank in ranks)
        before, after = leader.samples[first][0], leader.samples[last][1]
        either = (
            system.shares(before.bound, after.bound, own_s),
            system.shares(before.usable, after.usable, own_s),
        )
        for sample in spell:
            shares[sample] = worst(each for each in either if each is not None)
    return shares


def spells(samples: Sequence[tuple[Moment, Moment]]) -> list[range]:
    """Samples in groups that last at least SPELL_S; none where all together are shorter."""
    groups: list[range] = []
    first = 0
    for last, (_, after) in enumerate(samples):
        if after.at - samples[first][0].at >= SPELL_S:
            groups.append(range(first, last + 1))
            first = last + 1
    if groups:
        groups[-1] = range(groups[-1].start, len(samples))
    return groups


def worst(shares: Iterable[Shares]) -> Shares | None:
    """The shares of which most is taken."""
    return max(shares, key=lambda each: each.taken, default=None)


def note(seen: Conditions) -> str | None:
    """In a line, how many samples were disturbed, and by whom."""
    if not seen.disturbed:
        return None
    causes = []
    if others := seen.disturbing(seen.others):
        causes.append(f"other programs used up to {others:.0%} of the cores".replace("%", " %"))
    if stolen := seen.disturbing(seen.stolen):
        causes.append(f"the hypervisor took up to {stolen:.0%}".replace("%", " %"))
    disturbed = f"{len(seen.disturbed)} of {len(seen.others)} samples were disturbed"
    return f"{disturbed}: {', '.join(causes)}"


def gpus(ranks: Sequence[Watched]) -> tuple[GpuConditions, ...]:
    """Each GPU that a rank looked at, as the first of its ranks saw it."""
    seen: dict[str, Sequence[tuple[Moment, Moment]]] = {}
    for rank in ranks:
        if state := rank.samples[0][0].gpu:
            seen.setdefault(state.uuid, rank.samples)
    return tuple(gpu(samples) for samples in seen.values())


def gpu(samples: Sequence[tuple[Moment, Moment]]) -> GpuConditions:
    first = samples[0][0].gpu
    assert first is not None
    states = [after.gpu for _, after in samples if after.gpu]
    throttles = [state.throttles for state in states if state.throttles is not None]
    return GpuConditions(
        uuid=first.uuid,
        clock_before_hz=first.clock_hz,
        clock_hz=middle(state.clock_hz for state in states),
        temperature_before_c=first.temperature_c,
        temperature_c=highest(state.temperature_c for state in states),
        power_limit_w=lowest(state.power_limit_w for state in (first, *states)),
        throttles=tuple(dict.fromkeys(t for each in throttles for t in each))
        if throttles
        else None,
    )


def grown(nodes: Sequence[Sequence[tuple[Moment, Moment]]], pick: Callable[[Moment], Any]) -> Any:
    """By how much a count grew from the first moment to the last, over all nodes that tell."""
    pairs = [(pick(samples[0][0]), pick(samples[-1][1])) for samples in nodes]
    known = [after - before for before, after in pairs if None not in (before, after)]
    return sum(known) if known else None


def highest(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def lowest(values: Iterable[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)


def middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def joined(values: Iterable[str | None]) -> str | None:
    return "+".join(sorted({value for value in values if value})) or None
