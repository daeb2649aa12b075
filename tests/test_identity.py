"""What decides which code runs is part of a record's identity: compilers, flags, versions."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulia import registry
from joulia.bridges import julia as julia_bridge
from joulia.bridges import numba as numba_bridge
from joulia.bridges import occa
from joulia.case import Case, Settings
from joulia.records import software
from joulia.runner import session

from .conftest import require

Command = Callable[..., subprocess.CompletedProcess[str]]


def case(backend: str, ranks: int = 1) -> Case:
    (where,) = registry.backend(backend)
    shape = registry.kernel("heat").kernel.sizes["tiny"]
    return registry.case("heat", where, shape, size="tiny", ranks=ranks)


def identity(backend: str, ranks: int = 1) -> str:
    return session.identify(case(backend, ranks), Settings())


# ---- compilers and their caches ------------------------------------------------------------


def test_a_run_without_optimisation_leaves_nothing_for_ordinary_ones(
    joulia: Command, tmp_path: Path
) -> None:
    """NUMBA_OPT=0 once, and every later run on the shared cache took twice as long."""
    output = tmp_path / "r.jsonl"

    def run(*options: str, **env: str) -> dict[str, Any]:
        arguments = ["stream", "-b", "numba", "--size", "tiny", "--threads", "1", "--no-ceiling"]
        method = ["--window", "0.001", "--repeats", "1", "-o", str(output)]
        shared = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
        done = joulia("run", *arguments, *method, *options, env=shared | env)
        assert done.returncode == 0, done.stderr
        last: dict[str, Any] = json.loads(output.read_text().splitlines()[-1])
        return last

    slow = run(NUMBA_OPT="0")
    assert slow["toolchain"]["NUMBA_OPT"] == "0"
    ordinary = run()
    assert ordinary["id"] != slow["id"], "resumed from the run without optimisation"
    assert ordinary["startup"]["cache"] == "cold", "loaded what was compiled without optimisation"
    assert "NUMBA_OPT" not in ordinary["toolchain"]
    again = run("--no-resume")
    assert (again["id"], again["startup"]["cache"]) == (ordinary["id"], "warm")
    shown = joulia("show", output, env={"COLUMNS": "200"}).stdout
    assert "measured with different code: NUMBA_OPT 0 and not set" in " ".join(shown.split())


@pytest.mark.parametrize(("setting", "value"), [("OPT", 0), ("BOUNDSCHECK", 1), ("ENABLE_AVX", 0)])
def test_numba_keeps_code_apart_by_what_it_was_compiled_with(
    setting: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was set: a variable, or `.numba_config.yaml` in the current folder."""
    config: Any = importlib.import_module("numba.core.config")
    monkeypatch.setattr(config, "CACHE_DIR", config.CACHE_DIR)

    def place() -> str:
        numba_bridge.keep_in_cache(tmp_path)
        return str(config.CACHE_DIR)

    before = place()
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 99)
    assert place() == before
    monkeypatch.setattr(config, setting, value)
    assert place() != before


