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
from functools import partial
from typing import IO, Any, Protocol

from joulia.errors import Unavailable
from joulia.meters import MOST_WATTS, Base, Clock, Domain, SomeFailed, read_each
from joulia.system.interpreter import python

PowerReader = Callable[[], dict[str, float]]
"""Watts by domain, now. Raises Unavailable, or SomeFailed where some of them cannot be told."""


class Interrupted(Unavailable):
    """Power that was not drawn from where it is read: no gap that may be bridged."""


@dataclass(frozen=True)
class Reader:
    """How to read power: here (`local`), or in another process by `module:function(*arguments)`.

    `most_w` bounds the watts of a domain (`MOST_WATTS["node"]` where it says nothing). `narrow`
    makes a reader of fewer domains, where leaving out the others spares their reads.
    """

    local: PowerReader
    function: str
    arguments: Sequence[Any]
    most_w: Mapping[str, float] = field(default_factory=dict)
    narrow: Callable[[Collection[str]], Reader] | None = None


@dataclass
class Integral:
    """Joules by domain from samples of power: the trapezoidal rule, and the last power after them.

    A sample that fails, or tells what nothing draws, is a gap, which the rule bridges up to
    `longest_s`. A longer one is no measurement: `until` raises for the domains that have it, while
    it lasts and once after it.
    """

    longest_s: float
    most_w: Mapping[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    watts: dict[str, float] = field(default_factory=dict)
    joules: dict[str, float] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)
    """Gaps of each domain that are over, and could not be bridged."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why the last sample of a domain failed, where it did; `""` for all of them."""

    def take(self, clock: Clock, read: PowerReader) -> None:
        """One sample, whatever becomes of it; it belongs to the middle of the call that got it."""
        began = clock()
        failed: Mapping[str, Exception] = {}
        watts: dict[str, float] = {}
        try:
            watts = read()
        except SomeFailed as error:
            watts, failed = error.values, error.errors
        except Exception as error:  # a driver's library may fail in any way
            failed = dict.fromkeys(self.samples or [""], error)
        self.add(0.5 * (began + clock()), watts)
        for name, why in failed.items():
            self.fail(name, why)

    def add(self, now: float, watts: Mapping[str, float]) -> None:
        self.errors.pop("", None)
        for name, power in watts.items():
            most_w = self.most_w.get(name, MOST_WATTS["node"])
            if not 0.0 <= power <= most_w:
                self.fail(name, Unavailable(f"it told {power:.4g} W, which nothing like it draws"))
            else:
                self._add(name, now, power)

    def _add(self, name: str, now: float, power: float) -> None:
        grown = 0.0
        if name in self.at:
            gap = now - self.at[name]
            grown = 0.5 * (self.watts[name] + power) * gap
            if gap > self.longest_s:
                self.breaks[name] = self.breaks.get(name, 0) + 1
        self.joules[name] = self.joules.get(name, 0.0) + grown
        self.samples[name] = self.samples.get(name, 0) + 1
        self.first.setdefault(name, now)
        self.at[name], self.watts[name] = now, power
        self.errors.pop(name, None)

    def fail(self, name: str, error: Exception) -> None:
        if isinstance(error, Unavailable):
            self.errors[name] = error.reason
        else:
            self.errors[name] = f"{type(error).__name__}: {error}"
        if isinstance(error, Interrupted) and self.at.pop(name, None) is not None:
            self.breaks[name] = self.breaks.get(name, 0) + 1

    def until(self, now: float, noted: dict[str, int] | None = None) -> dict[str, float]:
        """Joules by domain up to now. Raises SomeFailed.

        `noted` are the breaks of each domain that the caller knows of already; it is kept up.
        """
        noted = {} if noted is None else noted
        names = self.samples.keys() | self.errors.keys()
        if not names - {""}:
            raise Unavailable(self.errors.get("", "the sampler took no sample"))
        return read_each({name: partial(self._one, name, now, noted) for name in sorted(names)})

    def _one(self, name: str, now: float, noted: dict[str, int]) -> float:
        why = self.errors.get(name, "")
        before, noted[name] = noted.get(name, 0), self.breaks.get(name, 0)
        if name not in self.at:
            raise Unavailable(why or f"the sampler took no sample of {name}")
        gap = now - self.at[name]
        if gap > self.longest_s:
            raise Unavailable(f"no sample of {name} for {gap:.1f} s" + (f": {why}" if why else ""))
        if noted[name] != before:
            raise Unavailable(f"samples of {name} were missing for too long")
        return self.joules[name] + self.watts[name] * max(0.0, gap)

    def period_s(self) -> float:
        """The mean time between samples of the domain that has the fewest."""
        periods = [
            (self.at[name] - self.first[name]) / (count - 1)
            for name, count in self.samples.items()
            if count > 1 and name in self.at
        ]
        return max(periods, default=0.0)


