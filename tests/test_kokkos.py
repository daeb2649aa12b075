"""kokkos: which Kokkos is taken, and the same bits in every cut; test_kernels has its kernels."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from joulia import registry
from joulia.bridges import _kokkos_library, kokkos
from joulia.case import DTYPES
from joulia.errors import Unavailable
from joulia.runner import launch
from joulia.setup import kokkos as setup
from joulia.simulation.solve import make_case
from joulia.system import cuda

from .conftest import require
from .programs_run import PROGRAMS, environment, program
from .promises import COMPLETE
from .test_ranks import (
    FEW,
    GRIDS,
    cases,
    different,
    digests,
    others,
    require_mpi_gives,
    require_threads_give,
)


def test_no_cut_changes_a_bit(tmp_path):
    """Every kernel on 1 and 2 ranks in cuts along every axis, on 2 threads, and under mpiexec."""
    require("kokkos:openmp")
    chosen = cases([(GRIDS + others(), DTYPES[:1])])
    seen = digests(tmp_path, "kokkos:openmp", 1, 2, chosen=chosen)
    assert {name.split()[0] for name, cuts in seen.items() if len(cuts) >= 3} >= set(COMPLETE)
    assert different(seen, seen) == []
    require_mpi_gives(seen, tmp_path, "kokkos:openmp", 2)
    require_threads_give(seen, tmp_path, "kokkos:openmp", chosen)


def test_a_record_tells_kokkos(measured):
    require("kokkos:openmp")
    (record,) = measured("heat", "-b", "kokkos:openmp", "--size", "tiny", "--threads", "2")
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["software"]["kokkos"] == _kokkos_library.find().version
    assert record["case"]["threads"] == 2


def installed(prefix, number, *enabled, library="lib64/libkokkoscore.a"):
    """What a site's Kokkos looks like."""
    (prefix / "include").mkdir(parents=True)
    lines = [f"#define KOKKOS_VERSION {number}", *(f"#define KOKKOS_ENABLE_{e}" for e in enabled)]
    (prefix / "include" / "KokkosCore_config.h").write_text("\n".join(lines) + "\n")
    (prefix / library).parent.mkdir()
    (prefix / library).touch()
    return prefix


def missing():
    return {device.name: str(device.missing or "") for device in kokkos.devices()}


def test_a_sites_kokkos_is_taken_for_what_it_was_built(monkeypatch, tmp_path):
    require("c++")
    monkeypatch.setenv("Kokkos_ROOT", str(installed(tmp_path, 50001, "SERIAL", "OPENMPTARGET")))
    found = _kokkos_library.find()
    assert (found.version, found.standard) == ("5.0.1", "c++20")
    assert found.library == tmp_path / "lib64" / "libkokkoscore.a"
    assert missing()["serial"] == ""
    assert "was built without OpenMP" in missing()["openmp"]
    told = kokkos.compiled_with(make_case("heat", "kokkos:serial"))
    assert told["libkokkos"].startswith("5.0.1")
    assert "-std=c++20" in told["flags"]


def test_a_kokkos_that_does_not_fit_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("Kokkos_ROOT", str(tmp_path / "none"))
    assert f"no Kokkos is installed in {tmp_path / 'none'}" in missing()["openmp"]
    monkeypatch.setenv("Kokkos_ROOT", str(installed(tmp_path / "old", 30300, "OPENMP")))
    assert "has a version below 3.4 (30300)" in missing()["openmp"]


