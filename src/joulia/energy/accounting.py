"""What counts: which domains make up a total, so that nothing is added twice or left out silently.

Pure functions of what the meters of all nodes show, the same on every rank.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, _gpu


@dataclass(frozen=True)
class Seen:
    """A domain of a meter of a node, as the node's reader tells it."""

    node: str
    meter: str
    domain: str
    kind: str
    source: str = "counter"
    period_s: float = 0.0
    quantum_j: float = 0.0
    systematic_rel: float = 0.0
    window_s: float = 0.0
    looks_rel: float = 1.0
    most_w: float = MOST_WATTS["node"]
    device: str | None = None
    bus_id: str | None = None
    covers: tuple[tuple[str, str | None], ...] = ()
    unattributable: str | None = None
    not_covered: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.meter, self.domain


@dataclass(frozen=True)
class Account:
    """The domains whose sum is the total, what that leaves out, and why there is no total."""

    counted: tuple[Seen, ...]
    not_covered: tuple[str, ...]
    users: dict[str, tuple[int, ...]]
    """The ranks that share each counted meter."""
    problem: str | None = None
    notes: tuple[str, ...] = ()
    """What the total holds beside the case's own."""
    unused: tuple[Seen, ...] = ()
    """GPUs that no rank uses, where they lie in nothing that counts: what the node draws beside."""

    @property
    def scope(self) -> str:
        """What the total covers, in words."""
        return " + ".join(sorted({seen.kind for seen in self.counted}))


@dataclass(frozen=True)
class User:
    """A rank: the node it runs on, and the device it computes on (None: the processor)."""

    node: str
    device: str | None = None


def account(
    seen: Iterable[Seen],
    users: Sequence[User],
    *,
    everything: bool = False,
    slowest_s: float = math.inf,
) -> Account:
    """Choose what counts for the ranks of a case, given all that the meters show.

    A node counts once however many ranks run on it, a GPU once however many share it. GPUs that no
    rank uses are left out and named, unless `everything` counts or the node's own meter holds them.
    A node's meter that is updated less often than every `slowest_s` gives way to the node's parts.
    """
    # One meter is one meter, whoever reads it; the order of ranks decides nothing.
    unique = sorted(
        {domain.key: domain for domain in sorted(seen, key=_order)}.values(), key=_order
    )
    counted: list[Seen] = []
    left_out: list[str] = []
    problems: list[str] = []
    notes: list[str] = []
    unused: list[Seen] = []
    for node in sorted({user.node for user in users}):
        here = [domain for domain in unique if domain.node == node]
        used, trouble = _devices(here, [user for user in users if user.node == node])
        if everything:
            used = set(_gpus(here))
        holders = {domain.device for domain in here if _held(domain) & used}
        chosen, missing = _node(here, holders, slowest_s)
        notes += [note for domain in chosen for note in _neighbours(domain, used)]
        if trouble and not any(domain.kind == "node" for domain in chosen):
            problems += trouble
        elif not chosen:
            problems.append(_nothing(node, here))
        unused += _unused(here, chosen)
        counted += chosen
        left_out += missing
        left_out += [text for domain in chosen for text in domain.not_covered]
    shared = {domain.meter: _sharers(domain, users) for domain in counted}
    return Account(
        tuple(counted),
        tuple(dict.fromkeys(left_out)),
        shared,
        problems[0] if problems else None,
        () if everything else tuple(dict.fromkeys(notes)),
        tuple(unused),
    )


def _order(domain: Seen) -> tuple[str, ...]:
    source = "" if domain.source == "counter" else domain.source
    return (domain.node, source, domain.meter, domain.domain)


def _gpus(here: Iterable[Seen]) -> dict[str, str | None]:
    """The GPUs whose joules the meters of a node hold, with their PCI bus ids."""
    gpus = {domain.device: domain.bus_id for domain in here if domain.device}
    return gpus | {uuid: bus_id for domain in here for uuid, bus_id in domain.covers}


def _held(domain: Seen) -> set[str]:
    """The GPUs whose joules a domain holds."""
    return {domain.device, *(uuid for uuid, _ in domain.covers)} if domain.device else set()


def _neighbours(domain: Seen, used: Collection[str]) -> list[str]:
    """What a domain's joules hold beside the case's own, in a note; nothing where all is used."""
    others = sorted(_held(domain) - set(used))
    if not others:
        return []
    named = ", ".join(others) if len(others) < 3 else f"{others[0]} and {len(others) - 1} more"
    return [f"the joules of {domain.device} hold those of {named}, which this case does not use"]


APART = ("package", "dram", "gpu")
"""Kinds of domains that certainly hold no other GPU."""


def _unused(here: Sequence[Seen], chosen: Sequence[Seen]) -> list[Seen]:
    """GPUs beside what counts on a node; none where something that counts may hold them."""
    if any(domain.kind not in APART for domain in chosen):
        return []
    held = {gpu for domain in chosen for gpu in _held(domain)}
    beside: list[Seen] = []
    for domain in here:
        if domain.kind == "gpu" and domain.device and not domain.unattributable:
            if not _held(domain) & held:
                beside.append(domain)
            held |= _held(domain)  # a second meter of the same GPU
    return beside


