"""Julia's project in a bundle: made from a depot as Pkg lays it out, found by path elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from joulia.analysis.terminal import console
from joulia.bridges import julia as julia_bridge
from joulia.errors import Unavailable
from joulia.setup import bundle, julia, julia_project, occa

from .conftest import require

OUT = console(stderr=True)
TREE, THING = "ab" * 20, "cd" * 20
"""What names the trees of the package Upper, and of its artifact."""
UPPER, LOWER = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-8999-aaaaaaaaaaaa"
PYTHON_CALL = "6099a3de-0909-46bc-b1f4-468b9a2dfc0d"
SHA = "ea8e919c-243c-51af-8825-aaa63cd721ce"


def package(folder: Path, name: str, uuid: str, deps: str, body: str) -> None:
    (folder / "src").mkdir(parents=True)
    (folder / "Project.toml").write_text(
        f'name = "{name}"\nuuid = "{uuid}"\nversion = "1.2.3"\n[deps]\n{deps}'
    )
    (folder / "src" / f"{name}.jl").write_text(f"module {name}\n{body}\nend\n")


@pytest.fixture
def normal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A project whose packages lie in a depot, one by its tree with an artifact, one developed."""
    require("julia")
    exe, _ = julia_bridge.find()
    slug = subprocess.run(
        [exe, "--startup-file=no", "-e",
         f'print(Base.version_slug(Base.UUID("{UPPER}"), Base.SHA1("{TREE}")))'],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    depot, project = tmp_path / "depot", tmp_path / "project"
    upper = depot / "packages" / "Upper" / slug
    package(
        upper, "Upper", UPPER, f'Lower = "{LOWER}"\nSHA = "{SHA}"\n'
        'Artifacts = "56f22d72-fd6d-98f1-02f0-08ddc0907c33"\n',
        'using Artifacts, Lower, SHA\ntold() = Lower.told() * read(artifact"thing/text", String)',
    )  # fmt: skip
    (upper / "Artifacts.toml").write_text(
        f'[[other]]\narch = "x86_64"\nos = "freebsd"\ngit-tree-sha1 = "{"ef" * 20}"\n'
        f'[thing]\ngit-tree-sha1 = "{THING}"\n'
        '[[thing.download]]\nsha256 = "00"\nurl = "https://localhost/thing"\n'
    )
    (depot / "artifacts" / THING).mkdir(parents=True)
    (depot / "artifacts" / THING / "real").write_text("an artifact")
    (depot / "artifacts" / THING / "text").symlink_to("real")
    package(tmp_path / "dev" / "Lower", "Lower", LOWER, "", 'told() = "by path, with "')
    package(tmp_path / "dev" / "PythonCall", "PythonCall", PYTHON_CALL, "", "")
    project.mkdir()
    (project / "Project.toml").write_text(
        f'[deps]\nUpper = "{UPPER}"\nPythonCall = "{PYTHON_CALL}"\n'
        'JouliaKernels = "6f1c7c3e-3a55-4f0b-9f0e-6a6f756c6961"\n'
    )
    (project / "Manifest.toml").write_text(
        f'julia_version = "1.0.0"\nmanifest_format = "2.0"\nproject_hash = "{"0" * 40}"\n'
        f'[[deps.Artifacts]]\nuuid = "56f22d72-fd6d-98f1-02f0-08ddc0907c33"\n'
        f'[[deps.SHA]]\nuuid = "{SHA}"\nversion = "0.7.0"\n'
        f'[[deps.Upper]]\ndeps = ["Artifacts", "Lower", "SHA"]\ngit-tree-sha1 = "{TREE}"\n'
        f'uuid = "{UPPER}"\nversion = "1.2.3"\n'
        f'[[deps.Lower]]\npath = "../dev/Lower"\nuuid = "{LOWER}"\nversion = "1.2.3"\n'
        f'[[deps.PythonCall]]\npath = "../dev/PythonCall"\nuuid = "{PYTHON_CALL}"\n'
        'version = "1.2.3"\n'
        f'[[deps.JouliaKernels]]\npath = "{julia_bridge.PACKAGE}"\n'
        'uuid = "6f1c7c3e-3a55-4f0b-9f0e-6a6f756c6961"\nversion = "0.1.0"\n'
    )
    (project / "LocalPreferences.toml").write_text("[Upper]\nkept = true\n")
    monkeypatch.setenv(julia_bridge.EXE, exe)
    monkeypatch.setenv(julia_bridge.PROJECT, str(project))
    # Julia's own packages may be compiled in a depot of the site's.
    monkeypatch.setenv(julia_bridge.DEPOTS, julia_bridge.depots(str(depot)))
    return {"depot": depot, "project": project, "dev": tmp_path / "dev", "upper": upper}


def test_packages_of_a_depot_are_found_by_path_where_there_is_no_depot(
    normal: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = tmp_path / "gathered"
    gathered.joinpath("project").mkdir(parents=True)
    facts = julia_project.gather(OUT, gathered)
    assert facts["packages"] == dict.fromkeys(("Upper", "Lower", "PythonCall"), "1.2.3")
    assert facts["artifacts"] == 1
    assert (gathered / "project" / "LocalPreferences.toml").read_text() == "[Upper]\nkept = true\n"
    for name in ("Project.toml", "Manifest.toml"):
        assert "JouliaKernels" not in (gathered / "project" / name).read_text()

    # There: another place, and nothing of this one.
    exe = os.environ[julia_bridge.EXE]
    for folder in ("depot", "project", "dev"):
        shutil.rmtree(normal[folder])
    for name in (julia_bridge.PROJECT, julia_bridge.DEPOTS):
        monkeypatch.delenv(name)
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    started: list[dict[str, str]] = []
    monkeypatch.setattr(julia_project, "start", started.append)  # this project has no kernels
    julia.prepare(OUT, shutil.move(gathered, tmp_path / "elsewhere"))
    assert started == [julia_bridge.noted()]
    named = julia_bridge.environment()
    assert Path(named[julia_bridge.PROJECT]).is_relative_to(tmp_path / "cache")
    assert Path(named[julia_bridge.EXE]).samefile(exe)
    done = julia_project.run(
        [exe, "--startup-file=no", f"--project={named[julia_bridge.PROJECT]}",
         "-e", "using Upper; print(Upper.told())"],
        named,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("by path, with an artifact", 0), done.stderr


@pytest.mark.parametrize(
    ("gone", "said"),
    [("artifact", f"the artifact {THING} of Upper 1.2.3 is in no depot"),
     ("package", "Upper 1.2.3 of .* is not installed")],
)  # fmt: skip
def test_a_project_that_is_not_whole_is_left_out_with_the_reason(
    gone: str, said: str, normal: dict[str, Path], tmp_path: Path
) -> None:
    shutil.rmtree(normal["upper"] if gone == "package" else normal["depot"] / "artifacts")
    with pytest.raises(Unavailable, match=said) as raised:
        julia_project.gather(OUT, tmp_path / "gathered")
    assert raised.value.remedy == "in that project, call Pkg.instantiate()"


# ---- without a Julia -------------------------------------------------------------------------


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with another bundle's project, and whichever Julia a test puts on PATH."""
    for name in (julia_bridge.EXE, julia_bridge.PROJECT, julia_bridge.DEPOTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    source = tmp_path / "bundled"
    (source / "project").mkdir(parents=True)
    facts = {"julia": "1.10", "machine": "Nowhere-z80", "artifacts": 0, "contents": "0123"}
    (source / julia_project.FACTS).write_text(json.dumps(facts))
    return source


def fake_julia(folder: Path, version: str) -> Path:
    exe = folder / "bin" / "julia"
    minor = version.rpartition(".")[0]
    exe.write_text(f"#!/bin/sh\necho {minor} {version} {exe}\n")
    exe.chmod(0o755)
    return exe


def change(source: Path, **facts: Any) -> None:
    file = source / julia_project.FACTS
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def test_no_julia_another_julia_or_another_machine_is_named_with_a_remedy(
    there: Path, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=r"for Julia 1\.10, and there is no julia here; put"):
        julia_project.install(OUT, there)
    exe = fake_julia(tmp_path, "1.11.4")
    with pytest.raises(Unavailable, match=rf"1\.10, and {exe} is Julia 1\.11\.4; put"):
        julia_project.install(OUT, there)
    change(there, julia="1.11", artifacts=3)
    with pytest.raises(Unavailable, match=r"artifacts .* for Nowhere-z80, this is"):
        julia_project.install(OUT, there)
    change(there, artifacts=0)
    with pytest.raises(Unavailable, match=rf"the bundle's project does not start with {exe}: "):
        julia_project.install(OUT, there)  # which is no real Julia
    assert not julia_bridge.noted()


def test_a_julia_that_one_variable_names_is_used_and_noted(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exe = str(fake_julia(tmp_path, "1.10.9"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv(julia_bridge.EXE, exe)
    with pytest.raises(Unavailable, match="only one of"):
        julia_bridge.find()
    monkeypatch.setattr(julia_project, "start", lambda noted: None)
    julia.prepare(OUT, there)
    assert julia_bridge.find() == (exe, str(tmp_path / "cache" / "julia-0123" / "project"))
    monkeypatch.setenv(julia_bridge.EXE, "/bin/sh")
    with pytest.raises(Unavailable, match="only one of"):
        julia_bridge.find()


def test_a_bundle_has_julia_and_its_juliacall_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []
    wheel = tmp_path / "joulia-0-py3-none-any.whl"
    wheel.write_text("joulia's")
    (tmp_path / "occa").mkdir()
    monkeypatch.setattr(bundle, "pip", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(occa, "download", lambda out, scratch: tmp_path / "occa")

    def gather(out: object, folder: Path) -> dict[str, Any]:
        (folder / "facts.json").write_text("{}")
        return {"packages": {"PythonCall": "0.9.37"}}

    monkeypatch.setattr(julia_project, "gather", gather)
    bundle.bundle(tmp_path / "b.tar", wheel=wheel)
    assert asked.pop()[-1] == "juliacall==0.9.37"

    def prepare(what: str, sources: dict[str, Path]) -> int:
        assert (sources["julia"] / "facts.json").is_file()
        return 0

    monkeypatch.setattr(bundle, "prepare", prepare)
    assert bundle.install(tmp_path / "b.tar") == 0
    assert asked.pop()[-2:] == ("joulia[mpich]", "juliacall==0.9.37")

    def none_here(out: object, folder: Path) -> dict[str, Any]:
        raise Unavailable("no Julia found", "run `joulia prepare julia`")

    monkeypatch.setattr(julia_project, "gather", none_here)
    bundle.bundle(tmp_path / "c.tar", wheel=wheel)
    said = " ".join(capsys.readouterr().err.split())
    assert "bundle: without Julia's project: no Julia found; run `joulia prepare julia`" in said
    assert "juliacall" not in asked.pop()[-1]
    with bundle.unpacked(tmp_path / "c.tar") as root:
        assert not (root / "julia").exists()
