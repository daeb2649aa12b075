"""The ReFrame plug-in, with a real run of ReFrame on its generic local system."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trees

from joulia.meters.fake import FILE

from .results import record, write

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "plugins" / "reframe_joulia"
pytest.importorskip("reframe", reason="reframe-hpc is not installed")
if not PLUGIN.is_dir():
    pytest.skip("needs the checkout, not the installed wheel", allow_module_level=True)

METER = {"id": "node", "watts": {"package-0": 50.0, "dram-0": 7.0}}

CHECKS = """
import reframe as rfm
from reframe.core.builtins import parameter, run_before, variable
from reframe_joulia import JouliaTest


class Quick(JouliaTest):
    backend = parameter(["numpy"])
    size = parameter(["tiny"])
    joulia = {joulia!r}
    window_s = 0.02
    repeats = 2
    energy_tolerance = 100.0  # a window may be cut short where others compute


@rfm.simple_test
class metered(Quick):
    env_vars = {{"JOULIA_ROOT": {meter!r}}}
    must_meter = True
    options = ["--param", "cfl=0.2"]
    reference = {{"generic:default": {{"metered": (1, 0, 0)}}}}


@rfm.simple_test
class unmetered(Quick):
    size = parameter(["8x9x10"])
    env_vars = {{"JOULIA_ROOT": {bare!r}}}


@rfm.simple_test
class unknown(Quick):
    kernel = parameter(["hat"])


class Told(Quick):
    told = variable(str)

    @run_before("run")
    def tell(self):
        self.joulia = "cp"
        self.executable, self.executable_opts = "cp", [f"{folder}/{{self.told}}", "records.jsonl"]


@rfm.simple_test
class wrong(Told):
    told = "wrong.jsonl"


@rfm.simple_test
class several(Told):
    told = "several.jsonl"


@rfm.simple_test
class absent(Told):
    told = "absent.jsonl"


@rfm.simple_test
class missing(Told):
    told = "absent.jsonl"
    must_run = True


@rfm.simple_test
class joules_missing(Told):
    told = "unmetered.jsonl"
    must_meter = True


@rfm.simple_test
class too_slow(Told):
    told = "unmetered.jsonl"
    reference = {{"generic:default": {{"time": (1e-6, None, 0.05, "s/step")}}}}
"""


def reframe(folder: Path, checks: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """ReFrame on a file of checks, in a folder of its own; no colours, no database."""
    paths = [str(PLUGIN / "src"), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-c", "from reframe.frontend.cli import main; main()", "--nocolor"]
        + ["-c", str(folder / checks), "--prefix", str(folder), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
        env=os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "TMPDIR": str(folder),
            "COLUMNS": "400",
            "RFM_ENABLE_RESULTS_STORAGE": "0",
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One session of ReFrame: what it printed, and its own report's cases by name."""
    folder = tmp_path_factory.mktemp("reframe")
    trees.put(trees.node(folder / "meter"), {FILE: json.dumps(METER)})
    wrong = record("numpy", 1e-3, status="invalid", reason="the total of heat | is off by 0.3")
    absent = record("numpy", None, status="skipped", reason="no such thing here")
    unmetered = replace(record("numpy", 1e-3), energy_reason="no meter (rapl: none; nvml: none)")
    for name, records in (
        ("wrong", [wrong]), ("absent", [absent]), ("unmetered", [unmetered]),
        ("several", [unmetered, unmetered]),
    ):  # fmt: skip
        write(folder / f"{name}.jsonl", records)
    (folder / "checks.py").write_text(
        CHECKS.format(
            joulia=f"{shlex.quote(sys.executable)} -m joulia",
            meter=str(folder / "meter"),
            bare=str(trees.virtual_machine(folder / "bare")),
            folder=folder,
        )
    )
    done = reframe(
        folder, "checks.py", "-r", "--performance-report", "--exec-policy=serial",
        "--perflogdir", str(folder / "logs"), "--report-file", str(folder / "report.json"),
    )  # fmt: skip
    assert (folder / "report.json").is_file(), done.stdout + done.stderr
    (run,) = json.loads((folder / "report.json").read_text())["runs"]
    cases = {case["name"].split()[0]: case for case in run["testcases"]}
    return {"printed": done.stdout, "code": done.returncode, "cases": cases, "folder": folder}