def _devices(here: Sequence[Seen], users: Sequence[User]) -> tuple[set[str], list[str]]:
    """The UUIDs of the GPUs that ranks use, and why some of them cannot be measured."""
    known = _gpus(here)
    used: set[str] = set()
    trouble: list[str] = []
    for token in sorted({user.device for user in users if user.device}):
        try:
            uuid = _gpu.match(token, known)
        except Unavailable as error:
            trouble.append(error.reason)
            continue
        used.add(uuid)
        trouble += {
            domain.unattributable
            for domain in here
            if domain.device == uuid and domain.unattributable
        }
    return used, trouble


def _node(
    here: Sequence[Seen], used: Collection[str | None], slowest_s: float
) -> tuple[list[Seen], list[str]]:
    """One level of each part of a node, the widest that says for certain what it holds.

    `used` are the devices whose meters hold the joules of GPUs in use.
    """
    whole = [domain for domain in here if domain.kind == "node"]
    quick = [domain for domain in whole if domain.period_s <= slowest_s]
    if quick:
        # Everything else lies inside. Of two meters for the node one counts, a counter first.
        return quick[:1], []
    chosen, missing = _parts(here, used)
    if whole and not _stand_in(chosen, whole[0]):
        return whole[:1], []
    return chosen, missing + [
        f"the rest of the node ({domain.domain} tells one figure in {domain.period_s:g} s, too "
        "slow for this window: the node's parts are counted)"
        for domain in whole[:1]
    ]


def _stand_in(parts: Sequence[Seen], whole: Seen) -> bool:
    """Whether parts may stand for their node: processors are among them, and all are quicker."""
    processors = any(domain.kind in ("package", "platform", "module") for domain in parts)
    return processors and all(domain.period_s < whole.period_s for domain in parts)


def _parts(here: Sequence[Seen], used: Collection[str | None]) -> tuple[list[Seen], list[str]]:
    """A node's processors and the GPUs that are used, each by the meter that holds most of it."""
    gpus = [domain for domain in here if domain.kind == "gpu" and domain.device in used]
    attributable = [domain for domain in gpus if not domain.unattributable]
    missing = [str(domain.unattributable) for domain in gpus if domain.unattributable]
    missing += [
        f"{domain.device}: not used by this case"
        for domain in here
        if domain.kind in ("gpu", "module") and domain.device and domain.device not in used
    ]
    processor = _processor(here, bool(attributable))
    if superchips := _superchips(here, used, bool(processor)):
        # Their processors and memory are inside, whatever else tells of them.
        inside = {domain.device for domain in superchips}
        return superchips + [gpu for gpu in attributable if gpu.device not in inside], missing
    rails = [domain for domain in here if domain.kind == "gpus"]
    if not any(domain.kind == "gpu" for domain in here) and processor:
        processor += [domain for domain in rails if domain.meter == processor[0].meter]
    modules = [domain for domain in here if domain.kind == "module" and not domain.device]
    if modules and not processor and not attributable:
        return modules, missing
    if attributable and not processor:
        missing.append("the processor and its memory (no meter)")
    chosen = processor + attributable
    if not chosen and not gpus:
        chosen = [domain for domain in here if domain.kind == "battery"]
    return chosen, missing


def _superchips(here: Sequence[Seen], used: Collection[str | None], processor: bool) -> list[Seen]:
    """Modules of GPUs in use, unless the GPU and the `processor` are told one by one."""
    by_gpu = {domain.device for domain in here if domain.kind == "gpu"} if processor else set()
    return [
        domain
        for domain in here
        if domain.kind == "module"
        and domain.device in used
        and domain.device not in by_gpu
        and not domain.unattributable
    ]


def _processor(here: Sequence[Seen], with_gpus: bool) -> list[Seen]:
    """Packages and their DRAM from one meter, or its platform domain.

    psys replaces the sum; but whether it holds a discrete GPU depends on the board, so that beside
    a measured GPU the packages are counted instead, where there are any.
    """
    kinds = ("platform", "package", "dram")
    meters = [domain.meter for domain in here if domain.kind in ("platform", "package")]
    if not meters:
        return []
    candidates = [domain for domain in here if domain.meter == meters[0] and domain.kind in kinds]
    platform = [domain for domain in candidates if domain.kind == "platform"]
    parts = [domain for domain in candidates if domain.kind != "platform"]
    if platform and (not with_gpus or not parts):
        return platform
    return parts


def _nothing(node: str, here: Sequence[Seen]) -> str:
    if not here:
        return f"node {node} has no meter"
    if all(domain.device for domain in here):
        return "the meters here measure GPUs, which this case does not use"
    return "the meters here show parts only, whose sum covers nothing known"


def _sharers(domain: Seen, users: Sequence[User]) -> tuple[int, ...]:
    """The ranks whose work is in a domain's joules."""
    there = [(rank, user) for rank, user in enumerate(users) if user.node == domain.node]
    if domain.device is None:
        return tuple(rank for rank, _ in there)
    sharers = []
    for rank, user in there:
        try:
            if user.device and _gpu.match(user.device, _gpus([domain])):
                sharers.append(rank)
        except Unavailable:
            continue
    return tuple(sharers)
