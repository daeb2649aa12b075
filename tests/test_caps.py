"""Power limits and clocks of processors as an axis, on fake trees; what is not allowed.

Nothing here writes below the machine's own /sys: every file is under a root of the test's.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trees
from limited import BEFORE, POLICIES, SWEEP, ZONE, begin, capped, cpufreq, limits_of, powercap

from joulia.case import Case, Settings
from joulia.cli.main import main
from joulia.errors import JouliaError
from joulia.records.record import Measured
from joulia.records.store import load
from joulia.runner import caps, launch, limits
from joulia.runner.limits import FILE, Refused, Setting

from . import results


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return begin(tmp_path, monkeypatch)


def test_a_frontier_over_power_limits_measures_under_each_and_puts_back(
    root: Path, joulia: Callable[..., Any], tmp_path: Path
) -> None:
    powercap(root)
    file = tmp_path / "f.jsonl"
    done = joulia(*SWEEP, "--power-limit", "20,12.5", "-o", file)
    assert done.returncode == 0, done.stderr
    assert limits_of(root) == BEFORE
    assert not limits.left_file().exists()
    records = load(file)
    assert [r.case.power_limit_w for r in records] == [20.0, 12.5]
    # What the process that measured saw of the hardware, not what was asked for.
    assert [r.conditions.package_limits_w for r in records if r.conditions] == [(20.0,), (12.5,)]
    assert len({r.id for r in records}) == 2
    assert "numpy at 20 W" in done.stdout
    assert "numpy at 12.5 W" in done.stdout
    assert "8^3, fp64 on numpy: quickest at " in done.stdout
    html = file.with_suffix(".html").read_text()
    assert "--power-limit 20,12.5" in html, "the command that measures again"
    again = joulia(*SWEEP, "--power-limit", "12.5,20", "-o", file)
    assert again.stderr.count("(resumed)") == 2, again.stderr


def test_clocks_of_fast_and_of_efficient_cores(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpufreq(root)
    seen_khz = []

    def measured(case: Case, settings: Settings) -> Measured:
        files = sorted((root / POLICIES).glob("*/scaling_max_freq"))
        seen_khz.append([int(file.read_text()) for file in files])
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    cases = [capped(clock_mhz=mhz) for mhz in (1200.0, 4000.0)]
    with caps.holding(cases) as held:
        assert held is not None
        for case in cases:
            assert held.measured(case, Settings()).status == "valid"
    assert seen_khz == [[1_200_000, 1_200_000], [4_000_000, 3_500_000]]
    measured(cases[0], Settings())
    assert seen_khz[-1] == [4_700_000, 3_500_000], "as before"
    with pytest.raises(JouliaError, match=r"Allowed: 800 to 4700 MHz"):
        caps.Caps([capped(clock_mhz=700.0)])


def test_a_limit_that_something_else_changes_makes_the_case_fail(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """thermald, tuned or a vendor's daemon writes the same file."""
    powercap(root)

    def measured(case: Case, settings: Settings) -> Measured:
        (root / ZONE / "constraint_0_power_limit_uw").write_text("35000000\n")
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    case = capped(power_limit_w=10.0)
    with caps.holding([case]) as held:
        assert held is not None
        part = held.measured(case, Settings())
    assert part.status == "failed"
    assert "is 35000000, where 10000000 was set: something else changes it" in part.reasons[0]
    assert limits_of(root) == BEFORE


