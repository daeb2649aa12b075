"""What a site says of the node or the job, beside the meters that count: never added to them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from joulia import meters
from joulia.energy.uncertainty import Part, Spread, spread
from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Meter, asked

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
                    asked(meter.id, partial(meter.start, ()))
            except Unavailable as error:
                self.missing[meter.id] = error
                self.opened.remove(meter)

    def read(self) -> Readings:
        readings: Readings = {}
        for meter in self.opened:
            began = self.clock()
            try:
                joules = asked(meter.id, meter.read)
            except Unavailable as error:
                self.failed[meter.id] = error.reason
                continue
            readings[meter.id] = 0.5 * (began + self.clock()), joules
        return readings

    def between(self, before: Readings, after: Readings) -> list[Checked]:
        """Every domain, over the window between two of its readings."""
        checked = []
        for meter in self.opened:
            for name, domain in self._domains(meter).items():
                row = Checked(meter.id, name, domain, meter.source)
                checked.append(self._fill(row, before, after))
        return checked

    def _domains(self, meter: Meter) -> Mapping[str, Domain]:
        try:
            return asked(meter.id, partial(meters.domains, meter))
        except Unavailable as error:
            self.missing[meter.id] = error
            return {}

    def _fill(self, row: Checked, before: Readings, after: Readings) -> Checked:
        own = row.meter, row.name, row.domain, row.source
        if row.meter not in before or row.meter not in after:
            return Checked(*own, reason=self.failed.get(row.meter, "not read"))
        (began, first), (ended, last) = before[row.meter], after[row.meter]
        joules = last.get(row.name, 0.0) - first.get(row.name, 0.0)
        if not joules > 0.0:
            return Checked(*own, reason="stood still")
        if joules > row.domain.most_w * (ended - began + row.domain.period_s):
            reason = f"{joules:.4g} J in {ended - began:.2g} s, more than {row.domain.most_w:g} W"
            return Checked(*own, reason=reason)
        return Checked(*own, joules, ended - began)

    def close(self) -> None:
        for meter in self.opened:
            if isinstance(meter, Base):
                with contextlib.suppress(Unavailable):
                    asked(meter.id, meter.close)
