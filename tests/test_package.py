"""What is installed: every kernel's sources, the Julia package, and nothing beside `joulia`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import joulia
from joulia import registry

from .promises import COMPLETE

SUFFIXES = (
    "_numpy.py", "_numba.py", "_numba_cuda.py", "_cupy.py", "_jax.py", ".jl", ".okl", "_gpu.okl",
    ".cpp", ".f90",
)  # fmt: skip


def test_every_kernel_and_bridge_came_with_the_package():
    home = Path(joulia.__file__).parent
    assert set(registry.kernels()) >= set(COMPLETE)
    for name in COMPLETE:
        entry = registry.kernel(name)
        assert home in entry.folder.parents, name
        for suffix in SUFFIXES:
            assert entry.source(suffix) is not None, f"{name}{suffix}"
    assert set(registry.bridges()) >= {"numpy", "numba", "jax", "julia", "occa"}
    assert (home / "juliapkg.json").is_file()
    assert (home / "JouliaKernels" / "src" / "JouliaKernels.jl").is_file()
    assert (home / "py.typed").is_file()


def test_pytest_finds_the_plug_in_and_warns_of_nothing(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")
    script = (
        "import joulia, pytest, sys\n"
        "sys.exit(pytest.main(['--fixtures', '-W', 'error', '-p', 'no:cacheprovider']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^joules -- .*joulia/pytest_plugin\.py:\d+$", done.stdout, re.MULTILINE)


def test_nothing_called_kernels_or_bridges_is_importable_at_the_top():
    """Another project owns the name `kernels`."""
    beside = [p for p in sys.path if p and (Path(p) / "joulia").is_dir()]
    for folder in beside:
        assert not (Path(folder) / "kernels").exists(), folder
        assert not (Path(folder) / "bridges").exists(), folder


ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / "CITATION.cff").is_file(), reason="in the source tree only")
def test_the_version_is_one_wherever_it_is_told():
    """The package has it from pyproject.toml alone; who cites or reads about it sees the same."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == [version]
    date = re.findall(r'^date-released: "(.+)"$', (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    told = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert told[0] == "Unreleased"
    assert told[1] == f"{version}, {date[0]}"
