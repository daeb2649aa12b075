"""The pytest plug-in: joules of calls in other people's tests, and nothing where nobody asks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import trees
from virtual import VirtualClock

from joulia.energy import calls
from joulia.energy.monitor import EnergyMonitor
from joulia.gate import figures
from joulia.meters import rapl
from joulia.parallel.comm import OneRank

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[1] / "docs" / "pytest.md"
QUICK = ("-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error", "--joules-window", "0.02")
TESTS = """
def work(n, extra=0):
    return sum(i * i for i in range(n)) + extra

def test_value_and_result(joules):
    assert joules(work, 100, extra=1) == work(100) + 1
    told = joules.result
    assert told.interval[0] <= told.joules <= told.interval[1]
    assert 20.0 < told.watts < 80.0
    joules.check(below=1e6)

def test_too_much(joules):
    joules(work, 100)
    joules.check(below=1e-9)

def test_plain():
    pass
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with one processor package that draws 50 W."""
    fake = {"id": "node", "watts": {"package-0": 50.0}}
    root = trees.put(tmp_path / "node", {"run/joulia/fake-meter.json": json.dumps(fake)})
    monkeypatch.setenv("JOULIA_ROOT", str(root))
    return root


def test_joules_of_a_call_in_a_test(pytester, node):
    pytester.makepyfile(test_calls=TESTS)
    done = pytester.runpytest_inprocess(*QUICK, "--joules-figures", "out.jsonl")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.re_match_lines(
        [
            r"^\S+ \S+ \(\S+ \S+ to \S+ \S+\) a call, and below 1e-09 J was allowed$",
            r"=+ joules a call \(median and 95 % interval\) =+$",
            r"^joules a call +W +s/call +calls x windows +limit +test$",
            r"^.* W .* \d+ x 7 +below 1.00 MJ: kept +test_calls.py::test_value_and_result: work$",
            r"^.* W .* \d+ x 7 +below .*: exceeded +test_calls.py::test_too_much: work$",
        ]
    )
    told = figures.written(pytester.path / "out.jsonl")
    assert set(told) == {
        f"test_calls.py::{name}: work, {what}"
        for name in ("test_value_and_result", "test_too_much")
        for what in ("joules", "seconds")
    }
    joules, seconds = (
        told[f"test_calls.py::test_too_much: work, {what}"] for what in ("joules", "seconds")
    )
    assert (joules.unit, seconds.unit) == ("J", "s")
    assert joules.value > 0.0


def test_without_a_meter_a_test_is_skipped_by_name(pytester, tmp_path, monkeypatch):
    monkeypatch.setenv("JOULIA_ROOT", str(trees.virtual_machine(tmp_path / "vm")))
    pytester.makepyfile(test_calls=TESTS)
    done = pytester.runpytest_inprocess(*QUICK, "-rs")
    done.assert_outcomes(passed=1, skipped=2)
    done.stdout.fnmatch_lines(
        ["SKIPPED * joules: no meter on this machine (*no RAPL counters in this virtual machine*"]
    )
    done.stdout.no_fnmatch_line("*joules a call*")


def test_a_meter_that_dies_skips_the_test_with_the_reason(pytester, node):
    mortal = {"id": "node", "watts": {"package-0": 50.0}, "fails_after": 20}
    trees.put(node, {"run/joulia/fake-meter.json": json.dumps(mortal)})
    pytester.makepyfile("def test_one(joules):\n    joules(sum, range(1000))\n")
    done = pytester.runpytest_inprocess(*QUICK, "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED * joules: *the fake meter node died*"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--joules-windows", "5"], "5 is not allowed. Allowed: a whole number from 6"),
        (["--joules-window", "0"], "0 is not allowed. Allowed: seconds above 0"),
    ],
)
def test_options_that_are_not_allowed(pytester, arguments, message):
    done = pytester.runpytest_inprocess(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{message}*"])


def test_side_by_side_nobody_measures(pytester, node, monkeypatch):
    """What a worker of pytest-xdist has in its configuration, of two."""
    pytester.makepyfile("def test_one(joules):\n    joules(sum, range(1000))\n")
    pytester.makeconftest(
        "def pytest_configure(config):\n    config.workerinput = {'workercount': 2}\n"
    )
    done = pytester.runpytest_inprocess(*QUICK, "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED * joules: 2 processes of pytest-xdist use the machine*"])


def test_pytest_starts_without_the_rest_of_joulia():
    points = [point for point in entry_points(group="pytest11") if point.name == "joulia"]
    assert {point.value for point in points} == {"joulia.pytest_plugin"}
    script = (
        "import sys, pytest, joulia.pytest_plugin\n"
        "print(sorted(m for m in sys.modules if m.startswith('joulia') or m == 'numpy'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['joulia', 'joulia.pytest_plugin']"


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is in the source tree only")
def test_the_tests_of_the_page_run(pytester, node):
    block = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    pytester.makepyfile(test_page=block[1])
    done = pytester.runpytest_inprocess(*QUICK)
    done.assert_outcomes(passed=2)


# ---- what is measured ----------------------------------------------------------------------


class Package:
    """A processor package of RAPL on a virtual clock: 20 W at rest, 90 W in a call of 3 ms."""

    def __init__(self, root: Path) -> None:
        self.root = trees.intel(root, dram=False)
        self.clock = VirtualClock()
        self.watts = 20.0
        self.uj = 1_000_000.0
        self.calls = 0
        self.clock.every(0.001, self.tick)

    def tick(self) -> None:
        self.uj += 1000.0 * self.watts
        trees.set_uj(self.root, "intel-rapl:0", round(self.uj))

    def call(self) -> int:
        self.calls += 1
        self.watts = 90.0
        self.clock.sleep(0.003)
        self.watts = 20.0
        return self.calls


def test_joules_of_a_call_are_those_of_the_work_and_not_of_the_rest(tmp_path):
    package = Package(tmp_path)
    opened = (list(rapl.open(package.root, package.clock)), {})
    energy = EnergyMonitor(
        OneRank(), everything=True, clock=package.clock, sleep=package.clock.sleep, opened=opened
    )
    energy.infer_periods()
    called = calls.measure(energy, package.call, 0.1, 7)
    assert called.value == 1
    told = called.energy
    assert told.joules == pytest.approx(0.27, rel=0.02)
    assert told.interval[0] < 0.27 < told.interval[1]
    assert told.watts == pytest.approx(90.0, rel=0.02)
    assert told.seconds == pytest.approx(0.003)
    assert told.calls == 34
    # Another function in the same session begins anew.
    again = calls.measure(energy, lambda: package.clock.sleep(0.01), 0.1, 6)
    assert again.energy.watts == pytest.approx(20.0, rel=0.02)
    assert again.energy.energy.repeats == 6
    slow = calls.measure(energy, package.call, 0.002, 6)
    assert slow.energy.calls > 1  # the meter needs a longer window than was asked for
