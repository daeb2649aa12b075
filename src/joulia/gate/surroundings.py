"""The conditions of a command's run: what the node tells before it and after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joulia.meters._nvml_state import State
from joulia.records.conditions import Conditions, GpuConditions
from joulia.system import conditions as system
from joulia.system.conditions import DISTURBED, SPELL_S, CpuTime, Shares


@dataclass(frozen=True)
class Moment:
    """The node at one moment: seconds, Hz, degrees Celsius; None where it does not tell."""

    cpu: CpuTime | None
    clock_hz: float | None
    temperature_c: float | None
    throttlings: int | None
    held_back_s: float | None
    gpus: tuple[State, ...]


class Surroundings:
    """What is around a command that may use these cores; `gpus` read the state of a GPU each."""

    def __init__(
        self, root: Path, cores: Sequence[int], gpus: Sequence[Callable[[], State]] = ()
    ) -> None:
        self.root = root
        self.cores = list(cores)
        self.gpus = list(gpus)

    def look(self) -> Moment:
        """The node now."""
        return Moment(
            system.cpu_time(self.root, self.cores),
            system.clock_hz(self.root, self.cores),
            system.temperature_c(self.root),
            system.throttlings(self.root),
            system.quota_throttled_s(self.root),
            tuple(read() for read in self.gpus),
        )

    def conditions(self, before: Moment, after: Moment, seconds: float, own_s: float) -> Conditions:
        """Of a run of so many seconds, in which the command used `own_s` CPU seconds.

        A run is one sample. Who else used the cores is not told of one shorter than 0.3 s, for the
        kernel counts too coarsely.
        """
        told = system.shares(before.cpu, after.cpu, own_s) if seconds >= SPELL_S else None
        throttled = more(before.throttlings, after.throttlings)
        return Conditions(
            disturbed=(0,) if told and told.taken > DISTURBED else (),
            note=note(told),
            limit=DISTURBED,
            others=(told.others if told else None,),
            stolen=(told.stolen if told else None,),
            clock_before_hz=before.clock_hz,
            clock_hz=after.clock_hz,
            temperature_before_c=before.temperature_c,
            temperature_c=after.temperature_c,
            throttlings=None if throttled is None else round(throttled),
            quota_throttled_s=more(before.held_back_s, after.held_back_s),
            gpus=tuple(gpu(*states) for states in zip(before.gpus, after.gpus, strict=True)),
            **system.facts(self.root, self.cores),
        )


def more(before: float | None, after: float | None) -> float | None:
    """By how much a count grew; None where nobody tells."""
    return None if before is None or after is None else after - before


def note(told: Shares | None) -> str | None:
    """In a line, who disturbed the run; None where nobody did."""
    if told is None or told.taken <= DISTURBED:
        return None
    causes = {"other programs used": told.others, "the hypervisor took": told.stolen}
    # Of two that disturb together, at least one has half of the limit.
    words = [f"{who} {s:.0%} of the cores" for who, s in causes.items() if s > 0.5 * DISTURBED]
    return ", ".join(words).replace("%", " %")


def gpu(before: State, after: State) -> GpuConditions:
    return GpuConditions(
        uuid=after.uuid,
        clock_before_hz=before.clock_hz,
        clock_hz=after.clock_hz,
        temperature_before_c=before.temperature_c,
        temperature_c=after.temperature_c,
        power_limit_w=after.power_limit_w,
        throttles=after.throttles,
    )
