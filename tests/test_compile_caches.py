"""Caches of compiled code: what a source includes or calls in other files is part of their keys."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from joulia.bridges import numba as numba_bridge
from joulia.bridges import occa
from joulia.setup import prepare

from .conftest import require


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


@pytest.mark.parametrize(("bridge", "anew"), [("numba", True), ("c++", False)])
def test_another_copy_of_the_sources_is_prepared_where_caches_are_by_place(
    bridge: str, anew: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba keeps what it compiled for a folder; `prepare` called a second checkout's warm."""
    require(bridge)
    times: list[int] = []
    monkeypatch.setattr(prepare, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(prepare, "compiled", lambda cases: times.append(len(cases)) or cases)
    prepare.warm(bridge, Console(quiet=True))
    prepare.warm(bridge, Console(quiet=True))
    assert len(times) == 1
    monkeypatch.setattr(prepare, "__file__", str(tmp_path / "joulia" / "setup" / "prepare.py"))
    prepare.warm(bridge, Console(quiet=True))
    assert len(times) == 1 + anew
