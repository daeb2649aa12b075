"""The JUBE benchmark: its patterns against records, and a real run where JUBE is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trees

from joulia.meters.fake import FILE

from .results import record

BENCHMARK = Path(__file__).parents[1] / "plugins" / "jube" / "joulia.yaml"
FLOAT = r"([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)"
"""What JUBE puts in the place of $jube_pat_fp."""
if not BENCHMARK.is_file():
    pytest.skip("needs the checkout, not the installed wheel", allow_module_level=True)


def test_the_patterns_find_the_figures_of_a_record_or_their_reasons() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    patterns = yaml.safe_load(BENCHMARK.read_text())["patternset"]["pattern"]
    metered = record("numpy", 1.25e-3, energy=0.5, lines=9)
    bare = replace(record("numpy", 1.25e-3), energy_reason="no meter here (rapl: none; nvml: none)")
    absent = record("julia", None, status="skipped", reason="no Julia")

    def found(line: str) -> dict[str, str]:
        hits = {p["name"]: re.search(p["_"].replace("$jube_pat_fp", FLOAT), line) for p in patterns}
        return {name: hit[1] for name, hit in hits.items() if hit}

    lines = [json.dumps(each.to_json()) for each in (metered, bare, absent)]
    assert found(lines[0]) == {"verdict": "valid", "time": "0.00125", "energy": "0.5"}
    assert found(lines[1]) == {"verdict": "valid", "time": "0.00125", "no_joules": "no meter here"}
    assert found(lines[2]) == {"verdict": "skipped", "reason": "no Julia"}


def test_a_real_jube_tabulates_joules(tmp_path: Path) -> None:
    if importlib.util.find_spec("jube") is None:
        pytest.skip("JUBE is not installed (it is not on PyPI: github.com/FZJ-JSC/JUBE)")
    text = BENCHMARK.read_text()
    for default, quick in (
        ("joulia, _: joulia}", f'joulia, _: "{shlex.quote(sys.executable)} -m joulia"}}'),
        ('"numpy,numba"', '"numpy,numba:cuda"'),
        ('"small"', '"tiny"'),
        ("--window 0.5 --repeats 9", "--window 0.02 --repeats 2 --energy-tolerance 100"),
    ):
        assert default in text
        text = text.replace(default, quick)
    (tmp_path / "joulia.yaml").write_text(text)
    meter = {"id": "node", "watts": {"package-0": 50.0}}
    root = trees.put(trees.node(tmp_path / "root"), {FILE: json.dumps(meter)})
    run = "from jube.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, "run", "joulia.yaml", "--result"],
        cwd=tmp_path, env=os.environ | {"JOULIA_ROOT": str(root)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    table = {row[2]: row[5:9] for row in rows if row[:2] == ["heat", "tiny"]}
    paths = tmp_path.glob("joulia_runs/000000/*_measure/*/records.jsonl")
    (kept,) = (r for r in map(json.loads, (p.read_text() for p in paths)) if r["energy"])
    figures = [str(kept["time"]["median"]), str(kept["energy"]["median"])]
    assert table["numpy"] == ["valid", *figures, ""]
    assert table["numba:cuda"][:3] == ["skipped", "", ""]
