"""What counts: which domains make up a total, so that nothing is added twice or left out silently.

Pure functions of what the meters of all nodes show, the same on every rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from joulia.errors import Unavailable
from joulia.meters import _gpu


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
    device: str | None = None
    bus_id: str | None = None
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

    @property
    def scope(self) -> str:
        """What the total covers, in words."""
        return " + ".join(sorted({seen.kind for seen in self.counted}))


@dataclass(frozen=True)
class User:
    """A rank: the node it runs on, and the device it computes on (None: the processor)."""

    node: str
    device: str | None = None


def account(seen: Iterable[Seen], users: Sequence[User], *, everything: bool = False) -> Account:
    """Choose what counts for the ranks of a case, given all that the meters show.

    A node counts once however many ranks run on it, a GPU once however many share it. GPUs that no
    rank uses are left out and named, unless `everything` counts or the node's own meter holds them.
    """
    # One meter is one meter, whoever reads it; the order of ranks decides nothing.
    unique = sorted({one.key: one for one in sorted(seen, key=_order)}.values(), key=_order)
    counted: list[Seen] = []
    left_out: list[str] = []
    problems: list[str] = []
    for node in sorted({user.node for user in users}):
        here = [one for one in unique if one.node == node]
        used, trouble = _devices(here, [user for user in users if user.node == node])
        if everything:
            used = {one.device for one in here if one.device}
        chosen, missing = _node(here, used)
        if trouble and not any(one.kind == "node" for one in chosen):
            problems += trouble
        elif not chosen:
            problems.append(_nothing(node, here))
        counted += chosen
        left_out += missing
        left_out += [text for one in chosen for text in one.not_covered]
    shared = {one.meter: _sharers(one, users) for one in counted}
    return Account(
        tuple(counted),
        tuple(dict.fromkeys(left_out)),
        shared,
        problems[0] if problems else None,
    )


def _order(one: Seen) -> tuple[str, ...]:
    source = "" if one.source == "counter" else one.source
    return (one.node, source, one.meter, one.domain)


def _devices(here: Sequence[Seen], users: Sequence[User]) -> tuple[set[str], list[str]]:
    """The UUIDs of the GPUs that ranks use, and why some of them cannot be measured."""
    known = {one.device: one.bus_id for one in here if one.device}
    used: set[str] = set()
    trouble: list[str] = []
    for token in sorted({user.device for user in users if user.device}):
        try:
            uuid = _gpu.match(token, known)
        except Unavailable as error:
            trouble.append(error.reason)
            continue
        used.add(uuid)
        trouble += {one.unattributable for one in here if one.device == uuid and one.unattributable}
    return used, trouble


def _node(here: Sequence[Seen], used: set[str]) -> tuple[list[Seen], list[str]]:
    """One level of each part of a node, the widest that says for certain what it holds."""
    whole = [one for one in here if one.kind == "node"]
    if whole:
        # Everything else lies inside. Of two meters for the node one counts, a counter first.
        return [one for one in whole if one.meter == whole[0].meter][:1], []
    gpus = [one for one in here if one.kind == "gpu" and one.device in used]
    attributable = [one for one in gpus if not one.unattributable]
    missing = [str(one.unattributable) for one in gpus if one.unattributable]
    missing += [
        f"{one.device}: not used by this case"
        for one in here
        if one.kind == "gpu" and one.device not in used
    ]
    processor = _processor(here, bool(attributable))
    rails = [one for one in here if one.kind == "gpus"]
    if not any(one.kind == "gpu" for one in here) and processor:
        processor += [one for one in rails if one.meter == processor[0].meter]
    modules = [one for one in here if one.kind == "module"]
    if modules and not processor and not attributable:
        return modules, missing
    if attributable and not processor:
        missing.append("the processor and its memory (no meter)")
    chosen = processor + attributable
    if not chosen and not gpus:
        chosen = [one for one in here if one.kind == "battery"]
    return chosen, missing


def _processor(here: Sequence[Seen], with_gpus: bool) -> list[Seen]:
    """Packages and their DRAM from one meter, or its platform domain.

    psys replaces the sum; but whether it holds a discrete GPU depends on the board, so that beside
    a measured GPU the packages are counted instead, where there are any.
    """
    kinds = ("platform", "package", "dram")
    meters = [one.meter for one in here if one.kind in ("platform", "package")]
    if not meters:
        return []
    mine = [one for one in here if one.meter == meters[0] and one.kind in kinds]
    platform = [one for one in mine if one.kind == "platform"]
    parts = [one for one in mine if one.kind != "platform"]
    if platform and (not with_gpus or not parts):
        return platform[:1]
    return parts


def _nothing(node: str, here: Sequence[Seen]) -> str:
    if not here:
        return f"node {node} has no meter"
    if all(one.kind == "gpu" for one in here):
        return "the meters here measure GPUs, which this case does not use"
    return "the meters here show parts only, whose sum covers nothing known"


def _sharers(one: Seen, users: Sequence[User]) -> tuple[int, ...]:
    """The ranks whose work is in a domain's joules."""
    there = [(rank, user) for rank, user in enumerate(users) if user.node == one.node]
    if one.device is None or one.kind != "gpu":
        return tuple(rank for rank, _ in there)
    mine = []
    for rank, user in there:
        try:
            if user.device and _gpu.match(user.device, {one.device: one.bus_id}) == one.device:
                mine.append(rank)
        except Unavailable:
            continue
    return tuple(mine)