class Sampler(Protocol):
    """Who integrates: a process, or a test's virtual clock."""

    def only(self, names: Collection[str]) -> None:
        """Sample these domains alone; before `start`."""

    def start(self, busy: Collection[int]) -> None: ...
    def joules(self) -> dict[str, float]:
        """Joules by domain so far. Raises Unavailable, SomeFailed where some have a gap."""

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
        self.noted: dict[str, int] = {}

    def only(self, names: Collection[str]) -> None:
        self.reader = narrowed(self.reader, names)

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
            "most_w": dict(self.reader.most_w),
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
        while (report := self.page.load()) is None or not report.began:
            if self.process.poll() is not None or time.monotonic() > deadline:
                reason = "; ".join(dict.fromkeys(report.integral.errors.values())) if report else ""
                self.close()
                raise Unavailable(f"the sampler did not start{': ' + reason if reason else ''}")
            time.sleep(0.005)

    def _report(self) -> Told:
        if self.page is None:
            self.start(())
        assert self.page is not None
        report = self.page.load()
        if report is None or self.process is None or self.process.poll() is not None:
            raise Unavailable("the sampler ended")
        return report

    def joules(self) -> dict[str, float]:
        return self._report().integral.until(self.clock(), self.noted)

    def period_s(self) -> float:
        return self._report().integral.period_s()

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


def narrowed(reader: Reader, names: Collection[str]) -> Reader:
    """A reader of these domains alone, where the reader knows how."""
    return reader.narrow(names) if reader.narrow else reader


@dataclass
class Told:
    """What a sampler publishes. Times on the raw clock, which all processes of a node share."""

    cost_s: float
    integral: Integral

    @property
    def began(self) -> bool:
        """Whether each domain was sampled twice, or failed beside another that was."""
        counts = self.integral.samples
        twice = {name for name, count in counts.items() if count > 1}
        return bool(twice) and not (counts.keys() - twice - self.integral.errors.keys())


class Page:
    """Shared memory: a checksum, a length and JSON. A torn read is read again."""

    SIZE = 1 << 18
    """Enough for hundreds of rails, each with the reason why it failed; what is not used is not
    there."""
    HEAD = struct.Struct("=II")

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory

    @classmethod
    def create(cls, file: IO[bytes]) -> Page:
        file.truncate(cls.SIZE)
        return cls(mmap.mmap(file.fileno(), cls.SIZE))

    def store(self, report: Told) -> None:
        data = json.dumps([report.cost_s, vars(report.integral)]).encode()
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
                cost_s, integral = json.loads(data)
                return Told(cost_s, Integral(**integral))
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

    def only(self, names: Collection[str]) -> None:
        self.domains = {name: domain for name, domain in self.domains.items() if name in names}
        self.sampler.only(names)

    def read(self) -> dict[str, float]:
        try:
            return self._rising(self.sampler.joules())
        except SomeFailed as failed:
            errors = {name: error for name, error in failed.errors.items() if name in self.domains}
            if not errors:
                return self._rising(failed.values)
            raise SomeFailed(self._rising(failed.values), errors) from None

    def _rising(self, joules: Mapping[str, float]) -> dict[str, float]:
        # Between two samples the last power stands in; when the next one corrects that downwards,
        # joules still do not decrease.
        told = [name for name in self.domains if name in joules]
        for name in told:
            self.highest[name] = max(joules[name], self.highest.get(name, 0.0))
        return {name: self.highest[name] for name in told}

    def period_s(self) -> float:
        return self.sampler.period_s()

    def cost_s(self) -> float:
        return self.sampler.cost_s()

    def close(self) -> None:
        self.sampler.close()
