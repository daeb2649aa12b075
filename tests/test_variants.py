"""Variants: other versions of a kernel's source in one language, found by place, named apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulia import registry
from joulia.analysis.compare import comparisons
from joulia.case import TUNED, Backend, Case, Settings
from joulia.errors import JouliaError
from joulia.records.identity import identity
from joulia.runner.plan import Request, plan, preset
from joulia.simulation.solve import make_case

from .conftest import device
from .results import record


def test_every_name_is_of_one_backend() -> None:
    assert {backend.name for backend in registry.every_backend()} >= {"numba", "numba/plain"}
    for backend in registry.every_backend():
        assert registry.backend(backend.name) == [backend]
    assert registry.backend("numba/tuned") == [Backend("numba", "cpu")]


def test_another_device_s_source_is_no_variant() -> None:
    """`heat_numba_cuda.py`, `heat_gpu.okl` and `_numba_lanes.py` are parts of tuned versions."""
    names = {backend.variant for backend in registry.every_backend()}
    assert names.isdisjoint({"cuda", "gpu", "lanes"})


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """heat's folder as a user has it who tries versions of their own."""
    entry = registry.kernel("heat")
    for path in entry.folder.glob("heat*"):
        (tmp_path / path.name).symlink_to(path)
    tried = ("numba_mine.py", "numba_cuda_mine.py", "numba_my_own.py", "mine.okl", "gpu_mine.okl")
    for name in (*tried, "mine.jl"):
        (tmp_path / f"heat_{name}").write_text("")
    mine = registry.KernelEntry(entry.kernel, entry.package, tmp_path)
    monkeypatch.setattr(registry, "kernels", lambda: {"heat": mine})
    registry.variants.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    registry.variants.cache_clear()


@pytest.mark.usefixtures("shelf")
def test_a_version_of_one_s_own_is_found_by_its_place() -> None:
    assert registry.variants("numba", "cpu") == (TUNED, "mine", "plain")
    assert "mine" in registry.variants("occa", "openmp")
    assert "mine" in registry.variants("julia", "cpu")
    assert registry.variants("numba", "cuda") == (TUNED, "mine")
    assert registry.variants("occa", "cuda") == (TUNED, "mine")
    # Julia's GPUs read the processor's sources, and a variant of those is for processors.
    assert registry.variants("julia", "cuda") == (TUNED,)


def backends(*requests: Request) -> list[str]:
    return list(dict.fromkeys(p.case.backend for p in plan(requests) if p.case.kernel == "heat"))


def test_what_is_measured_where_variants_are_not_named() -> None:
    heat = {"kernels": ["heat"], "ceilings": False}
    assert backends(Request(**heat, backends=["numba"])) == ["numba"]
    assert backends(Request(**heat, backends=["numba/plain"])) == ["numba/plain"]
    assert set(backends(Request(**heat))) == set(registry.backends())
    assert set(backends(*preset("quick", ["heat"], []))) >= {"numba", "numba/plain", "numpy"}


def test_the_quick_preset_names_what_it_leaves_out() -> None:
    """A device that another stands for is skipped with the reason, unless it is named."""
    left_out = {p.case.backend: str(p.skip) for p in plan(preset("quick", ["heat"], []))}
    why = "not in the quick preset unless named: occa:openmp's code on one thread"
    missing = device("occa:serial").missing
    assert left_out["occa:serial"] == (str(missing) if missing else why)
    named = plan(preset("quick", ["heat"], ["occa:serial"]))
    skips = {p.skip for p in named if p.case.backend == "occa:serial"}
    assert skips == {str(missing) if missing else None}


def test_no_kernel_is_asked_for_a_version_that_only_others_have() -> None:
    """Two kernels have `kokkos:serial/plain`: the others lack nothing, where it is not named."""
    kernels = {p.case.kernel for p in plan([Request()]) if p.case.backend == "kokkos:serial/plain"}
    assert kernels == {"heat", "shallow_water"}


def test_only_one_variant_can_be_asked_for() -> None:
    heat = {"kernels": ["heat"], "ceilings": False}
    tuned = backends(Request(**heat, variants=["tuned"]))
    assert "numba" in tuned
    assert not [name for name in tuned if "/" in name]
    both = Request(**heat, backends=["numpy", "numba"], variants=["plain", "tuned"])
    assert backends(both) == ["numpy", "numba/plain", "numba"]
    quick = preset("quick", ["heat"], ["numba"], ["tuned", "plain"])
    assert backends(*quick) == ["numba", "numba/plain"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-b", "numba/plane"], "unknown variant of numba 'plane'; did you mean 'plain'?"),
        (["-b", "numba/"], "unknown variant of numba ''. Allowed: tuned, plain"),
        (["-b", "numpy/plain"], "unknown variant of numpy 'plain'. Allowed: tuned"),
        (["--variant", "plane"], "unknown variant 'plane'; did you mean 'plain'?"),
        (["-b", "numba/plain", "--variant", "tuned"], "a variant is named twice."),
    ],
)
def test_a_variant_that_is_not_there_is_one_line(joulia, arguments, says) -> None:
    done = joulia("run", "heat", *arguments, "-o", "/nonexistent/never.jsonl")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Allowed: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_records_of_before_are_of_tuned_sources_and_keep_their_ids() -> None:
    tuned, plain = make_case("heat", "numba"), make_case("heat", "numba/plain")
    assert "variant" not in tuned.to_json()
    assert Case.from_json(tuned.to_json()) == tuned
    assert Case.from_json(plain.to_json()) == plain
    assert plain.backend == "numba/plain"
    ids = {identity(case, Settings(), "code", "machine", {}) for case in (tuned, plain)}
    assert len(ids) == 2


def test_a_kernel_without_the_variant_says_which_file_it_lacks(shelf: Path) -> None:
    """Another kernel has it: this folder, which `registry.kernel` does not know, stands for it."""
    (shelf / "heat_numba_yours.py").write_text("")
    registry.variants.cache_clear()
    (entry,) = plan([Request(["heat"], ["numba/yours"], ceilings=False)])
    assert entry.skip == "heat has no version for numba/yours (heat_numba_yours.py)"


def test_variants_stand_side_by_side() -> None:
    records = [record("numba/plain", 1e-3), record("numba", 3e-3), record("numpy", 9e-3)]
    (problem,) = comparisons(records, baseline="numba")
    assert [entry.label for entry in problem.entries] == ["numba/plain", "numba", "numpy"]
    assert problem.baseline is not None
    assert problem.baseline.backend == "numba", "the tuned one, although the plain one was quicker"
    with pytest.raises(JouliaError, match="unknown baseline 'numba/plane'"):
        comparisons(records, baseline="numba/plane")
