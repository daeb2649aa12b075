"""The estimate and CO2e: sourced, ordered, apart from what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from joulia.analysis import terminal
from joulia.analysis.record_table import estimated, measured, notes, row, table
from joulia.case import Case, Settings
from joulia.energy import carbon, estimate
from joulia.errors import JouliaError
from joulia.kernel import Work
from joulia.records.record import Record

from .results import made_energy, made_estimate
from .results import record as made_record

CASE = Case("heat", "numpy", "cpu", "tiny", (12, 10, 8), "float64")


@pytest.mark.parametrize("name", ["h200", "laptop", "power9-ac922", "v100", "x86-server"])
def test_every_profile_has_figures_with_sources(name: str) -> None:
    profile = estimate.load(name)
    assert profile.name == name
    for part in (profile.static_w, profile.byte_j, profile.flop_j):
        assert 0.0 < part.low <= part.typical <= part.high
        assert len(part.source) > 20
    assert profile.static_w.high < profile.tdp_w
    assert estimate.names() == ["h200", "laptop", "power9-ac922", "v100", "x86-server"]


def test_published_figures() -> None:
    v100, h200 = estimate.load("v100"), estimate.load("h200")
    assert (v100.tdp_w, h200.tdp_w) == (300.0, 700.0)
    assert estimate.load("power9-ac922").tdp_w == 190.0
    # Streaming at full bandwidth may take all of the power limit, and no more.
    assert v100.static_w.low + v100.byte_j.high * 0.9e12 == pytest.approx(300.0, rel=0.01)
    assert h200.static_w.low + h200.byte_j.high * 4.8e12 == pytest.approx(700.0, rel=0.01)
    assert v100.byte_j.low == 31e-12
    ddr4 = estimate.load("power9-ac922").byte_j
    assert ddr4.low == pytest.approx(15e-12 * 8)


def test_the_model() -> None:
    profile = estimate.load("v100")
    estimated = estimate.estimate(profile, 2.0, Work(bytes=1e9, flops=1e10), "float64", cores=4)
    assert estimated.median == pytest.approx(70.0 * 2.0 + 95e-12 * 1e9 + 17e-12 * 1e10)
    assert estimated.low < estimated.median < estimated.high
    assert (estimated.model, estimated.profile, estimated.unit) == (
        "energy-roofline",
        "v100",
        "J/step",
    )
    single = estimate.estimate(profile, 2.0, Work(1e9, 1e10), "float32", cores=4)
    assert estimated.median - single.median == pytest.approx(0.5 * 17e-12 * 1e10)


def test_static_power_is_the_share_of_the_cores() -> None:
    profile = estimate.load("x86-server")
    estimated = estimate.estimate(profile, 1.0, Work(0.0, 0.0), "float64", cores=2)
    assert estimated.median == pytest.approx(100.0 * 2 / 64)
    assert estimated.static_share == 2 / 64


@pytest.mark.parametrize(
    ("cpu", "arch", "chassis", "name"),
    [
        ("POWER9, altivec supported", "ppc64le", "23", "power9-ac922"),
        ("AMD EPYC 7763 64-Core Processor", "x86_64", "1", "x86-server"),
        ("Some x86", "x86_64", None, "x86-server"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7", "x86_64", "10", "laptop"),
        ("Some Arm", "aarch64", None, None),
    ],
)
def test_the_profile_of_a_machine(
    tmp_path: Path, cpu: str, arch: str, chassis: str | None, name: str | None
) -> None:
    if chassis:
        (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
        (tmp_path / "sys/class/dmi/id/chassis_type").write_text(f"{chassis}\n")
    profile = estimate.choose(CASE, cpu, arch, tmp_path)
    assert (profile.name if profile else None) == name


def test_a_gpu_case_is_not_estimated_by_its_processor() -> None:
    case = Case("heat", "occa", "cuda", "tiny", (12, 10, 8), "float64", on_gpu=True)
    assert estimate.choose(case, "POWER9", "ppc64le") is None


def changed(tmp_path: Path, old: str, new: str) -> str:
    source = (estimate.FOLDER / "v100.toml").read_text()
    assert old in source
    path = tmp_path / "mine.toml"
    path.write_text(source.replace(old, new, 1))
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("typical = 70.0", "", "static_w.typical is missing"),
        ("typical = 70.0", "typical = -70.0", "static_w.typical = -70.0"),
        ("typical = 70.0", "typical = 0", "static_w.typical = 0"),
        ("typical = 70.0", 'typical = "a"', "static_w.typical = 'a'"),
        ("typical = 70.0", "typical = true", "static_w.typical = True"),
        ("typical = 70.0", "typical = nan", "static_w.typical = nan"),
        ("typical = 70.0", "typical = 700.0", "static_w is not ordered"),
        ("value = 300.0", "value = -300.0", "tdp_w.value = -300.0"),
        ('name = "v100"', "", "name is missing"),
        ('kind = "gpu"', 'kind = "tpu"', "kind = 'tpu'"),
        ("[byte_j]", "[bite_j]", "[byte_j] is missing"),
        ('source = "fp64', 'sauce = "fp64', "flop_j.source is missing"),
        ("[flop_j]", "[flop_j", "is not TOML"),
    ],
)
def test_a_bad_profile_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(JouliaError) as caught:
        estimate.load(path)
    assert message in str(caught.value)
    assert path in str(caught.value)


def test_a_good_file_is_a_profile(tmp_path: Path) -> None:
    path = changed(tmp_path, 'name = "v100"', 'name = "mine"')
    assert estimate.load(path).name == "mine"


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(JouliaError, match="did you mean 'h200'"):
        estimate.load("h20")


def test_grams_from_a_figure() -> None:
    grid = carbon.load("250")
    assert grid.of(3.6e6) == pytest.approx(250.0)
    assert grid.note(7.2e6).median == pytest.approx(500.0)
    assert grid.note(1.0).source == "given by the user"


SITE = 'name = "Here"\ng_per_kwh = 240.5\nsource = "the grid operator"\nyear = 2023\n'


def test_grams_from_a_site(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    note = carbon.load(str(path)).note(3.6e6)
    assert vars(note) == {
        "unit": "g/step",
        "median": pytest.approx(240.5),
        "g_per_kwh": 240.5,
        "site": "Here",
        "source": "the grid operator",
        "year": 2023,
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("g_per_kwh = 240.5\n", "", "g_per_kwh is missing"),
        ("240.5", "-240.5", "g_per_kwh = -240.5"),
        ("year = 2023\n", "", "year is missing"),
        ('source = "the grid operator"\n', "", "source is missing"),
        ('name = "Here"\n', "", "name is missing"),
    ],
)
def test_a_bad_site_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE.replace(old, new))
    with pytest.raises(JouliaError, match=message):
        carbon.load(str(path))


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "x", "missing.toml"])
def test_a_bad_intensity_is_one_line(given: str) -> None:
    with pytest.raises(JouliaError):
        carbon.load(given)


def test_carbon_is_unset_by_default() -> None:
    assert Settings().carbon is None


def record(energy: float | None, guess: float | None) -> Record:
    measured = None if energy is None else made_energy([energy], "counter", None)
    model = None if guess is None else made_estimate(guess / 2, guess, guess * 2)
    return replace(
        made_record("numpy", 1e-3),
        energy=measured and replace(measured, uncertainty_rel=0.06),
        energy_reason="no meter" if energy is None else None,
        energy_estimate=model and replace(model, profile="p", title="P"),
    )


def test_measured_and_estimated_stand_in_columns_of_their_own() -> None:
    view = table([record(2.0, None), record(None, 3.0)])
    cells = {column.title: view.cells(i) for i, column in enumerate(view.columns)}
    assert cells["J/step"] == ["2.00 J ±6%", "none"]
    assert cells["≈ J/step"] == ["", "≈ 3.00 J (1.50 J to 6.00 J)"]
    assert not any("≈" in str(cell) for cell in cells["J/step"])


def test_without_an_estimate_there_is_no_column() -> None:
    grid = table([record(2.0, None)])
    shown = [grid.columns[i].title for i in terminal.fit(grid, 200).shown]
    assert "J/step" in shown
    assert "≈ J/step" not in shown
    assert estimated(record(2.0, None)) == ""
    assert measured(record(None, 3.0)) == "none"
    assert len(row(record(2.0, None))) == len(grid.columns)


def test_notes_name_the_reason_the_way_out_and_the_model() -> None:
    text = "\n".join(notes([record(None, 3.0)]))
    assert "No joules: no meter" in text
    assert "`joulia doctor`" in text
    assert "≈ is not measured: energy-roofline estimate with the profile p (P)" in text