def rows(printed: str, name: str) -> dict[str, list[str]]:
    """A test's lines of ReFrame's performance report, by their variable: unit, value, result."""
    table = printed.partition(" PERFORMANCE REPORT ")[2]
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in table.splitlines()]
    return {c[3]: c[4:] for c in cells if len(c) == 7 and c[0].split()[:1] == [name]}


def test_the_performance_report_shows_joules_where_there_is_a_meter(ran: dict[str, Any]) -> None:
    case, shown = ran["cases"]["metered"], rows(ran["printed"], "metered")
    assert case["result"] == "pass", case["fail_reason"]
    assert case["verdict"] == "valid"
    (kept,) = (ran["folder"] / "output").rglob("metered*/records.jsonl")
    measured = json.loads(kept.read_text())
    assert measured["case"]["params"]["cfl"] == 0.2
    assert len(measured["time"]["samples"]) == 2
    energy = measured["energy"]
    for name, unit, value in (
        ("time", "s/step", measured["time"]["median"]),
        ("energy", "J/step", energy["median"]),
        ("power", "W", energy["watts"]),
    ):
        assert shown[name] == [unit, f"{value:g}", "pass"]
        assert case["perfvalues"][f"generic:default:{name}"][0] == value
    assert energy["watts"] == pytest.approx(57.0, rel=energy["uncertainty_rel"])
    assert shown["metered"] == ["fake: node:dram-0, node:package-0", "1", "pass"]


def test_without_a_meter_it_shows_the_reason_and_never_0_joules(ran: dict[str, Any]) -> None:
    case, shown = ran["cases"]["unmetered"], rows(ran["printed"], "unmetered")
    assert case["result"] == "pass", case["fail_reason"]
    assert set(shown) == {"time", "metered"}
    assert shown["metered"] == ["no meter on this machine", "0", "pass"]
    assert "rapl: no RAPL counters in this virtual machine" in case["joules_from"]
    (warning,) = (x for x in ran["printed"].splitlines() if x.startswith("WARNING: unmetered"))
    assert "no joules: no meter on this machine (" in warning


@pytest.mark.parametrize(
    ("name", "result", "phase", "reason"),
    [
        ("unknown", "fail", "sanity", "joulia wrote no record: joulia: unknown kernel 'hat'"),
        ("wrong", "fail", "sanity", "invalid: the total of heat / is off by 0.3"),
        ("several", "fail", "sanity", "2 records: `options` must not make it several cases"),
        ("missing", "fail", "sanity", "skipped: no such thing here"),
        ("joules_missing", "fail", "sanity", "no joules: no meter (rapl: none; nvml: none)"),
        ("too_slow", "fail", "performance", "failed to meet reference(s): "),
    ],
)
def test_what_fails_fails_with_the_reason(
    ran: dict[str, Any], name: str, result: str, phase: str, reason: str
) -> None:
    case = ran["cases"][name]
    assert (case["result"], case["fail_phase"]) == (result, phase)
    assert reason in case["fail_reason"]
    assert ran["code"] == 1


def test_what_cannot_run_here_is_skipped_with_the_reason(ran: dict[str, Any]) -> None:
    case = ran["cases"]["absent"]
    assert case["result"] == "skip"
    assert case["verdict"] == "skipped: no such thing here"
    assert "[skipped: no such thing here]" in ran["printed"]
    assert rows(ran["printed"], "absent") == {}


def test_the_example_of_the_readme_is_a_check_of_eight_cases(ran: dict[str, Any]) -> None:
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", (PLUGIN / "README.md").read_text(), re.M | re.S
    )
    (ran["folder"] / "example.py").write_text(example)
    done = reframe(ran["folder"], "example.py", "--list")
    assert done.returncode == 0, done.stdout
    assert "Found 8 check(s)" in done.stdout
    assert done.stdout.count("- heat %kernel=heat %backend=") == 8
