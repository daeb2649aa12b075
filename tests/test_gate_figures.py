"""Figures that a command of the gate tells: printed, and in files of other tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import git

from joulia.errors import JouliaError
from joulia.gate import figures

DATA = Path(__file__).parent / "data"


def test_figures_among_other_lines():
    text = '{"name": "a", "value": 2}\nnoise\n{"name": "a"}\n{"x": 1}\n{"name": "a", "value": 1}\n'
    text += '{"name": "b", "value": 2, "unit": "1/s", "better": "higher"}\n{torn\n'
    text += '{"name": "b", "value": 3, "unit": "1/s", "better": "higher"}\n'
    assert figures.printed(text) == {
        "a": figures.Figure(1.0),
        "b": figures.Figure(3.0, "1/s", "higher"),
    }
    assert figures.printed("") == {}


def test_files_that_pytest_benchmark_5_and_pyperf_2_wrote():
    told = figures.written(DATA / "pytest-benchmark.json")
    assert told == {
        "test_b.py::test_sum": figures.Figure(7.691000064369291e-06, "s"),
        "test_b.py::test_sorted": figures.Figure(3.05399953504093e-06, "s"),
    }
    told = figures.written(DATA / "pyperf.json")
    assert told == {
        "sum": figures.Figure(8.39620999613544e-06, "s"),
        "sorted": figures.Figure(9.516989994153846e-06, "s"),
    }


def test_what_asv_kept_of_its_benchmarks(tmp_path):
    """`track_*` in the benchmark's own unit, by asv itself."""
    (tmp_path / "asv.conf.json").write_text(
        '{"version": 1, "environment_type": "virtualenv", "repo": ".", "branches": ["HEAD"], '
        '"benchmark_dir": "bench", "results_dir": "results"}'
    )
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("")
    (tmp_path / "bench" / "size.py").write_text(
        "def track_size(n):\n    return 8.0 * n\n\n\n"
        "track_size.unit = 'B'\ntrack_size.params = [2, 3]\n"
    )
    for told in (("init", "-q"), ("add", "."), ("commit", "-qm", "Sizes")):
        git(tmp_path, *told)
    asv = [sys.executable, "-m", "asv"]
    for words in (["machine", "--yes"], ["run", "--python=same", "--set-commit-hash", "HEAD"]):
        done = subprocess.run(
            [*asv, *words], cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert figures.written(tmp_path / "results") == {
        "size.track_size(2)": figures.Figure(16.0, "B"),
        "size.track_size(3)": figures.Figure(24.0, "B"),
    }
    (tmp_path / "empty").mkdir()
    with pytest.raises(JouliaError, match=r"cannot read .*benchmarks\.json"):
        figures.written(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no figures"),
        ('{"benchmarks": [{}]}', "as neither pytest-benchmark nor pyperf"),
        ('{"name": "a", "value": NaN}', "the figure a has the value nan"),
        ('{"name": "a", "value": true}', "the figure a has the value True"),
        ('{"name": "", "value": 1}', "a figure's name is ''"),
        ('{"name": "a", "value": 1, "better": "more"}', "better 'more'"),
        ('{"name": "a", "value": 1, "unit": 2}', "the unit 2"),
        ('{"name": "a", "value": 1, "unit": "s"}\n{"name": "a", "value": 1, "unit": "ms"}',
         "comes in two kinds: s, lower is better, and ms"),
    ],
)  # fmt: skip
def test_what_is_no_figure_is_refused_in_words(tmp_path, text, message):
    (tmp_path / "out.json").write_text(text)
    with pytest.raises(JouliaError, match=r"(?s)^[^\n]*$") as refused:
        figures.written(tmp_path / "out.json")
    assert message in str(refused.value)
