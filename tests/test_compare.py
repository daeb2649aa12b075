"""Comparing: statistics against known answers, what is called a difference, several machines."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math

import numpy as np
import pytest

from joulia.analysis import columns, compare, portability, ranksum, tables
from joulia.analysis.uncertain import Uncertain

from .results import NOISE, noisy, record, write


def entries(records, baseline=None):
    (problem,) = compare.comparisons(records, baseline)
    return {e.label: e for e in problem.entries}


# ---- statistics --------------------------------------------------------------------------------


def test_the_exact_p_is_that_of_counting_all_arrangements():
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = rng.integers(0, 6, 4).astype(float), rng.integers(0, 6, 5).astype(float)
        pooled = np.concatenate([a, b])
        ranks = np.array([np.mean(np.flatnonzero(np.sort(pooled) == v) + 1) for v in pooled])
        sums = [ranks[list(chosen)].sum() for chosen in itertools.combinations(range(9), 4)]
        seen = ranks[:4].sum()
        below = np.mean([s <= seen for s in sums])
        above = np.mean([s >= seen for s in sums])
        assert ranksum.p_value(a, b) == pytest.approx(min(1.0, 2 * min(below, above)))


def test_p_for_many_samples_is_close_to_the_exact_one(monkeypatch):
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.0, 1.0, 25), rng.normal(0.6, 1.0, 25)
    exact = ranksum.p_value(a, b)
    monkeypatch.setattr(ranksum, "EXACT_UP_TO", 0)
    assert ranksum.p_value(a, b) == pytest.approx(exact, rel=0.05)


def test_the_ratio_interval_covers_the_true_ratio_in_95_of_100_experiments():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(400):
        slow, quick = rng.lognormal(math.log(3.0), 0.1, 9), rng.lognormal(0.0, 0.1, 9)
        ratio = ranksum.ratio(slow, quick)
        hits += ratio.low <= 3.0 <= ratio.high
    assert 0.93 * 400 <= hits <= 0.995 * 400


def test_the_interval_and_the_test_agree_on_published_ranks():
    # Tables of the rank sum statistic: P(U <= 2) = 0.016 and P(U <= 3) = 0.028 for m = n = 5.
    assert ranksum.interval_rank(5, 5, 0.95) == 3
    assert ranksum.interval_rank(3, 3, 0.95) is None
    assert ranksum.interval_rank(4, 4, 0.95) == 1


def test_holm_on_a_known_example():
    assert ranksum.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


# ---- differences -------------------------------------------------------------------------------


def test_times_and_joules_are_compared_with_the_baseline():
    by_label = entries(
        [
            record("numpy", 8e-3, energy=0.4),
            record("numba", 1e-3, energy=0.1, threads=2),
            record("julia", 9e-3, energy=0.2),
        ]
    )
    assert by_label["numpy"].is_baseline
    numba, julia = by_label["numba 1 x 2"], by_label["julia"]
    assert numba.time_difference.ratio.value == pytest.approx(8.0)
    assert numba.time_difference.ratio.low < 8.0 < numba.time_difference.ratio.high
    assert numba.time_difference.verdict == "better"
    assert numba.energy_difference.ratio.value == pytest.approx(4.0)
    assert numba.power.value == pytest.approx(100.0)
    assert numba.delay_product.value == pytest.approx(1e-4, rel=0.01)
    assert numba.updates_per_joule.value == pytest.approx(64**3 / 0.1, rel=0.01)
    assert julia.time_difference.verdict == "worse"
    assert julia.energy_difference.verdict == "better"


def test_a_difference_within_the_noise_is_not_called_one():
    rng = np.random.default_rng(4)
    same = [float(t) for t in rng.normal(1e-3, 5e-5, 9)]
    other = [float(t) for t in rng.normal(1.01e-3, 5e-5, 9)]
    by_label = entries([record("numpy", same), record("numba", other)])
    assert by_label["numba"].time_difference.verdict == "no clear difference"


def test_a_sure_difference_below_two_per_cent_is_not_called_one_either():
    by_label = entries([record("numpy", 1e-3), record("numba", 0.985e-3)])
    assert by_label["numba"].time_difference.p < 0.01
    assert by_label["numba"].time_difference.verdict == "no clear difference"


def test_reruns_that_differ_widen_what_is_no_difference():
    runs = [record("numba", 1.0e-3), record("numba", 1.2e-3)]
    by_label = entries([record("numpy", 1.3e-3), *runs])
    assert by_label["numba"].time.value == pytest.approx(1.2e-3)
    assert by_label["numba"].spread == pytest.approx(0.2)
    assert by_label["numba"].time_difference.verdict == "no clear difference"


def test_three_repeats_are_too_few_to_tell():
    by_label = entries([record("numpy", [2.0, 2.1, 2.2]), record("numba", [1.0, 1.1, 1.2])])
    difference = by_label["numba"].time_difference
    assert difference.verdict == "too few repeats"
    assert difference.ratio.low is None


def test_joules_of_different_kinds_of_meters_are_not_compared():
    by_label = entries(
        [
            record("numpy", 1e-3, energy=1.0),
            record("numba", 1e-3, energy=0.5, source="sampled"),
        ]
    )
    assert by_label["numba"].energy_difference is None
    assert by_label["numba"].break_even_energy is None


def test_estimated_joules_never_stand_among_measured_ones():
    (problem,) = compare.comparisons(
        [
            record("numpy", 1e-3, energy=1.0),
            record("numba", 1e-3, estimate=(0.2, 0.3, 0.7)),
        ]
    )
    numba = next(e for e in problem.entries if e.backend == "numba")
    assert numba.energy is None
    assert numba.energy_difference is None
    assert numba.estimate == Uncertain(0.3, 0.2, 0.7)
    heads, cells = tables.rows(problem)
    row = dict(zip(heads, next(c for c in cells if c[0] == "numba"), strict=True))
    assert row["J/step"] == ""
    assert row["≈ J/step (modelled)"].startswith("≈ 300 mJ")
    assert tables.flat(problem, numba)["energy_j_per_step"] is None


def test_the_last_record_of_a_case_counts_and_a_later_failure_hides_an_older_time():
    (problem,) = compare.comparisons(
        [record("numpy", 1e-3), record("numba", 1e-3), record("numba", None, status="invalid")]
    )
    assert [e.backend for e in problem.entries] == ["numpy"]
    assert [(a.backend, a.status) for a in problem.absent] == [("numba", "invalid")]


def test_a_cold_start_is_told_beside_the_warm_one():
    by_label = entries([record("numba", 1e-3), record("numba", 1e-3, cold=True, startup=9.0)])
    assert by_label["numba"].startup == pytest.approx(0.1)
    assert by_label["numba"].cold_startup == pytest.approx(9.0)


# ---- break-even --------------------------------------------------------------------------------


def even(other, base, **options):
    by_label = entries([record("numpy", **base), record("numba", **other)], **options)
    return by_label["numba"]


def test_break_even_is_where_the_lines_cross():
    entry = even({"time": 1e-3, "startup": 2.1}, {"time": 3e-3, "startup": 0.1})
    assert entry.break_even_time.kind == "after"
    assert entry.break_even_time.steps.value == pytest.approx(1000.0)
    assert entry.break_even_time.steps.low < 1000.0 < entry.break_even_time.steps.high
    # At the crossing both have used the same.
    steps = entry.break_even_time.steps.value
    assert 2.1 + steps * 1e-3 == pytest.approx(0.1 + steps * 3e-3)


@pytest.mark.parametrize(
    ("other", "base", "kind"),
    [
        ((1e-3, 0.1), (3e-3, 0.1), "always"),
        ((3e-3, 0.2), (1e-3, 0.1), "never"),
        ((3e-3, 0.1), (1e-3, 2.1), "until"),
    ],
)
def test_break_even_in_words(other, base, kind):
    entry = even({"time": other[0], "startup": other[1]}, {"time": base[0], "startup": base[1]})
    assert entry.break_even_time.kind == kind


def test_break_even_that_noise_may_put_off_for_ever_has_an_infinite_end():
    entry = even(
        {"time": noisy(1.0e-3, [n * (1 + 0.1 * i) for i, n in enumerate(NOISE)]), "startup": 1.1},
        {"time": noisy(1.1e-3, [n * (1 + 0.1 * i) for i, n in enumerate(NOISE)]), "startup": 0.1},
    )
    assert entry.break_even_time.steps.high == math.inf
    assert "∞" in columns.pays_off(entry.break_even_time)


def test_break_even_in_joules_takes_start_up_between_idle_and_running_power():
    entry = even(
        {"time": 1e-3, "energy": 0.1, "startup": 3.0, "idle_w": [40.0, 40.0]},
        {"time": 5e-3, "energy": 0.5, "startup": 0.0, "idle_w": [40.0, 40.0]},
    )
    break_even = entry.break_even_energy
    assert break_even.kind == "after"
    # (40 to 100 W) x 3 s over 0.4 J/step, and the intervals of the joules.
    assert break_even.steps.value == pytest.approx(70.0 * 3.0 / 0.4, rel=0.02)
    assert break_even.steps.low == pytest.approx(40.0 * 3.0 / 0.4, rel=0.05)
    assert break_even.steps.high == pytest.approx(100.0 * 3.0 / 0.4, rel=0.05)


# ---- machines ----------------------------------------------------------------------------------


def portable(records):
    portabilities = portability.portability(compare.comparisons(records), records)
    return {(p.backend, p.metric, p.kind): p for p in portabilities}


def test_portability_is_the_harmonic_mean_of_efficiencies_in_time_and_in_energy():
    portabilities = portable(
        [
            record("numba", 1e-3, energy=0.2, fraction=0.8),
            record("julia", 2e-3, energy=0.1, fraction=0.4),
            record("numba", 4e-3, energy=0.4, fraction=0.2, host="beta"),
            record("julia", 1e-3, energy=0.2, fraction=0.8, host="beta"),
        ]
    )
    numba = portabilities["numba", "time", "application"]
    assert numba.efficiency == pytest.approx({"alpha": 1.0, "beta": 0.25})
    assert numba.value == pytest.approx(2 / (1 / 1.0 + 1 / 0.25))
    assert portabilities["numba", "energy", "application"].value == pytest.approx(0.5)
    assert portabilities["julia", "energy", "application"].value == pytest.approx(1.0)
    assert portabilities["numba", "time", "architectural"].value == pytest.approx(
        2 / (1 / 0.8 + 1 / 0.2)
    )


def test_energy_efficiency_of_the_architecture_is_against_the_best_triad():
    triad = {"kernel": "stream", "size": "medium", "energy": 0.8}
    portabilities = portable(
        [
            record("numba", 1e-3, **triad),  # 1 nJ a byte: 2^25 x 24 B = 805 MB
            record("numba", 1e-3, host="beta", **triad),
            record("numba", 1e-3, energy=0.0168, fraction=0.5),  # 64^3 x 16 B = 4.19 MB
            record("numba", 1e-3, energy=0.0084, fraction=0.5, host="beta"),
        ]
    )
    numba = portabilities["numba", "energy", "architectural"]
    nano = 0.8 / (2**25 * 24)
    assert numba.efficiency["alpha"] == pytest.approx(nano * 64**3 * 16 / 0.0168, rel=0.01)
    assert numba.efficiency["beta"] == pytest.approx(2 * numba.efficiency["alpha"])


def test_an_unsupported_machine_makes_portability_zero_and_an_unmeasured_one_unknown():
    portabilities = portable(
        [
            record("numba", 1e-3),
            record("julia", 2e-3),
            record("numpy", 9e-3),
            record("numba", 1e-3, host="beta"),
            record("julia", None, status="skipped", reason="no julia", host="beta"),
        ]
    )
    assert portabilities["julia", "time", "application"].value == 0.0
    assert "no julia" in portabilities["julia", "time", "application"].why
    assert portabilities["numpy", "time", "application"].value is None
    assert portabilities["numpy", "time", "application"].why == "not measured on beta"
    assert portabilities["numba", "time", "application"].value == pytest.approx(1.0)


# ---- the command -------------------------------------------------------------------------------

SOME = [
    record("numpy", 8e-3, energy=0.4, fraction=0.1),
    record("numba", 1e-3, energy=0.1, threads=2, fraction=0.8, startup=2.0),
    record("julia", None, status="skipped", reason="no Julia here"),
]


def test_the_table_of_the_command(joulia, tmp_path):
    done = joulia("compare", write(tmp_path / "r.jsonl", SOME))
    assert done.returncode == 0, done.stderr
    assert "heat 64x64x64 (small) float64" in done.stdout
    assert "numpy (baseline)" in done.stdout
    assert "skipped: julia (1 case): no Julia here" in done.stdout
    assert "after 272" in done.stdout  # 1.9 s / 7 ms


def test_what_was_skipped_is_told_once_for_all_problems(joulia, tmp_path):
    """A run of all kernels on 1 and 2 ranks said of every GPU 20 times that there was none."""
    gpus, where = ("numba:cuda", "jax:cuda"), [("heat", 1), ("heat", 2), ("tracer", 1)]
    skipped = [
        record(gpu, None, status="skipped", reason="no driver", kernel=kernel, ranks=ranks)
        for kernel, ranks in where
        for gpu in gpus
    ]
    failed = record("numba", None, status="failed", reason="killed by SIGSEGV")
    measured = [record("numpy", 8e-3), record("numpy", 9e-3, kernel="tracer"), failed]
    path = write(tmp_path / "r.jsonl", [*measured, *skipped])
    for option in ([], ["--markdown"]):
        text = joulia("compare", path, *option).stdout
        assert text.count("no driver") == 1
        assert "skipped: numba:cuda, jax:cuda (6 cases): no driver\n" in text
        assert "numba (1 x 1) failed: killed by SIGSEGV\n" in text


def test_json_csv_and_markdown_tell_the_same(joulia, tmp_path):
    path = write(tmp_path / "r.jsonl", SOME)
    data = json.loads(joulia("compare", path, "--json").stdout)
    (problem,) = data["problems"]
    table = list(csv.DictReader(io.StringIO(joulia("compare", path, "--csv").stdout)))
    assert len(table) == len(problem["entries"]) == 2
    for row, entry in zip(table, problem["entries"], strict=True):
        assert float(row["time_s_per_step"]) == entry["time_s_per_step"]
        assert row["time_verdict"] == (entry["time_verdict"] or "")
    assert problem["absent"][0]["reason"] == "no Julia here"
    markdown = joulia("compare", path, "--markdown").stdout
    assert "| numba 1 x 2 | 1.00 ms ±0.35 % | 8.00 [" in markdown
    widths = {line.count("|") for line in markdown.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_a_baseline_is_chosen_and_a_wrong_one_refused(joulia, tmp_path):
    path = write(tmp_path / "r.jsonl", SOME)
    assert "numba 1 x 2 (baseline)" in joulia("compare", path, "--baseline", "numba").stdout
    done = joulia("compare", path, "--baseline", "nunba")
    assert done.returncode == 2
    assert "unknown baseline 'nunba'; did you mean 'numba'?" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no record. Allowed: files that `joulia run` wrote"),
        ('{"schema": "joulia-record/9"}\n', "line 1: schema 'joulia-record/9' is not"),
        ("not json\n", "line 1: not JSON"),
    ],
)
def test_files_without_records_are_one_clear_line(text, message, joulia, tmp_path):
    (tmp_path / "r.jsonl").write_text(text)
    done = joulia("compare", tmp_path / "r.jsonl")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_of_skipped_cases_says_so_in_one_line(joulia, tmp_path):
    skipped = [record(b, None, status="skipped", reason="not here") for b in ("julia", "numba")]
    done = joulia("compare", write(tmp_path / "r.jsonl", skipped))
    assert done.returncode == 2
    assert "nothing was measured: julia skipped: not here; numba skipped" in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_backend_alone_has_figures_and_no_comparison(joulia, tmp_path):
    done = joulia("compare", write(tmp_path / "r.jsonl", [record("numba", 1e-3)]), "--json")
    (entry,) = json.loads(done.stdout)["problems"][0]["entries"]
    assert entry["baseline"] is True
    assert entry["time_ratio"] is None


def test_two_machines_show_their_portability(joulia, tmp_path):
    a = write(tmp_path / "a.jsonl", [record("numba", 1e-3), record("numpy", 2e-3)])
    b = write(tmp_path / "b.jsonl", [record("numba", 2e-3, host="beta"), record("numpy", 2e-3)])
    done = joulia("compare", a, b)
    assert "heat 64x64x64 (small) float64 on beta" in done.stdout
    assert "Performance portability" in done.stdout
