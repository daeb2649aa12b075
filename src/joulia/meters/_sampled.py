"""Meters that only tell power: integrated by a sampler in a process of its own, behind `read()`."""

from __future__ import annotations

import json
import mmap
import os
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain
from joulia.system.interpreter import python

PowerReader = Callable[[], dict[str, float]]
"""Watts by domain, now. Raises Unavailable."""


@dataclass(frozen=True)
class Reader:
    """How to read power: here (`local`), or in another process by `module:function(*arguments)`."""

    local: PowerReader
    function: str
    arguments: Sequence[Any]


@dataclass
class Integral:
    """Joules by domain from samples of power: the trapezoidal rule, and the last power after them.

    A gap of `longest_s` between two samples is no measurement: it raises.
    """

    longest_s: float
    at: float | None = None
    watts: dict[str, float] = field(default_factory=dict)
    joules: dict[str, float] = field(default_factory=dict)

    def add(self, now: float, watts: Mapping[str, float]) -> None:
        for name, power in watts.items():
            grown = 0.0
            if self.at is not None:
                grown = 0.5 * (self.watts[name] + power) * (now - self.at)
            self.joules[name] = self.joules.get(name, 0.0) + grown
        self.at, self.watts = now, dict(watts)

    def until(self, now: float) -> dict[str, float]:
        if self.at is None:
            raise Unavailable("the sampler took no sample")
        if now - self.at > self.longest_s:
            raise Unavailable(f"the sampler took no sample for {now - self.at:.1f} s")
        return {
            name: joules + self.watts[name] * max(0.0, now - self.at)
            for name, joules in self.joules.items()
        }


class Sampler(Protocol):
    """Who integrates: a process, or a test's virtual clock."""

    def start(self, busy: Collection[int]) -> None: ...
    def joules(self) -> dict[str, float]: ...
    def period_s(self) -> float:
        """The mean time between two samples so far; 0 where there are too few."""

    def cost_s(self) -> float: ...
    def close(self) -> None: ...


Sampling = Callable[[Reader, float, Clock], Sampler]
"""(reader, period in seconds, clock) -> a sampler that is not started yet."""


def longest_gap(period_s: float) -> float:
    return max(2.0, 20.0 * period_s)


class ProcessSampler:
    """A sampler in a process of its own, told apart from the work by its core."""

    def __init__(self, reader: Reader, period_s: float, clock: Clock) -> None:
        self.reader = reader
        self.every_s = period_s
        self.clock = clock
        self.process: subprocess.Popen[bytes] | None = None
        self.page: Page | None = None
        self.file: IO[bytes] | None = None

    def start(self, busy: Collection[int]) -> None:
        if self.process is not None:
            return
        # Without a name: whatever ends these processes leaves no file behind.
        self.file = tempfile.TemporaryFile()  # noqa: SIM115
        self.page = Page.create(self.file)
        job = {
            "descriptor": self.file.fileno(),
            "function": self.reader.function,
            "arguments": list(self.reader.arguments),
            "period_s": self.every_s,
            "busy": sorted(busy),
        }
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_"))}
        self.process = subprocess.Popen(
            python("-m", "joulia.meters._sampler", json.dumps(job)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=[self.file.fileno()],
        )
        deadline = time.monotonic() + 20.0
        while (report := self.page.load()) is None or (report.samples < 2 and not report.error):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise Unavailable("the sampler did not start")
            time.sleep(0.005)

    def _report(self) -> Told:
        if self.page is None:
            self.start(())
        assert self.page is not None
        report = self.page.load()
        if (
            report is None
            or report.error
            or self.process is None
            or self.process.poll() is not None
        ):
            reason = report.error if report else ""
            raise Unavailable(f"the sampler ended{': ' + reason if reason else ''}")
        return report

    def joules(self) -> dict[str, float]:
        report = self._report()
        whole = Integral(longest_gap(self.every_s), report.at, report.watts, report.joules)
        return whole.until(self.clock())

    def period_s(self) -> float:
        report = self._report()
        return (report.at - report.first) / (report.samples - 1) if report.samples > 1 else 0.0

    def cost_s(self) -> float:
        report = self.page.load() if self.page else None
        return report.cost_s if report else 0.0

    def close(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()  # the sampler ends with its standard input
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.page is not None:
            self.page.close()
            self.page = None
        if self.file is not None:
            self.file.close()
            self.file = None


@dataclass
class Told:
    """What a sampler publishes. Times on the raw clock, which all processes of a node share."""

    samples: int
    first: float
    at: float
    cost_s: float
    joules: dict[str, float]
    watts: dict[str, float]
    error: str = ""


class Page:
    """One page of shared memory: a checksum, a length and JSON. A torn read is read again."""

    SIZE = 1 << 14
    HEAD = struct.Struct("=II")

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory

    @classmethod
    def create(cls, file: IO[bytes]) -> Page:
        file.truncate(cls.SIZE)
        return cls(mmap.mmap(file.fileno(), cls.SIZE))

    def store(self, report: Told) -> None:
        data = json.dumps(vars(report)).encode()
        self.memory[: self.HEAD.size + len(data)] = (
            self.HEAD.pack(zlib.crc32(data), len(data)) + data
        )

    def load(self) -> Told | None:
        for _ in range(100):
            checksum, length = self.HEAD.unpack(self.memory[: self.HEAD.size])
            if not 0 < length <= self.SIZE - self.HEAD.size:
                return None
            data = self.memory[self.HEAD.size : self.HEAD.size + length]
            if zlib.crc32(data) == checksum:
                return Told(**json.loads(data))
        return None

    def close(self) -> None:
        self.memory.close()


class Sampled(Base):
    """A meter that integrates power. `domains` gives what each reading covers."""

    source = "sampled"

    def __init__(self, name: str, domains: dict[str, Domain], sampler: Sampler) -> None:
        self.id = name
        self.domains = domains
        self.sampler = sampler
        self.highest: dict[str, float] = {}

    def start(self, busy: Collection[int]) -> None:
        self.sampler.start(busy)

    def read(self) -> dict[str, float]:
        # Between two samples the last power stands in; when the next one corrects that downwards,
        # joules still do not decrease.
        joules = self.sampler.joules()
        for name in self.domains:
            self.highest[name] = max(joules[name], self.highest.get(name, 0.0))
        return dict(self.highest)

    def period_s(self) -> float:
        return self.sampler.period_s()

    def cost_s(self) -> float:
        return self.sampler.cost_s()

    def close(self) -> None:
        self.sampler.close()
