"""The estimate and CO2e: sourced, ordered, apart from what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import topology_trees as trees

from joulia.analysis import terminal
from joulia.analysis.record_table import estimated, measured, notes, row, table
from joulia.case import Case, Settings
from joulia.energy import carbon, estimate
from joulia.errors import JouliaError
from joulia.kernel import Work
from joulia.records.record import Record
from joulia.system import topology

from .results import made_energy, made_estimate
from .results import record as made_record

CASE = Case("heat", "numpy", "cpu", "tiny", (12, 10, 8), "float64")


PROFILES = [
    "ampere-altra", "grace", "graviton2", "graviton3", "h200", "laptop", "power9-ac922", "v100",
    "x86-server",
]  # fmt: skip


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_figures_with_sources(name: str) -> None:
    profile = estimate.load(name)
    assert profile.name == name
    for part in (profile.static_w, profile.byte_j, profile.flop_j):
        assert 0.0 < part.low <= part.typical <= part.high
        assert len(part.source) > 20
    assert profile.static_w.high < profile.tdp_w
    assert len(profile.tdp_source) > 20
    assert estimate.names() == PROFILES


def test_published_figures() -> None:
    v100, h200 = estimate.load("v100"), estimate.load("h200")
    assert (v100.tdp_w, h200.tdp_w) == (300.0, 700.0)
    assert estimate.load("power9-ac922").tdp_w == 190.0
    assert estimate.load("grace").tdp_w == 250.0
    assert estimate.load("ampere-altra").tdp_w == 210.0
    # Streaming at full bandwidth may take all of the power limit, and no more.
    assert v100.static_w.low + v100.byte_j.high * 0.9e12 == pytest.approx(300.0, rel=0.01)
    assert h200.static_w.low + h200.byte_j.high * 4.8e12 == pytest.approx(700.0, rel=0.01)
    assert v100.byte_j.low == 31e-12
    ddr4 = estimate.load("power9-ac922").byte_j
    assert ddr4.low == pytest.approx(15e-12 * 8)


@pytest.mark.parametrize(
    ("name", "bytes_per_s", "flops_per_s"),
    [
        ("ampere-altra", 204.8e9, 1.92e12),
        ("grace", 500e9, 3.55e12),
        ("graviton2", 204.8e9, 1.28e12),
        ("graviton3", 307.2e9, 2.66e12),
        ("h200", 4.8e12, 34e12),
        ("laptop", 51.2e9, 0.18e12),
        ("power9-ac922", 170e9, 0.384e12),
        ("v100", 0.9e12, 7.8e12),
        ("x86-server", 204.8e9, 2.5e12),
    ],
)
def test_figures_follow_from_the_rates_that_their_sources_name(
    name: str, bytes_per_s: float, flops_per_s: float
) -> None:
    """At the peak rate all of the power above the static one, and the memory's where it is DDR."""
    profile = estimate.load(name)
    room_w = profile.tdp_w - profile.static_w.low
    assert profile.flop_j.high == pytest.approx(room_w / flops_per_s, rel=0.02)
    assert profile.flop_j.low == pytest.approx(profile.flop_j.high / 4, rel=0.05)
    outside = profile.byte_j.high - room_w / bytes_per_s
    assert outside == pytest.approx(0.0, abs=0.01 * profile.byte_j.high) or (
        150e-12 < outside < 210e-12  # 19 to 26 pJ/bit
    )
    for part in (profile.byte_j, profile.flop_j):
        assert part.typical == pytest.approx((part.low * part.high) ** 0.5, rel=0.03)


def test_power9_at_rest_is_what_the_sensors_of_a_node_told() -> None:
    """p0_power 44 W, p1_power 48 W, 30 W of memory each (mit-satori/green-compute-challenge)."""
    static = estimate.load("power9-ac922").static_w
    assert (static.low, static.typical) == (44.0 + 30.0, 48.0 + 30.0)
    assert "mit-satori/green-compute-challenge" in static.source
    both = estimate.estimate(estimate.load("power9-ac922"), 1.0, Work(0.0, 0.0), "float64", 40)
    assert both.low <= 44.0 + 48.0 + 2 * 30.0 <= both.median


