"""joulia's own processes import nothing from the folder that it happens to run in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import joulia as package
from joulia.meters._sampled import ProcessSampler, Reader
from joulia.system import interpreter
from joulia.system.clock import raw_clock

HOME = Path(package.__file__).parent
TRAP = (
    "from pathlib import Path\n(Path({folder!r}) / 'imported').open('a').write(__name__ + '\\n')\n"
)
NAMES = ("numba.py", "numpy.py", "statistics.py", "click.py", "mpi4py.py", "joulia/__init__.py")
"""What may lie where people work: their own files, and another checkout's `src/`."""


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder whose modules leave a trace where they are imported."""
    folder = tmp_path / "work"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(TRAP.format(folder=str(folder)))
    return folder


def test_the_trap_works(trap: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "joulia.measure.worker"], cwd=trap, capture_output=True, check=False
    )
    assert done.returncode
    assert "joulia" in (trap / "imported").read_text()


@pytest.mark.parametrize(("backend", "ranks"), [("numba", 1), ("numpy", 2)])
def test_a_case_imports_nothing_from_the_current_folder(
    backend: str,
    ranks: int,
    joulia: Callable[..., subprocess.CompletedProcess[str]],
    trap: Path,
    tmp_path: Path,
) -> None:
    """Neither alone nor under mpiexec, where it starts in this folder as well."""
    output = tmp_path / "r.jsonl"
    done = joulia(
        "run", "stream", "-b", backend, "--size", "tiny", "--threads", "1", "--ranks", str(ranks),
        "--oversubscribe", "--window", "0.001", "--repeats", "1", "--no-ceiling", "-o", output,
        cwd=trap,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(output.read_text())["status"] == "valid"
    assert not (trap / "imported").exists()


def test_the_process_that_asks_the_gpus_driver_does_not_either(trap: Path, stub: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from joulia.system import cuda; cuda.survey()"],
        env=os.environ | {"LD_LIBRARY_PATH": str(stub), "STUB_CUDA": "gpus=1,driver=12040"},
        cwd=trap,
        check=False,
    )
    assert done.returncode == 0
    assert not (trap / "imported").exists()


def test_nor_does_the_sampler_of_a_meter(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (trap / "power1_input").write_text("50000000\n")
    rails = {"rail": str(trap / "power1_input")}
    reader = Reader(dict, "joulia.meters.occ:power_reader", [rails])
    monkeypatch.chdir(trap)
    sampler = ProcessSampler(reader, 0.01, raw_clock)
    sampler.start(())
    sampler.close()
    assert not (trap / "imported").exists()


def test_only_one_place_starts_pythons() -> None:
    """Every other file asks it; `guard` is isolated, and three look for what lies beside Python."""
    allowed = {
        "system/interpreter.py",
        "system/guard.py",
        "gate/builds.py",
        "parallel/launchers.py",
        "setup/kokkos.py",
    }
    naming = {
        str(path.relative_to(HOME))
        for folder in (HOME, HOME / "kernels", HOME / "bridges")
        for path in folder.rglob("*.py")
        if re.search(r"\bsys\.executable\b", path.read_text())
    }
    assert naming == allowed


def test_a_joulia_that_is_installed_nowhere_is_found_by_its_own_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`cd src; python -m joulia`: there the current folder is what was asked for."""
    assert interpreter.python("-m", "joulia")[1:] == ["-P", "-m", "joulia"]
    monkeypatch.chdir(interpreter.HOLDS_JOULIA)
    assert interpreter.python("-m", "joulia")[1:] == ["-P", "-m", "joulia"]
    monkeypatch.setattr(sys, "path", [str(interpreter.HOLDS_JOULIA), *sys.path])
    assert interpreter.python("-m", "joulia")[1:] == ["-m", "joulia"]
    monkeypatch.chdir(tmp_path)
    assert interpreter.python("-m", "joulia")[1:] == ["-P", "-m", "joulia"]
