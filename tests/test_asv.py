"""The asv suite and the asv plug-in, each with a real run of asv."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import copy_checkout, git

ROOT = Path(__file__).parents[1]
pytest.importorskip("asv")
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("needs the checkout, not the installed wheel", allow_module_level=True)


def run(*command, cwd, env, check=True):
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def asv(folder, home, *arguments, **env):
    """asv on a project, with a home of its own for what it knows about machines."""
    return run(
        sys.executable, "-m", "asv", *arguments, cwd=folder,
        env=os.environ | {"HOME": str(home)} | env,
    )  # fmt: skip


def existing(folder):
    """The options for the interpreter that runs the tests, at the commit that is checked out."""
    return (
        "-E",
        f"existing:{sys.executable}",
        "--set-commit-hash",
        git(folder, "rev-parse", "HEAD"),
    )


def results(folder):
    """Values by benchmark and parameters, and the raw file, of the only result."""
    (path,) = (folder / ".asv/results").glob("*/*-existing-*.json")
    data = json.loads(path.read_text())
    values = {}
    for name, row in data["results"].items():
        cell = dict(zip(data["result_columns"], row, strict=False))
        axes = cell["params"]
        for i, value in enumerate(cell["result"]):
            at, key = i, []
            for axis in reversed(axes):
                at, place = divmod(at, len(axis))
                key.insert(0, axis[place].strip("'"))
            samples = cell["samples"][i] if cell.get("samples") else None
            values[name, *key] = (math.nan if value is None else value, samples)
    return values


# ---- the suite -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The checkout's suite in a repository of its own, run on NumPy's heat and stream."""
    folder, home = (tmp_path_factory.mktemp(name) for name in ("suite", "home"))
    copy_checkout(folder, "benchmarks", "asv.conf.json", "src", "kernels", "bridges")
    run(sys.executable, "-m", "benchmarks.machine", "--name", "test", cwd=folder,
        env=os.environ | {"HOME": str(home)})  # fmt: skip
    options = "heat stream -b numpy -b numba --window 0.001 --repeats 6 --threads 1"
    options += " --energy-tolerance 50"  # a busy machine sees the stand-in's updates late
    meters = root(home / "root", {"id": "n", "watts": {"package-0": 50.0}, "period_s": 1e-5})
    asv(folder, home, "run", "--machine", "test", "--record-samples", *existing(folder),
        "--bench", "heat|stream",  # a process a row: those of the other kernels would be NaN
        JOULIA_ASV_OPTIONS=options, JOULIA_ROOT=str(meters))  # fmt: skip
    return folder, home


def root(folder, meter=None):
    """A tree of a machine with this stand-in for a meter, or with none."""
    (folder / "run/joulia").mkdir(parents=True)
    if meter:
        (folder / "run/joulia/fake-meter.json").write_text(json.dumps(meter))
    return folder


def test_the_suite_plots_what_joulia_run_measured(suite):
    folder, _ = suite
    values = results(folder)
    (path,) = (folder / ".asv/joulia").rglob("*.jsonl")
    records = {
        (r["case"]["kernel"], r["case"]["bridge"]): r
        for r in map(json.loads, path.read_text().splitlines())
    }
    assert len(records) == 4
    value, samples = values["suite.Step.track_time", "heat", "numpy"]
    assert samples == records["heat", "numpy"]["time"]["samples"]
    assert value == pytest.approx(records["heat", "numpy"]["time"]["median"])
    start, _ = values["suite.Startup.track_startup", "heat", "numpy"]
    startup = records["heat", "numpy"]["startup"]
    assert start == pytest.approx(startup["import_s"] + startup["load_s"])
    assert values["suite.Startup.track_call_overhead", "stream", "numpy"][0] > 0


