"""The conditions that a case's samples were taken under, as its record keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class GpuConditions:
    """What a GPU told of itself around the samples."""

    uuid: str
    """Its UUID."""
    clock_before_hz: float | None
    """Clock of its multiprocessors before the first sample, Hz."""
    clock_hz: float | None
    """Median of its clocks right after each sample, Hz."""
    temperature_before_c: float | None
    """Before the first sample, degrees Celsius."""
    temperature_c: float | None
    """The highest after a sample, degrees Celsius."""
    power_limit_w: float | None
    """The power limit that it enforces, W."""
    throttles: tuple[str, ...] | None
    """What held its clocks down right after a sample, in words; null where nobody tells."""


@dataclass(frozen=True)
class Conditions:
    """Under which conditions the samples were taken.

    What the machine does not tell is null. Over several nodes: the highest shares and
    temperatures, the lowest clocks and quotas, counts added up, texts joined by a plus.
    """

    disturbed: tuple[int, ...]
    """The samples, from 0, in which others had more than `limit` of the cores."""
    note: str | None
    """That in a line; null where no sample was disturbed."""
    limit: float
    """The share of the cores above which others disturb, 0 to 1."""
    others: tuple[float | None, ...]
    """By sample, the share of the cores' time that other programs used, 0 to 1: of the cores that
    the ranks were bound to, or of all that they might have used, whichever is more. Samples shorter
    than 0.3 s share the figure of a spell of several; null where all together are shorter."""
    stolen: tuple[float | None, ...]
    """By sample, the share that the hypervisor gave to others, alike."""
    load: float | None
    """The load average of the last minute, before the first sample."""
    governor: str | None
    """What chooses the cores' clocks."""
    turbo: bool | None
    """Whether cores may run above their nominal clock."""
    smt: int | None
    """Hardware threads a core that are switched on."""
    clock_before_hz: float | None
    """Median clock of the ranks' cores before the first sample, Hz."""
    clock_hz: float | None
    """Median of their clocks right after each sample, Hz."""
    temperature_before_c: float | None
    """The hottest of the processor's sensors before the first sample, degrees Celsius."""
    temperature_c: float | None
    """The highest after a sample, degrees Celsius."""
    throttlings: int | None
    """How often the processor was throttled from the first sample to the last."""
    package_limits_w: tuple[float, ...]
    """The power that each processor package may draw for long, W; empty where nobody tells."""
    quota_cores: float | None
    """The CPU time that cgroups grant, in cores; null where they set no limit."""
    quota_throttled_s: float | None
    """Seconds in which that quota held threads back, from the first sample to the last."""
    huge_pages: str | None
    """Where the kernel uses transparent huge pages: `always`, `madvise` or `never`."""
    memory_nodes: str | None
    """The memory nodes that the ranks may use, as a list: `0-1`."""
    wait: dict[str, str]
    """The environment's variables that say how threads wait."""
    waits: dict[str, str] = field(default_factory=dict)
    """How threads and ranks waited, by what made them wait (`GNU OpenMP`, `Julia`, `MPI`, ...), in
    words; empty where one thread waited for nobody, and in records that do not tell."""
    threads: int | None = None
    """Threads a rank that computed, counted by the CPU time that they used in the samples; of the
    rank that is farthest from the case. Fewer than the case's in a valid record: the grid had no
    work for more. Null where a GPU computed, or nobody tells."""
    gpus: tuple[GpuConditions, ...] = ()
    """The GPUs that ranks used."""
    waited_s: float | None = None
    """How long `--quiet-for` waited before the case, s; null where nobody asked for it."""
    quiet: bool | None = None
    """Whether the node was quiet at the end of that wait."""
    cores: tuple[tuple[int, ...], ...] = ()
    """By rank, the hardware threads that it was bound to, by their numbers on its node."""
    physical_cores: int | None = None
    """The physical cores that all those are on: fewer than threads where some shared one."""

    def disturbing(self, shares: Sequence[float | None]) -> float:
        """The largest of `others` or `stolen` in a disturbed sample; 0 where they did not matter.

        Of two that disturb together, at least one has half of the limit.
        """
        most = max((shares[sample] or 0.0 for sample in self.disturbed), default=0.0)
        return most if most > 0.5 * self.limit else 0.0
