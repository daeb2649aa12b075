"""Exports, the Python API, and pictures."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

import joulia
from joulia import registry, results
from joulia.analysis import export, simulate
from joulia.errors import JouliaError
from joulia.simulation.solve import make_case

from .results import record, write

RECORDS = [
    record("numpy", 8e-3, energy=0.4),
    record("numba", 1e-3, estimate=(0.1, 0.2, 0.5)),
    record("julia", None, status="skipped", reason='no Julia, "here"\nat all'),
]


@pytest.fixture
def loaded(tmp_path):
    return joulia.load(write(tmp_path / "r.jsonl", RECORDS))


# ---- exports -----------------------------------------------------------------------------------


def test_csv_holds_every_record_with_measured_and_modelled_joules_apart(loaded, tmp_path):
    text = loaded.export(tmp_path / "r.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [r["backend"] for r in rows] == ["numpy", "numba", "julia"]
    assert float(rows[0]["energy_j_per_step"]) == pytest.approx(0.4)
    assert rows[0]["estimate_j_per_step"] == ""
    assert rows[1]["energy_j_per_step"] == ""
    assert float(rows[1]["estimate_j_per_step"]) == pytest.approx(0.2)
    assert rows[2]["reason"] == 'no Julia, "here"\nat all'
    assert rows[2]["time_s_per_step"] == ""


def test_parquet_and_the_data_frame_tell_the_same(loaded, tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame = loaded.frame()
    assert list(frame["status"]) == ["valid", "valid", "skipped"]
    assert frame["time_s_per_step"].dtype == np.float64
    read = pandas.read_parquet(loaded.export(tmp_path / "r.parquet", "parquet"))
    assert list(read.columns) == list(frame.columns)
    np.testing.assert_array_equal(read["time_s_per_step"], frame["time_s_per_step"])


def test_dashboards_get_what_was_measured_and_nothing_modelled(loaded, tmp_path):
    action = json.loads(loaded.export(tmp_path / "a.json", "github-action-benchmark").read_text())
    assert [e["unit"] for e in action] == ["s/step", "J/step", "s/step"]
    assert {"name", "unit", "value", "range", "extra"} == set(action[0])
    assert action[0]["value"] == pytest.approx(8e-3)
    bencher = json.loads(loaded.export(tmp_path / "b.json", "bencher").read_text())
    numpy_, numba = bencher.values()
    assert set(numpy_) == {"time-per-step", "energy-per-step"}
    assert set(numba) == {"time-per-step"}
    per_step = numpy_["time-per-step"]
    assert per_step["lower_value"] < per_step["value"] < per_step["upper_value"]


BENCHER = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {
                        name: {"type": "number"} for name in ("value", "lower_value", "upper_value")
                    },
                    "required": ["value"],
                }
            },
        }
    },
}
"""The schema of Bencher Metric Format (https://bencher.dev/docs/reference/bencher-metric-format)."""
ACTION = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            # What its extractRangeInfo takes for a number; another text is shown and not drawn.
            "range": {"type": "string", "pattern": r"(\+-|±)\s*\d.+"},
            "extra": {"type": "string"},
        },
        "required": ["name", "unit", "value"],
    },
}
"""What github-action-benchmark reads as customSmallerIsBetter (its README and src/extract.ts)."""


def test_dashboards_draw_joules_with_the_error_of_the_meter(tmp_path):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    few = record("numba", [1e-3, 1.1e-3], energy=[5.0, 5.0])  # too few for an interval of a median
    assert few.energy.ci95 is None
    off = replace(few, energy=replace(few.energy, uncertainty_rel=0.05))
    loaded = results.Results((*RECORDS, off))
    bencher = json.loads(loaded.export(tmp_path / "b.json", "bencher").read_text())
    jsonschema.validate(bencher, BENCHER)
    joules = [measures["energy-per-step"] for measures in bencher.values()][-1]
    assert joules == {"value": 5.0, "lower_value": 4.75, "upper_value": 5.25}
    assert "lower_value" not in list(bencher.values())[-1]["time-per-step"]
    action = json.loads(loaded.export(tmp_path / "a.json", "github-action-benchmark").read_text())
    jsonschema.validate(action, ACTION)
    (energy,) = [entry for entry in action if entry["value"] == 5.0]
    assert float(energy["range"].removeprefix("± ")) == pytest.approx(0.25)


def test_the_command_and_what_it_refuses(joulia, tmp_path):
    path = write(tmp_path / "r.jsonl", RECORDS)
    done = joulia("export", path, "-o", tmp_path / "out" / "r.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "r.csv").read_text().count("heat") == 3
    wrong = joulia("export", path, "--to", "bensher", "-o", tmp_path / "x")
    assert wrong.returncode == 2
    assert "unknown format 'bensher'; did you mean 'bencher'?" in wrong.stderr
    no_place = joulia("export", path, "-o", path / "x")
    assert no_place.returncode == 2
    assert "cannot write" in no_place.stderr


def test_without_pandas_the_line_says_how_to_get_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JouliaError, match="pip install 'joulia\\[pandas\\]'"):
        export.frame(RECORDS)


# ---- the Python API ----------------------------------------------------------------------------


def test_a_case_that_was_skipped_and_then_measured_counts_as_measured(tmp_path):
    skipped, later = record("julia", status="skipped"), record("julia", 1e-3)
    never = record("numba", status="skipped")
    assert skipped.id == later.id != never.id
    loaded = joulia.load(write(tmp_path / "r.jsonl", [skipped, never, later]))
    assert [(r.id, r.status) for r in loaded] == [(never.id, "skipped"), (later.id, "valid")]