def test_a_cell_that_was_not_measured_is_nan_and_joules_have_the_rows_of_their_meter(suite):
    folder, _ = suite
    values = results(folder)
    assert math.isnan(values["suite.Step.track_time", "heat", "occa:serial"][0])
    energy = {key: value for key, value in values.items() if "track_energy" in key[0]}
    assert {key[-1] for key in energy} == {"fake"}
    (path,) = (folder / ".asv/joulia").rglob("*.jsonl")
    for record in map(json.loads, path.read_text().splitlines()):
        where = (record["case"]["kernel"], record["case"]["bridge"], "fake")
        value, samples = energy["suite.StepEnergy.track_energy", *where]
        assert record["energy"], record["energy_reason"]
        assert samples == record["energy"]["samples"]
        assert value == pytest.approx(record["energy"]["median"])
    assert math.isnan(energy["suite.StepEnergy.track_energy", "heat", "occa:serial", "fake"][0])


def test_without_a_meter_there_are_no_rows_of_joules(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from benchmarks import suite\n"
        "print(suite.SOURCES, hasattr(suite, 'StepEnergy'), hasattr(suite, 'Step'))"
    )
    env = {"JOULIA_ROOT": str(root(tmp_path / "root"))}
    for named, told in (
        ({}, "() False True"),
        ({"JOULIA_ASV_SOURCES": "counter,sampled"}, "('counter', 'sampled') True True"),
    ):
        done = run(
            sys.executable, "-c", script, ROOT, cwd=tmp_path, env=os.environ | env | named
        )  # fmt: skip
        assert done.stdout.strip() == told


def test_check_compare_and_publish_are_clean(suite):
    folder, home = suite
    asv(folder, home, "check", "-E", f"existing:{sys.executable}")
    assert "suite.Step.track_time" in asv(folder, home, "compare", "HEAD", "HEAD").stdout
    asv(folder, home, "publish")
    index = json.loads((folder / ".asv/html/index.json").read_text())
    assert index["benchmarks"]["suite.Step.track_time"]["unit"] == "s/step"
    assert index["benchmarks"]["suite.StepEnergy.track_energy"]["unit"] == "J/step"
    assert list((folder / ".asv/html/graphs").rglob("suite.Step.track_time.json"))


def test_every_metric_has_a_threshold_and_an_explicit_version(suite):
    folder, _ = suite
    conf = json.loads((ROOT / "asv.conf.json").read_text())
    known = json.loads((folder / ".asv/results/benchmarks.json").read_text())
    names = [name for name in known if name.startswith("suite.")]
    assert len(names) == 4
    for name in names:
        assert any(re.match(pattern, name) for pattern in conf["regressions_thresholds"]), name
        assert known[name]["version"] == "1"


def test_machine_keys_are_fixed(suite):
    folder, home = suite
    (facts,) = [
        v for k, v in json.loads((home / ".asv-machine.json").read_text()).items() if k != "version"
    ]
    # Never add to this list: a new key splits every series there is.
    assert set(facts) == {
        "machine", "os", "arch", "cpu", "num_cpu", "ram",
        "cpu_power_cap_w", "gpu", "gpu_driver", "gpu_power_cap_w",
    }  # fmt: skip
    stored = json.loads((folder / ".asv/results/test/machine.json").read_text())
    assert set(facts) <= set(stored)


def test_an_old_joulia_that_cannot_run_is_nan_with_the_reason(tmp_path):
    """A commit without the command line that the suite needs still plots as gaps."""
    fake = tmp_path / "joulia"
    fake.mkdir()
    (fake / "__init__.py").write_text("")
    (fake / "__main__.py").write_text("raise SystemExit('no such command: run')")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from benchmarks import cells\n"
        "cells.sys.executable = sys.argv[2]\n"
        "measured = cells.measure(); import json; print(json.dumps(measured))\n"
        "print(cells.time(measured, 'heat', 'numpy'), "
        "cells.startup(measured, 'heat', 'numpy', 'load_s'))"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = run(sys.executable, "-c", script, ROOT, python, cwd=tmp_path, env=os.environ)
    measured, values = done.stdout.splitlines()
    assert "no such command: run" in json.loads(measured)[""]["reasons"][0]
    assert values == "nan nan"


