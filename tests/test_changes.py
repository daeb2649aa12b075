"""Steps of series over commits: the statistics on recorded noise, asv's results, records."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkout import git

from joulia.analysis import changes, series
from joulia.errors import JouliaError

from .results import record, write

pytest.importorskip("ruptures", reason="ruptures is not installed (joulia[changes])")
ROOT = Path(__file__).parents[1]
needs_checkout = pytest.mark.skipif(
    not (ROOT / "docs" / "studies").is_dir(), reason="needs the checkout, not the installed wheel"
)


def noisy(count, spread=0.01, seed=0):
    return np.exp(np.random.default_rng(seed).normal(-7.0, spread, count))


# ---- statistics ----------------------------------------------------------------------------


def test_two_steps_are_found_with_their_size_place_and_sureness():
    values = noisy(60)
    values[20:] *= 1.10
    values[45:] *= 0.93
    up, down = changes.steps(list(values), 0.03)
    assert (up.index, down.index) == (20, 45)
    for step, factor in ((up, 1.10), (down, 0.93)):
        assert step.ratio.low < factor < step.ratio.high
        assert step.ratio.value == pytest.approx(factor, rel=0.02)
        assert step.first <= step.index <= step.last <= step.first + 2
        assert step.p < 1e-4
    assert changes.steps(list(values), 0.2) == []


def test_a_step_that_stands_out_less_has_a_wider_place():
    values = noisy(60, 0.03, seed=1)
    values[30:] *= 1.04
    (step,) = changes.steps(list(values), 0.0)
    assert step.first <= 30 <= step.last
    assert 2 <= step.last - step.first <= 20


@pytest.mark.parametrize("values", [[1.0] * 40, [1.0, 2.0] * 3, list(noisy(40)), [1.0]])
def test_no_step_where_there_is_none(values):
    assert changes.steps(values, 0.0) == []


def test_a_few_disturbed_commits_are_no_step():
    values = noisy(40)
    values[[7, 8, 21, 33]] *= 3.0
    assert changes.steps(list(values), 0.0) == []


def test_more_series_ask_for_more_evidence():
    values = noisy(16, 0.01, seed=3)
    values[8:] *= 1.05
    assert changes.steps(list(values), 0.0, series=1)
    assert changes.steps(list(values), 0.0, series=1000) == []


def test_neighbours_that_are_alike_tell_less():
    walk = np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.01, 40)))
    mixed = np.random.default_rng(6).permutation(walk)
    assert changes.dependent(1e-6, [list(walk)]) > 100.0 * changes.dependent(1e-6, [list(mixed)])
    assert changes.dependent(0.0, [list(walk)]) == 0.0


@needs_checkout
def test_the_study_on_recorded_noise_no_step_without_a_cause_and_injected_ones_found():
    spec = importlib.util.spec_from_file_location("study", ROOT / "docs/studies/changes_study.py")
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    noises = study.noises()
    rng = np.random.default_rng(7)
    for noise in noises.values():
        assert changes.steps(list(noise), 0.0) == []  # as recorded, one commit again and again
        drawn = [study.drawn(rng, noise, 1) for _ in range(60)]
        assert sum(bool(changes.steps(list(d), 0.02, study.SERIES)) for d in drawn) <= 1
    found = held = 0
    for _ in range(60):
        values, at = study.stepped(rng, study.drawn(rng, noises["numba"], 1), 0.10)
        hits = [
            step
            for step in changes.steps(list(values), study.THRESHOLD, study.SERIES)
            if study.near([step.index], at)
        ]
        found += bool(hits)
        held += any(step.first <= at <= step.last for step in hits)
    assert found >= 52  # the table has 94 %; 52 of 60 leaves room for chance
    assert held >= 0.85 * found


def test_without_ruptures_the_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(JouliaError, match="pip install 'joulia\\[changes\\]'"):
        changes.steps(list(noisy(20)), 0.0)


# ---- records -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository of 24 commits, a minute apart; their names, the oldest first."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "main")
    names = []
    with pytest.MonkeyPatch.context() as patch:
        for minute in range(24):
            patch.setenv("GIT_COMMITTER_DATE", f"2026-01-01T00:{minute:02}:00+0000")
            git(folder, "commit", "-q", "--allow-empty", "-m", str(minute))
            names.append(git(folder, "rev-parse", "HEAD"))
    return folder, names


def tracked(folder, names, backends=("numpy", "numba"), slower="numba", at=15, **changed):
    """A results file for each commit, measured in another order than they were committed in."""
    folder.mkdir()
    for i, name in enumerate(names):
        noise = noisy(len(backends), seed=i) / np.exp(-7.0)
        records = []
        for backend, factor in zip(backends, noise, strict=True):
            after = backend == slower and i >= at
            times = [1e-3 * factor * (1.08 if after else 1.0) * n for n in (1.3, 1.0, 1.1, 1.6)]
            joules = [0.05 * factor * (1.12 if after else 1.0)] * 6
            started = f"2026-02-01T00:{(7 * i) % 24:02}:00+00:00"
            one = record(backend, times, energy=joules, started_at=started)
            software = one.software | ({"numba": "1"} if i < at else {"numba": "2"})
            records.append(replace(one, commit=name, software=software, **changed))
        write(folder / f"{i:02}.jsonl", records)
    return folder


def test_a_folder_of_records_names_the_commits_in_time_and_joules(joulia, repository, tmp_path):
    folder, names = repository
    results = tracked(tmp_path / "results", names)
    done = joulia("changes", results, "--repository", folder, "--json",
                  "--markdown", tmp_path / "new" / "c.md")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == "joulia-changes/1"
    assert (report["series"], report["too_short"]) == (4, 0)
    found = {change["metric"]: change for change in report["changes"]}
    assert set(found) == {"time", "energy"}
    for metric, factor in (("time", 1.08), ("energy", 1.12)):
        change = found[metric]
        assert "numba" in change["name"]
        assert change["commit"] == names[15]
        assert change["after_commit"] in names[12:15]
        assert change["by_commit"] in names[15:18]
        assert change["ratio_low"] < factor < change["ratio_high"]
        assert change["p"] < 0.01
        assert change["versions"] == ["numba 1 to 2"]
    assert found["time"]["before"] == pytest.approx(1e-3, rel=0.02)  # the best of its samples
    text = (tmp_path / "new" / "c.md").read_text()
    assert "2 up, 0 down, in 2 of 4 series" in text
    assert f"..{found['time']['by_commit'][:10]}" in text
    assert "there also numba 1 to 2" in text
    done = joulia("changes", results, "--repository", folder, "--threshold", "time=20%,energy=20%")
    assert done.stdout == "No step in 4 series\n"


def test_commits_that_a_repository_does_not_know_are_in_the_order_of_measuring(
    joulia, repository, tmp_path
):
    _, names = repository
    results = tracked(tmp_path / "results", names)
    done = joulia("changes", results, "--repository", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path} does not know every commit" in done.stdout
    assert "No step in 4 series" in done.stdout


def test_a_commit_that_is_none_reaches_no_git(joulia, repository, tmp_path):
    folder, names = repository
    kept = tmp_path / "kept"
    kept.write_text("precious")
    results = tracked(tmp_path / "results", [f"--output={kept}", *names[1:]])
    done = joulia("changes", results, "--repository", folder)
    assert done.returncode == 0, done.stderr
    assert f"{folder} does not know every commit" in done.stdout
    assert kept.read_text() == "precious"


def test_what_all_series_of_a_machine_do_together_is_told_once(joulia, repository, tmp_path):
    folder, names = repository
    parts = [
        tracked(tmp_path / backend, names, (backend,), backend) for backend in ("numpy", "numba")
    ]
    together = tmp_path / "together"
    together.mkdir()
    for part in parts:
        part.rename(together / part.name)
    done = joulia("changes", together, "--repository", folder)
    assert "4 up, 0 down, in 4 of 4 series" in done.stdout
    assert done.stdout.count("4 of 4 series of alpha step together about ") == 1
    assert "the machine, or what all of them share" in done.stdout


def test_sources_machines_and_settings_are_series_of_their_own(repository, tmp_path):
    folder, names = repository
    one = record("numpy", 1e-3, energy=0.1)
    others = [
        one,
        record("numpy", 1e-3, energy=0.1, source="sampled"),
        record("numpy", 1e-3, energy=0.1, host="beta"),
        replace(one, settings=replace(one.settings, window_s=9.0)),
        replace(one, commit=None),
        record("numpy", status="failed"),
    ]
    path = write(tmp_path / "r.jsonl", [
        replace(r, commit=names[0]) if r.commit else r for r in others
    ])  # fmt: skip
    loaded, told = series.load(path, folder)
    assert sum(one.metric == "time" for one in loaded) == 3
    assert sum(one.metric == "energy" for one in loaded) == 4
    assert told == ["1 valid records name no commit and are left out"]
    assert [len(one.points) for one in loaded if one.metric == "time"] == [1, 1, 1]


def test_what_is_too_short_and_what_is_refused(joulia, repository, tmp_path):
    folder, names = repository
    path = write(tmp_path / "r.jsonl", [replace(record("numpy", 1e-3), commit=names[0])])
    done = joulia("changes", path, "--repository", folder)
    assert "1 series of 1 have fewer than 8 commits" in done.stdout
    bare = write(tmp_path / "bare.jsonl", [replace(record("numpy", 1e-3), commit=None)])
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((tmp_path / "nowhere",), "cannot read"),
        ((tmp_path / "empty",), "has no results. Allowed: asv's results directory"),
        ((bare,), "no valid record names a commit"),
        ((path, "--threshold", "watts=3%"), "--threshold watts=3% is not allowed"),
    ):
        refused = joulia("changes", *arguments)
        assert refused.returncode == 2, message
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1


# ---- asv's results -------------------------------------------------------------------------


def test_results_that_asv_wrote(joulia, tmp_path):
    pytest.importorskip("asv")
    from asv import util
    from asv.benchmarks import Benchmarks
    from asv.results import Results
    from asv.runner import BenchmarkResult

    folder = tmp_path / ".asv" / "results"
    (folder / "box").mkdir(parents=True)
    machine = {"machine": "box", "os": "Linux"}
    util.write_json(str(folder / "box" / "machine.json"), machine, 1)
    known = {
        name: {"name": name, "version": "1", "params": params, "param_names": [], "type": "track",
               "unit": unit}
        for name, params, unit in (
            ("suite.time", [["'heat'", "'tracer'"], ["'numba'"]], "seconds"),
            ("suite.energy", [], "J"),
            ("suite.bytes", [], "bytes"),
        )
    }  # fmt: skip
    util.write_json(str(folder / "benchmarks.json"), known, Benchmarks.api_version)
    for i in range(30):
        a, b, c, d = np.exp(np.random.default_rng(i).normal(0.0, 0.01, 4))
        commit = f"{i:02}" * 20
        result = Results(machine, {}, commit, 1000 * (1_000_000 + i), "3.11", "env", {})
        late = 1.2 if i >= 18 else 1.0
        drawn = [[1e-3 * a * n for n in (1.0, 1.4, 1.2)], [1e-3 * b * late * n for n in (1.0, 1.9)]]
        for name, figures, samples in (
            ("suite.time", [1e-3, 1e-3], drawn),
            ("suite.energy", [5.0 * c / late], [None]),
            ("suite.bytes", [float("nan") if i == 3 else 1e6 * d], [None]),
        ):
            number = [1 if one else None for one in samples]
            result.add_result(
                known[name], BenchmarkResult(figures, samples, number, 0, "", None),
                record_samples=True,
            )  # fmt: skip
        result.save(str(folder))
    done = joulia("changes", tmp_path / ".asv", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["series"] == 4
    found = {change["name"]: change for change in report["changes"]}
    assert set(found) == {"suite.time(tracer, numba)", "suite.energy"}
    for change, factor in zip(found.values(), (1.2, 1.0 / 1.2), strict=True):
        assert change["commit"] == "18" * 20
        assert change["machine"] == "box"
        assert change["ratio_low"] < factor < change["ratio_high"]
    assert found["suite.time(tracer, numba)"]["before"] == pytest.approx(1e-3, rel=0.02)
    told = joulia("changes", folder)
    assert "suite.time(tracer, numba) time" in told.stdout
    assert "1 up, 1 down, in 2 of 4 series" in told.stdout
    (folder / "benchmarks.json").write_text("[")
    broken = joulia("changes", folder)
    assert broken.returncode == 2
    assert broken.stderr.startswith("joulia: cannot read")