def test_results_are_a_sequence_that_can_be_picked_from(loaded):
    assert len(loaded) == 3
    assert repr(loaded) == "<3 joulia records, 2 valid>"
    assert loaded[0].case.backend == "numpy"
    assert isinstance(loaded[:2], results.Results)
    assert [r.case.backend for r in loaded.where(backend="numba", dtype="float64")] == ["numba"]
    (problem,) = loaded.compare(baseline="numba")
    assert problem.baseline.backend == "numba"
    assert loaded.advice()[0].startswith("heat 64x64x64 (small) float64: Choose numba")
    assert loaded.portability() == []


def test_run_measures_and_resumes(tmp_path):
    arguments = {
        "backends": ["numpy"], "shapes": [(8, 9, 10)], "window_s": 0.002, "repeats": 2,
        "output": tmp_path / "r.jsonl",
    }  # fmt: skip
    first = joulia.run("heat", **arguments)
    assert [r.status for r in first] == ["valid"]
    assert first[0].case.shape == (8, 9, 10)
    again = joulia.run("heat", **arguments)
    assert again[0].started_at == first[0].started_at
    assert again[0].time == first[0].time
    with pytest.raises(JouliaError, match="unknown kernel 'hat'"):
        joulia.run("hat", output=tmp_path / "r.jsonl")


def test_importing_joulia_imports_neither_numpy_nor_anything_heavy():
    import subprocess
    import sys

    script = (
        "import sys, joulia\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'jinja2', 'pyarrow'}\n"
        "from joulia import cli\n"
        "print(sorted(heavy & {m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# ---- pictures ----------------------------------------------------------------------------------


def test_a_still_picture_and_a_moving_one(joulia, tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    still, moving = tmp_path / "new" / "heat.png", tmp_path / "heat.gif"
    done = joulia("simulate", "heat", "--size", "tiny", "-o", still)
    assert done.returncode == 0, done.stderr
    with Image.open(still) as picture:
        assert picture.width > 2 * picture.height
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert len(np.unique(colours, axis=0)) > 20
    joulia("simulate", "heat", "--size", "tiny", "--frames", "3", "--steps", "6", "-o", moving)
    with Image.open(moving) as picture:
        assert picture.n_frames == 3
        first = np.asarray(picture.convert("RGB"))
        picture.seek(2)
        assert np.any(first != np.asarray(picture.convert("RGB")))


def test_frames_hold_the_fields_of_those_steps():
    case = make_case("heat", size="tiny")
    first, middle, last = simulate.frames(case, 3, 8, None, "u")
    assert [f.steps for f in (first, middle, last)] == [0, 4, 8]
    solved = joulia.solve("heat", size="tiny", steps=8)
    plane = simulate.liveliest(solved.start["u"])
    np.testing.assert_array_equal(last.field, solved.fields["u"][plane])
    np.testing.assert_array_equal(first.field, solved.start["u"][plane])


STATED = [name for name in registry.kernels() if name not in ("stream", "equation_of_state")]
"""Kernels that step in time."""


@pytest.mark.parametrize("name", STATED)
def test_what_a_picture_shows_moves_where_nothing_is_asked_for(name, monkeypatch, tmp_path):
    """Four frames of balanced eddies looked alike: the last differed from the first by 1 %."""
    shown = []
    monkeypatch.setattr(simulate, "draw", lambda frames, *_: shown.extend(frames))
    case = make_case(name, size="tiny", params=simulate.params(name, {}))
    # A picture of some hundred steps costs NumPy seconds: in half of them things move as well.
    steps = 100 if name == "boussinesq" else None
    simulate.simulate(case, tmp_path / "p.png", count=2, steps=steps, until=None, field=None)
    first, last = (frame.field for frame in shown)
    size = max(first.max(), last.max()) - min(first.min(), last.min())
    assert np.sqrt(np.mean((last - first) ** 2)) > 0.025 * size


def test_a_picture_of_what_rises_stands_upright(monkeypatch):
    """Seen from above, a ball that rises only fades."""
    ball = np.zeros((4, 4, 4))
    ball[1:3, 1:3, 1:3] = 1.0
    assert simulate.liveliest(ball) == (1,)
    assert simulate.liveliest(ball, upright=True) == (slice(None), 1)


def test_a_user_s_parameters_stand_before_a_picture_s(joulia, tmp_path):
    assert simulate.params("shallow_water", {"f": 0.0}) == {"start": "drop", "f": 0.0}
    jet = ("-p", "start=jet", "--steps", "1", "-o", tmp_path / "jet.png")
    done = joulia("simulate", "shallow_water", "--size", "tiny", *jet)
    assert done.stdout.startswith("shallow_water start=jet through numpy, 1 steps: ")


def test_the_nodes_of_elements_lie_side_by_side():
    z, y, x, n = 2, 3, 4, 5
    place = np.arange(z * n)[:, None, None] * 1e4
    place = place + np.arange(y * n)[:, None] * 1e2 + np.arange(x * n)
    elements = place.reshape(z, n, y, n, x, n).transpose(0, 2, 1, 3, 5, 4)
    assert elements.shape == (z, y, n, n, n, x)
    np.testing.assert_array_equal(simulate.on_grid(elements, 3), place)


def test_a_kernel_without_a_state_has_no_picture(joulia, tmp_path):
    done = joulia("simulate", "equation_of_state", "--size", "tiny", "-o", tmp_path / "p.png")
    assert done.returncode == 2
    assert done.stderr.startswith("joulia: equation_of_state does not step in time")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_no_picture_and_no_field_is_refused(joulia, tmp_path):
    for arguments, message in (
        (("-o", tmp_path / "x.txt"), "x.txt is no picture. Allowed: .png, .gif, .svg"),
        (("--field", "v", "--steps", "1", "-o", tmp_path / "x.png"), "unknown field 'v'"),
    ):
        done = joulia("simulate", "heat", "--size", "tiny", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
