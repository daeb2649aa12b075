"""Compiled bridges: the system's compiler, what it is told, what is kept of it, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulia import registry
from joulia.bridge import Source
from joulia.bridges import cpp, fortran
from joulia.errors import Unavailable
from joulia.simulation.solve import make_case

from .conftest import require

LANGUAGES = {"c++": (cpp.LANGUAGE, "heat.cpp"), "fortran": (fortran.LANGUAGE, "heat.f90")}


@pytest.fixture(params=LANGUAGES)
def backend(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


def test_a_compiler_that_is_missing_is_named_with_its_remedy(backend, measured) -> None:
    language, _ = LANGUAGES[backend]
    env = {language.variables[-1]: "/nonexistent/compiler"}
    (record,) = measured("heat", "-b", backend, "--size", "tiny", env=env)
    assert record["status"] == "skipped"
    assert record["reasons"] == [
        f"no {language.name} compiler found (/nonexistent/compiler); install one "
        f"(Debian: apt install {language.package}), or set {language.variables[-1]}"
    ]


def test_none_on_the_path_is_told_as_well(backend, monkeypatch) -> None:
    language, _ = LANGUAGES[backend]
    monkeypatch.delenv(language.variables[-1], raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="compiler found; install one"):
        language.compiler()


def test_other_flags_are_another_library_and_another_record(backend, measured, tmp_path) -> None:
    """A debugging build in the shell's profile must not be taken for the ordinary one."""
    language, _ = LANGUAGES[backend]
    run = ("heat", "-b", backend, "--size", "tiny", "--threads", "1")
    shared = {"JOULIA_CACHE_DIR": str(tmp_path / "cache")}
    slow = measured(*run, env=shared | {language.flags_variable: "-O0 -ffp-contract=off"})[-1]
    usual, again = (measured(*run, "--no-resume", env=shared)[-1] for _ in range(2))
    assert slow["id"] != usual["id"]
    assert "-O0" in slow["toolchain"]["flags"]
    assert "-ffp-contract=off" in usual["toolchain"]["flags"]
    assert "fast-math" not in usual["toolchain"]["flags"]
    assert language.compiler() in usual["toolchain"]["compiler"]
    states = [record["startup"]["cache"] for record in (slow, usual, again)]
    assert states == ["cold", "cold", "warm"]
    assert len(list((tmp_path / "cache" / "compiled").glob("*/*.so"))) == 2


def test_two_ranks_share_one_compilation(backend, measured) -> None:
    (record,) = measured("heat", "-b", backend, "--size", "tiny", "--ranks", "2", "--cold")
    assert record["status"] == "valid", record["reasons"] + record["stderr"]
    assert record["startup"]["cache"] == "cold"


def test_what_the_compiler_refuses_is_told_with_its_file(backend, monkeypatch, tmp_path) -> None:
    """A slip while a source is written: the first error, not the last line of many."""
    language, name = LANGUAGES[backend]
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path))
    entry = registry.kernel("heat")
    text = (entry.folder / name).read_text()
    (tmp_path / name).write_text(text.replace("cy", "cyy", 1))
    case = make_case("heat", backend)
    with pytest.raises(RuntimeError, match=rf"does not compile {name}: .*{name}:\d+") as told:
        language.library(entry.kernel, Source(tmp_path / name, entry.package), case)
    assert "rror" in str(told.value)
    assert not list(Path(tmp_path / "compiled").glob("*/*.so"))
