"""The pytest plug-in: `def test_step(joules): ...` tells what a call takes, in joules.

pytest loads it at every start, also where no test asks for it: it imports nothing else of joulia
until one does.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pytest

if TYPE_CHECKING:
    from joulia.energy.calls import CallEnergy
    from joulia.energy.monitor import EnergyMonitor

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")

PROPERTY = "joules"
"""A test report's property with what a call took: JUnit's XML and pytest-xdist carry it on."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("joules", "joules of calls (joulia)")
    group.addoption(
        "--joules-window",
        type=seconds,
        default=0.1,
        metavar="SECONDS",
        help="the shortest window of calls; meters may need longer ones (0.1)",
    )
    group.addoption(
        "--joules-windows",
        type=windows,
        default=7,
        metavar="NUMBER",
        help="windows of a measurement, from 6 (7)",
    )
    group.addoption(
        "--joules-figures",
        type=Path,
        metavar="FILE",
        help="write what was measured as JSON lines, for `joulia gate --figures FILE`",
    )


def seconds(text: str) -> float:
    """A window's length; argparse tells what is wrong with another one."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise ArgumentTypeError(f"{text} is not allowed. Allowed: seconds above 0, as in 0.5")
    return value


def windows(text: str) -> int:
    """A number of windows; fewer than 6 have no 95 % interval."""
    if not text.isdecimal() or int(text) < 6:
        raise ArgumentTypeError(f"{text} is not allowed. Allowed: a whole number from 6")
    return int(text)


class Joules:
    """The fixture `joules`: call it with a function and its arguments.

    Windows of calls are measured between two readings of the machine's meters, as `joulia run`
    does it. A test in which a call cannot be measured is skipped, with the reason.
    """

    def __init__(self, request: pytest.FixtureRequest, energy: EnergyMonitor) -> None:
        self._request = request
        self._energy = energy
        self.result: CallEnergy | None = None
        """What the last call took: `joules`, `interval` (95 %), `watts`, `seconds`, ..."""

    def __call__(
        self,
        function: Callable[Parameters, Value],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Value:
        """Measure `function(*args, **kwargs)`; what its first call returned."""
        from joulia.energy import calls

        option = self._request.config.getoption
        called = calls.measure(
            self._energy,
            partial(function, *args, **kwargs),
            option("--joules-window"),
            option("--joules-windows"),
        )
        self.result = told = called.energy
        if told is None:
            pytest.skip(f"joules: {called.reason}")
        self._properties().append(
            {
                "test": self._request.node.nodeid,
                "call": getattr(function, "__qualname__", type(function).__qualname__),
                "joules": told.joules,
                "interval": list(told.interval),
                "watts": told.watts,
                "seconds": told.seconds,
                "calls": told.calls,
                "windows": told.energy.repeats,
                "source": told.energy.source,
                "flags": list(told.energy.flags),
            }
        )
        return called.value

    def check(self, *, below: float) -> None:
        """Fail where the last call surely took `below` joules or more: its whole interval does.

        Where the limit lies within the interval, the table says that it is not sure.
        """
        if self.result is None:
            raise RuntimeError("joules.check() before joules(function, ...): nothing was measured")
        self._properties()[-1]["below"] = below
        if self.result.interval[0] >= below:
            pytest.fail(
                f"{figures(self._properties()[-1])} a call, and below {below:g} J was allowed",
                pytrace=False,
            )

    def _properties(self) -> list[dict[str, Any]]:
        """What this test measured so far, as its report will carry it."""
        kept = self._request.node.user_properties
        for name, value in kept:
            if name == PROPERTY:
                measured: list[dict[str, Any]] = value
                return measured
        kept.append((PROPERTY, []))
        return self._properties()


@pytest.fixture(scope="session")
def _joules_meters(request: pytest.FixtureRequest) -> Iterator[EnergyMonitor | str]:
    """The machine's meters for all tests of a session, or why there are none."""
    workers = getattr(request.config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        yield (
            f"{workers} processes of pytest-xdist use the machine at once, and meters tell of all "
            "of it; run these tests with -n 0"
        )
        return
    from joulia.energy.monitor import EnergyMonitor
    from joulia.energy.result import absent

    energy = EnergyMonitor(everything=True)
    try:
        energy.infer_periods()
        yield energy if energy.active else absent(energy) or "no meter on this machine"
    finally:
        energy.close()


@pytest.fixture
def joules(request: pytest.FixtureRequest, _joules_meters: EnergyMonitor | str) -> Joules:
    """Joules of a call: `value = joules(function, argument)`, then `joules.check(below=0.5)`."""
    if isinstance(_joules_meters, str):
        pytest.skip(f"joules: {_joules_meters}")
    return Joules(request, _joules_meters)


# ---- what was measured -----------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--joules-figures")
    if path is not None and not hasattr(config, "workerinput"):
        try:
            path.touch()  # told before anything is measured
        except OSError as error:
            raise pytest.UsageError(f"cannot write {path}: {error.strerror}") from None
    config.pluginmanager.register(Measured(config), "joulia-measured")


class Measured:
    """What the tests of a session measured, from their reports, which pytest-xdist carries on."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.rows: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, rows in report.user_properties:
                if name == PROPERTY and isinstance(rows, list):
                    self.rows += rows

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.rows:
            terminalreporter.section("joules a call (median and 95 % interval)")
            for line in table(self.rows):
                terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        path = self.config.getoption("--joules-figures")
        if path is None or hasattr(self.config, "workerinput"):
            return
        lines = [json.dumps(line) for row in self.rows for line in figure_lines(row)]
        path.write_text("".join(f"{line}\n" for line in lines))


def figures(row: dict[str, Any]) -> str:
    """Joules with their interval, in words."""
    from joulia.analysis.units import quantity

    low, high = (quantity(bound, "J") for bound in row["interval"])
    return f"{quantity(row['joules'], 'J')} ({low} to {high})"


def limit(row: dict[str, Any]) -> str:
    """The limit of a row, and what is said of it."""
    from joulia.analysis.units import quantity

    if "below" not in row:
        return ""
    low, high = row["interval"]
    below = row["below"]
    sure = "kept" if high < below else "exceeded" if low >= below else "not sure"
    return f"below {quantity(below, 'J')}: {sure}"


def table(measured: list[dict[str, Any]]) -> list[str]:
    """A heading and a line for each measurement, in columns; what to distrust below."""
    from joulia.analysis.units import quantity

    rows = [("joules a call", "W", "s/call", "calls x windows", "limit", "test")]
    rows += [
        (
            figures(row),
            quantity(row["watts"], "W"),
            quantity(row["seconds"], "s"),
            f"{row['calls']} x {row['windows']}",
            limit(row),
            f"{row['test']}: {row['call']}",
        )
        for row in measured
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        for row in rows
    ]
    flags = dict.fromkeys(f"! {row['test']}: {flag}" for row in measured for flag in row["flags"])
    return [line.rstrip() for line in lines] + list(flags)


def figure_lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What `joulia gate --figures` reads of a measurement."""
    name = f"{row['test']}: {row['call']}"
    yield {"name": f"{name}, joules", "value": row["joules"], "unit": "J"}
    yield {"name": f"{name}, seconds", "value": row["seconds"], "unit": "s"}
