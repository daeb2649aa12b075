"""Bundles: what is checked of one before anything is installed from it."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from joulia.errors import JouliaError, Unavailable
from joulia.setup import bundle, occa


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle whose wheels and OCCA are small files: nothing is fetched."""

    def pip(*arguments: str) -> None:
        folder = Path(arguments[arguments.index("--dest") + 1])
        (folder / "numpy-9-py3-none-any.whl").write_text("a wheel")

    def download(out: object, scratch: Path) -> Path:
        header = scratch / "tree" / "include" / "occa.hpp"
        header.parent.mkdir(parents=True)
        header.write_text("// OCCA")
        return scratch / "tree"

    monkeypatch.setattr(bundle, "pip", pip)
    monkeypatch.setattr(occa, "download", download)
    wheel = tmp_path / "joulia-0-py3-none-any.whl"
    wheel.write_text("joulia's")
    bundle.bundle(tmp_path / "b.tar", wheel=wheel, julia=False)
    return tmp_path / "b.tar"


def test_a_bundle_installs_its_wheels_alone_and_builds_its_own_occa(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[tuple[str, ...]] = []
    built: list[str] = []

    def prepare(what: str, sources: dict[str, Path]) -> int:
        assert (what, set(sources)) == ("all", {"occa"})
        with tarfile.open(sources["occa"]) as archive:
            built.extend(archive.getnames())
        return 0

    monkeypatch.setattr(bundle, "pip", lambda *arguments: installed.append(arguments))
    monkeypatch.setattr(bundle, "prepare", prepare)
    assert bundle.install(made) == 0
    ((command, no_index, find, folder, what),) = installed
    assert (command, no_index, find, what) == (
        "install", "--no-index", "--find-links", "joulia[mpich]",
    )  # fmt: skip
    assert Path(folder).name == "wheels"
    assert "occa/include/occa.hpp" in built


def test_the_script_in_it_is_one_that_a_shell_reads(made: Path, tmp_path: Path) -> None:
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    root = tmp_path / "out" / "joulia-bundle"
    subprocess.run(["sh", "-n", str(root / "install")], check=True)
    manifest = json.loads((root / "manifest.json").read_text())
    assert set(manifest["files"]) == {
        "install", "occa.tar.gz", "wheels/joulia-0-py3-none-any.whl",
        "wheels/numpy-9-py3-none-any.whl",
    }  # fmt: skip
    assert manifest["python"] == bundle.this_python()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("wheels/numpy-9-py3-none-any.whl", "another", "is damaged or missing"),
        ("manifest.json", "{}", "is no bundle"),
        ("manifest.json", None, "the bundle is for Python 3.2, this is"),
    ],
)
def test_a_damaged_or_foreign_bundle_is_one_line(
    name: str, text: str | None, said: str, made: Path, tmp_path: Path
) -> None:
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    file = tmp_path / "out" / "joulia-bundle" / name
    if text is None:
        text = json.dumps(json.loads(file.read_text()) | {"python": "3.2"})
    file.write_text(text)
    with pytest.raises(JouliaError, match=said):
        bundle.install(tmp_path / "out")


def test_what_is_no_archive_is_one_line(tmp_path: Path, joulia) -> None:
    (tmp_path / "b.tar").write_text("no archive")
    done = joulia("prepare", "--from", tmp_path / "b.tar")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "cannot unpack" in done.stderr


def test_pip_is_quoted_where_it_fails(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="pip install fails: No matching distribution"):
        bundle.pip("install", "--no-index", "--find-links", str(tmp_path), "there-is-no-such-thing")
