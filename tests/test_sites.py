"""Site files: each figure has its source, each mistake one line; and what --site does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulia import registry
from joulia.energy import carbon, estimate
from joulia.errors import JouliaError
from joulia.sites import site

PACKAGED = ["lsf", "pbs", "satori", "slurm", "tx-gaia"]

OWN = """name = "own"
title = "a cluster of one's own"
scheduler = "slurm"

[launcher]
value = "mpiexec"
source = "assumed"

[binding]
value = "joulia"
source = "assumed"

[wait]
value = "passive"
source = "assumed"

[exclusive]
value = "no"
source = "assumed"

[grid]
name = "a grid"
g_per_kwh = 100.0
year = 2020
source = "its operator"

[[variable]]
name = "OWN_VARIABLE"
text = "17"
why = "to see it"
source = "assumed"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with a site in it."""
    folder = tmp_path / "sites"
    folder.mkdir()
    monkeypatch.setenv("JOULIA_SITES", str(folder))
    (folder / "own.toml").write_text(OWN)
    return folder


@pytest.mark.parametrize("name", PACKAGED)
def test_what_a_packaged_site_says_can_be_had_and_has_a_source(name: str) -> None:
    here = site.load(name)
    assert here.name == name
    choices = (here.launcher, here.binding, here.exclusive, here.wait, here.profile, here.gpu)
    figures = (here.nodes, here.sockets, here.cores, here.memory_gib, here.gpus)
    for known in filter(None, (*choices, *figures, here.hpl_gflops_per_w)):
        assert len(known.source) > 10, known
    for line in (*here.directives, *here.setup, *here.options, *here.meters):
        assert len(line.why) > 10, line
        assert len(line.source) > 10, line
    assert here.profile is None or estimate.load(here.profile.value).kind == "cpu"
    assert {line.text for line in here.meters} <= set(registry.meters())
    if here.grid_source:
        assert carbon.load(str(here.path)).g_per_kwh == 224.0  # 222 + 0.0349 x 28 + 0.00454 x 265


def test_figures_of_the_public_guides() -> None:
    satori, gaia = site.load("satori"), site.load("tx-gaia")

    def values(here: site.Site) -> list[float | None]:
        figures = (here.nodes, here.sockets, here.cores, here.memory_gib, here.gpus)
        return [figure and figure.value for figure in figures]

    assert values(satori) == [64, 2, 40, 1024, 4]
    assert satori.hpl_gflops_per_w is not None
    assert satori.hpl_gflops_per_w.value == pytest.approx(1562e3 / 105e3, rel=1e-3)
    assert values(gaia) == [224, 2, 40, 384, 2]
    assert (satori.launcher.value, satori.exclusive.value) == ("srun", "no")
    assert dict(satori.variables)["UCX_ERROR_SIGNALS"].text == "SIGILL,SIGBUS,SIGFPE"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('scheduler = "slurm"', 'scheduler = "sge"', "scheduler = 'sge'. Allowed: slurm, lsf, pbs"),
        ('value = "mpiexec"', 'value = "aprun"', "launcher = 'aprun'. Allowed: auto, mpiexec"),
        ('title = "a', 'colour = "a', "unknown key colour. Allowed: binding, "),
        ('[exclusive]\nvalue = "no"\n', "[exclusive]\n", "exclusive.value is missing"),
        ('source = "its operator"', "", "grid.source is missing. Allowed: text"),
        ("[binding]", "[[binding]]", "binding = [{'value': 'joulia', 'source': 'assumed'}]"),
        ("[[variable]]", "[variable]", "Allowed: tables, each under [[variable]]"),
        ('why = "to see it"', 'why = "a\\nb"', "Allowed: one line each"),
        ("[wait]", '[time_limit]\nvalue = "2 h"\nsource = "x"\n[wait]', "time_limit 2 h is not"),
        ("[launcher]", "[launcher", "is not TOML"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(old: str, new: str, said: str, own: Path) -> None:
    (own / "own.toml").write_text(OWN.replace(old, new, 1))
    with pytest.raises(JouliaError) as caught:
        site.load("own")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "own.toml" in str(caught.value)


def test_the_users_own_come_first_and_a_path_will_do(own: Path) -> None:
    (own / "satori.toml").write_text(OWN.replace('"own"', '"mine"', 1))
    assert site.load("satori").name == "mine"
    assert list(site.files()) == sorted([*PACKAGED, "own"])
    assert site.load(str(own / "own.toml")).name == "own"
    with pytest.raises(JouliaError, match="unknown site 'satory'; did you mean 'satori'"):
        site.load("satory")


def test_a_site_chooses_what_the_user_does_not(own: Path, joulia, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    common = ("run", "heat", "-b", "numpy", "--size", "tiny", "--ranks", "1,2", "--no-ceiling")
    common += ("--window", "0.005", "--repeats", "2", "--site", "own", "--output", str(path))
    done = joulia(*common, "--carbon", "7")
    assert done.returncode == 0, done.stderr
    one, two = (json.loads(line) for line in path.read_text().splitlines())
    assert one["settings"]["carbon"] == "7"
    assert two["settings"]["launcher"] == "mpiexec"
    assert two["case"]["wait"] == "passive"
    assert two["parallel"]["launcher"].startswith("mpiexec")
    path.unlink()
    done = joulia(*common)
    assert done.returncode == 0, done.stderr
    one, two = (json.loads(line) for line in path.read_text().splitlines())
    assert one["settings"]["carbon"] == str(own / "own.toml")
    assert one["energy_estimate"]["carbon"]["site"] == "a grid"


def test_the_command_lists_and_shows_them(own: Path, joulia) -> None:
    listed = joulia("sites")
    assert listed.returncode == 0
    for name in (*PACKAGED, "own"):
        assert f"{name} " in listed.stdout
    shown = joulia("sites", "satori")
    assert "--gres=gpu:4: all GPUs of a node" in shown.stdout
    assert "224 g/kWh, 2019" in shown.stdout
    bad = joulia("sites", "nowhere")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert len(bad.stderr.splitlines()) == 1
