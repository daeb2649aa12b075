"""The checks can fail: each mutation of a rule turns a true figure into a wrong one."""

from __future__ import annotations

from pathlib import Path

import checks
import pytest

from joulia.energy import accounting, counters
from joulia.meters import _counter, nvml, occ


def test_a_wrap_is_not_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.wrapped_joules(tmp_path) == pytest.approx(2000.0)

    def without_the_range(
        self: _counter.Accumulator, before: float, raw_j: float, seconds: float
    ) -> float:
        return raw_j - before

    monkeypatch.setattr(_counter.Accumulator, "_step", without_the_range)
    assert checks.wrapped_joules(tmp_path) != pytest.approx(2000.0, rel=0.5)


def test_copies_are_told_by_what_they_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.threadripper_watts(tmp_path / "a") == pytest.approx(68.0, rel=0.03)
    monkeypatch.setattr(counters, "alike", lambda *_: False)
    assert checks.threadripper_watts(tmp_path / "b") == pytest.approx(136.0, rel=0.03)


def test_a_reset_is_held_against_what_a_package_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.watts_across_a_reset(tmp_path / "a") is None
    monkeypatch.setattr(_counter.Accumulator, "_plausible", lambda self, joules, *_: joules)
    monkeypatch.setattr(counters, "impossible", lambda *_: {})
    wrong = checks.watts_across_a_reset(tmp_path / "b")
    assert wrong == pytest.approx(49e3, rel=0.02)


def test_grace_is_not_added_to_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.superchip_watts(tmp_path / "a") == pytest.approx(600.0, rel=0.03)
    monkeypatch.setattr(nvml, "is_module", lambda name: False)
    assert checks.superchip_watts(tmp_path / "b") == pytest.approx(780.0, rel=0.03)


def test_vdd_is_not_summed_into_the_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.chip_watts(tmp_path / "a") == pytest.approx(checks.CHIPS_W, rel=0.02)
    kinds = tuple((p, "package" if "Vd" in p else kind) for p, kind in occ.KINDS)
    monkeypatch.setattr(occ, "KINDS", kinds)
    assert checks.chip_watts(tmp_path / "b") > 1.1 * checks.CHIPS_W


def test_a_meter_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.counted_twice() == 1
    # Each telling a meter of its own, as if the key held who told it.
    monkeypatch.setattr(accounting.Seen, "key", property(id))
    assert checks.counted_twice() == 2