@pytest.mark.parametrize("package", ["numpy", "numba", "llvmlite"])
def test_numba_keeps_code_apart_by_version(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = importlib.import_module("numba.core.config")
    before = numba_bridge.compiler_state(config)
    monkeypatch.setattr(f"{package}.__version__", "1.24.2")
    assert numba_bridge.compiler_state(config) != before


def other_compiler(folder: Path) -> Path:
    """The compiler that is here, of another version."""
    path = folder / "g++-99"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "g++ 99.1" || exec {occa.compiler()} "$@"\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [("OCCA_CXXFLAGS", "-O0"), ("OCCA_LDFLAGS", "-lm"), ("OCCA_CXX", "g++ -O0"),
     ("OCCA_CXX", "another version"), ("CPATH", "/opt/include")],
)  # fmt: skip
def test_occa_keeps_code_apart_by_compiler_and_flags(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("occa:serial")
    before = occa.cache_folder(case("occa:serial")), identity("occa:serial")
    value = str(other_compiler(tmp_path)) if value == "another version" else value
    monkeypatch.setenv(name, value)
    after = occa.cache_folder(case("occa:serial")), identity("occa:serial")
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_julia_keeps_code_apart_that_its_own_cache_would_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Julia's cache knows of --check-bounds and -O, not of what is passed on to LLVM."""
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home / ".julia" / "packages", home / ".julia" / "compiled", project):
        folder.mkdir(parents=True)
    exe = tmp_path / "julia"
    exe.write_text("#!/bin/sh\necho julia version 1.11.3\n")
    exe.chmod(0o755)
    for name in list(os.environ):
        if name.startswith(("JULIA_", "PYTHON_JULIACALL_", "OPENBLAS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv(julia_bridge.EXE, str(exe))
    monkeypatch.setenv(julia_bridge.PROJECT, str(project))
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("HANDLE_SIGNALS", "THREADS", "OPTIMIZE", "STARTUP_FILE"):
        monkeypatch.setenv(f"PYTHON_JULIACALL_{name}", "")  # which `configure` sets
    for name in ("JULIA_EXCLUSIVE", "OPENBLAS_NUM_THREADS", "JULIA_CUDA_MEMORY_POOL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("JULIA_DEPOT_PATH", "")

    ordinary = identity("julia")
    julia_bridge.configure(1)
    assert not os.environ["JULIA_DEPOT_PATH"]
    monkeypatch.setenv("JULIA_LLVM_ARGS", "-opt-bisect-limit=0")
    julia_bridge.configure(1)
    (own, *_) = os.environ["JULIA_DEPOT_PATH"].split(os.pathsep)
    assert [path.name for path in Path(own).iterdir()] == ["packages"]
    assert identity("julia") != ordinary


# ---- identity ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "name", "value"),
    [
        ("numba", "NUMBA_BOUNDSCHECK", "1"), ("numba", "NUMBA_THREADING_LAYER", "workqueue"),
        ("numba", "OMP_SCHEDULE", "dynamic"), ("numpy", "NPY_DISABLE_CPU_FEATURES", "AVX2"),
        ("numpy", "LD_PRELOAD", "libjemalloc.so"), ("occa:openmp", "GOMP_SPINCOUNT", "0"),
        ("julia", "PYTHON_JULIACALL_CHECK_BOUNDS", "yes"),
    ],
)  # fmt: skip
def test_variables_that_change_code_change_the_identity(
    backend: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    before = identity(backend)
    monkeypatch.setenv(name, value)
    assert identity(backend) != before


@pytest.mark.parametrize(
    ("backend", "name", "value"),
    [
        ("numpy", "NUMBA_OPT", "0"), ("numpy", "OCCA_CXXFLAGS", "-O0"),
        ("numba", "OMP_NUM_THREADS", "7"), ("numba", "OPENBLAS_NUM_THREADS", "7"),
        ("numba", "NUMBA_CACHE_DIR", "/tmp/elsewhere"), ("numba", "FI_PROVIDER", "tcp"),
    ],
)  # fmt: skip
def test_what_does_not_reach_a_case_does_not_change_it(
    backend: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of other backends, those that joulia sets itself, and places."""
    monkeypatch.delenv(name, raising=False)
    before = identity(backend)
    monkeypatch.setenv(name, value)
    assert identity(backend) == before


def test_ranks_see_the_variables_of_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity("numpy", ranks=2)
    monkeypatch.setenv("FI_PROVIDER", "tcp")
    assert identity("numpy", ranks=2) != before


@pytest.mark.parametrize(
    ("package", "backend", "changes"),
    [("numpy", "numpy", True), ("numba", "numba", True), ("llvmlite", "numba", True),
     ("numba", "numpy", False), ("juliacall", "julia", True)],
)  # fmt: skip
def test_versions_change_the_identity_of_what_they_run(
    package: str, backend: str, changes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another environment on the same results file: its listing of packages comes first."""
    before = identity(backend)
    listing = tmp_path / f"{package}-1.24.2.dist-info"
    listing.mkdir()
    (listing / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.24.2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    software.installed.cache_clear()
    try:
        assert software.installed(package) == "1.24.2"
        assert (identity(backend) != before) is changes
    finally:
        software.installed.cache_clear()


def test_numbas_file_in_the_current_folder_changes_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = identity("numba")
    (tmp_path / ".numba_config.yaml").write_text("opt: 0\n")
    assert identity("numba") != before
