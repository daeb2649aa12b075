"""Caches of compiled code: what a source includes or calls in other files is part of their keys."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

from joulia.bridges import numba as numba_bridge
from joulia.bridges import occa

from .conftest import require
from .programs_run import program


def test_a_changed_header_is_compiled_anew_by_occa(tmp_path: Path) -> None:
    require("occa:serial")

    def properties(header: str) -> str:
        (tmp_path / "rule.h").write_text(header)
        return occa.kernel_properties({"real": "double"}, tmp_path / "rule.okl")

    assert properties("#define TWICE 2\n") == properties("#define TWICE 2\n")
    assert properties("#define TWICE 2\n") != properties("#define TWICE 3\n")


def test_a_changed_neighbour_is_compiled_anew_by_numba(tmp_path: Path, monkeypatch: Any) -> None:
    config: Any = importlib.import_module("numba.core.config")
    monkeypatch.setattr(config, "CACHE_DIR", config.CACHE_DIR)

    def place(neighbour: str) -> str:
        (tmp_path / "rule.py").write_text(neighbour)
        numba_bridge.keep_in_cache(tmp_path)
        return str(config.CACHE_DIR)

    assert place("TWICE = 2\n") == place("TWICE = 2\n")
    assert place("TWICE = 2\n") != place("TWICE = 3\n")


def test_another_copy_of_the_sources_finds_what_numba_compiled_for_the_first(
    tmp_path: Path,
) -> None:
    """A second checkout, an installed wheel: by its folders Numba called all of it cold."""
    require("numba")
    source = Path(numba_bridge.__file__).parents[1]
    copies = [tmp_path / name / "joulia" for name in ("first", "second")]
    asked = (
        "from joulia import solve; from joulia.bridges import numba; "
        "solve('stream', 'numba', shape=(8,), steps=1); print(numba.cache(), numba.__file__)"
    )
    told = []
    for copy in copies:
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        env = {"PYTHONPATH": str(copy.parent), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
        told.append(program(env, "-c", asked).split())
    assert [cache for cache, _ in told] == ["cold", "warm"]
    assert all(path.startswith(str(copy)) for (_, path), copy in zip(told, copies, strict=True))