def test_an_ac922_at_full_load_stays_below_its_380_w(tmp_path: Path) -> None:
    """Two sockets, 160 hardware threads on 40 cores: at the peaks of bytes and flops together."""
    cores = len(topology.read(range(160), trees.ac922(tmp_path)).cores)
    profile = estimate.load("power9-ac922")
    work = Work(bytes=340e9, flops=0.768e12)
    loaded = estimate.estimate(profile, 1.0, work, "float64", cores)
    assert loaded.most_w == 380.0
    assert loaded.low < loaded.median <= 380.0
    assert loaded.high == 380.0
    assert estimate.estimate(profile, 0.5, work, "float64", cores).high == 190.0
    # A part of a socket may draw the whole socket's power.
    assert estimate.estimate(profile, 1.0, work, "float64", 1).most_w == 190.0


def test_the_model() -> None:
    profile = estimate.load("v100")
    estimated = estimate.estimate(profile, 2.0, Work(bytes=1e9, flops=1e10), "float64", units=1)
    assert estimated.median == pytest.approx(70.0 * 2.0 + 95e-12 * 1e9 + 17e-12 * 1e10)
    assert estimated.low < estimated.median < estimated.high
    assert (estimated.model, estimated.profile, estimated.unit) == (
        "energy-roofline",
        "v100",
        "J/step",
    )
    single = estimate.estimate(profile, 2.0, Work(1e9, 1e10), "float32", units=1)
    assert estimated.median - single.median == pytest.approx(0.5 * 17e-12 * 1e10)
    four = estimate.estimate(profile, 2.0, Work(0.0, 0.0), "float64", units=4)
    assert (four.median, four.most_w) == (4 * 70.0 * 2.0, 1200.0)


def test_static_power_is_the_share_of_the_cores() -> None:
    profile = estimate.load("x86-server")
    estimated = estimate.estimate(profile, 1.0, Work(0.0, 0.0), "float64", units=2)
    assert estimated.median == pytest.approx(100.0 * 2 / 64)
    assert estimated.static_share == 2 / 64


@pytest.mark.parametrize(
    ("cpu", "arch", "identity", "name"),
    [
        ("POWER9, altivec supported", "ppc64le", {}, "power9-ac922"),
        ("POWER10 (architected), altivec supported", "ppc64le", {}, "power9-ac922"),
        ("AMD EPYC", "ppc64le", {}, "power9-ac922"),  # emulated
        ("AMD EPYC 7763 64-Core Processor", "x86_64", {"chassis_type": 1}, "x86-server"),
        ("Some x86", "x86_64", {}, "x86-server"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7", "x86_64", {"chassis_type": 10}, "laptop"),
        ("Arm, implementer 0x48, part 0xd01", "aarch64", {}, None),
        ("Arm Neoverse-V2", "aarch64", {"sys_vendor": "NVIDIA"}, "grace"),
        ("Arm Neoverse-V2", "aarch64", {}, "grace"),
        ("Arm Neoverse-V2", "aarch64", {"sys_vendor": "Amazon EC2"}, None),
        ("Arm Neoverse-V2", "aarch64", {"sys_vendor": "Google"}, None),
        ("Arm Neoverse-N1", "aarch64", {"sys_vendor": "Amazon EC2"}, "graviton2"),
        ("Arm Neoverse-V1", "aarch64", {"sys_vendor": "Amazon EC2"}, "graviton3"),
        ("Arm Neoverse-N1", "aarch64", {"sys_vendor": "GIGABYTE"}, "ampere-altra"),
    ],
)
def test_the_profile_of_a_machine(
    tmp_path: Path, cpu: str, arch: str, identity: dict[str, object], name: str | None
) -> None:
    trees.put(tmp_path, {f"sys/class/dmi/id/{key}": told for key, told in identity.items()})
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
        ("cores = 1", 'cores = 1\nmatch = "("', "match = '('"),
        ("cores = 1", "cores = 1\nvendor = 3", "vendor = 3"),
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