# ---- the plug-in ---------------------------------------------------------------------------

TOY = """
import time


class Suite:
    params = [0.005, 0.02]
    param_names = ["seconds"]
    window_s = 0.1
    repeat = 6

    def setup(self, seconds):
        self.seconds = seconds

    def energy_sleep(self, seconds):
        assert seconds == self.seconds
        time.sleep(seconds)


def energy_short():
    time.sleep(0.03)


energy_short.number = 1
energy_short.repeat = 2
energy_short.tolerance = 0.1
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The plug-in, installed by pip into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "plugin"
    run("cp", "-r", ROOT / "plugins/asv_bench_joulia", source, cwd=ROOT, env=os.environ)
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
        "--disable-pip-version-check", "--root-user-action=ignore", "--target", target, source,
        cwd=ROOT, env=os.environ,
    )  # fmt: skip
    return target


def toy(folder, home, plugin, meter):
    """Run the toy project under a tree of meters; values and side records."""
    (folder / "benchmarks").mkdir(parents=True)
    (folder / "benchmarks/__init__.py").write_text("")
    (folder / "benchmarks/toy.py").write_text(TOY)
    conf = {
        "version": 1, "project": "toy", "repo": ".", "branches": ["main"],
        "environment_type": "virtualenv", "launch_method": "forkserver",
        "results_dir": ".asv/results", "html_dir": ".asv/html",
    }  # fmt: skip
    (folder / "asv.conf.json").write_text(json.dumps(conf))
    meters = root(folder / "root", meter)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "toy")
    path = os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH", "")]))
    env = {"JOULIA_ROOT": str(meters), "PYTHONPATH": path, "ASV_PYTHONPATH": path}
    asv(folder, home, "machine", "--yes", **env)
    asv(folder, home, "run", "--record-samples", *existing(folder), **env)
    asv(folder, home, "check", "-E", f"existing:{sys.executable}", **env)
    asv(folder, home, "publish", **env)
    assert list((folder / ".asv/html/graphs").rglob("toy.Suite.energy_sleep.json"))
    side_records = [
        json.loads(x) for x in (folder / ".asv/joulia/energy.jsonl").read_text().splitlines()
    ]
    return results(folder), side_records


def test_energy_benchmarks_are_joules_a_call(tmp_path, plugin):
    meter = {"id": "node", "watts": {"package-0": 50.0}, "period_s": 0.001}
    values, side_records = toy(tmp_path / "toy", tmp_path, plugin, meter)
    for seconds in ("0.005", "0.02"):
        joules, samples = values["toy.Suite.energy_sleep", seconds, "fake"]
        assert len(samples) == 6
        least = 50.0 * float(seconds)
        assert 0.98 * least <= joules <= 1.5 * least  # sleep may be late, never early
    assert {key[-1] for key in values} == {"fake"}
    kept = [t for t in side_records if t["benchmark"] == "toy.Suite.energy_sleep"]
    assert len(kept) == 2
    assert all(t["reason"] is None and t["energy"]["source"] == "fake" for t in kept)
    assert all(t["number"] > 1 for t in kept)
    # A window of one call is long enough here: the meter is fast.
    assert values["toy.energy_short", "fake"][0] >= 0.95 * 50.0 * 0.03


def test_a_window_that_is_too_short_for_the_meter_is_nan_with_the_reason(tmp_path, plugin):
    meter = {"id": "node", "watts": {"package-0": 50.0}, "period_s": 0.02}
    values, side_records = toy(tmp_path / "toy", tmp_path, plugin, meter)
    assert math.isnan(values["toy.energy_short", "fake"][0])
    (kept,) = [t for t in side_records if t["benchmark"] == "toy.energy_short"]
    assert kept["energy"] is None
    assert "too short" in kept["reason"]
    # Where the number of calls is free, the window grows to what the meter needs.
    assert values["toy.Suite.energy_sleep", "0.02", "fake"][0] >= 0.95