def test_a_kokkos_with_cuda_says_what_it_needs(monkeypatch, tmp_path):
    """Its compiler, then a GPU, then one that it has code for: also where a processor computes."""
    prefix = installed(tmp_path / "site", 40600, "SERIAL", "CUDA", library="lib/libkokkoscore.so")
    config = prefix / "include" / "KokkosCore_config.h"
    config.write_text(config.read_text() + "#define KOKKOS_ARCH_AMPERE80\n")
    monkeypatch.setenv("Kokkos_ROOT", str(prefix))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CXX", raising=False)
    assert missing()["cuda"].startswith(f"the Kokkos in {prefix} has no bin/nvcc_wrapper; ")
    for command in (prefix / "bin" / "nvcc_wrapper", tmp_path / "bin" / "nvcc"):
        if command.name == "nvcc":
            assert missing()["serial"].startswith("no nvcc found, which the Kokkos in ")
        command.parent.mkdir()
        command.write_text("#!/bin/sh\necho release 12.4, V12.4.131\n")
        command.chmod(0o755)
    monkeypatch.setattr(cuda, "missing", lambda: Unavailable("no NVIDIA driver", "install it"))
    needs = f"the Kokkos in {prefix} needs a GPU: no NVIDIA driver; install it"
    assert (missing()["cuda"], missing()["serial"]) == (needs, needs)
    v100 = cuda.Gpu("GPU-1", "Tesla V100", "", (7, 0), 0, 0)
    monkeypatch.setattr(cuda, "missing", lambda: None)
    monkeypatch.setattr(cuda, "current", lambda: v100)
    assert "is for sm_80, Tesla V100 is sm_70; set Kokkos_ROOT" in missing()["cuda"]
    config.write_text(config.read_text().replace("AMPERE80", "VOLTA70"))
    assert missing()["cuda"] == ""
    assert "was built without OpenMP" in missing()["openmp"]
    told = kokkos.compiled_with(replace(make_case("heat", "kokkos:serial"), device="cuda"))
    assert (told["nvcc"], told["flags"].split()[4]) == ("12.4", "-arch=sm_70")
    common = prefix / "lib" / "cmake" / "Kokkos" / "KokkosConfigCommon.cmake"
    common.parent.mkdir(parents=True)
    common.write_text('SET(Kokkos_CXX_COMPILER "/usr/none/clang++")\n')
    assert "was built by /usr/none/clang++, which is not here; set CXX" in missing()["cuda"]


def test_no_kokkos_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.delenv("Kokkos_ROOT", raising=False)
    monkeypatch.setattr(_kokkos_library, "own_prefix", lambda: tmp_path / "none")
    assert missing()["serial"].startswith("no Kokkos found; run `joulia prepare kokkos`")


def test_a_build_that_cannot_be_is_said(monkeypatch, tmp_path):
    require("c++")
    from joulia.analysis.terminal import console

    monkeypatch.delenv("Kokkos_ROOT", raising=False)
    monkeypatch.setattr(_kokkos_library, "own_prefix", lambda: tmp_path / "none")
    monkeypatch.setattr(setup.shutil, "which", lambda name, path=None: None)
    monkeypatch.setattr(setup.LANGUAGE.__class__, "compiler", lambda self: "g++")
    with pytest.raises(Unavailable, match="no cmake found; pip install cmake"):
        setup.prepare(console(stderr=True), tmp_path)
    monkeypatch.setattr(setup.shutil, "which", lambda name, path=None: "/bin/false")
    monkeypatch.setattr(setup, "cache_dir", lambda: tmp_path)
    with pytest.raises(Unavailable, match="no Kokkos sources in"):
        setup.prepare(console(stderr=True), tmp_path)
    (tmp_path / "tree" / "core" / "src").mkdir(parents=True)
    (tmp_path / "tree" / "core" / "src" / "Kokkos_Core.hpp").touch()
    with pytest.raises(Unavailable, match="Kokkos does not build"):
        setup.prepare(console(stderr=True), tmp_path / "tree")
    assert not (tmp_path / "none").exists()


def test_a_limit_on_threads_is_said_before_kokkos_aborts_for_it(monkeypatch):
    case = make_case("heat", "kokkos:openmp", size="tiny", threads=2)
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    with pytest.raises(Unavailable, match="OMP_THREAD_LIMIT=1 keeps Kokkos from 2 threads; unset"):
        registry.bridge("kokkos").load(None, None, case)


def test_what_cpp_says_of_an_exception_is_the_reason(tmp_path):
    said = "terminate called after throwing an instance of 'std::runtime_error'"
    (tmp_path / "stderr").write_text(f"{said}\n  what():  pool already exists\nno traceback\n")
    got = launch.failure("killed by SIGABRT", tmp_path)
    assert got.reasons == ("killed by SIGABRT: pool already exists",)


def test_the_way_of_a_gpu_on_a_processor(tmp_path):
    """Cell by cell, in teams, in memory of its own, over ranks: the same bits as by rows."""
    require("kokkos:openmp")
    few = cases([(FEW, DTYPES[:1])])
    alone = digests(tmp_path, "kokkos:openmp", 1, 1, chosen=few)
    env = environment(make_case("heat", "kokkos:openmp"), tmp_path, {})
    on_device = (PROGRAMS / "kokkos_device.py", PROGRAMS / "cuts.py", "kokkos:openmp")
    seen = json.loads(program(env, *on_device, tmp_path / "cases.json", "1", "2").splitlines()[-1])
    assert {name.split()[0] for name, cuts in seen.items() if len(cuts) >= 3} >= set(COMPLETE)
    assert different(seen, alone) == []
    program(env, PROGRAMS / "kokkos_device.py", PROGRAMS / "primitives.py", "kokkos:openmp")
