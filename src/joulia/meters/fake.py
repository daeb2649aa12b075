"""A meter that makes its joules up, for tests: constant power by domain, on the clock it is given.

It is there only where a file `run/joulia/fake-meter.json` lies under the root, such as
`{"id": "node-a", "watts": {"package-0": 50.0}}`, or a list of several. `fails_after` (reads) makes
it die, `period_s` makes it update in steps, `kind` says what its domains cover (package), `device`
whose they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain

FILE = "run/joulia/fake-meter.json"


class FakeMeter(Base):
    source = "fake"

    def __init__(self, spec: dict[str, Any], clock: Clock) -> None:
        self.id = spec["id"]
        self.watts: dict[str, float] = spec["watts"]
        self.every_s = float(spec.get("period_s", 0.0))
        self.device = spec.get("device")
        self.clock = clock
        self.left: int | None = spec.get("fails_after")
        kind = spec.get("kind", "package")
        self.domains = {name: Domain(kind, self.every_s or 0.001) for name in self.watts}

    def read(self) -> dict[str, float]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Unavailable(f"the fake meter {self.id} died", "this is a test")
        now = self.clock()
        if self.every_s:
            now -= now % self.every_s
        return {domain: power * now for domain, power in self.watts.items()}


def open(root: Path, clock: Clock) -> list[FakeMeter]:
    """The meter of the file; nothing where there is none, for nobody misses it."""
    try:
        given = json.loads((root / FILE).read_text())
    except OSError:
        return []
    return [FakeMeter(spec, clock) for spec in (given if isinstance(given, list) else [given])]
