"""The gate: its statistics, and verdicts from records."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from joulia.gate import compare, decision
from joulia.records.codec import to_json

from .results import made_energy

ROOT = Path(__file__).parents[1]
needs_checkout = pytest.mark.skipif(
    not (ROOT / "docs" / "studies").is_dir(), reason="needs the checkout, not the installed wheel"
)


# ---- statistics ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [(0.975, 1, 12.706), (0.975, 2, 4.3027), (0.9995, 9, 4.7809), (0.975, 10, 2.2281),
     (0.995, 39, 2.7079), (0.999, 5, 5.8934)],
)  # fmt: skip
def test_student_quantiles_are_those_of_the_tables(probability, degrees, quantile):
    assert decision.student(probability, degrees) == pytest.approx(quantile, rel=1e-4)


def test_looks_are_fixed_beforehand_and_end_with_the_budget():
    assert decision.looks(40) == (10, 20, 40)
    assert decision.looks(6) == (6,)
    assert decision.looks(50) == (10, 20, 40, 50)


def noise(n: int = 40, spread: float = 0.01, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.exp(np.random.default_rng(seed).normal(0.0, spread, (2, n))))


def test_verdicts():
    base, head = noise()
    assert decision.decide(base, head, 0.03, 10).verdict == "same"
    slower = decision.decide(base, 1.05 * head, 0.03, 10)
    assert slower.verdict == "regression"
    assert slower.interval[0] < 0.05 < slower.interval[1]
    assert decision.decide(base, 0.95 * head, 0.03, 10).verdict == "improvement"
    unclear = decision.decide(*noise(10, 0.2), 0.03, 10)
    assert unclear.verdict == "inconclusive"
    assert unclear.more_pairs is None or unclear.more_pairs > 10


def test_more_comparisons_widen_the_interval():
    base, head = noise(20, 0.02)
    single, many = (decision.decide(base, head, 0.03, m).interval for m in (1, 1000))
    assert many[0] < single[0] < single[1] < many[1]


def test_what_disturbs_both_members_of_a_pair_cancels():
    base, head = noise(20, 0.005)
    wander = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.05, 20)))
    assert decision.decide(base * wander, head * wander, 0.03, 1).verdict == "same"
    paired, mixed = (
        decision.standard_error(np.log(base * wander), np.log(other))
        for other in (head * wander, np.random.default_rng(2).permutation(head * wander))
    )
    assert paired < 0.5 * mixed


@needs_checkout
def test_the_study_on_recorded_noise_no_false_alarm_and_slowdowns_found():
    spec = importlib.util.spec_from_file_location("study", ROOT / "docs/studies/gate_study.py")
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    for name in ("recorded: heat, numba", "recorded: heat, occa"):
        draw = study.sources()[name]
        rng = np.random.default_rng(5)
        alarms = sum(study.gate(draw(rng))[0] == "regression" for _ in range(200))
        assert alarms <= 2, name
        caught = 0
        for _ in range(100):
            pairs = draw(rng)
            pairs[:, 1] *= 1.05
            caught += study.gate(pairs)[0] == "regression"
        assert caught >= 92, name  # the table has 97 % and more; 92 of 100 leaves room for chance


# ---- records -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One real record, from which the tests make files."""
    path = tmp_path_factory.mktemp("gate") / "one.jsonl"
    subprocess.run(
        [sys.executable, "-m", "joulia", "run", "heat", "-b", "numpy", "--size", "tiny"]
        + ["--window", "0.001", "--repeats", "2", "--no-ceiling", "-o", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return json.loads(path.read_text())


def many(template, times, **changes):
    """A record for each best time; `joules` a step, or None."""
    made = []
    for seconds in times:
        record = json.loads(json.dumps(template))
        record["time"]["samples"] = [seconds * 1.5, seconds]
        joules, source = changes.get("joules"), changes.get("source", "counter")
        used = [seconds * joules] if joules else []
        energy = to_json(made_energy(used, source, None)) if joules else None
        record["energy"] = energy
        for path, value in changes.get("set", {}).items():
            *parents, last = path.split(".")
            place = record
            for name in parents:
                place = place[name]
            place[last] = value
        made.append(record)
    return made


@pytest.fixture
def gate(joulia, measured, tmp_path):
    """`gate(base, head, *options)` on files of records; (exit code, JSON or None, stderr)."""

    def run(base, head, *options):
        for name, records in (("base", base), ("head", head)):
            text = "".join(json.dumps(r) + "\n" for r in records)
            (tmp_path / f"{name}.jsonl").write_text(text)
        done = joulia("gate", tmp_path / "base.jsonl", tmp_path / "head.jsonl", "--json", *options)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    return run


FLAT = [1e-3 * (1 + 0.001 * (i % 5)) for i in range(12)]


def verdicts(report):
    return {v["metric"]: v["verdict"] for v in report["verdicts"]}


def test_the_same_records_are_the_same(gate, measured):
    code, report, stderr = gate(many(measured, FLAT), many(measured, FLAT))
    assert code == 0
    assert verdicts(report) == {"time": "same", "energy": "nothing measured"}
    assert "not measured in turn" in stderr


def test_a_slowdown_is_a_regression_and_a_speed_up_is_none(gate, measured):
    slow = [1.05 * t for t in FLAT]
    code, report, _ = gate(many(measured, FLAT), many(measured, slow))
    assert code == 1
    assert report["summary"].startswith(
        "Regression: heat numpy 12x10x8 float64 1r x 1t: time +5.0%"
    )
    code, report, _ = gate(many(measured, slow), many(measured, FLAT))
    assert code == 0
    assert verdicts(report)["time"] == "improvement"
    code, report, _ = gate(many(measured, FLAT), many(measured, slow), "--threshold", "time=10%")
    assert (code, verdicts(report)["time"]) == (0, "same")


def test_more_joules_at_the_same_speed_are_a_regression(gate, measured):
    code, report, _ = gate(many(measured, FLAT, joules=50.0), many(measured, FLAT, joules=54.0))
    assert code == 1
    assert verdicts(report) == {"time": "same", "energy": "regression"}


def test_noise_is_inconclusive_and_says_what_would_settle_it(gate, measured):
    rng = np.random.default_rng(3)
    wild = [list(np.exp(rng.normal(-7, 0.05, 12))) for _ in range(2)]
    code, report, _ = gate(*(many(measured, times) for times in wild))
    (time_,) = [v for v in report["verdicts"] if v["metric"] == "time"]
    assert (code, time_["verdict"]) == (3, "inconclusive")
    assert "more pairs" in time_["reason"]
    code, report, _ = gate(many(measured, FLAT[:2]), many(measured, FLAT[:2]))
    assert code == 3
    assert report["verdicts"][0]["more_pairs"] == decision.FEWEST - 2


def test_a_head_that_fails_or_no_longer_runs_fails(gate, measured):
    failed = many(measured, [1.0], set={"status": "failed", "reasons": ["boom"], "time": None})
    code, report, _ = gate(many(measured, FLAT), many(measured, FLAT) + failed)
    assert (code, verdicts(report)["time"]) == (4, "failed")
    assert "head: boom" in report["verdicts"][0]["reason"]
    gone = many(measured, [1.0], set={"status": "skipped", "reasons": ["not here"], "time": None})
    code, report, _ = gate(many(measured, FLAT), gone)
    assert (code, verdicts(report)["time"]) == (4, "failed")
    code, report, _ = gate(gone, gone)
    assert (code, verdicts(report)["time"]) == (4, "nothing measured")
    assert report["verdicts"][0]["reason"] == "not here"


def test_a_regression_outranks_a_failure_and_a_failure_noise():
    def exit_code(*names):
        case = compare.Case("heat", "numpy", "cpu", None, (8, 8, 8), "float64")
        return compare.exit_code([compare.Verdict(case, "time", name, 0.03) for name in names])

    assert exit_code("same", "failed", "regression", "inconclusive") == 1
    assert exit_code("failed", "inconclusive", "same") == 4
    assert exit_code("inconclusive", "same") == 3
    assert exit_code("nothing measured", "same", "improvement") == 0
    assert exit_code("nothing measured") == 4


REFUSED = {
    "different machines": {"machine.id": "other", "machine.hostname": "elsewhere"},
    "different settings: window_s": {"settings.window_s": 7.0},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_alike_is_refused_in_one_line(gate, measured, why):
    code, report, stderr = gate(many(measured, FLAT), many(measured, FLAT, set=REFUSED[why]))
    assert (code, report) == (2, None)
    assert why in stderr.splitlines()[-1]


def test_joules_of_different_sources_are_refused(gate, measured):
    code, report, stderr = gate(
        many(measured, FLAT, joules=50.0), many(measured, FLAT, joules=50.0, source="sampled")
    )
    assert (code, report) == (2, None)
    assert "joules of different sources: counter, sampled" in stderr


def test_table_and_markdown_name_the_case(joulia, measured, tmp_path):
    for name, factor in (("base", 1.0), ("head", 1.2)):
        records = many(measured, [factor * t for t in FLAT])
        text = "".join(json.dumps(r) + "\n" for r in records)
        (tmp_path / name).write_text(text)
    done = joulia(
        "gate", tmp_path / "base", tmp_path / "head", "--markdown", tmp_path / "gate.md",
        env={"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "regression" in done.stdout
    assert "energy: nothing measured: no meter on this machine" in done.stdout
    text = (tmp_path / "gate.md").read_text()
    assert "| heat numpy 12x10x8 float64 1r x 1t | time | 1.00 ms | 1.20 ms | +20.0% |" in text
    assert "**regression**" in text


def test_a_crash_is_no_regression(measured, tmp_path):
    """Python ends with 1 where it crashes, which would read as a regression."""
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(measured) + "\n")
    script = (
        "import sys; from joulia.gate import compare; from joulia.cli import main\n"
        f"compare.verdicts = None; sys.argv = ['joulia', 'gate', {str(path)!r}, {str(path)!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 4
    assert "TypeError" in done.stderr