def test_an_ac922_is_limited_as_a_node(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documentation/ABI/testing/sysfs-firmware-opal-powercap: whole watts of the system."""
    folder = "sys/firmware/opal/powercap/system-powercap"
    files = {"powercap-current": 3050, "powercap-min": 2000, "powercap-max": 3050}
    trees.put(root, {f"{folder}/{name}": watts for name, watts in files.items()})
    under = []

    def measured(case: Case, settings: Settings) -> Measured:
        under.append((root / folder / "powercap-current").read_text())
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    cases = [capped(power_limit_w=2500.0), capped(power_limit_w=2000.0)]
    with caps.holding(cases) as held:
        assert held is not None
        for case in cases:
            held.measured(case, Settings())
    assert under == ["2500\n", "2000\n"]
    assert (root / folder / "powercap-current").read_text() == "3050\n"
    with pytest.raises(JouliaError, match=r"\(the node\). Allowed: 2000 to 3050 W"):
        caps.Caps([capped(power_limit_w=1500.0)])


def test_the_lower_limit_of_a_packages_two_interfaces_counts(root: Path) -> None:
    """Laptops show a package through MSRs and through MMIO (`intel-rapl-mmio`, thermald's)."""
    mmio = "sys/class/powercap/intel-rapl-mmio:0"
    trees.put(
        powercap(root),
        {f"{mmio}/name": "package-0", f"{mmio}/constraint_0_power_limit_uw": 15_000_000},
    )
    with pytest.raises(JouliaError, match="Allowed: 1 to 15 W"):
        caps.Caps([capped(power_limit_w=20.0)])


def test_a_zone_that_does_not_enforce_its_limit_does_meanwhile(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.put(powercap(root), {f"{ZONE}/enabled": 0})
    enforced = []

    def measured(case: Case, settings: Settings) -> Measured:
        enforced.append((root / ZONE / "enabled").read_text())
        return Measured("valid")

    monkeypatch.setattr(launch, "measured", measured)
    case = capped(power_limit_w=10.0)
    with caps.holding([case]) as held:
        assert held is not None
        held.measured(case, Settings())
    assert enforced == ["1\n"]
    assert (root / ZONE / "enabled").read_text() == "0\n"


# ---- what is not allowed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--power-limit", "20,29"), "--power-limit 29 is not allowed for numpy (package-0). "
         "Allowed: 1 to 28 W"),
        (("--power-limit", "0.5"), "Allowed: 1 to 28 W"),
        (("--power-limit", "much"), "--power-limit much is not allowed. Allowed: numbers above 0"),
        (("--power-limit", "-5"), "--power-limit -5 is not allowed. Allowed: numbers above 0"),
        (("--clock", "1200"), "this machine lets nobody set that of its processor (no policy"),
    ],
)  # fmt: skip
def test_what_the_hardware_does_not_allow_is_a_line_before_anything_is_measured(
    root: Path, joulia: Callable[..., Any], tmp_path: Path, arguments: tuple[str], message: str
) -> None:
    powercap(root)
    done = joulia(*SWEEP, *arguments, "-o", tmp_path / "f.jsonl")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "f.jsonl").exists()
    assert limits_of(root) == BEFORE


def test_a_virtual_machine_has_nothing_to_limit(root: Path, joulia: Callable[..., Any]) -> None:
    trees.virtual_machine(root)
    done = joulia(*SWEEP, "--power-limit", "20")
    assert done.returncode == 2
    assert "no package with constraint_0_power_limit_uw below" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_user_who_may_not_gets_one_line_and_loses_nothing(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """powercap's and cpufreq's files are root's to write and others' to read, mode 0644."""
    powercap(root)
    write = Path.write_text

    def as_user(path: Path, text: str) -> int:
        if ZONE in str(path):
            raise PermissionError(13, "Permission denied")
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", as_user)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    file = tmp_path / "f.jsonl"
    kept = results.record("numpy", 1e-3)
    results.write(file, [kept])
    monkeypatch.setattr(sys, "argv", ["joulia", *SWEEP, "--power-limit", "10", "-o", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    limit = root / ZONE / "constraint_0_power_limit_uw"
    assert f"joulia: cannot set {limit}: Permission denied; run joulia as root, or" in told.err
    assert f"`chgrp GROUP {limit}; chmod g+w {limit}` with a group of yours" in told.err
    assert load(file) == [kept]
    assert limits_of(root) == BEFORE
    assert not limits.left_file().exists()


def test_what_the_kernel_refuses_even_to_root_is_the_firmwares(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`intel_rapl_common` ends a write to a locked limit in EACCES ("locked by BIOS")."""
    file = powercap(root) / ZONE / "constraint_0_power_limit_uw"
    opened: list[str] = []

    def refused(path: Path, text: str) -> None:
        opened.append(str(path))
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Refused, match="the firmware locks it"):
        limits.put(Setting(FILE, str(file), 10_000_000))
    assert opened == [str(file)]
