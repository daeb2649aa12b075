"""`joulia run` from the command line to the table, with meters and without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trees

from joulia.errors import Unavailable
from joulia.parallel import launchers
from joulia.runner import launch

SUPPORT = Path(__file__).parent / "support"
HEAT = ["heat", "-b", "numpy", "--size", "tiny", "--threads", "1", "--no-ceiling"]


def joulia(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(launch.STRIPPED)}
    path = os.pathsep.join([str(SUPPORT / "site"), str(SUPPORT), clean.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "joulia", *arguments],
        env=clean | {"PYTHONPATH": path, "JOULIA_ROOT": str(root), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def record(path: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    heat: dict[str, Any] = next(line for line in lines if line["case"]["kernel"] == "heat")
    return heat


@pytest.fixture
def ac922(tmp_path: Path) -> Iterator[Path]:
    """A two-socket AC922 with four V100s, played in real time."""
    root = tmp_path / "root"
    cards = [
        {
            "uuid": f"GPU-{i:08x}-0000-0000-0000-000000000000",
            "bus_id": f"000000{i:02x}:04:00.0",
            "curve": {"mean_w": 250.0, "swing_w": 20.0, "period_s": 0.11},
        }
        for i in range(4)
    ]
    trees.put(root, {"run/fake-gpus.json": json.dumps(cards)})
    player = subprocess.Popen(
        [sys.executable, str(SUPPORT / "drive.py"), str(root), "0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
    )
    assert player.stdin is not None
    assert player.stdout is not None
    assert player.stdout.readline() == b"ready\n"
    yield root
    player.stdin.close()
    player.wait(10.0)
    player.stdout.close()


def test_four_ranks_on_an_ac922_give_the_true_energy(ac922: Path, tmp_path: Path) -> None:
    try:
        launchers.mpiexec(4, 1)
    except Unavailable as error:
        pytest.skip(str(error))
    out = tmp_path / "out.jsonl"
    done = joulia(
        ac922, "run", *HEAT, "--ranks", "4", "--oversubscribe", "--repeats", "2",
        "--energy-tolerance", "10",
        "--carbon", "300", "-o", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    heat = record(out)
    energy, steps = heat["energy"], heat["time"]["steps_per_sample"]
    assert energy is not None, heat["energy_reason"]
    assert heat["energy_reason"] is None
    assert heat["energy_estimate"] is None
    assert energy["source"] == "counter"
    assert energy["counted"] == [f"{trees.BOOT}/ibmpowernv:System"]
    truth_w = trees.AC922["System"]
    for joules, seconds in zip(energy["samples"], energy["windows_s"], strict=True):
        assert joules * steps == pytest.approx(truth_w * seconds, rel=energy["uncertainty_rel"])
    assert energy["uncertainty_rel"] < 0.4
    assert energy["shared_by_ranks"] == {f"{trees.BOOT}/ibmpowernv": [0, 1, 2, 3]}
    assert 0.005 < energy["update_period_s"] < 0.2
    assert len(energy["idle_w"]) == 2
    assert 0.0 < energy["waiting"]["share"] < 1.0
    assert sum(name.startswith("GPU-") for name in energy["domains"]) == 4
    assert energy["carbon"]["median"] == pytest.approx(energy["median"] / 3.6e6 * 300.0)
    line = next(line for line in done.stdout.splitlines() if line.startswith("valid "))
    assert re.search(r"\d m?J ±\d", line), line
    assert "≈" not in done.stdout
    assert "CO2e a step at 300 g/kWh" in done.stdout
    assert "were spent waiting" in done.stdout


def test_no_counter_gives_the_reason_the_estimate_and_the_way_out(tmp_path: Path) -> None:
    root = trees.virtual_machine(tmp_path / "root")
    out = tmp_path / "out.jsonl"
    done = joulia(root, "run", *HEAT, "--repeats", "2", "--window", "0.02", "-o", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    heat = record(out)
    assert heat["energy"] is None
    assert "no meter on this machine" in heat["energy_reason"]
    assert "rapl: no RAPL counters in this virtual machine" in heat["energy_reason"]
    estimate = heat["energy_estimate"]
    assert estimate["low"] <= estimate["median"] <= estimate["high"]
    assert "No joules: no meter on this machine" in done.stdout
    assert "`joulia doctor` names the remedy" in done.stdout
    assert "≈ is not measured" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("valid "))
    before, mark, after = line.partition("≈")
    assert mark
    assert before.rstrip().endswith("none"), "the estimate stands in a column of its own"
    assert " to " in after


def test_a_meter_that_dies_in_the_middle_leaves_the_run(tmp_path: Path) -> None:
    meter = {"id": "n/fake", "watts": {"package-0": 50.0}, "fails_after": 27}
    root = trees.put(
        trees.node(tmp_path / "root"), {"run/joulia/fake-meter.json": json.dumps(meter)}
    )
    out = tmp_path / "out.jsonl"
    done = joulia(root, "run", *HEAT, "--repeats", "2", "--window", "0.02", "-o", str(out))
    assert done.returncode == 0, done.stderr
    heat = record(out)
    assert heat["status"] == "valid"
    # Ten reads tell the update period, twelve are the start's, two idle power, four two windows.
    assert heat["energy"]["repeats"] == 1
    assert "died" in heat["energy"]["void_windows"][0]
    assert len(heat["time"]["samples"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--energy-tolerance", "0"], "--energy-tolerance"),
        (["--profile", "x86-servr"], "did you mean 'x86-server'"),
        (["--profile", "nowhere.toml"], "cannot read nowhere.toml"),
        (["--carbon", "-1"], "a positive figure in g/kWh"),
        (["--carbon", "0"], "a positive figure in g/kWh"),
        (["--carbon", "somewhere"], "a positive figure in g/kWh"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = joulia(tmp_path, "run", *HEAT, *arguments, "-o", str(tmp_path / "o.jsonl"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr
    assert not (tmp_path / "o.jsonl").exists()
