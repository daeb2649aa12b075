"""Julia's kernels as GPUs run them, a work-item a cell, checked on the processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulia import registry
from joulia.bridges import _julia_cuda

from .conftest import require

KERNELS = list(registry.kernels())


@pytest.fixture(autouse=True)
def _julia(request: pytest.FixtureRequest) -> None:
    if "measured" in request.fixturenames:
        require("julia")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_valid_a_work_item_a_cell(
    kernel: str, dtype: str, measured: Any, plugins: dict[str, str]
) -> None:
    (got,) = measured(
        kernel, "-b", "onecell", "--size", "tiny", "--dtype", dtype, "--threads", "1", env=plugins
    )
    assert got["status"] == "valid", got["reasons"]
    assert got["verify"]["reference"]["error"] > 0.0 or kernel in ("stream", "heat")


@pytest.mark.parametrize(
    "params",
    [
        ("stream", "op=copy,fma"),
        ("tracer", "z=walls"),
        ("euler", "p=1,2,5"),
        ("euler", "form=split"),
    ],
    ids=str,
)
def test_so_is_every_form(params: tuple[str, str], measured: Any, plugins: dict[str, str]) -> None:
    kernel, values = params
    found = measured(
        kernel, "-b", "onecell", "--size", "tiny", "--param", values, "--threads", "1", env=plugins
    )
    assert [one["status"] for one in found] == ["valid"] * len(found), [
        one["reasons"] for one in found
    ]


@pytest.mark.parametrize("kernel", [k for k in KERNELS if registry.kernel(k).kernel.halo])
def test_ranks_exchange_what_lies_on_the_device(
    kernel: str, measured: Any, plugins: dict[str, str]
) -> None:
    found = measured(
        kernel, "-b", "onecell", "--size", "tiny", "--ranks", "2", "--threads", "1", env=plugins
    )
    assert [one["status"] for one in found] == ["valid"], found[0]["reasons"]
    assert found[0]["parallel"]["through"] == "pinned host buffers"


def test_cuda_is_looked_up_in_the_project_without_a_julia(tmp_path: Path) -> None:
    assert not _julia_cuda.has_cuda(tmp_path)
    (tmp_path / "Project.toml").write_text('[deps]\nPythonCall = "6099a3de"\n')
    assert not _julia_cuda.has_cuda(tmp_path)
    (tmp_path / "Manifest-v1.10.toml").write_text(
        f'[[deps.CUDA]]\nuuid = "{_julia_cuda.UUID}"\nversion = "5.8.0"\n'
    )
    assert _julia_cuda.has_cuda(tmp_path)


def test_a_project_without_cuda_is_a_reason_with_a_remedy(
    tmp_path: Path, joulia: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_julia_cuda.cuda, "missing", lambda: None)
    missing = _julia_cuda.missing(str(tmp_path))
    assert missing is not None
    assert missing.reason == "Julia's project has no CUDA.jl"
    assert "joulia prepare julia" in missing.remedy


def test_the_package_names_cuda_as_a_weak_dependency_only() -> None:
    import tomllib

    import joulia

    project = Path(joulia.__file__).parent / "JouliaKernels" / "Project.toml"
    told = tomllib.loads(project.read_text())
    assert told["weakdeps"] == {"CUDA": _julia_cuda.UUID}
    assert "CUDA" not in told["deps"]
    assert (project.parent / "ext" / f"{next(iter(told['extensions']))}.jl").is_file()
    asked = json.loads((project.parents[1] / "juliapkg.json").read_text())
    assert "CUDA" not in asked["packages"], "never installed for those who have no GPU"
