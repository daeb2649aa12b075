"""occa:opencl on a processor: a device for true, with memory and a queue of its own.

Every kernel is verified on it in test_kernels.
"""

from __future__ import annotations

import importlib.metadata

import pytest

from joulia.bridges import _occa_library, _occa_opencl, occa

from .conftest import require


def test_a_record_tells_the_opencl(measured):
    require("occa:opencl")
    (record,) = measured("heat", "-b", "occa:opencl", "--size", "tiny", "--ranks", "2")
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    software = record["software"]
    assert "OpenCL" in software["opencl"]
    assert software["opencl_device"]
    assert software["opencl_driver"]
    assert record["parallel"]["through"] == "host buffers"


def test_a_kernel_with_one_okl_for_all_devices_is_valid_on_each(plugins, measured):
    """A third party's, without the source for GPUs that joulia's own have beside it."""
    require("occa:opencl")
    records = measured(
        "cooling", "-b", "occa:serial", "-b", "occa:opencl", "--size", "tiny", env=plugins
    )
    reasons = [(record["reasons"], record["stderr"]) for record in records]
    assert [record["status"] for record in records] == ["valid", "valid"], reasons


def test_what_its_compiler_says_is_in_the_record(measured):
    require("occa:opencl")
    env = {"OCCA_OPENCL_COMPILER_FLAGS": "-cl-std=CL9.9"}
    (record,) = measured("heat", "-b", "occa:opencl", "--size", "tiny", env=env)
    assert record["status"] == "failed"
    assert "Building Program" in record["reasons"][0]
    assert "CL_INVALID_BUILD_OPTIONS" in record["reasons"][0]


def test_what_depends_on_opencl_is_told_without_loading_it():
    require("occa:opencl")
    from joulia.simulation.solve import make_case

    told = occa.compiled_with(make_case("heat", "occa:opencl"))
    assert told["opencl"]
    assert told["opencl_flags"] == "-cl-std=CL3.0"
    assert "opencl" not in occa.compiled_with(make_case("heat", "occa:serial"))


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any OpenCL, and an OCCA that has the mode."""
    library = _occa_library.own_prefix() / "lib" / "libocca.so"
    monkeypatch.setattr(_occa_opencl, "find_library", lambda: library)
    monkeypatch.setattr(_occa_opencl, "mode_library", lambda lib: tmp_path / "mode.so")
    (tmp_path / "mode.so").touch()
    monkeypatch.setattr(_occa_opencl, "VENDORS", tmp_path)
    monkeypatch.setattr(_occa_opencl, "system_loader", lambda searched: None)
    monkeypatch.setattr(_occa_opencl, "wheels_runtime", lambda: None)
    for variable in _occa_opencl.NAMED:
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


def reason() -> str:
    return str(_occa_opencl.missing())


def test_a_machine_without_opencl_names_the_remedy(bare):
    assert "no OpenCL found" in reason()
    assert "pip install 'joulia[opencl]'" in reason()


def test_a_loader_without_a_runtime_is_said_and_one_with_it_is_taken(bare, tmp_path):
    bare.setattr(_occa_opencl, "system_loader", lambda searched: "libOpenCL.so.1")
    assert f"no runtime in {tmp_path}" in reason()
    (tmp_path / "pocl.icd").write_text("libpocl.so.2\n")
    assert _occa_opencl.missing() is None
    assert _occa_opencl.compiled_with()["opencl"] == "libOpenCL.so.1 libpocl.so.2"


def test_a_runtime_that_a_user_names_comes_before_the_wheels(bare):
    bare.setattr(_occa_opencl, "system_loader", lambda searched: "libOpenCL.so.1")
    wheel = _occa_opencl.Runtime("wheels/libOpenCL.so.1")
    bare.setattr(_occa_opencl, "wheels_runtime", lambda: wheel)
    assert _occa_opencl.runtime() is wheel
    bare.setenv("OCL_ICD_FILENAMES", "/site/libpocl.so.2")
    assert _occa_opencl.runtime().loader == "libOpenCL.so.1"
    assert "/site/libpocl.so.2" in _occa_opencl.compiled_with()["opencl"]


def test_a_wheel_without_what_it_needs_is_said(monkeypatch):
    def files(name):
        if name == _occa_opencl.WHEEL_NEEDS:
            raise importlib.metadata.PackageNotFoundError(name)
        return []

    monkeypatch.setattr(importlib.metadata, "files", files)
    _occa_opencl.wheels_runtime.cache_clear()
    with pytest.raises(_occa_opencl.Unavailable, match="is here without intel-cmplr-lib-rt"):
        _occa_opencl.wheels_runtime()


def test_an_occa_without_opencl_is_a_reason_with_a_remedy(bare, tmp_path):
    (tmp_path / "mode.so").unlink()
    assert "joulia's OCCA was built without OpenCL; run `joulia prepare occa`" in reason()
    (tmp_path / "include" / "occa" / "defines").mkdir(parents=True)
    header = tmp_path / "include" / "occa" / "defines" / "compiledDefines.hpp"
    header.write_text("#define OCCA_OPENCL_ENABLED 0\n")
    bare.setattr(_occa_opencl, "find_library", lambda: tmp_path / "lib" / "libocca.so")
    assert "was built without OpenCL" in reason()


def test_precisions_and_devices_that_cannot_compute_are_said(monkeypatch):
    def machine(**facts):
        known = {"version": "OpenCL 3.0", "driver": "1", "largest": 1, "memory": 1}
        made = _occa_opencl.Processor(0, 0, "P", "D", **known, **facts)
        monkeypatch.setattr(_occa_opencl, "processors", lambda: [made])
        _occa_opencl.chosen.cache_clear()

    machine(doubles=False, generic=True)
    assert _occa_opencl.check("float32")["opencl_device"] == "D"
    with pytest.raises(_occa_opencl.Unavailable, match="has no float64"):
        _occa_opencl.check("float64")
    machine(doubles=True, generic=False)
    with pytest.raises(_occa_opencl.Unavailable, match="lacks generic address spaces"):
        _occa_opencl.check("float32")
    monkeypatch.setattr(_occa_opencl, "processors", list)
    _occa_opencl.chosen.cache_clear()
    with pytest.raises(_occa_opencl.Unavailable, match="shows no processor"):
        _occa_opencl.check("float32")
    _occa_opencl.chosen.cache_clear()
