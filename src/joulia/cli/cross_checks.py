"""What a site says of the node or the job, beside the meters that count: never added to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from joulia import meters
from joulia.energy.uncertainty import Part, Spread, spread
from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Meter

Readings = dict[str, tuple[float, dict[str, float]]]
"""By meter: the moment, and the joules of its domains."""


@dataclass(frozen=True)
class Checked:
    """What one domain told over a window of its own, or why it told nothing."""

    meter: str
    name: str
    domain: Domain
    source: str
    joules: float = 0.0
    seconds: float = 0.0
    reason: str | None = None

    @property
    def error(self) -> Spread:
        part = Part(
            self.joules, self.domain.period_s, self.domain.quantum_j, self.domain.systematic_rel
        )
        return spread([part], self.seconds)


@dataclass
class CrossChecks:
    """The meters that ask a site's services. Each answer may take seconds: they are read outside of
    the window of the others, and each has a window of its own that holds it."""

    clock: Clock
    opened: list[Meter] = field(default_factory=list)
    missing: dict[str, Unavailable] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, root: Path, clock: Clock, only: Collection[str] = ()) -> CrossChecks:
        return cls(clock, *meters.open_all(root, clock, only, cross_checks=True))

    def start(self) -> None:
        """Begin to sample; a meter whose sampler does not start is missing."""
        for meter in list(self.opened):
            try:
                if isinstance(meter, Base):
                    meter.start(())
            except Unavailable as error:
                self.missing[meter.id] = error
                self.opened.remove(meter)

    def read(self) -> Readings:
        readings: Readings = {}
        for meter in self.opened:
            began = self.clock()
            try:
                joules = meter.read()
            except Unavailable as error:
                self.failed[meter.id] = error.reason
                continue
            except Exception as error:  # a service may answer anything; the others go on
                self.failed[meter.id] = f"{type(error).__name__}: {error}"
                continue
            readings[meter.id] = 0.5 * (began + self.clock()), joules
        return readings

    def between(self, before: Readings, after: Readings) -> list[Checked]:
        """Every domain, over the window between two of its readings."""
        checked = []
        for meter in self.opened:
            for name, domain in meters.domains(meter).items():
                row = Checked(meter.id, name, domain, meter.source)
                checked.append(self._fill(row, before, after))
        return checked

    def _fill(self, row: Checked, before: Readings, after: Readings) -> Checked:
        own = row.meter, row.name, row.domain, row.source
        if row.meter not in before or row.meter not in after:
            return Checked(*own, reason=self.failed.get(row.meter, "not read"))
        (began, first), (ended, last) = before[row.meter], after[row.meter]
        joules = last.get(row.name, 0.0) - first.get(row.name, 0.0)
        if not joules > 0.0:
            return Checked(*own, reason="stood still")
        return Checked(*own, joules, ended - began)

    def close(self) -> None:
        for meter in self.opened:
            if isinstance(meter, Base):
                meter.close()
