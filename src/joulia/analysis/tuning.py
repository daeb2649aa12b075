"""The price of tuning: what a tuned source gains over a plainer one, for how many lines."""

from __future__ import annotations

from dataclasses import dataclass

from joulia.analysis.compare import (
    CONDITIONS_DIFFER,
    Difference,
    Entry,
    Problem,
    differences,
)
from joulia.analysis.units import digits
from joulia.case import TUNED


@dataclass(frozen=True)
class Tuning:
    """A tuned source against another of the same backend, on the same cores.

    `time` and `energy` are of the tuned one: above 1 it needs less.
    """

    tuned: Entry
    plain: Entry
    time: Difference | None
    energy: Difference | None

    @property
    def sentence(self) -> str:
        """What the lines bought, in words."""
        if self.time is None or self.time.verdict.startswith(CONDITIONS_DIFFER):
            gain = f"{self.tuned.label} cannot be compared with {self.plain.label}"
        elif self.time.verdict == "no clear difference":
            gain = f"{self.tuned.label} is not clearly faster or slower than {self.plain.label}"
        else:
            gain = (
                f"{self.tuned.label} is {digits(self.time.ratio.value)} times as fast as "
                f"{self.plain.label}{interval(self.time)}"
            )
        return f"{gain}{self._joules}{self._lines}"

    @property
    def _joules(self) -> str:
        sure = self.energy is not None and self.energy.verdict in ("better", "worse")
        if self.energy is None or not sure:
            return ""
        return f", with {digits(1.0 / self.energy.ratio.value)} times the joules"

    @property
    def _lines(self) -> str:
        return f", for {self.times_the_lines}" if self.times_the_lines else ""

    @property
    def times_the_lines(self) -> str:
        """How many times the plainer source's lines, and both; empty where nobody counted."""
        tuned, plain = self.tuned.lines, self.plain.lines
        if not tuned or not plain:
            return ""
        return f"{tuned / plain:.1f} times the lines ({tuned:.0f} against {plain:.0f})"


def interval(difference: Difference) -> str:
    """The interval of a ratio in words; what is not sure, said."""
    low, high = difference.ratio.low, difference.ratio.high
    if low is None or high is None:
        return f" ({difference.verdict})"
    return f" ({digits(low)} to {digits(high)})"


def tunings(problem: Problem) -> list[Tuning]:
    """For each plainer source: against the tuned one, where that is quickest beside it."""
    pairs: dict[tuple[str, bool, str], tuple[Entry, Entry]] = {}
    for tuned in problem.entries:  # the quickest first
        for plain in problem.entries:
            if tuned.record.case.variant == TUNED and _beside(tuned, plain):
                case = plain.record.case
                pairs.setdefault((case.bridge, case.on_gpu, case.variant), (tuned, plain))
    return [_tuning(*pair) for pair in pairs.values()]


def _beside(tuned: Entry, plain: Entry) -> bool:
    """Whether two entries differ in the variant of their source only."""

    def rest(entry: Entry) -> tuple[object, ...]:
        case = entry.record.case
        overlap = entry.record.settings.overlap
        return (case.bridge, case.device, case.ranks, case.threads, case.cap, overlap)

    return plain.record.case.variant != TUNED and rest(tuned) == rest(plain)


def _tuning(tuned: Entry, plain: Entry) -> Tuning:
    time = differences(plain, [tuned], lambda e: e.record.time)[id(tuned)]
    energy = differences(plain, [tuned], lambda e: e.record.energy)[id(tuned)]
    return Tuning(tuned, plain, time, energy)
